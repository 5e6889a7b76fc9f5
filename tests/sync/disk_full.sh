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
timeout 300 "$program" write "$mnt/store" >"$scratch/acks" 2>"$scratch/err"
grep -q 'the disk is full' "$scratch/err" || fail "no clear error: $(cat "$scratch/err")"
acked=$(tail -n 1 "$scratch/acks")
[ "${acked:-0}" -gt 0 ] || fail "nothing was acknowledged before"
"$program" check "$mnt/store" "$acked" || fail "something acknowledged is missing"

# Now not a page is free: the store still opens, to be read.
dd if=/dev/zero of="$mnt/filler2" bs=4096 count=1000 2>/dev/null
"$program" open "$mnt/store" >"$scratch/said" || fail "does not open: $(cat "$scratch/said")"
"$program" check "$mnt/store" "$acked" || fail "something acknowledged is missing"

rm "$mnt/filler" "$mnt/filler2"
"$program" write "$mnt/store" >"$scratch/acks" 2>"$scratch/err" &
writer=$!
more=0
while [ "${more:-0}" -le "$acked" ]; do # it may be slow to start, and fills the disk again
    kill -0 "$writer" 2>/dev/null && running=1 || running=
    more=$(grep -E '^[0-9]+$' "$scratch/acks" | tail -n 1)
    [ -n "$running" ] || break
    sleep 0.05
done
kill -9 "$writer" 2>/dev/null
wait "$writer" 2>/dev/null
[ "${more:-0}" -gt "$acked" ] || fail "does not go on with room: $(cat "$scratch/err")"
echo "disk_full: all up to edit $acked is there; $(cat "$scratch/said")"
