#!/usr/bin/env bash
# The end states of W1 and W2 at scale 0.01: usage: bench/check.sh PROGRAM
set -euo pipefail
program=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for variant in op batch; do
    for workload in w1 w2; do
        result=$("$program" "$workload" --variant "$variant" --scale 0.01 --keep --dir "$dir")
        if ! grep -q '"fnv1a32":"54d81a9e"' <<<"$result"; then
            printf 'another end state of %s %s:\n%s\n' "$workload" "$variant" "$result"
            exit 1
        fi
    done
done
