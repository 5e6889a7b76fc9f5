#include "crdt/batch.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

#define BATCH_FORMAT 1u
#define ACTOR_SIZE 16u
/* An actor as a bin, and a time of one byte: the least that a row of deps takes. */
#define DEP_SIZE_MIN (2 + ACTOR_SIZE + 1)

static crdt_span actor_span(const crdt_actor *actor)
{
    return (crdt_span){.data = actor->bytes, .size = ACTOR_SIZE};
}

/* ---- writing ---- */

/* How many rows of `batch->deps` are above `base`; false if some are not even at it. */
static bool count_above(const crdt_batch *batch, const crdt_version *base,
                        size_t *above)
{
    size_t j = 0;
    *above = 0;
    for (size_t i = 0; i < batch->dep_count; i++) {
        if (j < base->stamp_count &&
            crdt_actor_equal(&batch->deps[i].actor, &base->stamps[j].actor)) {
            if (batch->deps[i].time < base->stamps[j].time) {
                return false;
            }
            *above += batch->deps[i].time > base->stamps[j].time;
            j++;
        } else {
            (*above)++;
        }
    }
    return j == base->stamp_count;
}

/* Rows above `base`: the row's index there and the difference, or the actor and its time.
 * With an empty base these are all rows, absolutely. */
static crdt_err put_deps(const crdt_batch *batch, const crdt_version *base,
                         uint64_t base_time, size_t above, crdt_buf *out)
{
    crdt_err err =
        crdt_buf_reserve(out, 2 * CRDT_MSGPACK_SIZE_MAX +
                                  above * (2 * CRDT_MSGPACK_SIZE_MAX + ACTOR_SIZE));
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *at = out->data + out->size;
    at = crdt_msgpack_put_uint(at, base_time);
    at = crdt_msgpack_put_uint(at, above);
    size_t j = 0;
    for (size_t i = 0; i < batch->dep_count; i++) {
        const crdt_stamp *dep = &batch->deps[i];
        uint64_t time = dep->time;
        if (j < base->stamp_count &&
            crdt_actor_equal(&dep->actor, &base->stamps[j].actor)) {
            time -= base->stamps[j].time;
            if (time > 0) {
                at = crdt_msgpack_put_uint(at, j);
            }
            j++;
        } else {
            at = crdt_msgpack_put_bin(at, actor_span(&dep->actor));
        }
        if (time > 0) {
            at = crdt_msgpack_put_uint(at, time);
        }
    }
    out->size = (size_t)(at - out->data);
    return CRDT_OK;
}

static crdt_err put_batch(const crdt_batch *batch, const crdt_deps *deps, crdt_buf *out)
{
    static const crdt_version empty = {.stamp_count = 0};
    const crdt_version *base = &empty;
    uint64_t base_time = 0;
    size_t above = batch->dep_count;
    if (deps != NULL) {
        base_time = crdt_deps_find(deps, &batch->actor, &base);
        if (base_time != 0 && !count_above(batch, base, &above)) {
            base = &empty;
            base_time = 0;
            above = batch->dep_count;
        }
    }
    crdt_err err = crdt_msgpack_append_uint(out, BATCH_FORMAT);
    if (err == CRDT_OK) {
        err = crdt_msgpack_append_bin(out, actor_span(&batch->actor));
    }
    if (err == CRDT_OK) {
        err = put_deps(batch, base, base_time, above, out);
    }
    if (err == CRDT_OK) {
        err = crdt_msgpack_append_str(out, batch->who);
    }
    if (err == CRDT_OK) {
        err = crdt_msgpack_append_uint(out, batch->wall_ms);
    }
    return err == CRDT_OK ? crdt_ops_encode(batch->ops, batch->op_count, out) : err;
}

crdt_err crdt_batch_encode(const crdt_batch *batch, const crdt_deps *base,
                           crdt_buf *out)
{
    assert(batch->op_count >= 1 && batch->op_count <= CRDT_BATCH_OPS_MAX);
    size_t begin = out->size;
    crdt_err err = put_batch(batch, base, out);
    if (err != CRDT_OK) {
        out->size = begin;
    }
    return err;
}

/* ---- reading ---- */

/* One row of deps that is above the base. `*index` is its place in the base, or where
 * it would be. */
static void read_dep(crdt_msgpack_reader *reader, const crdt_version *base,
                     crdt_stamp *dep, size_t *index)
{
    const uint8_t *before = reader->at;
    if (crdt_msgpack_at_uint(reader)) {
        uint64_t number = crdt_msgpack_read_uint(reader, UINT64_MAX);
        if (reader->err == CRDT_OK && number >= base->stamp_count) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no such actor in the base");
        }
        if (reader->err != CRDT_OK) {
            return;
        }
        *index = (size_t)number;
        *dep = base->stamps[number];
    } else {
        *dep = (crdt_stamp){.time = 0};
        crdt_msgpack_read_fixed(reader, dep->actor.bytes, ACTOR_SIZE);
        while (*index < base->stamp_count &&
               crdt_actor_compare(&base->stamps[*index].actor, &dep->actor) < 0) {
            (*index)++;
        }
        if (reader->err == CRDT_OK && *index < base->stamp_count &&
            crdt_actor_equal(&base->stamps[*index].actor, &dep->actor)) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "actor is in the base");
        }
    }
    before = reader->at;
    uint64_t more = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX - dep->time);
    if (reader->err == CRDT_OK && more == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "dependency at time 0");
    }
    dep->time += more;
}

/* The base with the rows above it merged in: sorted by actor, as both are. */
static void read_deps(crdt_msgpack_reader *reader, const crdt_version *base,
                      crdt_arena *arena, crdt_batch *batch)
{
    size_t size_min = base->stamp_count > 0 ? 2 : DEP_SIZE_MIN;
    size_t above = crdt_msgpack_read_count(reader, SIZE_MAX, size_min);
    if (reader->err != CRDT_OK) {
        return;
    }
    crdt_stamp *deps =
        crdt_arena_alloc(arena, (base->stamp_count + above) * sizeof *deps);
    if (deps == NULL) {
        crdt_msgpack_fail(reader, CRDT_ENOMEM, "no memory for the dependencies");
        return;
    }
    size_t count = 0;
    size_t copied = 0; /* rows of the base that are in `deps`, or were raised */
    for (size_t i = 0; i < above; i++) {
        const uint8_t *before = reader->at;
        crdt_stamp dep = {.time = 0};
        size_t index = copied;
        read_dep(reader, base, &dep, &index);
        if (reader->err != CRDT_OK) {
            return;
        }
        while (copied < index) {
            deps[count++] = base->stamps[copied++];
        }
        if (index < copied || (count > 0 && crdt_actor_compare(&deps[count - 1].actor,
                                                               &dep.actor) >= 0)) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "dependencies are not in order");
            return;
        }
        copied += copied < base->stamp_count &&
                  crdt_actor_equal(&base->stamps[copied].actor, &dep.actor);
        deps[count++] = dep;
    }
    while (copied < base->stamp_count) {
        deps[count++] = base->stamps[copied++];
    }
    batch->deps = deps;
    batch->dep_count = count;
}

/* The version that `base_time` names, or why it cannot be told. */
static crdt_err find_base(crdt_msgpack_reader *reader, const crdt_deps *deps,
                          const crdt_actor *actor, uint64_t base_time,
                          const crdt_version **base)
{
    static const crdt_version empty = {.stamp_count = 0};
    *base = &empty;
    if (base_time == 0) {
        return CRDT_OK;
    }
    uint64_t known = deps == NULL ? 0 : crdt_deps_find(deps, actor, base);
    if (known == base_time) {
        return CRDT_OK;
    }
    return known > base_time
               ? crdt_msgpack_fail(reader, CRDT_EDUPLICATE,
                                   "a later batch of the author is known")
               : crdt_msgpack_fail(reader, CRDT_EGAP,
                                   "the batch it is coded against is not known");
}

crdt_err crdt_batch_decode(crdt_span bytes, const crdt_deps *base, crdt_arena *arena,
                           crdt_batch *batch, crdt_diag *diag)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    *batch = (crdt_batch){.dep_count = 0};
    uint64_t format = crdt_msgpack_read_uint(&reader, UINT64_MAX);
    if (reader.err == CRDT_OK && format != BATCH_FORMAT) {
        reader.at = reader.begin;
        return crdt_msgpack_fail(&reader, CRDT_EVERSION, "unknown batch format");
    }
    crdt_msgpack_read_fixed(&reader, batch->actor.bytes, ACTOR_SIZE);
    const uint8_t *before = reader.at;
    uint64_t base_time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    if (reader.err != CRDT_OK) {
        return reader.err;
    }
    const crdt_version *after = NULL;
    const uint8_t *behind = reader.at;
    reader.at = before; /* where to point if there is no such base */
    crdt_err err = find_base(&reader, base, &batch->actor, base_time, &after);
    if (err != CRDT_OK) {
        return err;
    }
    reader.at = behind;
    read_deps(&reader, after, arena, batch);
    batch->who = crdt_msgpack_read_str(&reader, CRDT_NAME_SIZE_MAX);
    batch->wall_ms = crdt_msgpack_read_uint(&reader, UINT64_MAX);
    if (reader.err != CRDT_OK) {
        return reader.err;
    }
    before = reader.at;
    crdt_op *ops = NULL;
    err = crdt_ops_read(&reader, CRDT_BATCH_OPS_MAX, arena, &ops, &batch->op_count);
    if (err != CRDT_OK) {
        return err;
    }
    batch->ops = ops;
    if (batch->op_count == 0) {
        reader.at = before;
        return crdt_msgpack_fail(&reader, CRDT_ECORRUPT, "batch without operations");
    }
    if (crdt_batch_last_time(batch) > CRDT_TIME_MAX) {
        reader.at = before;
        return crdt_msgpack_fail(&reader, CRDT_ELIMIT, "times are over their limit");
    }
    return crdt_msgpack_read_end(&reader);
}

crdt_err crdt_batch_peek(crdt_span bytes, crdt_actor *author, uint64_t *base_time)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, NULL);
    uint64_t format = crdt_msgpack_read_uint(&reader, UINT64_MAX);
    if (reader.err == CRDT_OK && format != BATCH_FORMAT) {
        return CRDT_EVERSION;
    }
    crdt_msgpack_read_fixed(&reader, author->bytes, ACTOR_SIZE);
    *base_time = crdt_msgpack_read_uint(&reader, CRDT_TIME_MAX);
    return reader.err;
}
