# os-autoinst's own matcher asked what benches/needles.rs asks ours, on the same files.
#
# usage: needles.pl TASKS.json   with { needles: FOLDER, screens: [PNG], tasks: [{ first, count, ratio,
# repeats }] }. Prints for each task and screen a line of JSON with the milliseconds each repeat took,
# needle pictures being in memory and the screen being new, and the names of the needles that matched.
use strict;
use warnings;
use lib '/usr/lib/os-autoinst';
use Mojo::File 'path';
use Mojo::JSON qw(decode_json encode_json);
use Time::HiRes 'time';
BEGIN {
    # needle.pm takes one function from it, for git, and it would want much more than is needed here.
    $INC{'OpenQA/Isotovideo/Utils.pm'} = 'not used';
    no warnings 'once';
    *OpenQA::Isotovideo::Utils::import = sub { *needle::checkout_git_refspec = sub { undef } };
}
use bmwqemu;
use cv;
cv::init();
require tinycv;
use needle;

my $asked = decode_json(path($ARGV[0])->slurp);
my $folder = $asked->{needles};
chdir $folder;
$bmwqemu::vars{NEEDLES_DIR} = $bmwqemu::vars{CASEDIR} = $bmwqemu::vars{PRODUCTDIR} = $folder;
needle::init($folder);
# As isotovideo does before it searches.
tinycv::create_threads();
my @needles = sort { $a->{name} cmp $b->{name} } needle::all();
$| = 1;

for my $task (0 .. $#{$asked->{tasks}}) {
    my ($first, $count, $ratio, $repeats) = @{$asked->{tasks}[$task]}{qw(first count ratio repeats)};
    my @wanted = @needles[$first .. $first + $count - 1];
    # Reads the pictures of the needles.
    tinycv::read($asked->{screens}[0])->search(\@wanted, 0, 0);
    for my $screen (0 .. $#{$asked->{screens}}) {
        my $ppm = tinycv::read($asked->{screens}[$screen])->ppm_data;
        my (@ms, @ok);
        for (1 .. $repeats) {
            my $picture = tinycv::from_ppm($ppm);
            my $start = time;
            my ($found, $others) = $picture->search(\@wanted, 0, $ratio);
            push @ms, (time - $start) * 1000;
            @ok = sort map { $_->{needle}{name} } grep { $_ && $_->{ok} } $found, @{$others || []};
        }
        print encode_json({task => $task, screen => $screen, ms => \@ms, ok => \@ok}), "\n";
    }
}
my ($peak) = path('/proc/self/status')->slurp =~ /VmHWM:\s+(\d+)/;
print encode_json({peak_mib => $peak / 1024}), "\n";
