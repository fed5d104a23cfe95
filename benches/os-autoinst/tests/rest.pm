# Waits for a screen that does not come.
use Mojo::Base 'basetest', -signatures;
use testapi;

sub run ($self) {
    assert_screen 'page-a', 60;
    check_screen 'page-b', get_var('SECONDS');
}

sub test_flags ($self) { {fatal => 1} }
1;
