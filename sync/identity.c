#include "sync/identity.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "sync/file.h"
#include "sync/little.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The state file (docs/FORMAT.md, "Store"): little-endian, 96 bytes in one sector.
 *
 *    0  8  "ssyncid1"
 *    8 16  token
 *   24  8  device       32  8  inode       40  8  time of birth, ns (0: not known)
 *   48  8  XXH3-64 of bytes 0..47
 *   64  8  commit reached
 *   72  8  1: closed in order, 0: in use
 *   80  8  the token's first 8 bytes (so that a note belongs to its token)
 *   88  8  XXH3-64 of bytes 64..87 */
enum {
    STATE_SIZE = 96,
    CLAIM_SIZE = 56,
    NOTE_OFFSET = 64,
    NOTE_SIZE = 32,
};
static const char STATE_MAGIC[8] = {'s', 's', 'y', 'n', 'c', 'i', 'd', '1'};

typedef struct file_id {
    uint64_t device;
    uint64_t inode;
    uint64_t birth_ns;
} file_id;

static bool identify(int fd, file_id *id)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0) {
        return false;
    }
    *id = (file_id){
        .device = makedev(st.stx_dev_major, st.stx_dev_minor),
        .inode = st.stx_ino,
    };
    if ((st.stx_mask & STATX_BTIME) != 0) {
        id->birth_ns =
            (uint64_t)st.stx_btime.tv_sec * 1000000000u + st.stx_btime.tv_nsec;
    }
    return true;
}

static void encode_claim(uint8_t bytes[CLAIM_SIZE], const sync_token *token,
                         const file_id *id)
{
    memcpy(bytes, STATE_MAGIC, 8);
    memcpy(bytes + 8, token->bytes, SYNC_TOKEN_SIZE);
    sync_put_u64(bytes + 24, id->device);
    sync_put_u64(bytes + 32, id->inode);
    sync_put_u64(bytes + 40, id->birth_ns);
    sync_put_u64(bytes + 48, crdt_hash64((crdt_span){bytes, 48}, 0));
}

static void encode_note(uint8_t note[NOTE_SIZE], const uint8_t *token, uint64_t commit,
                        bool closed)
{
    sync_put_u64(note, commit);
    sync_put_u64(note + 8, closed ? 1 : 0);
    memcpy(note + 16, token, 8);
    sync_put_u64(note + 24, crdt_hash64((crdt_span){note, 24}, 0));
}

crdt_err sync_identity_dir(char path[SYNC_PATH_MAX], const char *asked, crdt_diag *diag)
{
    const char *dir = asked != NULL ? asked : getenv("SCENESYNC_STATE_DIR");
    if (dir != NULL && dir[0] != '\0') {
        return sync_file_join(path, dir, "stores", diag);
    }
    dir = getenv("XDG_STATE_HOME");
    if (dir != NULL && dir[0] == '/') {
        return sync_file_join(path, dir, "scenesync/stores", diag);
    }
    dir = getenv("HOME");
    if (dir != NULL && dir[0] == '/') {
        return sync_file_join(path, dir, ".local/state/scenesync/stores", diag);
    }
    return crdt_diag_set(diag, CRDT_ENOTFOUND, 0, "there is no home folder");
}

/* Open, or make, the state file of the store's file. */
static crdt_err open_state(sync_identity *identity, const char *asked,
                           const file_id *id, bool *made, crdt_diag *diag)
{
    char dir[SYNC_PATH_MAX];
    char path[SYNC_PATH_MAX];
    char name[48];
    snprintf(name, sizeof name, "%" PRIx64 "-%" PRIx64, id->device, id->inode);
    crdt_err err = sync_identity_dir(dir, asked, diag);
    if (err == CRDT_OK) {
        err = sync_file_make_dir(dir, diag);
    }
    if (err == CRDT_OK) {
        err = sync_file_join(path, dir, name, diag);
    }
    if (err != CRDT_OK) {
        return err;
    }
    identity->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    *made = identity->fd < 0 && errno == ENOENT;
    if (*made) {
        identity->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    if (identity->fd < 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "%.120s: %s", path,
                             sync_file_reason(errno));
    }
    return *made ? sync_file_sync_dir(dir, diag) : CRDT_OK;
}

static sync_actor_origin judge(const uint8_t state[STATE_SIZE],
                               const sync_identity_claim *claim, const file_id *id)
{
    uint8_t expected[CLAIM_SIZE];
    encode_claim(expected, &claim->token, id);
    if (memcmp(state + 24, expected + 24, 24) != 0 && !MUTANT(317)) {
        return SYNC_ACTOR_COPIED; /* the inode belonged to another file */
    }
    if (memcmp(state, expected, CLAIM_SIZE) != 0 && !MUTANT(318)) {
        return SYNC_ACTOR_RESTORED;
    }
    const uint8_t *note = state + NOTE_OFFSET;
    bool valid = sync_get_u64(note + 24) == crdt_hash64((crdt_span){note, 24}, 0) &&
                 memcmp(note + 16, claim->token.bytes, 8) == 0;
    if (!valid || (sync_get_u64(note) > claim->commit && !MUTANT(316))) {
        return SYNC_ACTOR_RESTORED;
    }
    return SYNC_ACTOR_KEPT;
}

static void close_state(sync_identity *identity)
{
    if (identity->fd >= 0) {
        close(identity->fd);
    }
    identity->fd = -1;
}

sync_actor_origin sync_identity_prove(sync_identity *identity,
                                      const sync_identity_claim *claim, bool *unclean,
                                      crdt_diag *why)
{
    file_id id;
    bool made = false;
    identity->fd = -1;
    *unclean = false;
    if (!identify(claim->store_fd, &id)) {
        crdt_diag_set(why, CRDT_EIO, 0, "cannot identify the file: %s",
                      sync_file_reason(errno));
        return SYNC_ACTOR_UNPROVEN;
    }
    if (open_state(identity, claim->state_dir, &id, &made, why) != CRDT_OK) {
        close_state(identity);
        return SYNC_ACTOR_UNPROVEN;
    }
    sync_actor_origin origin = SYNC_ACTOR_COPIED;
    uint8_t state[STATE_SIZE] = {0};
    if (!made && sync_file_read(identity->fd, state, sizeof state, 0)) {
        origin = judge(state, claim, &id);
        *unclean =
            origin == SYNC_ACTOR_KEPT && sync_get_u64(state + NOTE_OFFSET + 8) == 0;
    }
    memset(state, 0, sizeof state);
    encode_claim(state, &claim->token_next, &id);
    encode_note(state + NOTE_OFFSET, claim->token_next.bytes, claim->commit, false);
    if (!sync_file_write(identity->fd, state, sizeof state, 0) ||
        fdatasync(identity->fd) != 0) {
        crdt_diag_set(why, CRDT_EIO, 0, "cannot write the state file: %s",
                      sync_file_reason(errno));
        close_state(identity);
        return SYNC_ACTOR_UNPROVEN;
    }
    return claim->created ? SYNC_ACTOR_NEW : origin;
}

static void write_note(sync_identity *identity, uint64_t commit, bool closed)
{
    uint8_t token[8];
    uint8_t note[NOTE_SIZE];
    if (identity->fd < 0 || !sync_file_read(identity->fd, token, sizeof token, 8)) {
        return;
    }
    encode_note(note, token, commit, closed);
    /* Where this fails, the older note stands: it proves less, nothing wrong. */
    (void)sync_file_write(identity->fd, note, sizeof note, NOTE_OFFSET);
}

void sync_identity_note(sync_identity *identity, uint64_t commit)
{
    write_note(identity, commit, false);
}

void sync_identity_release(sync_identity *identity, uint64_t commit)
{
    write_note(identity, commit, true);
    close_state(identity);
}
