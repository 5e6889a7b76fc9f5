#include "sync/meta.h"

#include "crdt/mutant.h"
#include "crdt/msgpack.h"

#include <string.h>

#define META_FORMAT 3u /* 2 did not remember others' starts */
#define META_FORMAT_MIN 2u

static uint8_t *put_starts(uint8_t *at, const sync_start *starts, size_t count)
{
    at = crdt_msgpack_put_uint(at, count);
    for (size_t i = 0; i < count; i++) {
        at = crdt_msgpack_put_uint(at, starts[i].nonce);
        at = crdt_msgpack_put_uint(at, starts[i].time);
    }
    return at;
}

static uint8_t *put_remembered(uint8_t *at, const sync_meta *meta)
{
    size_t count = 0;
    for (size_t i = 0; i < SYNC_REMEMBERED_COUNT_MAX; i++) {
        count += meta->remembered[i].count > 0;
    }
    at = crdt_msgpack_put_uint(at, count);
    for (size_t i = 0; i < SYNC_REMEMBERED_COUNT_MAX; i++) {
        const sync_remembered *row = &meta->remembered[i];
        if (row->count > 0) {
            at = crdt_msgpack_put_bin(at, (crdt_span){row->actor.bytes, 16});
            at = crdt_msgpack_put_uint(at, row->time);
            at = put_starts(at, row->starts, row->count);
        }
    }
    return at;
}

crdt_err sync_meta_encode(const sync_meta *meta, crdt_buf *out)
{
    const size_t row_numbers = 5 + 2 * SYNC_START_COUNT_MAX; /* an actor counts as 3 */
    crdt_err err = crdt_buf_reserve(out, (7 + 2 * SYNC_START_COUNT_MAX +
                                          4 * SYNC_FORMER_COUNT_MAX +
                                          row_numbers * SYNC_REMEMBERED_COUNT_MAX) *
                                             CRDT_MSGPACK_SIZE_MAX);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *at = out->data + out->size;
    at = crdt_msgpack_put_uint(at, META_FORMAT);
    at = crdt_msgpack_put_bin(at, (crdt_span){meta->actor.bytes, 16});
    at = crdt_msgpack_put_uint(at, meta->confirmed_time);
    at = put_starts(at, meta->starts, meta->start_count);
    const size_t former_count = MUTANT(247) ? 0 : meta->former_count;
    at = crdt_msgpack_put_uint(at, former_count);
    for (size_t i = 0; i < former_count; i++) {
        at = crdt_msgpack_put_bin(at, (crdt_span){meta->formers[i].actor.bytes, 16});
        at = crdt_msgpack_put_uint(at, meta->formers[i].time);
    }
    at = put_remembered(at, meta);
    out->size = (size_t)(at - out->data);
    return CRDT_OK;
}

static size_t read_starts(crdt_msgpack_reader *reader,
                          sync_start starts[SYNC_START_COUNT_MAX])
{
    size_t count = crdt_msgpack_read_count(reader, SYNC_START_COUNT_MAX, 2);
    for (size_t i = 0; i < count; i++) {
        starts[i].nonce = crdt_msgpack_read_uint(reader, UINT64_MAX);
        starts[i].time = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX);
    }
    return count;
}

static void read_remembered(crdt_msgpack_reader *reader, sync_meta *meta)
{
    memset(meta->remembered, 0, sizeof meta->remembered);
    size_t count = crdt_msgpack_read_count(reader, SYNC_REMEMBERED_COUNT_MAX, 3);
    for (size_t i = 0; i < count; i++) {
        sync_remembered *row = &meta->remembered[i];
        crdt_msgpack_read_fixed(reader, row->actor.bytes, sizeof row->actor.bytes);
        row->time = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX);
        row->count = read_starts(reader, row->starts);
    }
}

crdt_err sync_meta_decode(crdt_span bytes, sync_meta *meta, crdt_diag *diag)
{
    sync_meta read = *meta;
    crdt_actor actor = {{0}};
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    uint64_t format = crdt_msgpack_read_uint(&reader, UINT64_MAX);
    if ((format < META_FORMAT_MIN || format > META_FORMAT) && reader.err == CRDT_OK) {
        return crdt_diag_set(diag, CRDT_EVERSION, 0, "unknown format");
    }
    crdt_msgpack_read_fixed(&reader, actor.bytes, sizeof actor.bytes);
    read.confirmed_time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    read.start_count = read_starts(&reader, read.starts);
    read.former_count = crdt_msgpack_read_count(&reader, SYNC_FORMER_COUNT_MAX, 2);
    for (size_t i = 0; i < read.former_count; i++) {
        sync_former *former = &read.formers[i];
        crdt_msgpack_read_fixed(&reader, former->actor.bytes,
                                sizeof former->actor.bytes);
        former->time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    }
    if (format > META_FORMAT_MIN) {
        read_remembered(&reader, &read);
    }
    crdt_err err = crdt_msgpack_read_end(&reader);
    if (err != CRDT_OK) {
        return err;
    }
    if (!crdt_actor_equal(&actor, &meta->actor)) {
        read.start_count = MUTANT(250) ? read.start_count : 0;
        read.confirmed_time = 0;
    }
    *meta = read;
    return CRDT_OK;
}

void sync_meta_add_start(sync_meta *meta, uint64_t nonce, uint64_t time)
{
    if (meta->start_count == SYNC_START_COUNT_MAX) {
        meta->start_count--;
        memmove(&meta->starts[0], &meta->starts[1],
                meta->start_count * sizeof meta->starts[0]);
    }
    meta->starts[meta->start_count++] = (sync_start){nonce, time};
}

void sync_meta_add_former(sync_meta *meta, const crdt_actor *actor, uint64_t time)
{
    for (size_t i = 0; i < meta->former_count; i++) {
        if (crdt_actor_equal(&meta->formers[i].actor, actor)) {
            meta->formers[i].time =
                time < meta->formers[i].time ? time : meta->formers[i].time;
            return;
        }
    }
    if (meta->former_count == SYNC_FORMER_COUNT_MAX) {
        meta->former_count--;
        memmove(&meta->formers[0], &meta->formers[1],
                meta->former_count * sizeof meta->formers[0]);
    }
    meta->formers[meta->former_count++] = (sync_former){*actor, time};
}

static uint64_t next_time(const sync_start *starts, size_t count, size_t index)
{
    return index + 1 < count ? starts[index + 1].time : UINT64_MAX;
}

bool sync_meta_common_time(const sync_meta *meta, const sync_start *starts,
                           size_t start_count, uint64_t *time)
{
    for (size_t i = meta->start_count; i > 0; i--) {
        for (size_t j = start_count; j > 0; j--) {
            if (meta->starts[i - 1].nonce != starts[j - 1].nonce) {
                continue;
            }
            uint64_t mine = next_time(meta->starts, meta->start_count, i - 1);
            uint64_t theirs = next_time(starts, start_count, j - 1);
            *time = mine < theirs ? mine : theirs;
            if (*time == UINT64_MAX && !MUTANT(249)) {
                *time = meta->starts[i - 1].time;
            }
            return true;
        }
    }
    return false;
}

bool sync_meta_was_set_back(const sync_meta *meta, const sync_start *remembered,
                            size_t count, uint64_t time)
{
    if (count == 0) {
        return false;
    }
    /* The last one remembered is among mine, unless mine begin after it. */
    const sync_start *last = &remembered[count - 1];
    for (size_t i = 0; i < meta->start_count; i++) {
        if (meta->starts[i].nonce == last->nonce) {
            return next_time(meta->starts, meta->start_count, i) < time && !MUTANT(248);
        }
    }
    return meta->start_count < SYNC_START_COUNT_MAX ||
           last->time >= meta->starts[0].time;
}

uint64_t sync_meta_safe_time(const sync_meta *meta)
{
    for (size_t i = meta->start_count; i > 0; i--) {
        if (meta->starts[i - 1].time <= meta->confirmed_time) {
            return meta->starts[i - 1].time;
        }
    }
    return meta->confirmed_time;
}
