# The schedule of what the benches run with os-autoinst beside Sutler; SCENARIO names it.
use Mojo::Base -strict;
use testapi;
use autotest;

autotest::loadtest('tests/' . get_var('SCENARIO') . '.pm');
1;
