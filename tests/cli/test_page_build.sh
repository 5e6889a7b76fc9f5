#!/usr/bin/env bash
# How the page comes into the program: without npm, without a network, again.
set -eu
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}
modules() { # modules NPM: what the build does to have the libraries in $work/page
    cmake -DFOLDER="$work/page" -DNPM="$1" -P "$root/cmake/page_modules.cmake" >"$work/said" 2>&1
}

# Without the page, or with a Node.js that is too old: configured, with a warning; a page that says so is in.
printf '#!/bin/sh\necho v16.20.2\n' >"$work/old_node"
chmod +x "$work/old_node"
mkdir "$work/project"
printf 'cmake_minimum_required(VERSION 3.23)\nproject(page NONE)\ninclude(%s/cmake/page.cmake)\n' "$root" >"$work/project/CMakeLists.txt"
for how in -DSCENESYNC_PAGE=OFF "-DNODE_PROGRAM=$work/old_node"; do
    cmake -G Ninja -S "$work/project" -B "$work/build" "$how" >"$work/said" 2>&1 || { cat "$work/said"; fail "configure $how"; }
    grep -q "The workers' page is left out" "$work/said" || fail "$how says nothing"
    cmake --build "$work/build" --target scenesync_page >"$work/said" 2>&1 || { cat "$work/said"; fail "build $how"; }
    cc -std=c17 -Wall -Wextra -Wpedantic -Werror -I"$root" -c "$work/build/page_assets.c" -o "$work/assets.o" || fail "compile $how"
    grep -q '"/", "text/html' "$work/build/page_assets.c" && grep -q '"/status", "text/html' "$work/build/page_assets.c" ||
        fail "$how: there is no page"
    strings "$work/assets.o" | grep -q 'was built without its page' || fail "$how: the page does not say so"
    rm -rf "$work/build"
done

# The libraries: fetched by npm once; no npm is called while the lock is what was fetched.
mkdir "$work/page"
cp cli/page/package.json cli/page/package-lock.json "$work/page"
printf '#!/bin/sh\necho "$@" >>%s/calls; mkdir -p node_modules\n' "$work" >"$work/npm"
printf '#!/bin/sh\necho no network >&2; exit 1\n' >"$work/no_npm"
chmod +x "$work/npm" "$work/no_npm"
modules "$work/no_npm" && fail 'nothing is there, and nothing failed'
grep -q 'no network' "$work/said" && grep -q 'SCENESYNC_PAGE=OFF' "$work/said" || { cat "$work/said"; fail 'it does not say what to do'; }
[ ! -e "$work/page/node_modules/.scenesync" ] || fail 'a failure counts as fetched'
modules "$work/npm" || { cat "$work/said"; fail 'npm was not called'; }
grep -qx -- 'ci .*--ignore-scripts.*' "$work/calls" || fail "npm $(cat "$work/calls")"
modules "$work/no_npm" || { cat "$work/said"; fail 'it asks npm for what is there'; }
echo >>"$work/page/package-lock.json"
modules "$work/no_npm" && fail 'another lock needs other libraries'
modules "$work/npm" || fail 'another lock'
# Two builds of one source tree at once: one fetches.
rm -rf "$work/page/node_modules" "$work/calls"
modules "$work/npm" &
modules "$work/npm"
wait
[ "$(wc -l <"$work/calls")" -eq 1 ] || fail "npm was called $(wc -l <"$work/calls") times"

[ "$failed" -eq 0 ] && echo 'the page is built, or left out'
exit "$failed"
