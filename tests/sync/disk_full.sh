#!/usr/bin/env bash
# A disk that fills up while the store writes: a clear error, all that was acknowledged is
# there and can be read, and writing goes on once there is room. Needs root; else skipped
# (77). BUILD_DIR is the folder of the build.
set -u
program=${BUILD_DIR:?}/tests/store_kill

skip() {
    echo "disk_full: skipped: $1"
    exit 77
}
fail() {
    echo "disk_full: $1"
    exit 1
}
[ "$(id -u)" = 0 ] || skip "needs root"
scratch=$(mktemp -d) || exit 2
mnt=$scratch/mnt
cleanup() {
    umount "$mnt" 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
mkdir "$mnt"
mount -t tmpfs -o size=2m none "$mnt" 2>/dev/null || skip "cannot mount"
export SCENESYNC_STATE_DIR=$scratch/state

# Little room beside the store: it fills up at some checkpoint.
"$program" open "$mnt/store" >/dev/null || fail "cannot make a store"
room=$(($(stat -f -c '%a * %S' "$mnt") - 200000))
dd if=/dev/zero of="$mnt/filler" bs=4096 count=$((room / 4096)) 2>/dev/null
timeout 60 "$program" write "$mnt/store" >"$scratch/acks" 2>"$scratch/err"
grep -q 'the disk is full' "$scratch/err" || fail "no clear error: $(cat "$scratch/err")"
acked=$(tail -n 1 "$scratch/acks")
[ "${acked:-0}" -gt 0 ] || fail "nothing was acknowledged before"
"$program" check "$mnt/store" "$acked" || fail "something acknowledged is missing"

# Now not a page is free: the store still opens, to be read.
dd if=/dev/zero of="$mnt/filler2" bs=4096 count=1000 2>/dev/null
"$program" open "$mnt/store" >"$scratch/said" || fail "does not open: $(cat "$scratch/said")"
"$program" check "$mnt/store" "$acked" || fail "something acknowledged is missing"

rm "$mnt/filler" "$mnt/filler2"
timeout 1 "$program" write "$mnt/store" >"$scratch/acks" 2>"$scratch/err"
more=$(tail -n 1 "$scratch/acks")
[ "${more:-0}" -gt "$acked" ] || fail "does not go on with room: $(cat "$scratch/err")"
echo "disk_full: all up to edit $acked is there; $(cat "$scratch/said")"
