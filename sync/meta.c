#include "sync/meta.h"

#include "crdt/msgpack.h"

#include <string.h>

#define META_FORMAT 2u

crdt_err sync_meta_encode(const sync_meta *meta, crdt_buf *out)
{
    crdt_err err = crdt_buf_reserve(
        out, (6 + 2 * SYNC_START_COUNT_MAX + 4 * SYNC_FORMER_COUNT_MAX) *
                 CRDT_MSGPACK_SIZE_MAX);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *at = out->data + out->size;
    at = crdt_msgpack_put_uint(at, META_FORMAT);
    at = crdt_msgpack_put_bin(at, (crdt_span){meta->actor.bytes, 16});
    at = crdt_msgpack_put_uint(at, meta->confirmed_time);
    at = crdt_msgpack_put_uint(at, meta->start_count);
    for (size_t i = 0; i < meta->start_count; i++) {
        at = crdt_msgpack_put_uint(at, meta->starts[i].nonce);
        at = crdt_msgpack_put_uint(at, meta->starts[i].time);
    }
    at = crdt_msgpack_put_uint(at, meta->former_count);
    for (size_t i = 0; i < meta->former_count; i++) {
        at = crdt_msgpack_put_bin(at, (crdt_span){meta->formers[i].actor.bytes, 16});
        at = crdt_msgpack_put_uint(at, meta->formers[i].time);
    }
    out->size = (size_t)(at - out->data);
    return CRDT_OK;
}

crdt_err sync_meta_decode(crdt_span bytes, sync_meta *meta, crdt_diag *diag)
{
    sync_meta read = *meta;
    crdt_actor actor = {{0}};
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    if (crdt_msgpack_read_uint(&reader, UINT64_MAX) != META_FORMAT &&
        reader.err == CRDT_OK) {
        return crdt_diag_set(diag, CRDT_EVERSION, 0, "unknown format");
    }
    crdt_msgpack_read_fixed(&reader, actor.bytes, sizeof actor.bytes);
    read.confirmed_time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    read.start_count = crdt_msgpack_read_count(&reader, SYNC_START_COUNT_MAX, 2);
    for (size_t i = 0; i < read.start_count; i++) {
        read.starts[i].nonce = crdt_msgpack_read_uint(&reader, UINT64_MAX);
        read.starts[i].time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    }
    read.former_count = crdt_msgpack_read_count(&reader, SYNC_FORMER_COUNT_MAX, 2);
    for (size_t i = 0; i < read.former_count; i++) {
        sync_former *former = &read.formers[i];
        crdt_msgpack_read_fixed(&reader, former->actor.bytes,
                                sizeof former->actor.bytes);
        former->time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    }
    crdt_err err = crdt_msgpack_read_end(&reader);
    if (err != CRDT_OK) {
        return err;
    }
    if (!crdt_actor_equal(&actor, &meta->actor)) {
        read.start_count = 0;
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
            if (*time == UINT64_MAX) {
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
            return next_time(meta->starts, meta->start_count, i) < time;
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
