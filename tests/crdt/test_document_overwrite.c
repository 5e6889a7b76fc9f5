/* Batches that only write over values go a short way: state, stamps and events must be those
 * of the long way. A batch goes the long way if it also adds an object; the same operations
 * in two batches, the sets and then the add, have the same stamps and go both. */

#include "crdt/document.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

#define TEXT_SIZE 8192

/* ---- what listeners hear, as text ---- */

static void note_span(crdt_buf *out, crdt_span span)
{
    cr_assert_eq(crdt_buf_append_span(out, span), CRDT_OK);
    cr_assert_eq(crdt_buf_append(out, " ", 1), CRDT_OK);
}

static void note_number(crdt_buf *out, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, number);
    note_span(out, crdt_span_of(text));
}

static void note_entry(crdt_buf *out, const crdt_entry *entry)
{
    note_number(out, entry->stamp.time);
    note_number(out, entry->stamp.actor.bytes[15]);
    note_span(out, entry->who);
    note_span(out, entry->value);
}

static void note_key(crdt_buf *out, const crdt_key *key)
{
    note_span(out, key->object);
    note_span(out, key->part);
    note_span(out, key->field);
}

static void on_dropped(void *ctx, size_t op_index, const crdt_key *key,
                       const crdt_entry *entry, bool was_live)
{
    note_span(ctx, crdt_span_of(was_live ? "dropped live" : "dropped"));
    note_number(ctx, op_index);
    note_key(ctx, key);
    note_entry(ctx, entry);
}

static void on_conflict(void *ctx, const crdt_conflict *conflict)
{
    note_span(ctx, crdt_span_of("conflict"));
    note_number(ctx, (uint64_t)conflict->kind);
    note_key(ctx, &conflict->key);
    note_entry(ctx, &conflict->loser);
    if (conflict->kind != CRDT_CONFLICT_REMOVED) {
        note_entry(ctx, &conflict->winner);
    }
}

static void listen(crdt_document *doc, crdt_buf *heard)
{
    *heard = script_buf();
    const crdt_listener listener = {
        .ctx = heard, .dropped = on_dropped, .conflict = on_conflict};
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
}

/* ---- random batches ---- */

enum { OBJECTS = 4, FIELDS = 3 };

/* Every field of the world gets a value. */
static void make_world(char text[TEXT_SIZE])
{
    size_t size = 0;
    for (unsigned o = 0; o < OBJECTS; o++) {
        size += (size_t)snprintf(text + size, TEXT_SIZE - size,
                                 "add o%u; add o%u.p; add o%u.q; ", o, o, o);
        for (unsigned f = 0; f < FIELDS; f++) {
            size += (size_t)snprintf(text + size, TEXT_SIZE - size,
                                     "set o%u.p.f%u 0; set o%u.q.f%u 0; ", o, f, o, f);
        }
    }
}

/* Sets of values of all size classes, often of one field twice, sometimes what is there. */
static void make_sets(gen *g, char text[TEXT_SIZE])
{
    size_t size = 0;
    for (uint64_t left = 1 + gen_below(g, 12); left > 0; left--) {
        char value[96] = "7";
        size_t value_size = gen_chance(g, 20) ? 1 : 1 + gen_below(g, sizeof value - 2);
        for (size_t i = 1; i < value_size; i++) {
            value[0] = 'v';
            value[i] = (char)('a' + gen_below(g, 26));
        }
        value[value_size] = '\0';
        size += (size_t)snprintf(
            text + size, TEXT_SIZE - size, "set o%u.%c.f%u %s%s",
            (unsigned)gen_below(g, OBJECTS), gen_chance(g, 70) ? 'p' : 'q',
            (unsigned)gen_below(g, FIELDS), value, left > 1 ? "; " : "");
    }
}

/* One replica that goes the short way, one that goes the long way, and what they say. The
 * listeners point into it. */
typedef struct both {
    crdt_document *docs[2];
    crdt_buf heard[2];
} both;

static void open_both(both *b)
{
    for (size_t i = 0; i < 2; i++) {
        b->docs[i] = script_open();
        listen(b->docs[i], &b->heard[i]);
    }
}

static void close_both(both *b)
{
    for (size_t i = 0; i < 2; i++) {
        crdt_document_close(b->docs[i]);
        crdt_buf_deinit(&b->heard[i]);
    }
}

static void check_both(const both *b, const char *text)
{
    cr_assert(script_equal(b->docs[0], b->docs[1]), "%s", text);
    cr_assert(crdt_span_equal(crdt_buf_span(&b->heard[0]), crdt_buf_span(&b->heard[1])),
              "%s", text);
}

/* The sets, then an object that is new and goes again: in two batches and in one. */
static void edit_both(both *b, unsigned actor, const crdt_stamp *seen, const char *text,
                      both *readers)
{
    crdt_buf bytes[3] = {script_buf(), script_buf(), script_buf()};
    crdt_edit edit = {.actor = script_actor(actor),
                      .who = crdt_span_of("ann"),
                      .wall_ms = 5,
                      .seen = seen};
    char whole[TEXT_SIZE + 16];
    snprintf(whole, sizeof whole, "%s; add extra", text);
    crdt_err err = script_commit(b->docs[0], &edit, text, &bytes[0]);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING);
    cr_assert_eq(script_commit(b->docs[0], &edit, "add extra", &bytes[1]), CRDT_OK);
    cr_assert_eq(script_commit(b->docs[1], &edit, whole, &bytes[2]), CRDT_OK);
    check_both(b, text);
    if (err == CRDT_OK) {
        cr_assert_eq(script_apply(readers->docs[0], &bytes[0]), CRDT_OK);
    }
    cr_assert_eq(script_apply(readers->docs[0], &bytes[1]), CRDT_OK);
    cr_assert_eq(script_apply(readers->docs[1], &bytes[2]), CRDT_OK);
    check_both(readers, text);
    for (size_t i = 0; i < 3; i++) {
        crdt_buf_deinit(&bytes[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        crdt_buf_clear(&b->heard[i]);
        crdt_buf_clear(&readers->heard[i]);
    }
}

/* Both writers and both readers do the same: bring them on by one batch. */
static void all_edit(both *writers, both *readers, const char *text)
{
    crdt_buf bytes = script_buf();
    cr_assert_eq(script_edit(writers->docs[0], 1, text, &bytes), CRDT_OK);
    cr_assert_eq(script_apply(writers->docs[1], &bytes), CRDT_OK);
    cr_assert_eq(script_apply(readers->docs[0], &bytes), CRDT_OK);
    cr_assert_eq(script_apply(readers->docs[1], &bytes), CRDT_OK);
    crdt_buf_deinit(&bytes);
}

/* Readers alone hear of a third one's concurrent batch. */
static void read_concurrent(both *readers, crdt_document *other, const char *text)
{
    crdt_buf bytes = script_buf();
    crdt_err err = script_edit(other, 3, text, &bytes);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING);
    for (size_t i = 0; i < 2 && err == CRDT_OK; i++) {
        cr_assert_eq(script_apply(readers->docs[i], &bytes), CRDT_OK);
    }
    check_both(readers, text);
    crdt_buf_deinit(&bytes);
}

static void run(uint64_t seed, crdt_arena *arena)
{
    static char text[TEXT_SIZE];
    gen g = gen_open(gen_seed(seed), arena);
    both writers;
    both readers;
    open_both(&writers);
    open_both(&readers);
    make_world(text);
    all_edit(&writers, &readers, text);
    crdt_document *other = script_open();
    cr_assert_eq(script_pull(other, readers.docs[0]), CRDT_OK);
    if (gen_chance(&g, 30)) { /* values that will be hidden at the readers */
        read_concurrent(&readers, other, "remove o1; remove o2.p");
    }
    for (unsigned i = 0; i < 12; i++) {
        if (gen_chance(&g, 20)) {
            make_sets(&g, text);
            read_concurrent(&readers, other, text);
        }
        make_sets(&g, text);
        const crdt_stamp seen = {.time = gen_below(&g, 60), .actor = script_actor(1)};
        edit_both(&writers, 1 + (unsigned)gen_below(&g, 2),
                  gen_chance(&g, 50) ? &seen : NULL, text, &readers);
        all_edit(&writers, &readers, "remove extra");
        for (size_t k = 0; k < 2; k++) {
            crdt_buf_clear(&writers.heard[k]);
            crdt_buf_clear(&readers.heard[k]);
        }
    }
    crdt_document_close(other);
    close_both(&writers);
    close_both(&readers);
}

Test(document_overwrite, is_as_the_long_way)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    for (uint64_t seed = 0; seed < 150; seed++) {
        run(seed, &arena);
    }
    crdt_arena_deinit(&arena);
}

/* Every allocation fails in turn: values of other sizes need memory, some fields are written
 * twice; the document is as before. */
Test(document_overwrite, is_all_or_nothing)
{
    static char world[TEXT_SIZE];
    make_world(world);
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        fault_alloc fault;
        crdt_document *doc = script_open_with(fault_alloc_init(&fault));
        crdt_document *before = script_open();
        cr_assert_eq(script_edit(doc, 1, world, NULL), CRDT_OK);
        cr_assert_eq(script_edit(before, 1, world, NULL), CRDT_OK);
        fault_alloc_fail_at(&fault, n);
        err =
            script_edit(doc, 1,
                        "set o0.p.f0 5; set o0.p.f1 a_value_of_24_bytes_or_so;"
                        "set o0.p.f0 a_value_that_is_larger_than_a_slot_will_ever_hold;"
                        "set o1.q.f0 a_value_that_is_larger_than_a_slot_will_ever_hold;"
                        "set o1.q.f0 6",
                        NULL);
        fault_alloc_heal(&fault);
        cr_assert(crdt_document_check(doc));
        if (err != CRDT_OK) {
            cr_assert_eq(err, CRDT_ENOMEM);
            cr_assert(script_equal(doc, before));
        }
        cr_assert(n < 100);
        crdt_document_close(doc);
        crdt_document_close(before);
        cr_assert(fault_alloc_balanced(&fault));
    }
}

/* A field that is not there, at the end of a batch of which all else is: the long way, with
 * nothing left of the short one. */
Test(document_overwrite, a_late_stranger_sends_all_the_long_way)
{
    static char world[TEXT_SIZE];
    make_world(world);
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1, world, NULL), CRDT_OK);
    cr_assert_eq(
        script_edit(doc, 1,
                    "set o0.p.f0 a_value_that_is_larger_than_a_slot_will_ever_hold;"
                    "set o0.p.f1 5; set o0.p.new 6; set o3.q.f0 8; set none.p.f 7",
                    NULL),
        CRDT_OK);
    cr_assert(crdt_document_check(doc));
    cr_assert(script_shows(doc, "o0.p.new", "6"));
    cr_assert(script_shows(doc, "o3.q.f0", "8"));
    cr_assert(script_shows(doc, "none.p.f", "-"));
    crdt_document_close(doc);
}
