#!/bin/bash
# Builds Sutler, starts it, drops a job file into its folder, and shows what becomes of it: Debian's
# graphical installer is booted in a virtual machine and asked whether it still asks the right
# questions.
#
#   packaging/demo.sh           stops when you press Enter, so that there is time to look around
#   packaging/demo.sh --keep    leaves the appliance running and says how to stop it
#
# Works on a bare Debian 12, as root or through sudo, and can be run again. Needs 4 GiB of disk for
# the build and 2 GiB of memory. Ends with 0 when the job passed.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/setup.sh

keep=no
case ${1:-} in
    '') ;;
    --keep) keep=yes ;;
    -h | --help) help_if_asked "$1" ;;
    *) die "demo.sh does not know $1" "It knows --keep and --help." ;;
esac

install_packages "${build_packages[@]}" "${run_packages[@]}" "${demo_packages[@]}"
install_rust

say "Building Sutler (several minutes the first time)"
cargo build --release --locked
# Where cargo was told to build, if somebody told it.
sutler=${CARGO_TARGET_DIR:-target}/release/sutler

data=$(mktemp -d "${TMPDIR:-/tmp}/sutler-demo.XXXXXX")
server=

stop() {
    [ -n "$server" ] || return 0
    kill -TERM "$server" 2> /dev/null || true
    wait "$server" 2> /dev/null || true
    server=
}
trap stop EXIT
trap 'exit 130' INT TERM

say "Starting the appliance: $sutler serve --data $data --listen 127.0.0.1:0"
# In a session of its own, or Ctrl-C here would reach it too, and --keep would not keep it.
setsid "$sutler" serve --data "$data" --listen 127.0.0.1:0 > "$data/serve.out" 2> "$data/serve.log" < /dev/null &
server=$!
# It says its address when it is ready. When it ends instead, so does `tail`.
page=$(tail --pid "$server" --lines +1 --follow "$data/serve.out" 2> /dev/null | grep -Eom 1 'http://[^ ]+') || true
[ -n "$page" ] || die "The appliance did not start" "$(tail -n 20 "$data/serve.log")"
page=${page%/}
note "its page: $page/"

say "Dropping a job into its folder: assets/demo/installer -> $data/inbox/"
# Under a name that begins with a dot it is not looked at; the rename makes it arrive whole.
cp -r assets/demo/installer "$data/inbox/.installer"
mv "$data/inbox/.installer" "$data/inbox/installer"

# The data folder is new, so this is job 1.
job=1
for _ in $(seq 100); do
    "$sutler" --data "$data" show "$job" > /dev/null 2>&1 && break
    sleep 0.2
done
"$sutler" --data "$data" show "$job" > /dev/null 2>&1 || {
    cat "$data"/inbox/rejected/*.why.txt 2> /dev/null || true
    die "The job was not accepted" "Why is said above, and in $data/serve.log"
}
note "accepted as job $job: $page/jobs/$job"

say "Watching it (a boot takes a minute or more where guests are emulated)"
status=0
"$sutler" --data "$data" wait --progress "$job" || status=$?

say "What became of it"
"$sutler" --data "$data" show "$job" || true
note "page:    $page/jobs/$job"
note "results: $data/jobs/$job"

if [ "$keep" = yes ]; then
    say "The appliance stays: $page/"
    note "stop it with:      kill $server"
    note "then remove with:  rm -r $data"
    server=
elif [ -t 0 ]; then
    printf '\n   Press Enter to stop the appliance. '
    read -r || true
fi
stop
[ "$keep" = yes ] || note "the results stay in $data; remove them with: rm -r $data"

if [ "$status" -eq 0 ]; then
    say "The demo passed"
else
    say "The demo did not pass (exit code $status)"
fi
exit "$status"
