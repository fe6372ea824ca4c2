#!/bin/sh
# test_installed.sh BUILD SOURCE CONFIG: what is installed is enough to build a data plane outside this tree, by
# pkg-config, and to run it.
set -e
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
DESTDIR=$dir meson install -C "$1" --no-rebuild --quiet
export PKG_CONFIG_SYSROOT_DIR="$dir" PKG_CONFIG_PATH="$(dirname "$(find "$dir" -name millrace.pc)")"
cc -o "$dir/minimal" "$2" $(pkg-config --cflags --libs millrace)
"$dir/minimal" "$3" | grep 'unaccounted 0'
