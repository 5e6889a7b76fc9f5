/* Many authors write one field, each having heard of some of the others: against a plain
 * list of what must be held. */

#include "crdt/document.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AUTHORS 120u
#define WRITES 1500u

typedef struct throng {
    fault_alloc fault;
    crdt_document *doc;
    crdt_arena arena;
    gen random;
    crdt_stamp held[WRITES]; /* no order */
    size_t held_count;
    uint64_t last[AUTHORS]; /* times of the authors' last writes; 0: none */
} throng;

static crdt_key field_key(void)
{
    return crdt_key_field(crdt_span_of("o"), crdt_span_of("p"), crdt_span_of("f"));
}

/* Author 0 makes the object and the part. */
static void throng_open(throng *c, uint64_t seed)
{
    *c = (throng){0};
    crdt_document_options options = crdt_document_options_default();
    options.alloc = fault_alloc_init(&c->fault);
    crdt_arena_init(&c->arena, crdt_alloc_default());
    c->random = gen_open(seed, &c->arena);
    cr_assert_eq(crdt_document_open(&c->doc, &options), CRDT_OK);
    const crdt_key key = field_key();
    const crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(key.object)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(key.object, key.part)},
    };
    const crdt_batch batch = {.actor = gen_actor(0), .ops = ops, .op_count = 2};
    cr_assert_eq(crdt_document_apply(c->doc, &batch, NULL), CRDT_OK);
    c->last[0] = 2;
}

static void throng_close(throng *c)
{
    crdt_document_close(c->doc);
    crdt_arena_deinit(&c->arena);
    cr_assert(fault_alloc_balanced(&c->fault));
}

/* What an author has heard when it writes: its own writes, the template, others by
 * chance. */
static void hear(throng *c, unsigned author, unsigned percent, crdt_version *seen)
{
    crdt_version_clear(seen);
    for (unsigned i = 0; i < AUTHORS; i++) {
        crdt_stamp stamp = {.time = c->last[i], .actor = gen_actor(i)};
        if (stamp.time > 0 &&
            (i == 0 || i == author || gen_chance(&c->random, percent))) {
            cr_assert_eq(crdt_version_raise(seen, &stamp), CRDT_OK);
        }
    }
}

static void expect_write(throng *c, const crdt_version *seen, crdt_stamp stamp)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->held_count; i++) {
        if (!crdt_version_covers(seen, &c->held[i])) {
            c->held[kept++] = c->held[i];
        }
    }
    c->held[kept] = stamp;
    c->held_count = kept + 1;
}

/* False: there was no memory, and nothing happened. */
static bool write_field(throng *c, unsigned author, const crdt_version *seen)
{
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_integer(&value, (int64_t)author), CRDT_OK);
    const crdt_op op = {
        .kind = CRDT_OP_SET, .key = field_key(), .value = crdt_buf_span(&value)};
    const crdt_batch batch = {.actor = gen_actor(author),
                              .deps = seen->stamps,
                              .dep_count = seen->stamp_count,
                              .ops = &op,
                              .op_count = 1};
    const crdt_stamp stamp = {.time = crdt_batch_last_time(&batch),
                              .actor = batch.actor};
    crdt_err err = crdt_document_apply(c->doc, &batch, NULL);
    crdt_buf_deinit(&value);
    if (err == CRDT_ENOMEM) {
        return false;
    }
    cr_assert_eq(err, CRDT_OK);
    c->last[author] = stamp.time;
    expect_write(c, seen, stamp);
    return true;
}

static int descending(const void *a, const void *b)
{
    return crdt_stamp_compare(b, a);
}

static void compare_all(throng *c)
{
    qsort(c->held, c->held_count, sizeof c->held[0], descending);
    const crdt_key key = field_key();
    crdt_object object = crdt_document_find_object(c->doc, key.object);
    crdt_part part = crdt_document_find_part(c->doc, object, key.part);
    crdt_field field = crdt_document_find_field(c->doc, part, key.field);
    crdt_entry entry;
    for (size_t i = 0; i < c->held_count; i++) {
        cr_assert(crdt_document_field_value(c->doc, field, i, &entry));
        cr_assert_eq(crdt_stamp_compare(&entry.stamp, &c->held[i]), 0);
    }
    cr_assert_not(crdt_document_field_value(c->doc, field, c->held_count, &entry));
    cr_assert(crdt_document_check(c->doc));
}

/* Now and then somebody has heard of many, and the throng shrinks or goes. */
static void write_all(throng *c, unsigned fail_percent)
{
    crdt_version seen;
    crdt_version_init(&seen, crdt_alloc_default());
    for (unsigned i = 0; i < WRITES; i++) {
        unsigned author = 1 + (unsigned)gen_below(&c->random, AUTHORS - 1);
        unsigned percent = gen_chance(&c->random, 1)   ? 100
                           : gen_chance(&c->random, 5) ? 60
                                                       : 1;
        hear(c, author, percent, &seen);
        if (gen_chance(&c->random, fail_percent)) {
            fault_alloc_fail_at(&c->fault, gen_below(&c->random, 3));
        }
        if (!write_field(c, author, &seen)) {
            compare_all(c);
        }
        fault_alloc_heal(&c->fault);
        if (i % 50 == 0) {
            compare_all(c);
        }
    }
    compare_all(c);
    crdt_version_deinit(&seen);
}

Test(throng, holds_what_nobody_has_seen)
{
    throng c;
    throng_open(&c, gen_seed(1));
    write_all(&c, 0);
    throng_close(&c);
}

/* The index over a throng is a cache: without memory for it the same is held. */
Test(throng, without_memory_for_the_index)
{
    throng c;
    throng_open(&c, gen_seed(2));
    write_all(&c, 40);
    throng_close(&c);
}

/* Loading a field of many siblings, and merging into it. */
Test(throng, travels_in_an_answer)
{
    throng c;
    throng other;
    crdt_version seen;
    crdt_buf answer;
    throng_open(&c, gen_seed(3));
    throng_open(&other, gen_seed(4));
    crdt_version_init(&seen, crdt_alloc_default());
    crdt_buf_init(&answer, crdt_alloc_default());
    for (unsigned author = 1; author < AUTHORS; author++) {
        throng *writer = author % 3 == 0 ? &other : &c;
        hear(writer, author, 0, &seen);
        cr_assert(write_field(writer, author, &seen));
    }
    cr_assert_eq(crdt_document_answer_full(c.doc, NULL, &answer), CRDT_OK);
    cr_assert_eq(
        crdt_document_merge(other.doc, crdt_buf_span(&answer), NULL, NULL, NULL),
        CRDT_OK);
    for (size_t i = 0; i < c.held_count; i++) {
        other.held[other.held_count++] = c.held[i];
    }
    compare_all(&other);
    crdt_buf_deinit(&answer);
    crdt_version_deinit(&seen);
    throng_close(&c);
    throng_close(&other);
}
