/* Stories of answers that were merged wrongly. */

#include "crdt/document.h"

#include <criterion/criterion.h>

#include <stdio.h>

static crdt_document *open_document(void)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    cr_assert_eq(crdt_document_open(&doc, &options), CRDT_OK);
    return doc;
}

static void add_objects(crdt_document *doc, uint8_t author, unsigned count)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_edit edit = {.actor = {{author}}};
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        crdt_batch batch;
        snprintf(name, sizeof name, "o%u", i);
        crdt_op op = {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of(name))};
        cr_assert_eq(crdt_document_commit(doc, &edit, &op, 1, &arena, &batch, NULL),
                     CRDT_OK);
        crdt_arena_reset(&arena);
    }
    crdt_arena_deinit(&arena);
}

static void catch_up(crdt_document *to, const crdt_document *from)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    cr_assert_eq(crdt_document_answer(from, crdt_document_version(to), NULL, &answer),
                 CRDT_OK);
    cr_assert_eq(crdt_document_merge(to, crdt_buf_span(&answer), NULL, NULL, NULL),
                 CRDT_OK);
    crdt_buf_deinit(&answer);
}

/* Two people added the same objects at once. Who knew of one of them got the other's dots
 * in front of the known ones: the newcomers were taken for lone entries, the known ones
 * stayed in their slots, and the newcomers found no room. Seen in a cluster that lost a
 * third of its messages: an assertion, as soon as the slots in reserve were used up. */
Test(document_merge, newcomers_before_known_entries_have_room)
{
    crdt_document *a = open_document();
    crdt_document *b = open_document();
    crdt_document *c = open_document();
    add_objects(a, 1, 1500);
    add_objects(b, 2, 1500);
    catch_up(c, a);
    catch_up(b, a);
    catch_up(c, b);
    catch_up(a, b);
    cr_assert(crdt_document_check(c));
    cr_assert(crdt_digest_equal(crdt_document_digest(b), crdt_document_digest(c)));
    cr_assert(crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(c)));
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(c);
}

/* Set fields f0000 .. of one part, one a batch; each is `step` names after the one before. */
static void set_fields(crdt_document *doc, uint8_t author, unsigned count,
                       unsigned step, uint8_t value)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_edit edit = {.actor = {{author}}};
    crdt_span o = crdt_span_of("o");
    crdt_span p = crdt_span_of("p");
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        crdt_batch batch;
        snprintf(name, sizeof name, "f%04u", i * step % count);
        crdt_op ops[3] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
                          {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, p)},
                          {.kind = CRDT_OP_SET,
                           .key = crdt_key_field(o, p, crdt_span_of(name)),
                           .value = {.data = &value, .size = 1}}};
        cr_assert_eq(crdt_document_commit(doc, &edit, ops, 3, &arena, &batch, NULL),
                     CRDT_OK);
        crdt_arena_reset(&arena);
    }
    crdt_arena_deinit(&arena);
}

/* An author has written over all that he had written, a value of which had to make room for
 * somebody else's, so that his trail no longer goes by time. Of what arrives, all old values leave
 * the trail of their author before a new one is placed: while it still names slots that hold
 * newer values already, it must not be written anew. */
Test(document_merge, overwritten_values_leave_before_new_ones_come)
{
    static const unsigned STEPS[] = {1, 7, 499};
    for (unsigned i = 0; i < 9; i++) {
        crdt_document *a = open_document();
        crdt_document *b = open_document();
        crdt_document *c = open_document();
        set_fields(a, 1, 500, STEPS[i / 3], 1);
        set_fields(c, 2, 1, 1, 2);
        catch_up(b, a);
        catch_up(b, c);
        cr_assert(crdt_document_check(b));
        set_fields(a, 1, 500, STEPS[i % 3], 3);
        catch_up(b, a);
        cr_assert(crdt_document_check(b));
        catch_up(a, c);
        cr_assert(crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(b)));
        crdt_document_close(c);
        crdt_document_close(a);
        crdt_document_close(b);
    }
}

/* `count` edits of fields of one part: one in `part` by bob, the others by ann; a field has
 * its second value from the edit `field_count` later. */
static void set_by_persons(crdt_document *doc, unsigned count, unsigned field_count,
                           unsigned part)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_span o = crdt_span_of("o");
    crdt_span p = crdt_span_of("p");
    const crdt_op adds[2] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(o)},
                             {.kind = CRDT_OP_ADD, .key = crdt_key_part(o, p)}};
    crdt_edit edit = {.actor = {{1}}, .who = crdt_span_of("ann")};
    crdt_batch batch;
    cr_assert_eq(crdt_document_commit(doc, &edit, adds, 2, &arena, &batch, NULL),
                 CRDT_OK);
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        const uint8_t value = (uint8_t)(i / field_count % 100);
        snprintf(name, sizeof name, "f%04u", i * 7 % field_count);
        edit.actor = (crdt_actor){{(uint8_t)(1 + i % 3)}};
        edit.who = crdt_span_of(i % part == 0 ? "bob" : "ann");
        crdt_op op = {.kind = CRDT_OP_SET,
                      .key = crdt_key_field(o, p, crdt_span_of(name)),
                      .value = {.data = &value, .size = 1}};
        crdt_arena_reset(&arena);
        cr_assert_eq(crdt_document_commit(doc, &edit, &op, 1, &arena, &batch, NULL),
                     CRDT_OK);
    }
    crdt_arena_deinit(&arena);
}

/* What who was at `since` is told, by either. */
static void check_answers(const crdt_document *doc, const crdt_document *loaded,
                          const crdt_version *since)
{
    crdt_buf answers[2];
    for (unsigned i = 0; i < 2; i++) {
        crdt_buf_init(&answers[i], crdt_alloc_default());
        cr_assert_eq(
            crdt_document_answer(i == 0 ? doc : loaded, since, NULL, &answers[i]),
            CRDT_OK);
    }
    cr_assert(crdt_span_equal(crdt_buf_span(&answers[0]), crdt_buf_span(&answers[1])));
    crdt_buf_deinit(&answers[0]);
    crdt_buf_deinit(&answers[1]);
}

/* A document is loaded by the ranks of its dots; sorted, where it is so old that they would
 * take too much, or where an actor wrote for several persons: trails and persons are those
 * of the document that was saved. */
Test(document_merge, loaded_by_ranks_or_sorted_it_knows_what_is_new)
{
    static const struct {
        unsigned edits;
        unsigned fields;
        unsigned part;
    } CASES[] = {{0, 1, 2},      {300, 300, 1}, {700, 300, 1},
                 {30000, 10, 1}, {700, 300, 5}, {9000, 9, 5}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        crdt_document *doc = open_document();
        crdt_document *loaded = open_document();
        crdt_version since;
        crdt_version_init(&since, crdt_alloc_default());
        set_by_persons(doc, CASES[i].edits, CASES[i].fields, CASES[i].part);
        catch_up(loaded, doc);
        cr_assert(crdt_document_check(loaded));
        cr_assert(
            crdt_digest_equal(crdt_document_digest(doc), crdt_document_digest(loaded)));
        check_answers(doc, loaded, &since);
        cr_assert_eq(crdt_version_copy(&since, crdt_document_version(doc)), CRDT_OK);
        for (uint64_t back = 1; back < 40; back++) {
            for (size_t k = 0; k < since.stamp_count; k++) {
                since.stamps[k].time -= since.stamps[k].time > back ? back : 0;
            }
            check_answers(doc, loaded, &since);
        }
        crdt_version_deinit(&since);
        crdt_document_close(doc);
        crdt_document_close(loaded);
    }
}
