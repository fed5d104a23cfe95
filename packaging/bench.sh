#!/bin/bash
# Sets this machine up and measures what Sutler claims, beside the tools it is compared with. Without a
# name, the last thing it prints is a table of all figures.
#
#   packaging/bench.sh            all of it
#   packaging/bench.sh NAME...    only these, as `packaging/bench.sh video needles`
#
# Works on a bare Debian 12, as root or through sudo, and can be run again. Leave the machine alone
# meanwhile: what else runs on it is measured with it. SUTLER_BENCH_FRAMES names a folder of recorded
# screens (benches/support/frames.rs); without it Debian's installer is recorded once.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/setup.sh

help_if_asked "${1:-}"

install_packages "${build_packages[@]}" "${run_packages[@]}" "${demo_packages[@]}" "${bench_packages[@]}"
install_rust

say "Measuring (the first time something is built before)"
cargo bench --locked --bench bench -- "$@"
