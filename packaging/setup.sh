# Sets a Debian 12 machine up for building and running Sutler. Sourced by demo.sh and test.sh.
#
# Everything here says what it does before it does it, does nothing that is already done, and can be
# run again. It works as root, or as a user who may use sudo.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What it takes to build, to run, to show the demo, to make the package, to test, and to measure.
build_packages=(build-essential ca-certificates clang curl libclang-dev libopencv-dev nasm pkg-config)
run_packages=(ovmf qemu-system-x86 qemu-utils seabios util-linux)
demo_packages=(debian-installer-12-netboot-amd64)
deb_packages=(dpkg-dev)
test_packages=(bash-completion binutils chromium chromium-driver lintian man-db memtest86+ mmdebstrap os-autoinst procps shellcheck systemd)

# The peers that figures are measured beside, with what they need to run and Debian does not say.
bench_packages=(binutils ffmpeg libfile-chdir-perl libio-stringy-perl libjson-validator-perl liblist-moreutils-perl
    libmojo-ioloop-readwriteprocess-perl os-autoinst)

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() {
    printf '\033[1;31m== %s\033[0m\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '   %s\n' "$@" >&2
    exit 1
}

# Shows the comment a script begins with and ends it, when that is asked for.
help_if_asked() {
    case $1 in -h | --help)
        sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        die "This needs root: $*" "Run it as root, or install sudo, or run it yourself and start again."
    fi
}

# Whether a package is installed, whatever its version.
is_installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

# The version apt would install: the candidate, which is not always what is there.
candidate() { apt-cache policy "$1" | sed -n 's/^  Candidate: //p'; }

# Never removes anything: what is in the way is for its owner to remove.
apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet --no-remove --no-install-recommends "$@"
}

# install_packages PACKAGE...: what is missing of them.
install_packages() {
    command -v apt-get > /dev/null ||
        die "This sets up Debian machines, and there is no apt-get here." \
            "Install by other means what packaging/setup.sh lists, then start again."
    local package missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    say "Installing ${missing[*]}"
    for package in "${missing[@]}"; do
        case $(candidate "$package") in
            '' | '(none)')
                note "apt does not know $package yet: fetching the package lists"
                apt_get update
                break
                ;;
        esac
    done
    match_qemu_utils "${missing[@]}"
    # Lists that are too old name files the archive no longer has: fetch new ones, try once more.
    if ! apt_get install "${missing[@]}"; then
        note "that did not work: fetching the package lists and trying once more"
        apt_get update
        match_qemu_utils "${missing[@]}"
        apt_get install "${missing[@]}" ||
            die "apt could not install ${missing[*]}" "What it says above is the reason."
    fi
    for package in "$@"; do
        is_installed "$package" || die "$package is not installed" "apt did not say why: sudo apt install $package"
    done
}

# QEMU's parts depend on one another by exact version. Some machines carry a qemu-utils that is newer
# than the qemu-system-x86 their archive offers (from backports, or from an archive that was taken
# out of the list); to install qemu-system-x86, apt would remove it. Where that is so, and only
# there, qemu-utils goes back to the version that fits.
match_qemu_utils() {
    case " $* " in *" qemu-system-x86 "*) ;; *) return 0 ;; esac
    is_installed qemu-utils || return 0
    local has wanted
    wanted=$(candidate qemu-system-x86)
    has=$(dpkg-query --show --showformat '${Version}' qemu-utils)
    dpkg --compare-versions "$has" gt "$wanted" || return 0
    apt-get install --simulate --no-remove --no-install-recommends qemu-system-x86 > /dev/null 2>&1 && return 0
    apt-cache madison qemu-utils | awk -F ' *[|] *' '{ print $2 }' | grep -Fxq "$wanted" ||
        die "qemu-utils $has is installed, but apt offers only qemu-system-x86 $wanted" \
            "and no qemu-utils of that version. Add the archive qemu-utils came from to" \
            "/etc/apt/sources.list.d, or remove qemu-utils, then start again."
    say "Putting qemu-utils back from $has to $wanted"
    note "apt offers qemu-system-x86 only in version $wanted, and the two must be the same."
    note "Disk images are read and written by both alike; nothing else changes."
    apt_get install --allow-downgrades "qemu-utils=$wanted" "qemu-system-x86=$wanted" ||
        die "apt could not do that" "What it says above is the reason."
}

# The Rust this source needs, from Cargo.toml.
rust_version() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml"; }

# Whether `cargo` is there and new enough.
is_rust_new_enough() {
    local has
    has=$(cd "$root" && cargo --version 2> /dev/null | awk '{ print $2 }')
    [ -n "$has" ] && [ "$(printf '%s\n' "$(rust_version)" "${has%%-*}" | sort --version-sort | head -n 1)" = "$(rust_version)" ]
}

install_rust() {
    # rustup puts it here and tells only new shells.
    local cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
    case ":$PATH:" in *":$cargo_bin:"*) ;; *) PATH=$cargo_bin:$PATH ;; esac
    is_rust_new_enough && return 0
    if command -v rustup > /dev/null; then
        say "Sutler needs Rust $(rust_version) or newer: rustup update stable"
        rustup update stable
        is_rust_new_enough ||
            die "Rust is still older than $(rust_version)" "Make it the default: rustup default stable"
    elif command -v cargo > /dev/null; then
        die "Sutler needs Rust $(rust_version) or newer; $(command -v cargo) is $(cargo --version)" \
            "Debian 12's own Rust is too old. Install a newer one beside it:" \
            "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal" \
            "It goes into ${cargo_bin%/bin} and does not touch Debian's. Then start again."
    else
        say "Installing Rust for $(id -un) with rustup, from https://sh.rustup.rs"
        note "Debian 12's own Rust is older than the $(rust_version) Sutler needs."
        note "It goes into ${cargo_bin%/bin}; 'rustup self uninstall' removes it."
        curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs |
            sh -s -- -y --quiet --profile minimal --no-modify-path
        is_rust_new_enough || die "Rust could not be installed" "What rustup says above is the reason."
    fi
}

# axe-core, which looks at our pages in the tests, into target/axe. It is in no Debian package.
axe_version=4.14.1
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
install_axe() {
    local folder=$root/target/axe
    [ "$(cat "$folder/version" 2> /dev/null)" != $axe_version ] || return 0
    command -v npm > /dev/null || install_packages npm
    say "Fetching axe-core $axe_version with npm"
    note "It goes into target/axe and looks at our pages in the tests; nothing of it is shipped."
    mkdir -p "$folder"
    (cd "$folder" && npm pack --silent "axe-core@$axe_version") > /dev/null ||
        die "axe-core could not be fetched" "What npm says above is the reason."
    local archive=$folder/axe-core-$axe_version.tgz
    echo "$axe_sha256  $archive" | sha256sum --check --quiet ||
        die "axe-core is not the file it should be" "Look at $archive, then remove it."
    tar --extract --gzip --file "$archive" --directory "$folder" --strip-components 1 package/axe.min.js
    echo $axe_version > "$folder/version"
}

# schemathesis, which asks our API what its own description promises, into target/schemathesis. It is in
# no Debian package.
schemathesis_version=4.32.5
install_schemathesis() {
    local folder=$root/target/schemathesis
    [ "$(cat "$folder/version" 2> /dev/null)" != $schemathesis_version ] || return 0
    install_packages python3-venv
    say "Fetching schemathesis $schemathesis_version with pip"
    note "It goes into target/schemathesis and asks our API in the tests; nothing of it is shipped."
    rm -rf "$folder"
    if ! { /usr/bin/python3 -m venv "$folder" &&
        "$folder/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$schemathesis_version"; }; then
        die "schemathesis could not be fetched" "What pip says above is the reason."
    fi
    echo $schemathesis_version > "$folder/version"
}

# Parts of Rust that a minimal installation leaves out; only the tests want them.
install_rust_components() {
    (cd "$root" && cargo fmt --version && cargo clippy --version) > /dev/null 2>&1 && return 0
    command -v rustup > /dev/null ||
        die "cargo fmt or cargo clippy is missing" "Install them the way this Rust was installed."
    say "Installing rustfmt and clippy with rustup"
    rustup component add rustfmt clippy
}

# The tool that packs the Debian package, with the version that is known to do it right.
install_cargo_deb() {
    local cargo_bin=${CARGO_HOME:-$HOME/.cargo}/bin
    case ":$PATH:" in *":$cargo_bin:"*) ;; *) PATH=$cargo_bin:$PATH ;; esac
    cargo deb --version > /dev/null 2>&1 && return 0
    say "Installing cargo-deb with cargo (some minutes, once)"
    cargo install --quiet --locked --version '^3' cargo-deb ||
        die "cargo-deb could not be installed" "What cargo says above is the reason."
}
