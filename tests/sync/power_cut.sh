#!/usr/bin/env bash
# The store on a file system whose power is cut while it writes: all that was acknowledged
# must be there after the next mount. Needs root and a loop device; else skipped (77).
# Usage: power_cut.sh [CUTS]      default $CUTS, or 100; BUILD_DIR is the folder of the build
set -u
program=${BUILD_DIR:?}/tests/store_kill
cuts=${1:-${CUTS:-100}}

skip() {
    echo "power_cut: skipped: $1"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root"
command -v mkfs.ext4 >/dev/null || skip "needs mkfs.ext4"

# In a place of its own: else a process that is put into another one meanwhile takes the mount
# along, and the file system that was shut down lives on there.
if [ -z "${POWER_CUT_APART:-}" ] && unshare --mount --propagation private true 2>/dev/null; then
    POWER_CUT_APART=1 exec unshare --mount --propagation private "$0" "$@"
fi

scratch=$(mktemp -d) || exit 2
mnt=$scratch/mnt
writer=
cleanup() {
    [ -n "$writer" ] && kill -9 "$writer" 2>/dev/null
    wait 2>/dev/null
    umount "$mnt" 2>/dev/null || umount -l "$mnt" 2>/dev/null # busy for a moment
    rm -rf "$scratch"
}
trap cleanup EXIT
# The kernel lets go of a loop device and of a mount in its own time.
again() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        "$@" 2>/dev/null && return
        sleep 0.1
    done
    "$@"
}
mkdir "$mnt"
truncate -s 64M "$scratch/img"
mkfs.ext4 -q -F "$scratch/img" || exit 2
mount -o loop "$scratch/img" "$mnt" 2>/dev/null || skip "cannot mount a loop device"

acked=-1
for ((i = 1; i <= cuts; i++)); do
    # The state folder is on the same disk: its power goes too.
    SCENESYNC_STATE_DIR=$mnt/state "$program" write "$mnt/store" >"$scratch/acks" 2>"$scratch/err" &
    writer=$!
    if ((i == cuts && acked < 1)); then # however slow it is to start: something is to be lost
        for ((wait = 0; wait < 2400; wait++)); do
            [ "$(grep -cE '^[0-9]+$' "$scratch/acks")" -gt 1 ] && break
            sleep 0.05
        done
    fi
    sleep "0.0$((RANDOM % 10))$((RANDOM % 10))" # some cuts hit its opening
    "$program" cut "$mnt" || skip "the file system cannot be shut down"
    kill -9 "$writer" 2>/dev/null
    wait "$writer" 2>/dev/null
    writer=
    line=$(grep -E '^[0-9]+$' "$scratch/acks" | tail -n 1)
    acked=${line:-$acked}
    again umount "$mnt" && again mount -o loop "$scratch/img" "$mnt" || exit 2
    if ! SCENESYNC_STATE_DIR=$mnt/state "$program" check "$mnt/store" "$acked"; then
        echo "power_cut: cut $i: acknowledged up to $acked, and something is missing"
        exit 1
    fi
done
echo "power_cut: $cuts cuts, all up to edit $acked is there"
[ "$acked" -gt 0 ]
