# Says how soon assert_screen sees that the screen has changed: guests/reaction.S marks the moment.
use Mojo::Base 'basetest', -signatures;
use testapi;

sub run ($self) {
    assert_screen 'page-a', 60;
    for my $round (1 .. get_var('ROUNDS')) {
        send_key 'ret';
        assert_screen $round % 2 ? 'page-b' : 'page-a', timeout => 30, no_wait => get_var('NO_WAIT', 0);
    }
}

sub test_flags ($self) { {fatal => 1} }
1;
