# The steps of assets/demo/installer/job.yaml, with its needles.
use Mojo::Base 'basetest', -signatures;
use testapi;

sub run ($self) {
    assert_screen 'installer-language', 600;
    send_key 'ret';
    assert_screen 'installer-location', 120;
    send_key 'ret';
    assert_screen 'installer-keyboard', 120;
    assert_and_click 'installer-continue', timeout => 30;
    assert_screen 'installer-hostname', 480;
    type_string "sutler\n";
    assert_screen 'installer-domain', 120;
    send_key 'ret';
    assert_screen 'installer-mirror', 240;
}

sub test_flags ($self) { {fatal => 1} }
1;
