#!/usr/bin/env bash
# What every engine must agree on, on small workloads: usage: bench/check.sh PROGRAM
set -euo pipefail
program=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

expect() { # expect WHAT RESULT TEXT: TEXT is in each line of RESULT
    if grep -vqF "$3" <<<"$2"; then
        printf '%s: not %s:\n%s\n' "$1" "$3" "$2"
        exit 1
    fi
}

# The end states of W1 and W2.
for variant in batch op; do
    for workload in w1 w2; do
        result=$("$program" "$workload" --variant "$variant" --scale 0.01 --keep --dir "$dir")
        expect "$workload $variant" "$(tail -n 1 <<<"$result")" '"fnv1a32":"54d81a9e"'
    done
done

# What W3's replicas draw, and that they end in one state.
lists=(5b668221cdbb90740ebb4f3349faeb8ad398ef1aca95b9348ffcdf6035960dff
    54bf12c2e3a9c6464d4579f4eea40ae86fbffbd2c50cbd2d4882a96349d82c5c)
for replica in 0 1; do
    sum=$("$program" w3-list --replica "$replica" | sha256sum)
    expect "list $replica of w3" "$sum" "${lists[replica]}"
done
expect w3 "$("$program" w3 --replicas 3 | grep W3-merge)" '"equal":true'

# Who joins late or loads is equal to those who were there.
result=$("$program" w45 --scale 0.01 --dir "$dir")
expect w45 "$(grep W5-save <<<"$result")" '"fnv1a32":"54d81a9e"'
expect w45 "$(grep W4- <<<"$result")" '"equal":true'
result=$("$program" w6)
expect w6 "$result" '"equal":true'
expect w6 "$result" '"equal_loaded":true'
expect w10 "$("$program" w10 --scale 0.01 | grep '"equal"')" '"equal":true'
expect w7 "$("$program" w7 --scale 0.01)" '"equal":true'
