#include "crdt/batch.h"
#include "crdt/mutant.h"
#include "crdt/op_codec.h"
#include "crdt/value.h"

#include <assert.h>
#include <string.h>

/* The first byte: the format in the upper four bits, and what follows. */
#define BATCH_FORMAT 2u
#define HEAD_BASE 1u /* deps are relative */
#define HEAD_ROWS 2u /* deps have rows */
#define HEAD_WHO 4u  /* another person than the base's */
#define HEAD_WALL 8u /* another time than the base's */

#define ACTOR_SIZE 16u
/* An actor as a bin, and a time of one byte: the least that a row of deps takes. */
#define DEP_SIZE_MIN (2 + ACTOR_SIZE + 1)

static const crdt_version no_version = {.stamp_count = 0};

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
            if (batch->deps[i].time < base->stamps[j].time && !MUTANT(154)) {
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
static uint8_t *put_rows(uint8_t *at, const crdt_batch *batch, const crdt_version *base)
{
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
    return at;
}

/* The author's last batch in `deps`, if this one can be coded against it; else an empty
 * row. `*above`: rows to write. */
static crdt_deps_row choose_base(const crdt_batch *batch, const crdt_deps *deps,
                                 size_t *above)
{
    crdt_deps_row base;
    if (deps != NULL && crdt_deps_find(deps, &batch->actor, &base) &&
        count_above(batch, base.after, above)) {
        return base;
    }
    *above = batch->dep_count;
    return (crdt_deps_row){.after = &no_version};
}

static crdt_err put_batch(const crdt_batch *batch, const crdt_deps *deps, crdt_buf *out)
{
    size_t above;
    crdt_deps_row base = choose_base(batch, deps, &above);
    crdt_err err = crdt_buf_reserve(
        out, 1 + ACTOR_SIZE + 4 * CRDT_MSGPACK_SIZE_MAX + batch->who.size +
                 above * (2 * CRDT_MSGPACK_SIZE_MAX + ACTOR_SIZE));
    if (err != CRDT_OK) {
        return err;
    }
    unsigned head = BATCH_FORMAT << 4;
    head |= base.last_time != 0 ? HEAD_BASE : 0;
    head |= above != 0 ? HEAD_ROWS : 0;
    head |=
        crdt_span_equal(batch->who, base.who) || (MUTANT(156) && base.last_time != 0)
            ? 0
            : HEAD_WHO;
    head |= batch->wall_ms == base.wall_ms || MUTANT(157) ? 0 : HEAD_WALL;
    uint8_t *at = out->data + out->size;
    *at++ = (uint8_t)head;
    memcpy(at, batch->actor.bytes, ACTOR_SIZE);
    at += ACTOR_SIZE;
    if ((head & HEAD_BASE) != 0) {
        at = crdt_msgpack_put_uint(at, base.last_time);
    }
    if ((head & HEAD_ROWS) != 0) {
        at = crdt_msgpack_put_uint(at, above);
        at = put_rows(at, batch, base.after);
    }
    if ((head & HEAD_WHO) != 0) {
        at = crdt_msgpack_put_str(at, batch->who);
    }
    if ((head & HEAD_WALL) != 0) {
        at = crdt_msgpack_put_int(at, (int64_t)(batch->wall_ms - base.wall_ms));
    }
    out->size = (size_t)(at - out->data);
    return crdt_ops_encode(batch->ops, batch->op_count, out);
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

/* How many rows there are, at least one. */
static size_t read_row_count(crdt_msgpack_reader *reader, const crdt_version *base)
{
    const uint8_t *before = reader->at;
    size_t size_min = base->stamp_count > 0 ? 2 : DEP_SIZE_MIN;
    size_t above = crdt_msgpack_read_count(reader, SIZE_MAX, size_min);
    if (reader->err == CRDT_OK && above == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "no rows to announce");
    }
    return above;
}

/* The base with the rows above it merged in: sorted by actor, as both are. */
static void read_deps(crdt_msgpack_reader *reader, bool has_rows,
                      const crdt_version *base, crdt_arena *arena, crdt_batch *batch)
{
    size_t above = has_rows ? read_row_count(reader, base) : 0;
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
    while (copied < base->stamp_count && !MUTANT(155)) {
        deps[count++] = base->stamps[copied++];
    }
    batch->deps = deps;
    batch->dep_count = count;
}

/* The row that `base_time` names (0: the empty one), or why it cannot be told. */
static crdt_err find_base(crdt_msgpack_reader *reader, const crdt_deps *deps,
                          const crdt_actor *actor, uint64_t base_time,
                          crdt_deps_row *base)
{
    *base = (crdt_deps_row){.after = &no_version};
    if (base_time == 0 || (deps != NULL && crdt_deps_find(deps, actor, base) &&
                           (base->last_time == base_time || MUTANT(158)))) {
        return CRDT_OK;
    }
    return base->last_time > base_time
               ? crdt_msgpack_fail(reader, CRDT_EDUPLICATE,
                                   "a later batch of the author is known")
               : crdt_msgpack_fail(reader, CRDT_EGAP,
                                   "the batch it is coded against is not known");
}

/* First byte, author, base. */
static void read_head(crdt_msgpack_reader *reader, unsigned *head, crdt_actor *author,
                      uint64_t *base_time)
{
    size_t left = (size_t)(reader->end - reader->at);
    *head = left == 0 ? 0 : *reader->at;
    *base_time = 0;
    if (left > 0 && *head >> 4 != BATCH_FORMAT) {
        crdt_msgpack_fail(reader, CRDT_EVERSION, "unknown batch format");
        return;
    }
    if (left < 1 + ACTOR_SIZE) {
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "the bytes end early");
        return;
    }
    memcpy(author->bytes, reader->at + 1, ACTOR_SIZE);
    reader->at += 1 + ACTOR_SIZE;
    if ((*head & HEAD_BASE) == 0) {
        return;
    }
    const uint8_t *before = reader->at;
    *base_time = crdt_msgpack_read_uint(reader, CRDT_TIME_MAX);
    if (reader->err == CRDT_OK && *base_time == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "base at time 0");
    }
}

/* A batch must outlive the row that it was coded against. */
static crdt_span copy_who(crdt_msgpack_reader *reader, crdt_span who, crdt_arena *arena)
{
    if (who.size == 0 || reader->err != CRDT_OK) {
        return (crdt_span){0};
    }
    uint8_t *copy = crdt_arena_alloc(arena, who.size);
    if (copy == NULL) {
        crdt_msgpack_fail(reader, CRDT_ENOMEM, "no memory for the person");
        return (crdt_span){0};
    }
    memcpy(copy, who.data, who.size);
    return (crdt_span){.data = copy, .size = who.size};
}

/* What the head says that is new: rows, person, time. */
static void read_news(crdt_msgpack_reader *reader, unsigned head,
                      const crdt_deps_row *base, crdt_arena *arena, crdt_batch *batch)
{
    read_deps(reader, (head & HEAD_ROWS) != 0, base->after, arena, batch);
    const uint8_t *before = reader->at;
    if ((head & HEAD_WHO) == 0) {
        batch->who = copy_who(reader, base->who, arena);
    } else {
        batch->who = crdt_msgpack_read_str(reader, CRDT_NAME_SIZE_MAX);
        if (reader->err == CRDT_OK && crdt_span_equal(batch->who, base->who)) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "person is named again");
        }
    }
    before = reader->at;
    batch->wall_ms = base->wall_ms;
    if ((head & HEAD_WALL) != 0) {
        batch->wall_ms += (uint64_t)crdt_msgpack_read_int(reader);
        if (reader->err == CRDT_OK && batch->wall_ms == base->wall_ms) {
            reader->at = before;
            crdt_msgpack_fail(reader, CRDT_ECORRUPT, "time is told again");
        }
    }
}

static void read_ops(crdt_msgpack_reader *reader, crdt_arena *arena, crdt_batch *batch)
{
    const uint8_t *before = reader->at;
    crdt_op *ops = NULL;
    if (crdt_ops_read(reader, CRDT_BATCH_OPS_MAX, arena, &ops, &batch->op_count) !=
        CRDT_OK) {
        return;
    }
    batch->ops = ops;
    if (batch->op_count == 0) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ECORRUPT, "batch without operations");
    } else if (crdt_batch_last_time(batch) > CRDT_TIME_MAX) {
        reader->at = before;
        crdt_msgpack_fail(reader, CRDT_ELIMIT, "times are over their limit");
    }
}

crdt_err crdt_batch_decode(crdt_span bytes, const crdt_deps *base, crdt_arena *arena,
                           crdt_batch *batch, crdt_diag *diag)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, diag);
    *batch = (crdt_batch){.dep_count = 0};
    unsigned head;
    uint64_t base_time;
    read_head(&reader, &head, &batch->actor, &base_time);
    if (reader.err != CRDT_OK) {
        return reader.err;
    }
    const uint8_t *behind = reader.at;
    reader.at =
        reader.begin + 1 + ACTOR_SIZE; /* to point at, if there is no such base */
    crdt_deps_row row;
    crdt_err err = find_base(&reader, base, &batch->actor, base_time, &row);
    if (err != CRDT_OK) {
        return err;
    }
    reader.at = behind;
    read_news(&reader, head, &row, arena, batch);
    if (reader.err == CRDT_OK) {
        read_ops(&reader, arena, batch);
    }
    return crdt_msgpack_read_end(&reader);
}

crdt_err crdt_batch_peek(crdt_span bytes, crdt_actor *author, uint64_t *base_time)
{
    crdt_msgpack_reader reader = crdt_msgpack_read_open(bytes, NULL);
    unsigned head;
    read_head(&reader, &head, author, base_time);
    return reader.err;
}
