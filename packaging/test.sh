#!/bin/bash
# Sets this machine up and runs everything that must be true before a change is good.
#
#   packaging/test.sh             all of it
#   packaging/test.sh FILTER...   only the tests whose names hold one of these words
#
# Works on a bare Debian 12, as root or through sudo, and can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/setup.sh

help_if_asked "${1:-}"

install_packages "${build_packages[@]}" "${run_packages[@]}" "${demo_packages[@]}" \
    "${deb_packages[@]}" "${test_packages[@]}"
install_rust
install_rust_components
install_axe
install_schemathesis

# The same inputs for the properties each time, for a test to say the same of the same code. Others
# are tried when tests are run by themselves, or with another number here.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}

passed=0
skipped=()
started=$SECONDS

# check NAME COMMAND...: the first that fails ends this.
check() {
    local name=$1 since=$SECONDS
    shift
    say "$name"
    "$@" || die "$name: not good" "Again, by itself: $*"
    note "$name: good, in $((SECONDS - since)) s"
    passed=$((passed + 1))
}

skip() {
    say "$1: left out"
    note "$2"
    skipped+=("$1")
}

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

run_tests() {
    if cargo nextest --version > /dev/null 2>&1; then
        cargo nextest run --locked "$@" 2>&1 | tee "$counts"
        return
    fi
    note "cargo-nextest is not installed: with plain cargo test, one at a time"
    # Real guests must not share a core, and cargo test has no groups.
    local filter
    for filter in "${@:-}"; do
        # shellcheck disable=SC2086 # no filter is no argument
        cargo test --locked --lib --bins --tests $filter -- --test-threads 1 2>&1 | tee -a "$counts"
    done
}

build_package() {
    SUTLER_TEST_DEB=$(packaging/deb.sh) || return
    export SUTLER_TEST_DEB
}

# They are left out of every other run, for there is no package then. That none is found is a fault.
test_package() {
    if cargo nextest --version > /dev/null 2>&1; then
        cargo nextest run --locked --test it --run-ignored only package:: 2>&1 | tee -a "$counts"
        return
    fi
    cargo test --locked --test it -- package:: --ignored --test-threads 1 2>&1 | tee -a "$counts" || return
    tail -n 3 "$counts" | grep -Eq '[1-9][0-9]* passed'
}

# Tests that passed: cargo test says it once for each binary; nextest once in all, and shows what some
# tests have printed, which looks the same.
tests_passed() {
    local lines='^test result'
    ! grep -q '^ *Summary \[' "$counts" || lines='^ *Summary \['
    grep -E "$lines" "$counts" | grep -Eo '[0-9]+ passed' | awk '{ sum += $1 } END { print sum + 0 }'
}

if [ $# -eq 0 ]; then
    check "Format" cargo fmt --check
    check "Lints" cargo clippy --locked --all-targets -- -D warnings
    check "Documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
    check "Scripts" shellcheck -x packaging/*.sh packaging/debian/p* tests/package/in_guest.sh .ci/run
    if cargo deny --version > /dev/null 2>&1; then
        check "Licences, bans and sources" cargo deny --config .deny.toml check licenses bans sources
        # The list of advisories is a repository; without the network to it that is no fault of ours.
        if cargo deny --config .deny.toml fetch db > /dev/null 2>&1; then
            check "Advisories" cargo deny --config .deny.toml check --disable-fetch advisories
        else
            skip "Advisories" "The advisory database cannot be reached from here."
        fi
    else
        skip "Licences, bans, sources and advisories" "cargo-deny is not installed: cargo install cargo-deny --locked"
    fi
fi
check "Tests" run_tests "$@"
if [ $# -eq 0 ]; then
    check "Package" build_package
    if [ "$(id -u)" -eq 0 ]; then
        check "Tests of the package" test_package
    else
        skip "Tests of the package" "They install it in a box of their own, and only root can make one."
    fi
fi

summary="$passed checks and $(tests_passed) tests passed"
[ ${#skipped[@]} -eq 0 ] || summary+=", ${#skipped[@]} left out"
minutes=$(((SECONDS - started) / 60))
say "$summary, in $minutes min $(((SECONDS - started) % 60)) s"
[ ${#skipped[@]} -eq 0 ] || for name in "${skipped[@]}"; do note "left out: $name"; done
