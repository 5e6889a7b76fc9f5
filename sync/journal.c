#include "sync/journal.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "sync/file.h"
#include "sync/little.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A group's head (docs/FORMAT.md, "Store"): ten little-endian integers.
 *
 *    0  number      8  sequence    16  bytes after the head    24  bytes of a half
 *   32  hash of the version, low and high    48  digest, low and high
 *   64  XXH3-64 of the bytes                 72  XXH3-64 of 0 .. 71 */
enum { HEAD_SIZE = SYNC_JOURNAL_HEAD_SIZE, SEALED_SIZE = 72 };
#define FILE_SIZE_MAX ((size_t)256 << 20)
#define ZEROS_SIZE ((size_t)4 << 10) /* a page: so it is what a write makes dirty */

void sync_journal_init(sync_journal *journal, crdt_alloc alloc)
{
    *journal = (sync_journal){.fd = -1};
    crdt_buf_init(&journal->scratch, alloc);
}

void sync_journal_deinit(sync_journal *journal)
{
    if (journal->fd >= 0) {
        close(journal->fd);
        journal->fd = -1;
    }
    crdt_buf_deinit(&journal->scratch);
}

static size_t round_up(size_t size)
{
    return (size + SYNC_JOURNAL_SECTOR - 1) / SYNC_JOURNAL_SECTOR * SYNC_JOURNAL_SECTOR;
}

/* ---- writing ---- */

static bool fill_with_zeros(int fd, size_t size)
{
    static const uint8_t zeros[ZEROS_SIZE];
    for (size_t at = 0; at < size; at += ZEROS_SIZE) {
        size_t left = size - at;
        if (!sync_file_write(fd, zeros, left < ZEROS_SIZE ? left : ZEROS_SIZE, at)) {
            return false;
        }
    }
    return MUTANT(324) || fsync(fd) == 0;
}

crdt_err sync_journal_make(sync_journal *journal, const char *dir, const char *path,
                           uint64_t seed, size_t half_size, crdt_diag *diag)
{
    assert(journal->fd < 0);
    journal->half_size = round_up(half_size);
    journal->seed = seed;
    journal->offset = 0;
    journal->half = 0;
    journal->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good =
        journal->fd >= 0 && fill_with_zeros(journal->fd, 2 * journal->half_size);
    crdt_err err = CRDT_OK;
    if (!good) {
        err = crdt_diag_set(diag, CRDT_EIO, 0, "cannot make the journal: %s",
                            sync_file_reason(errno));
    } else {
        err = sync_file_sync_dir(dir, diag);
    }
    if (err != CRDT_OK && journal->fd >= 0) {
        close(journal->fd);
        journal->fd = -1;
        (void)unlink(path);
    }
    return err;
}

bool sync_journal_fits(const sync_journal *journal, size_t size)
{
    size_t left = journal->half_size - journal->offset;
    return left >= HEAD_SIZE && size <= left - HEAD_SIZE;
}

static void put_head(uint8_t head[HEAD_SIZE], const sync_journal_group *group,
                     uint64_t seed, size_t half_size)
{
    sync_put_u64(head, group->number);
    sync_put_u64(head + 8, group->sequence);
    sync_put_u64(head + 16, group->bytes.size);
    sync_put_u64(head + 24, half_size);
    sync_put_u64(head + 32, group->mark.version.low);
    sync_put_u64(head + 40, group->mark.version.high);
    sync_put_u64(head + 48, group->mark.state.low);
    sync_put_u64(head + 56, group->mark.state.high);
    sync_put_u64(head + 64, crdt_hash64(group->bytes, seed));
    sync_put_u64(head + 72, crdt_hash64((crdt_span){head, SEALED_SIZE}, seed));
}

crdt_err sync_journal_encode(const sync_journal_group *group, uint64_t seed,
                             size_t half_size, crdt_buf *out)
{
    uint8_t head[HEAD_SIZE];
    crdt_err err = crdt_buf_reserve(out, sizeof head + group->bytes.size);
    if (err == CRDT_OK) {
        put_head(head, group, seed, half_size);
        crdt_buf_append(out, head, sizeof head);
        crdt_buf_append_span(out, group->bytes);
    }
    return err;
}

crdt_err sync_journal_append(sync_journal *journal, const sync_journal_group *group,
                             crdt_diag *diag)
{
    assert(sync_journal_fits(journal, group->bytes.size));
    crdt_buf *scratch = &journal->scratch;
    crdt_buf_clear(scratch);
    crdt_err err =
        sync_journal_encode(group, journal->seed, journal->half_size, scratch);
    if (err != CRDT_OK) {
        return err;
    }
    uint64_t at = (uint64_t)journal->half * journal->half_size + journal->offset;
    if (!sync_file_write(journal->fd, scratch->data, scratch->size, at) ||
        (!MUTANT(323) && fdatasync(journal->fd) != 0)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "cannot write to the journal: %s",
                             sync_file_reason(errno));
    }
    journal->offset = round_up(journal->offset + scratch->size);
    return CRDT_OK;
}

void sync_journal_turn(sync_journal *journal)
{
    journal->half = MUTANT(307) ? 0 : 1 - journal->half;
    journal->offset = 0;
}

/* ---- reading ---- */

/* The file in memory, and how far the walk has come. */
typedef struct walk {
    const uint8_t *bytes;
    size_t size;
    uint64_t seed;
    uint64_t reached; /* number of the last group that is known */
    uint64_t torn_size;
    sync_journal_visit visit;
    void *ctx;
} walk;

/* The head at `at`, if there is one; its bytes are not looked at, but lie in the file. */
static bool get_head(const walk *w, size_t at, sync_journal_group *group)
{
    const uint8_t *head = w->bytes + at;
    if (w->size - at < HEAD_SIZE ||
        (sync_get_u64(head + 72) !=
             crdt_hash64((crdt_span){head, SEALED_SIZE}, w->seed) &&
         !(MUTANT(303) && sync_get_u64(head) > 0))) {
        return false;
    }
    uint64_t size = sync_get_u64(head + 16);
    *group = (sync_journal_group){
        .number = sync_get_u64(head),
        .sequence = sync_get_u64(head + 8),
        .mark = {.version = {sync_get_u64(head + 32), sync_get_u64(head + 40)},
                 .state = {sync_get_u64(head + 48), sync_get_u64(head + 56)}},
    };
    if (size > w->size - at - HEAD_SIZE) {
        size = w->size - at - HEAD_SIZE; /* cut: the hash will tell */
    }
    group->bytes = (crdt_span){head + HEAD_SIZE, (size_t)size};
    return true;
}

static bool is_whole(const walk *w, const sync_journal_group *group)
{
    const uint8_t *head = group->bytes.data - HEAD_SIZE;
    return group->bytes.size == sync_get_u64(head + 16) &&
           (sync_get_u64(head + 64) == crdt_hash64(group->bytes, w->seed) ||
            MUTANT(304));
}

/* The groups that follow each other from `begin` on: those that are known already are
 * passed over, the ones after them visited. */
static crdt_err walk_half(walk *w, size_t begin, crdt_diag *diag)
{
    sync_journal_group group;
    uint64_t before = 0;
    for (size_t at = begin; at < w->size && get_head(w, at, &group);) {
        bool follows = at == begin || group.number == before + 1;
        if ((!follows && !MUTANT(305)) ||
            (group.number > w->reached + 1 && !MUTANT(305)) || !is_whole(w, &group)) {
            break;
        }
        if (group.number == w->reached + 1 ||
            (MUTANT(305) && group.number > w->reached)) {
            crdt_err err = w->visit(w->ctx, &group, diag);
            if (err != CRDT_OK) {
                return err;
            }
            w->reached = group.number;
        }
        before = group.number;
        at = round_up(at + HEAD_SIZE + group.bytes.size);
    }
    return CRDT_OK;
}

/* Nothing may be left that comes later, but the one that was being written. */
static crdt_err check_rest(walk *w, crdt_diag *diag)
{
    for (size_t at = 0; at < w->size; at += SYNC_JOURNAL_SECTOR) {
        sync_journal_group group;
        if (!get_head(w, at, &group)) {
            continue;
        }
        if (sync_get_u64(w->bytes + at + 24) != w->size / 2) {
            return crdt_diag_set(diag, CRDT_ECORRUPT, w->size,
                                 "the journal is not as long as it was made: restore a "
                                 "copy, or start anew from a peer");
        }
        if (group.number <= w->reached) {
            continue;
        }
        if (group.number > w->reached + 1 || is_whole(w, &group)) {
            return crdt_diag_set(
                diag, CRDT_ECORRUPT, at,
                "group %" PRIu64 " of the journal is there, but the one after %" PRIu64
                " is damaged or missing: restore a copy, or start anew from a peer",
                group.number, w->reached);
        }
        w->torn_size = HEAD_SIZE + group.bytes.size;
    }
    return CRDT_OK;
}

static crdt_err walk_all(walk *w, crdt_diag *diag)
{
    /* Halves are a sector or more, of one size; what follows the one may lie in the other. */
    size_t half = w->size / 2 / SYNC_JOURNAL_SECTOR * SYNC_JOURNAL_SECTOR;
    crdt_err err = CRDT_OK;
    for (unsigned turn = 0; turn < 3 && err == CRDT_OK; turn++) {
        err = walk_half(w, turn % 2 * half, diag);
    }
    return err == CRDT_OK && !MUTANT(306) ? check_rest(w, diag) : err;
}

crdt_err sync_journal_scan(crdt_span file, uint64_t seed, uint64_t after,
                           sync_journal_visit visit, void *ctx, uint64_t *torn_size,
                           crdt_diag *diag)
{
    walk w = {.bytes = file.data,
              .size = file.size,
              .seed = seed,
              .reached = after,
              .visit = visit,
              .ctx = ctx};
    crdt_err err = walk_all(&w, diag);
    *torn_size = w.torn_size;
    return err;
}

uint64_t sync_journal_salvage(crdt_span file, uint64_t seed,
                              void (*found)(void *ctx, const sync_journal_group *group),
                              void *ctx)
{
    walk w = {.bytes = file.data, .size = file.size, .seed = seed};
    uint64_t damaged = 0;
    for (size_t at = 0; at < file.size; at += SYNC_JOURNAL_SECTOR) {
        sync_journal_group group;
        if (get_head(&w, at, &group)) {
            bool whole = is_whole(&w, &group);
            damaged += whole ? 0 : 1;
            if (whole) {
                found(ctx, &group);
            }
        }
    }
    return damaged;
}

static crdt_err read_whole(int fd, crdt_buf *out, crdt_diag *diag)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "the journal: %s",
                             sync_file_reason(errno));
    }
    if (st.st_size < 0 || (uint64_t)st.st_size > FILE_SIZE_MAX) {
        return crdt_diag_set(diag, CRDT_ECORRUPT, 0, "the journal's size is absurd");
    }
    size_t size = (size_t)st.st_size;
    crdt_err err = crdt_buf_reserve(out, size);
    if (err != CRDT_OK) {
        return err;
    }
    if (size > 0 && !sync_file_read(fd, out->data, size, 0)) {
        return crdt_diag_set(diag, CRDT_EIO, 0, "the journal: %s",
                             sync_file_reason(errno));
    }
    out->size = size;
    return CRDT_OK;
}

crdt_err sync_journal_read(const char *path, uint64_t seed, uint64_t after,
                           crdt_alloc alloc, sync_journal_visit visit, void *ctx,
                           uint64_t *torn_size, crdt_diag *diag)
{
    *torn_size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? CRDT_OK
                               : crdt_diag_set(diag, CRDT_EIO, 0, "%.120s: %s", path,
                                               sync_file_reason(errno));
    }
    crdt_buf bytes;
    crdt_buf_init(&bytes, alloc);
    crdt_err err = read_whole(fd, &bytes, diag);
    close(fd);
    if (err == CRDT_OK) {
        err = sync_journal_scan(crdt_buf_span(&bytes), seed, after, visit, ctx,
                                torn_size, diag);
    }
    crdt_buf_deinit(&bytes);
    return err;
}
