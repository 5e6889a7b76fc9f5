#!/usr/bin/env bash
# The same seeds are the same runs, whoever compiled the engine: one hash over everything that
# happens in the simulated worlds, for each build that there is.
#
#     tests/sim/same_trace.sh [SEEDS]            default: 50; the programs build/*/scenesync
#     tests/sim/same_trace.sh --build [SEEDS]    gcc and clang, -O0 and -O2, built for it
#
# Exit code 77: there are not two builds to compare.
set -u
cd "$(dirname "$0")/../.." || exit 2

build=no
[ "${1:-}" = --build ] && build=yes && shift
seeds=${1:-50}

if [ "$build" = yes ]; then
    for compiler in gcc clang; do
        for level in 0 2; do
            folder=build/trace-$compiler-O$level
            cxx=g++
            [ "$compiler" = clang ] && cxx=clang++
            cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER=$compiler \
                -DCMAKE_CXX_COMPILER=$cxx -DCMAKE_C_FLAGS="-O$level" -DCMAKE_CXX_FLAGS="-O$level" \
                -DSCENESYNC_TESTS=OFF -DSCENESYNC_BENCH=OFF >/dev/null &&
                cmake --build "$folder" --target scenesync >/dev/null || exit 1
        done
    done
fi

count=0
first=
for program in build/*/scenesync; do
    [ -x "$program" ] || continue
    case $program in build/mutants/* | build/coverage/* | build/fuzz/*) continue ;; esac
    if [ -n "$(find crdt scene sync cli -name '*.[ch]*' -newer "$program" -print -quit)" ]; then
        echo "$program: older than its source"
        continue
    fi
    hash=$("$program" fuzz --seed 1 --runs "$seeds" --json | sed -n 's/.*"summary".*"hash":"\([0-9a-f]*\)".*/\1/p')
    if [ -z "$hash" ]; then
        # An older build does not know the verb: it says nothing about this source.
        echo "$program: no hash"
        continue
    fi
    echo "$program: $seeds seeds, trace hash $hash"
    count=$((count + 1))
    first=${first:-$hash}
    if [ "$hash" != "$first" ]; then
        echo "another run than in the build before"
        exit 1
    fi
done
if [ "$count" -lt 2 ]; then
    echo "skipped: there are not two builds to compare; see the head of this file"
    exit 77
fi
echo "$count builds, one trace"
