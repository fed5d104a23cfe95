#!/bin/bash
# Builds the Debian package and prints where it is.
#
#   packaging/deb.sh
#   sudo apt install "$(packaging/deb.sh)"
#
# Works on a bare Debian 12, as root or through sudo, and can be run again. What it does is said on
# standard error, so that standard output is only the path.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/setup.sh

help_if_asked "${1:-}"

# Everything below says what it does on standard output; here that belongs to the path.
exec 3>&1 1>&2

install_packages "${build_packages[@]}" "${deb_packages[@]}"
install_rust
install_cargo_deb

say "Building Sutler (several minutes the first time)"
cargo build --release --locked
built=${CARGO_TARGET_DIR:-target}/release/sutler

say "Generating what the program says of itself"
made=target/package
rm -rf "$made"
mkdir -p "$made"
"$built" config default > "$made/sutler.toml"
"$built" generate man "$made/man"
for shell in bash zsh fish; do
    "$built" completions "$shell" > "$made/sutler.$shell"
done
# Whose work the program holds. Each once; build scripts and macros leave nothing in it, but are
# cheaper named than argued about.
cargo tree --locked --edges normal --prefix none --format '{p}  {l}  {r}' |
    sed 's/ (\*)//; s/ (proc-macro)//' | grep -v '^sutler v' | sort -u > "$made/crates"

say "Packing"
cargo deb --locked --no-build --quiet --output "$made/deb/" >&2
package=$(echo "$made"/deb/sutler_*.deb)
note "$(dpkg-deb --field "$package" Package Version Installed-Size Depends | paste -sd ' ')"
realpath "$package" >&3
