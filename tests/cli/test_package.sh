#!/usr/bin/env bash
# The installed package is usable: headers stand alone, the shared library exports what
# they declare and nothing else, and docs/example.c and docs/example_fuzz.c build and run by
# CMake and by pkg-config.
set -eu
root=$PWD
build=${BUILD_DIR:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}

cmake --install "$build" --prefix "$work/usr" >"$work/install.log"
libdir=$(dirname "$(find "$work/usr" -name libscenesync.a)")
include=$work/usr/include/scenesync

# What is there.
for file in bin/scenesync share/man/man1/scenesync.1 \
    share/bash-completion/completions/scenesync share/zsh/site-functions/_scenesync \
    share/fish/vendor_completions.d/scenesync.fish; do
    [ -s "$work/usr/$file" ] || fail "$file is not installed"
done
"$work/usr/bin/scenesync" --version | grep -q '^scenesync [0-9]' || fail 'scenesync --version'

# Each header compiles by itself, as C11 and inside extern "C" of a C++ program.
(cd "$include" && find . -name '*.h' -printf '%P\n') | sort >"$work/headers"
[ "$(wc -l <"$work/headers")" -gt 20 ] || fail 'hardly any header'
while read -r header; do
    printf '#include "%s"\n' "$header" >"$work/one.c"
    cc -std=c11 -Wall -Wextra -Werror -I"$include" -fsyntax-only "$work/one.c" ||
        fail "$header does not stand alone"
done <"$work/headers"

# Exported: exactly what the headers declare.
nm -D --defined-only "$libdir/libscenesync.so" | awk '$2 ~ /[TDBRW]/ { sub(/@.*/, "", $3); print $3 }' |
    grep -v '^SCENESYNC_' | sort -u >"$work/exported"
grep -vE '^(crdt|scene|sync)_' "$work/exported" && fail 'foreign symbols are exported'
[ "$(wc -l <"$work/exported")" -gt 100 ] || fail 'hardly anything is exported'
while read -r symbol; do
    grep -rqE "\b$symbol\(" "$include" || fail "$symbol is exported, but no header declares it"
done <"$work/exported"
readelf -d "$libdir/libscenesync.so" | grep -q 'SONAME.*libscenesync\.so\.0' || fail 'no SONAME'
nm -D --defined-only "$libdir/libscenesync.so" | grep -q '@@SCENESYNC_0' || fail 'no version on the symbols'

check_output() { # check_output NAME < output: two equal lines with both edits
    sort -u >"$work/lines"
    [ "$(wc -l <"$work/lines")" -eq 1 ] || fail "$1: the replicas differ"
    grep -q '"position"' "$work/lines" && grep -q '"scale"' "$work/lines" ||
        fail "$1: an edit is missing"
}

# By pkg-config, with the shared library.
export PKG_CONFIG_PATH=$libdir/pkgconfig
# shellcheck disable=SC2046
cc -std=c11 "$root/docs/example.c" $(pkg-config --cflags --libs scenesync) -o "$work/example" ||
    fail 'pkg-config'
LD_LIBRARY_PATH=$libdir "$work/example" | check_output pkg-config
# shellcheck disable=SC2046
cc -std=c11 "$root/docs/example.c" $(pkg-config --cflags scenesync) "$libdir/libscenesync.a" \
    $(pkg-config --static --libs-only-l scenesync | sed 's/-lscenesync//') -o "$work/example_static" ||
    fail 'pkg-config --static'
"$work/example_static" | check_output 'pkg-config --static'

# The program that fuzzes operations of its own.
# shellcheck disable=SC2046
cc -std=c11 "$root/docs/example_fuzz.c" $(pkg-config --cflags --libs scenesync) -o "$work/example_fuzz" ||
    fail 'pkg-config, example_fuzz'
LD_LIBRARY_PATH=$libdir "$work/example_fuzz" 1 20 | grep -q 'all good' || fail 'example_fuzz'

# By CMake, shared and static.
mkdir "$work/project"
cp "$root/docs/example.c" "$work/project"
cat >"$work/project/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.16)
project(example C)
find_package(scenesync 0.1 REQUIRED)
add_executable(shared example.c)
target_link_libraries(shared scenesync::scenesync)
add_executable(static example.c)
target_link_libraries(static scenesync::scenesync_static)
TEXT
cmake -G Ninja -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$work/usr" >"$work/cmake.log" &&
    cmake --build "$work/project/build" >>"$work/cmake.log" || { cat "$work/cmake.log"; fail 'CMake'; }
for kind in shared static; do
    "$work/project/build/$kind" | check_output "CMake, $kind"
done

[ "$failed" -eq 0 ] && echo 'the installed package works'
exit "$failed"
