#!/bin/bash
# A life with the package, in the guest of booted.rs. Says each truth on the console once it was
# found true; the first that is not ends this with what the appliance has said.
# shellcheck disable=SC2317 # functions are called by `truth`

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
inbox=/var/lib/sutler/inbox

say() { echo "package-test: $(cut -d. -f1 /proc/uptime) s: $*"; }

end() {
    echo "package-test: ended"
    exit
}

fail() {
    echo "package-test: not true: $*"
    systemctl status --no-pager --lines 0 sutler
    journalctl --no-pager --lines 60 --unit sutler
    sutler jobs
    find /var/lib/sutler -name '*.why.txt' -exec cat {} +
    find /var/lib/sutler/jobs -name engine.log -exec tail -n 20 {} +
    end
}

# truth WORDS COMMAND...
truth() {
    local words=$1
    shift
    "$@" > /tmp/out 2>&1 || {
        cat /tmp/out
        fail "$words"
    }
    say "$words"
}

install() { apt-get install --yes --no-install-recommends "$1"; }

# Looks until it is so. Seldom: what looks takes its time from what is looked at.
wait_until() {
    for _ in $(seq 60); do
        "$@" > /dev/null 2>&1 && return
        sleep 3
    done
    echo "in vain: $*"
    false
}

# is JOB STATE
is() { sutler show --json "$1" | grep -q "\"state\": *\"$2\""; }

drop() {
    setpriv --reuid ada --regid ada --init-groups -- bash -ec "umask 022; cp /test/$1.tar $inbox/.$1; mv $inbox/.$1 $inbox/$1.tar"
}

passes() { timeout 900 sutler wait "$1"; }

quick() { drop quick && wait_until sutler show 1 && passes 1; }

# Their folder is there, and only the appliance tells what is in it.
closed() { [ -e /var/lib/sutler/jobs/1/events.jsonl ] && ! runuser -u ada -- ls /var/lib/sutler/jobs; }

# What the devices file says is so after a reload, and what it no longer says is not.
reloads() {
    printf '[[device]]\nname = "bench"\ndevice_type = "qemu-x86_64"\n' > /etc/sutler/devices.toml
    systemctl reload sutler && sutler device show bench || return
    rm /etc/sutler/devices.toml
    systemctl reload sutler && sutler device show local
}

# runs JOB: the job that is dropped now, and will have this number.
runs() { drop slow && wait_until is "$1" running; }

main_pid() { systemctl show --property MainPID --value sutler; }

engine_pid() { pgrep -u sutler -f 'sutler engine'; }

# goes_on COMMAND...: another appliance afterwards, the same engine, and the job runs.
goes_on() {
    local main engine
    main=$(main_pid)
    engine=$(engine_pid)
    "$@" || return
    wait_until systemctl is-active sutler || return
    wait_until curl -fsS http://127.0.0.1:8470/ || return
    [ "$(main_pid)" != "$main" ] && [ "$(engine_pid)" = "$engine" ] && is 2 running
}

is_idle() { chrt --pid "$(pgrep -u sutler -f "$1")" | grep SCHED_IDLE; }

upgrade() { install /test/newer.deb && dpkg-query -W sutler | grep -F '+next'; }

# What is there, but for what package managers remember.
files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /var/lib/apt \
        -o -path /var/lib/systemd -o -path /etc/passwd- -o -path /etc/group- -o -path /etc/shadow- \
        -o -path /etc/gshadow- \) -prune -o -print | sort
}

purge() {
    apt-get purge --yes sutler || return
    pgrep -u sutler --list-full && return 1
    ! systemctl is-active sutler
}

no_file() {
    files > /root/after
    comm -13 /root/before /root/after | grep -v '^/root/after$' > /root/left
    cat /root/left
    [ ! -s /root/left ]
}

useradd --no-create-home ada
touch /root/before /root/left /tmp/out
files > /root/before

truth "apt installs it" install /test/sutler.deb
truth "it is active" wait_until systemctl is-active sutler
truth "it is enabled" systemctl is-enabled sutler
truth "little is open" systemd-analyze security --no-pager --threshold=20 sutler
truth "the page answers" wait_until curl -fsS http://127.0.0.1:8470/
usermod --append --groups sutler ada
truth "a job of a member of the group passes" quick
truth "a member of the group reads no results in the folder" closed
truth "a reload reads the devices file" reloads
runs 2 > /dev/null || fail "the slow job runs"
truth "its video is encoded at idle priority" wait_until is_idle encode-video
truth "a job goes on through a restart" goes_on systemctl restart sutler
truth "a job goes on through an upgrade" goes_on upgrade
truth "the job passes under the newer appliance" passes 2
runs 3 > /dev/null || fail "another job runs"
truth "purging it leaves no process" purge
truth "purging it leaves no file" no_file
end
