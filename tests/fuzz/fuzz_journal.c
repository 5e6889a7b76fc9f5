/* The journal's file, from any bytes: what is visited are groups that somebody sealed, in
 * order and without a gap.
 *
 *   byte 0      sectors of a half, 1 to 4
 *   byte 1      number of the last group that the tables have
 *   then steps  0 group: sector, number, size, bytes      1 patch: place (2), size, bytes
 *               2 cut: the file ends at place (2) */

#include "sync/journal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_input.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The file has up to eight sectors whatever the input says. */
const fuzz_budget fuzz_target_budget = {.factor = 2, .fixed = 8u << 10};

#define SEED 7u
#define GROUP_MAX 16

typedef struct file {
    uint8_t bytes[8 * SYNC_JOURNAL_SECTOR];
    size_t size;
    size_t half_size;
    /* Every group that was sealed. */
    uint8_t numbers[GROUP_MAX];
    crdt_span groups[GROUP_MAX];
    size_t count;
    uint64_t reached;
} file;

static void lay(file *f, size_t at, crdt_span bytes)
{
    if (at < f->size && bytes.size > 0) {
        size_t left = f->size - at;
        memcpy(f->bytes + at, bytes.data, bytes.size < left ? bytes.size : left);
    }
}

static void add_group(file *f, fuzz_input *in)
{
    size_t at = fuzz_take(in) % 8 * SYNC_JOURNAL_SECTOR;
    uint8_t number = (uint8_t)fuzz_take(in);
    crdt_span bytes = fuzz_take_span(in, 4 * fuzz_take(in));
    if (f->count == GROUP_MAX) {
        return;
    }
    f->numbers[f->count] = number;
    f->groups[f->count++] = bytes;
    sync_journal_group group = {.number = number, .sequence = number, .bytes = bytes};
    crdt_buf sealed;
    crdt_buf_init(&sealed, crdt_alloc_default());
    assert(sync_journal_encode(&group, SEED, f->half_size, &sealed) == CRDT_OK);
    lay(f, at, crdt_buf_span(&sealed));
    crdt_buf_deinit(&sealed);
}

static crdt_err visit(void *ctx, const sync_journal_group *group, crdt_diag *diag)
{
    file *f = ctx;
    (void)diag;
    assert(group->number == f->reached + 1);
    f->reached = group->number;
    for (size_t i = 0; i < f->count; i++) {
        if (f->numbers[i] == group->number && group->sequence == group->number &&
            crdt_span_equal(f->groups[i], group->bytes)) {
            return CRDT_OK;
        }
    }
    abort(); /* nobody sealed it */
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    file f = {.count = 0};
    f.half_size = (1 + fuzz_take(&in) % 4) * SYNC_JOURNAL_SECTOR;
    f.size = 2 * f.half_size;
    uint64_t after = fuzz_take(&in);
    f.reached = after;
    while (in.left > 0) {
        unsigned step = fuzz_take(&in);
        if (step % 3 == 0) {
            add_group(&f, &in);
            continue;
        }
        size_t place = fuzz_take(&in) << 8;
        place += fuzz_take(&in);
        if (step % 3 == 1) {
            lay(&f, place, fuzz_take_span(&in, fuzz_take(&in)));
        } else {
            f.size = place < f.size ? place : f.size;
        }
    }
    uint64_t torn_size = 0;
    crdt_diag diag = {.text = ""};
    crdt_err err = sync_journal_scan((crdt_span){f.bytes, f.size}, SEED, after, visit,
                                     &f, &torn_size, &diag);
    assert(err == CRDT_OK || (err == CRDT_ECORRUPT && diag.text[0] != '\0'));
    return err == CRDT_OK && f.reached > after;
}
