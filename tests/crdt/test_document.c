#include "crdt/document.h"
#include "crdt/answer.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- one document ---- */

Test(document, objects_have_parts_that_have_fields)
{
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1,
                             "add lamp; add lamp.body; set lamp.body.size 5;"
                             "set lamp.body.name desk",
                             NULL),
                 CRDT_OK);
    cr_assert(script_live(doc, "lamp"));
    cr_assert(script_live(doc, "lamp.body"));
    cr_assert(script_shows(doc, "lamp.body.size", "5"));
    cr_assert(script_shows(doc, "lamp.body.name", "desk"));
    cr_assert(script_shows(doc, "lamp.body.colour", "-"));
    cr_assert(!script_live(doc, "chair"));
    crdt_document_counts counts = crdt_document_count(doc);
    cr_assert_eq(counts.objects, 1);
    cr_assert_eq(counts.parts, 1);
    cr_assert_eq(counts.fields, 2);
    cr_assert_eq(counts.conflicts, 0);
    cr_assert_eq(script_edit(doc, 1, "unset lamp.body.size", NULL), CRDT_OK);
    cr_assert(script_shows(doc, "lamp.body.size", "-"));
    cr_assert_eq(script_edit(doc, 1, "remove lamp", NULL), CRDT_OK);
    cr_assert(!script_live(doc, "lamp.body"));
    crdt_object object = {0};
    cr_assert(!crdt_document_next_object(doc, &object), "nothing is kept of it");
    cr_assert(crdt_document_check(doc));
    crdt_document_close(doc);
}

Test(document, the_empty_name_is_a_name)
{
    crdt_document *doc = script_open();
    const crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object((crdt_span){0})},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part((crdt_span){0}, (crdt_span){0})},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field((crdt_span){0}, (crdt_span){0}, (crdt_span){0}),
         .value = crdt_span_of("\xc0")}};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    const crdt_edit edit = {.actor = script_actor(1)};
    crdt_batch batch;
    cr_assert_eq(crdt_document_commit(doc, &edit, ops, 3, &arena, &batch, NULL),
                 CRDT_OK);
    crdt_document *other = script_open();
    cr_assert_eq(crdt_document_apply(other, &batch, NULL), CRDT_OK);
    crdt_span value;
    cr_assert(crdt_document_get(other, &ops[2].key, &value));
    cr_assert(script_equal(doc, other));
    crdt_arena_deinit(&arena);
    crdt_document_close(doc);
    crdt_document_close(other);
}

Test(document, parts_and_fields_are_walked_in_byte_order)
{
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1,
                             "add o; add o.c; add o.a; add o.b; add o.aa;"
                             "set o.a.z 1; set o.a.x 1; set o.a.y 1; set o.a.xx 1",
                             NULL),
                 CRDT_OK);
    static const char *const parts[] = {"a", "aa", "b", "c"};
    static const char *const fields[] = {"x", "xx", "y", "z"};
    crdt_object object = crdt_document_find_object(doc, crdt_span_of("o"));
    crdt_part part = {0};
    for (size_t i = 0; i < 4; i++) {
        cr_assert(crdt_document_next_part(doc, object, &part));
        cr_assert(crdt_span_equal(crdt_document_part_name(doc, part),
                                  crdt_span_of(parts[i])));
    }
    cr_assert(!crdt_document_next_part(doc, object, &part));
    part = crdt_document_find_part(doc, object, crdt_span_of("a"));
    crdt_field field = {0};
    for (size_t i = 0; i < 4; i++) {
        cr_assert(crdt_document_next_field(doc, part, &field));
        cr_assert(crdt_span_equal(crdt_document_field_name(doc, field),
                                  crdt_span_of(fields[i])));
    }
    cr_assert(!crdt_document_next_field(doc, part, &field));
    cr_assert(crdt_document_check(doc));
    crdt_document_close(doc);
}

/* Equal writes were sent again and again, and stamps went up with nothing said. */
Test(document, what_says_nothing_is_left_out)
{
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    const char *const nothing[] = {"",
                                   "add o",
                                   "add o.p",
                                   "set o.p.f 1",
                                   "unset o.p.g",
                                   "unset o.q.f",
                                   "set o.q.f 1",
                                   "set x.p.f 1",
                                   "remove o.q",
                                   "remove x",
                                   "remove x.p",
                                   "add o; set o.p.f 1; remove x"};
    crdt_document *before = script_open();
    cr_assert_eq(script_pull(before, doc), CRDT_OK);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        cr_assert_eq(script_edit(doc, 2, nothing[i], NULL), CRDT_ENOTHING, "%s",
                     nothing[i]);
        cr_assert(script_equal(doc, before), "%s", nothing[i]);
    }
    /* Judged operation after operation. */
    cr_assert_eq(script_edit(doc, 1, "set o.p.f 2; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(crdt_version_time_max(crdt_document_version(doc)), 5);
    cr_assert_eq(script_edit(doc, 1, "add x; add x; remove x; remove x", NULL),
                 CRDT_OK);
    cr_assert_eq(crdt_version_time_max(crdt_document_version(doc)), 7);
    crdt_document_close(doc);
    crdt_document_close(before);
}

/* The same value is written again where siblings are to be resolved. */
Test(document, keep_this_one)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 0", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "set o.p.f 2", NULL), CRDT_OK);
    cr_assert_eq(script_pull(a, b), CRDT_OK);
    cr_assert_eq(script_count(a, "o.p.f"), 2);
    cr_assert(script_shows(a, "o.p.f", "2"));
    cr_assert_eq(script_edit(a, 1, "set o.p.f 2", NULL), CRDT_OK);
    cr_assert_eq(script_count(a, "o.p.f"), 1);
    crdt_document_close(a);
    crdt_document_close(b);
}

Test(document, bad_edits_are_refused)
{
    crdt_document *doc = script_open();
    crdt_document *empty = script_open();
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    const crdt_edit edit = {.actor = script_actor(1)};
    crdt_batch batch;
    crdt_diag diag;
    static const uint8_t huge[CRDT_NAME_SIZE_MAX + 1];
    const crdt_span name = {.data = huge, .size = sizeof huge};
    crdt_op op = {.kind = CRDT_OP_ADD, .key = crdt_key_object(name)};
    cr_assert_eq(crdt_document_commit(doc, &edit, &op, 1, &arena, &batch, &diag),
                 CRDT_ELIMIT);
    op.key = script_key("o.p.f");
    cr_assert_eq(crdt_document_commit(doc, &edit, &op, 1, &arena, &batch, &diag),
                 CRDT_EINVAL);
    const crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = script_key("o")},
        {.kind = CRDT_OP_ADD, .key = script_key("o.p")},
        {.kind = CRDT_OP_SET,
         .key = script_key("o.p.f"),
         .value = crdt_span_of("\xcc\x01")}}; /* 1, but not in its shortest form */
    cr_assert_eq(crdt_document_commit(doc, &edit, ops, 3, &arena, &batch, &diag),
                 CRDT_EINVAL);
    cr_assert(script_equal(doc, empty));
    crdt_arena_deinit(&arena);
    crdt_document_close(doc);
    crdt_document_close(empty);
}

/* ---- batches between documents ---- */

Test(document, batches_are_applied_once_and_in_order)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_buf first = script_buf();
    crdt_buf second = script_buf();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p", &first), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set o.p.f 1", &second), CRDT_OK);
    cr_assert_eq(script_apply(b, &second), CRDT_EGAP);
    cr_assert_eq(script_apply(b, &first), CRDT_OK);
    cr_assert_eq(script_apply(b, &first), CRDT_EDUPLICATE);
    cr_assert_eq(script_apply(b, &second), CRDT_OK);
    cr_assert_eq(script_apply(b, &second), CRDT_EDUPLICATE);
    cr_assert_eq(script_apply(a, &second), CRDT_EDUPLICATE, "one's own comes back");
    cr_assert(script_equal(a, b));
    crdt_buf_deinit(&first);
    crdt_buf_deinit(&second);
    crdt_document_close(a);
    crdt_document_close(b);
}

/* An actor was used again by a copy of a store: two histories under one name. */
Test(document, a_fork_is_refused)
{
    crdt_document *a = script_open();
    crdt_document *copy = script_open();
    crdt_document *b = script_open();
    crdt_buf bytes = script_buf();
    crdt_buf fork = script_buf();
    cr_assert_eq(script_edit(a, 1, "add o", &bytes), CRDT_OK);
    cr_assert_eq(script_apply(b, &bytes), CRDT_OK);
    cr_assert_eq(script_apply(copy, &bytes), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "add x", &bytes), CRDT_OK);
    cr_assert_eq(script_apply(b, &bytes), CRDT_OK);
    cr_assert_eq(script_edit(copy, 1, "add y; add z", &fork), CRDT_OK);
    cr_assert_eq(script_apply(b, &fork), CRDT_EFORK);
    cr_assert(script_equal(a, b));
    crdt_buf_deinit(&bytes);
    crdt_buf_deinit(&fork);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(copy);
}

/* One operation that was applied at two replicas as two local edits under one dot looks
 * like a delete when they meet. The same batch at two replicas has the same stamps, so it
 * is the same state. */
Test(document, one_operation_at_two_replicas)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *c = script_open();
    crdt_buf bytes = script_buf();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", &bytes), CRDT_OK);
    cr_assert_eq(script_apply(b, &bytes), CRDT_OK);
    cr_assert_eq(script_apply(c, &bytes), CRDT_OK);
    cr_assert_eq(script_pull(b, c), CRDT_OK);
    cr_assert_eq(script_pull(c, a), CRDT_OK);
    cr_assert(script_shows(b, "o.p.f", "1"));
    cr_assert(script_equal(b, c));
    crdt_buf_deinit(&bytes);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(c);
}

/* Two documents that have written at once, and have pulled from each other. */
typedef struct pair {
    crdt_document *a;
    crdt_document *b;
} pair;

static pair meet(const char *base, const char *at_a, const char *at_b)
{
    pair p = {script_open(), script_open()};
    cr_assert_eq(script_edit(p.a, 9, base, NULL), CRDT_OK);
    cr_assert_eq(script_pull(p.b, p.a), CRDT_OK);
    crdt_buf x = script_buf();
    crdt_buf y = script_buf();
    cr_assert_eq(script_edit(p.a, 1, at_a, &x), CRDT_OK);
    cr_assert_eq(script_edit(p.b, 2, at_b, &y), CRDT_OK);
    cr_assert_eq(script_apply(p.a, &y), CRDT_OK);
    cr_assert_eq(script_apply(p.b, &x), CRDT_OK);
    cr_assert(script_same_state(p.a, p.b));
    crdt_buf_deinit(&x);
    crdt_buf_deinit(&y);
    return p;
}

static void part_ways(pair p)
{
    crdt_document_close(p.a);
    crdt_document_close(p.b);
}

Test(document, an_add_wins_over_a_concurrent_remove)
{
    pair p = meet("add o; add o.p; set o.p.f 1", "remove o", "remove o; add o");
    cr_assert(script_live(p.a, "o"));
    cr_assert(!script_live(p.a, "o.p"));
    part_ways(p);
}

/* An edit does not revive what another deletes: it stays hidden, as a conflict. */
Test(document, an_edit_against_a_delete_stays_hidden)
{
    pair p = meet("add o; add o.p; set o.p.f 1", "remove o", "set o.p.f 2");
    cr_assert(script_shows(p.a, "o.p.f", "-"));
    cr_assert_eq(script_count(p.a, "o.p.f"), 1);
    cr_assert_eq(crdt_document_count(p.a).conflicts, 1);
    /* An add that has not seen it brings it back into view... */
    part_ways(p);
    p = meet("add o; add o.p", "remove o; add o; add o.p", "set o.p.f 2");
    cr_assert(script_shows(p.a, "o.p.f", "2"));
    part_ways(p);
}

/* A bare tombstone was written over what others had put into a container meanwhile. */
Test(document, a_removed_container_spares_what_its_remover_had_not_seen)
{
    pair p = meet("add o; add o.p", "remove o", "add o.q; set o.q.f 1");
    cr_assert(!script_live(p.a, "o"));
    cr_assert_eq(script_count(p.a, "o.q"), 1);
    cr_assert_eq(script_count(p.a, "o.q.f"), 1);
    cr_assert_eq(script_edit(p.a, 1, "add o", NULL),
                 CRDT_OK); /* has seen: takes away */
    cr_assert_eq(script_count(p.a, "o.q.f"), 0);
    part_ways(p);
}

/* Both create the same child at once: one side's content vanished. */
Test(document, concurrent_creation_keeps_both_contents)
{
    pair p =
        meet("add x", "add o; add o.p; set o.p.f 1", "add o; add o.p; set o.p.g 2");
    cr_assert(script_shows(p.a, "o.p.f", "1"));
    cr_assert(script_shows(p.a, "o.p.g", "2"));
    part_ways(p);
}

/* A remove gave another result than a remove followed by an add. */
Test(document, remove_and_add_again)
{
    pair p = meet("add o; add o.p; set o.p.f 1", "remove o",
                  "remove o; add o; add o.p; set o.p.f 2");
    cr_assert(script_live(p.a, "o"));
    cr_assert(script_shows(p.a, "o.p.f", "2"));
    part_ways(p);
}

/* ---- answers ---- */

/* A late joiner received entities that were already deleted. */
Test(document, a_late_joiner_gets_nothing_that_was_deleted)
{
    crdt_document *a = script_open();
    crdt_document *late = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1; add x", NULL),
                 CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "remove o", NULL), CRDT_OK);
    cr_assert_eq(script_pull(late, a), CRDT_OK);
    cr_assert(!script_live(late, "o"));
    cr_assert_eq(script_count(late, "o.p.f"), 0);
    cr_assert(script_equal(a, late));
    crdt_document_close(a);
    crdt_document_close(late);
}

/* A remove bumped the actor's counter without leaving a record: who learned of the new
 * version by a delta took it for "nothing changed". */
Test(document, a_remove_travels_in_a_delta)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "unset o.p.f", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert(script_shows(b, "o.p.f", "-"));
    cr_assert_eq(script_edit(a, 1, "remove o", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert(!script_live(b, "o"));
    cr_assert(script_equal(a, b));
    crdt_document_close(a);
    crdt_document_close(b);
}

/* "Descends" was used where "strictly descends" is meant: at equal versions nothing is new,
 * nothing is sent, and nothing goes. */
Test(document, nothing_is_new_at_equal_versions)
{
    pair p = meet("add o; add o.p; set o.p.f 0", "set o.p.f 1", "set o.p.f 2");
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer(p.a, crdt_document_version(p.b), NULL, &answer),
                 CRDT_OK);
    bool news = true;
    cr_assert_eq(crdt_document_merge(p.b, crdt_buf_span(&answer), NULL, &news, NULL),
                 CRDT_OK);
    cr_assert(!news);
    cr_assert_eq(script_count(p.b, "o.p.f"), 2, "both siblings stay");
    cr_assert(script_same_state(p.a, p.b));
    crdt_buf_deinit(&answer);
    part_ways(p);
}

/* What an add takes away was not listed as touched: a delta missed it. */
Test(document, a_delta_carries_what_an_add_took_away)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *c = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_pull(c, a), CRDT_OK);
    crdt_buf bytes = script_buf();
    cr_assert_eq(script_edit(a, 1, "remove o", &bytes), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "add o.q", NULL), CRDT_OK);
    cr_assert_eq(script_apply(b, &bytes), CRDT_OK);
    cr_assert_eq(script_count(b, "o.q"), 1);  /* hidden: o is gone */
    cr_assert_eq(script_pull(c, b), CRDT_OK); /* c has the hidden part too */
    cr_assert_eq(script_edit(b, 2, "add o", NULL), CRDT_OK); /* takes o.q away */
    cr_assert_eq(script_count(b, "o.q"), 0);
    crdt_document_trim_log(b, 0);
    crdt_document_trim_log(c, 0);
    cr_assert_eq(script_pull(c, b), CRDT_OK);
    cr_assert_eq(script_count(c, "o.q"), 0);
    cr_assert(script_same_state(b, c));
    crdt_buf_deinit(&bytes);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(c);
}

/* An answer made for one version was applied by a replica that had restarted at an older
 * one meanwhile: what lay between was lost, at equal versions. */
Test(document, an_answer_for_another_version_is_refused)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *restarted = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set o.p.g 2", NULL), CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer(a, crdt_document_version(b), NULL, &answer),
                 CRDT_OK);
    crdt_document *empty = script_open();
    cr_assert_eq(
        crdt_document_merge(restarted, crdt_buf_span(&answer), NULL, NULL, NULL),
        CRDT_ESTALE);
    cr_assert(script_equal(restarted, empty));
    bool news = false;
    cr_assert_eq(crdt_document_merge(b, crdt_buf_span(&answer), NULL, &news, NULL),
                 CRDT_OK);
    cr_assert(news);
    cr_assert_eq(crdt_document_merge(b, crdt_buf_span(&answer), NULL, &news, NULL),
                 CRDT_OK);
    cr_assert(!news, "the same again");
    cr_assert(script_same_state(a, b));
    crdt_buf_deinit(&answer);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(restarted);
    crdt_document_close(empty);
}

/* Healing by a full join at equal versions was an intersection: one replica that had lost
 * everything erased it everywhere. A document at the same version joined with another keeps
 * what it has only if the other has it too, so equal versions with unequal states are never
 * joined: the caller compares digests first, and they differ. */
Test(document, a_faulty_replica_shows_itself_by_its_digest)
{
    crdt_document *a = script_open();
    crdt_document *faulty = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    /* Version known, content lost: an answer with a version and nothing in it. */
    crdt_version nothing;
    crdt_version_init(&nothing, crdt_alloc_default());
    const crdt_answer_head head = {.full = true,
                                   .since = &nothing,
                                   .version = crdt_document_version(a),
                                   .floor = &nothing};
    crdt_buf bytes = script_buf();
    crdt_answer_writer writer;
    crdt_answer_write_open(&writer, &bytes, &head);
    cr_assert_eq(crdt_answer_write_finish(&writer), CRDT_OK);
    cr_assert_eq(crdt_document_merge(faulty, crdt_buf_span(&bytes), NULL, NULL, NULL),
                 CRDT_OK);
    cr_assert_eq(
        crdt_version_compare(crdt_document_version(a), crdt_document_version(faulty)),
        CRDT_EQUAL);
    cr_assert(
        !crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(faulty)));
    /* The ordinary exchange at equal versions is empty and erases nothing. */
    cr_assert_eq(script_pull(a, faulty), CRDT_OK);
    cr_assert(script_shows(a, "o.p.f", "1"));
    crdt_buf_deinit(&bytes);
    crdt_document_close(a);
    crdt_document_close(faulty);
}

/* One answer with version {A: 2^62} and no entries silenced A for ever: times are capped
 * where bytes are read. (What lies below the cap is for the replica to distrust.) */
Test(document, a_version_beyond_all_times_is_refused)
{
    crdt_document *a = script_open();
    cr_assert_eq(script_edit(a, 1, "add o", NULL), CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer_full(a, NULL, &answer), CRDT_OK);
    /* The time 1 of the version is a single byte; find the places where it may stand and
     * put a number of eight bytes there. */
    crdt_document *b = script_open();
    crdt_document *empty = script_open();
    for (size_t i = 0; i < answer.size; i++) {
        crdt_buf bad = script_buf();
        cr_assert_eq(crdt_buf_append(&bad, answer.data, i), CRDT_OK);
        cr_assert_eq(crdt_buf_append(&bad, "\xcf\x40\0\0\0\0\0\0\0", 9), CRDT_OK);
        cr_assert_eq(crdt_buf_append(&bad, answer.data + i + 1, answer.size - i - 1),
                     CRDT_OK);
        cr_assert_neq(crdt_document_merge(b, crdt_buf_span(&bad), NULL, NULL, NULL),
                      CRDT_OK);
        cr_assert(script_equal(b, empty));
        crdt_buf_deinit(&bad);
    }
    crdt_buf_deinit(&answer);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(empty);
}

/* Compaction reset versions, and peers refused what was newer. Trimming the log and saving
 * keep the version; the floor says how far the log reaches. */
Test(document, trimming_and_saving_keep_the_version)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *saved = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "remove o; add x", NULL), CRDT_OK);
    crdt_document_trim_log(a, 0);
    crdt_buf bytes = script_buf();
    cr_assert_eq(crdt_document_answer_full(a, NULL, &bytes), CRDT_OK);
    cr_assert_eq(crdt_document_merge(saved, crdt_buf_span(&bytes), NULL, NULL, NULL),
                 CRDT_OK);
    cr_assert(script_equal(a, saved));
    crdt_version since;
    crdt_version version;
    bool full;
    crdt_version_init(&since, crdt_alloc_default());
    crdt_version_init(&version, crdt_alloc_default());
    crdt_buf_clear(&bytes);
    cr_assert_eq(crdt_document_answer(saved, crdt_document_version(b), NULL, &bytes),
                 CRDT_OK);
    cr_assert_eq(crdt_answer_peek(crdt_buf_span(&bytes), &since, &version, &full, NULL),
                 CRDT_OK);
    cr_assert(full, "the remove that b lacks is forgotten");
    cr_assert_eq(script_pull(b, saved), CRDT_OK);
    cr_assert(!script_live(b, "o"));
    cr_assert(script_same_state(b, a));
    cr_assert_eq(script_edit(saved, 1, "add y", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, saved), CRDT_OK);
    cr_assert(script_live(b, "y"));
    crdt_version_deinit(&since);
    crdt_version_deinit(&version);
    crdt_buf_deinit(&bytes);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(saved);
}

/* Values that were collected when "causally stable" came back, for some, by a writer that
 * was not counted. Nothing is collected here: a member that was away keeps its say. */
Test(document, a_member_that_was_away)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *away = script_open();
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_pull(away, a), CRDT_OK);
    cr_assert_eq(script_edit(away, 3, "set o.p.f 3", NULL), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set o.p.f 4", NULL), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "remove o.p", NULL), CRDT_OK);
    cr_assert_eq(script_pull(a, b), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_housekeep(a, 1, NULL, NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    crdt_document_trim_log(a, 0);
    crdt_document_trim_log(b, 0);
    cr_assert_eq(script_pull(away, b), CRDT_OK);
    cr_assert_eq(script_pull(a, away), CRDT_OK);
    cr_assert_eq(script_pull(b, away), CRDT_OK);
    cr_assert(script_same_state(a, away));
    cr_assert(script_same_state(a, b));
    cr_assert_eq(script_count(a, "o.p.f"), 1, "the value from away, hidden");
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(away);
}

/* The digest was not updated on the merge path. */
Test(document, the_digest_follows_a_merge)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    const crdt_digest none = crdt_document_digest(a);
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert(!crdt_digest_equal(none, crdt_document_digest(a)));
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert(crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(b)));
    cr_assert_eq(script_edit(a, 1, "remove o", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert(crdt_digest_equal(crdt_document_digest(b), none));
    crdt_document_close(a);
    crdt_document_close(b);
}

/* Foreign bytes, cut or changed anywhere: an error, or a valid answer, never half of one. */
Test(document, broken_answers_change_nothing)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_document *before = script_open();
    cr_assert_eq(script_edit(b, 2, "add x; add x.p; set x.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_pull(before, b), CRDT_OK);
    cr_assert_eq(
        script_edit(a, 1,
                    "add o; add o.p; set o.p.f 1; add x; add x.p; set x.p.g hi;"
                    "add y; remove y",
                    NULL),
        CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer_full(a, NULL, &answer), CRDT_OK);
    for (size_t size = 0; size < answer.size; size++) {
        const crdt_span cut = {.data = answer.data, .size = size};
        cr_assert_neq(crdt_document_merge(b, cut, NULL, NULL, NULL), CRDT_OK);
        cr_assert(script_equal(b, before), "cut at %zu", size);
    }
    for (size_t i = 0; i < answer.size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            crdt_document *c = script_open();
            cr_assert_eq(script_pull(c, before), CRDT_OK);
            answer.data[i] ^= (uint8_t)(1u << bit);
            if (crdt_document_merge(c, crdt_buf_span(&answer), NULL, NULL, NULL) !=
                CRDT_OK) {
                cr_assert(script_equal(c, before), "bit %u of byte %zu", bit, i);
            }
            cr_assert(crdt_document_check(c), "bit %u of byte %zu", bit, i);
            answer.data[i] ^= (uint8_t)(1u << bit);
            crdt_document_close(c);
        }
    }
    crdt_buf_deinit(&answer);
    crdt_document_close(a);
    crdt_document_close(b);
    crdt_document_close(before);
}

/* ---- housekeeping ---- */

Test(document, housekeeping_clears_what_was_shown_long_enough)
{
    pair p = meet("add o; add o.p; set o.p.f 0; add x; add x.p; set x.p.f 0",
                  "set o.p.f 1; remove x", "set o.p.f 2; set x.p.f 2");
    crdt_version shown;
    crdt_version_init(&shown, crdt_alloc_default());
    cr_assert_eq(script_housekeep(p.a, 1, &shown, NULL), CRDT_ENOTHING,
                 "nothing was on display yet");
    cr_assert_eq(crdt_version_copy(&shown, crdt_document_version(p.a)), CRDT_OK);
    cr_assert_eq(crdt_document_count(p.a).conflicts, 2);
    crdt_buf bytes = script_buf();
    cr_assert_eq(script_housekeep(p.a, 1, &shown, &bytes), CRDT_OK);
    cr_assert_eq(crdt_document_count(p.a).conflicts, 0);
    cr_assert(script_shows(p.a, "o.p.f", "2"), "what is seen stays");
    cr_assert_eq(script_count(p.a, "x.p.f"), 0);
    cr_assert_eq(script_apply(p.b, &bytes), CRDT_OK);
    cr_assert(script_same_state(p.a, p.b));
    cr_assert_eq(script_housekeep(p.a, 1, NULL, NULL), CRDT_ENOTHING);
    crdt_buf_deinit(&bytes);
    crdt_version_deinit(&shown);
    part_ways(p);
}

/* ---- what listeners are told ---- */

typedef struct note_taker {
    crdt_buf text;
} note_taker;

static void note(note_taker *notes, const char *what, const crdt_key *key)
{
    crdt_buf *out = &notes->text;
    crdt_buf_append_span(out, crdt_span_of(what));
    crdt_buf_append_span(out, key->object);
    if (key->depth >= CRDT_PART) {
        crdt_buf_append_span(out, crdt_span_of("."));
        crdt_buf_append_span(out, key->part);
    }
    if (key->depth == CRDT_FIELD) {
        crdt_buf_append_span(out, crdt_span_of("."));
        crdt_buf_append_span(out, key->field);
    }
}

static void note_changed(void *ctx, crdt_span object)
{
    const crdt_key key = crdt_key_object(object);
    note(ctx, "changed ", &key);
    crdt_buf_append_span(&((note_taker *)ctx)->text, crdt_span_of("; "));
}

static void note_value(note_taker *notes, crdt_span value)
{
    if (value.size > 0) {
        crdt_value_reader reader = crdt_value_read_open(value);
        char text[32];
        snprintf(text, sizeof text, "=%d", (int)crdt_value_read(&reader).integer);
        crdt_buf_append_span(&notes->text, crdt_span_of(text));
    }
}

static void note_dropped(void *ctx, size_t op_index, const crdt_key *key,
                         const crdt_entry *entry, bool was_live)
{
    char text[32];
    snprintf(text, sizeof text, op_index == SIZE_MAX ? "join " : "op %zu ", op_index);
    note(ctx, text, key);
    note_value(ctx, entry->value);
    crdt_buf_append_span(&((note_taker *)ctx)->text,
                         crdt_span_of(was_live ? " live; " : " hidden; "));
}

static void note_conflict(void *ctx, const crdt_conflict *conflict)
{
    static const char *const kinds[] = {"concurrent ", "removed ", "stale "};
    note(ctx, kinds[conflict->kind], &conflict->key);
    note_value(ctx, conflict->loser.value);
    crdt_buf_append_span(&((note_taker *)ctx)->text, crdt_span_of(" by "));
    crdt_buf_append_span(&((note_taker *)ctx)->text, conflict->loser.who);
    if (conflict->winner.stamp.time != 0) {
        crdt_buf_append_span(&((note_taker *)ctx)->text, crdt_span_of(", shows"));
        note_value(ctx, conflict->winner.value);
    }
    crdt_buf_append_span(&((note_taker *)ctx)->text, crdt_span_of("; "));
}

static void expect_notes(note_taker *notes, const char *wanted)
{
    cr_assert(crdt_span_equal(crdt_buf_span(&notes->text), crdt_span_of(wanted)),
              "told:   %.*s\nwanted: %s", (int)notes->text.size,
              (const char *)notes->text.data, wanted);
    crdt_buf_clear(&notes->text);
}

Test(document, listeners_hear_of_conflicts)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    note_taker told = {script_buf()};
    const crdt_listener listener = {.ctx = &told, .conflict = note_conflict};
    cr_assert_eq(crdt_document_listen(a, &listener), CRDT_OK);
    cr_assert_eq(script_edit(a, 9, "add o; add o.p; set o.p.f 0; set o.p.g 0", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    crdt_buf batch = script_buf();
    /* Both orders: the one that comes loses, the one that comes wins. */
    cr_assert_eq(script_edit(a, 1, "set o.p.g 1; set o.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "set o.p.f 2; set o.p.g 2", &batch), CRDT_OK);
    expect_notes(&told, "");
    cr_assert_eq(script_apply(a, &batch), CRDT_OK);
    expect_notes(&told, "concurrent o.p.f=2 by person 2, shows=1; "
                        "concurrent o.p.g=1 by person 1, shows=2; ");
    /* An edit under what was removed; a remove of what was edited. */
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "remove o", NULL), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "set o.p.f 3", &batch), CRDT_OK);
    cr_assert_eq(script_apply(a, &batch), CRDT_OK);
    expect_notes(&told, "removed o.p.f=3 by person 2; ");
    cr_assert_eq(crdt_document_listen(b, &listener), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    expect_notes(&told, "removed o.p.f=3 by person 2; ");
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    expect_notes(&told, "");
    crdt_document_unlisten(b, &told);
    /* Winner and loser come in one answer: told once. */
    crdt_document *late = script_open();
    cr_assert_eq(script_edit(b, 2, "add q; add q.p; set q.p.f 0", NULL), CRDT_OK);
    cr_assert_eq(script_pull(a, b), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set q.p.f 1", NULL), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "set q.p.f 2", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    crdt_buf_clear(&told.text);
    cr_assert_eq(crdt_document_listen(late, &listener), CRDT_OK);
    cr_assert_eq(script_pull(late, b), CRDT_OK);
    expect_notes(&told, "removed o.p.f=3 by person 2; "
                        "concurrent q.p.f=1 by person 1, shows=2; ");
    crdt_document_close(late);
    crdt_buf_deinit(&batch);
    crdt_buf_deinit(&told.text);
    crdt_document_close(a);
    crdt_document_close(b);
}

/* A remove that is an add again in the same batch hides nothing. */
Test(document, a_replacement_is_no_conflict)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    cr_assert_eq(script_edit(a, 9, "add o; add o.p; set o.p.f 0", NULL), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    note_taker told = {script_buf()};
    const crdt_listener listener = {.ctx = &told, .conflict = note_conflict};
    cr_assert_eq(crdt_document_listen(b, &listener), CRDT_OK);
    crdt_buf batch = script_buf();
    cr_assert_eq(script_edit(a, 1, "remove o; add o; add o.p", &batch), CRDT_OK);
    cr_assert_eq(script_edit(b, 2, "set o.p.f 5", NULL), CRDT_OK);
    cr_assert_eq(script_apply(b, &batch), CRDT_OK);
    expect_notes(&told, "");
    cr_assert(script_shows(b, "o.p.f", "5"));
    crdt_buf_deinit(&batch);
    crdt_buf_deinit(&told.text);
    crdt_document_close(a);
    crdt_document_close(b);
}

/* People behind one worker share its actor: an edit names the stamp that it was made on. */
Test(document, an_edit_on_an_older_value_is_reported)
{
    crdt_document *doc = script_open();
    note_taker told = {script_buf()};
    const crdt_listener listener = {.ctx = &told, .conflict = note_conflict};
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
    cr_assert_eq(script_edit(doc, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    const crdt_stamp seen = {.time = 3, .actor = script_actor(1)};
    crdt_edit edit = {
        .actor = script_actor(1), .who = crdt_span_of("ann"), .seen = &seen};
    cr_assert_eq(script_commit(doc, &edit, "set o.p.f 2", NULL), CRDT_OK);
    expect_notes(&told, "");
    edit.who = crdt_span_of("bob"); /* who has not seen the 2 */
    cr_assert_eq(script_commit(doc, &edit, "set o.p.f 3; set o.p.f 4", NULL), CRDT_OK);
    expect_notes(&told, "stale o.p.f=2 by ann, shows=3; ");
    crdt_buf_deinit(&told.text);
    crdt_document_close(doc);
}

Test(document, listeners_hear_what_was_dropped)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    cr_assert_eq(script_edit(a, 9, "add o; add o.p; set o.p.f 1; add x", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    note_taker told = {script_buf()};
    const crdt_listener listener = {
        .ctx = &told, .changed = note_changed, .dropped = note_dropped};
    cr_assert_eq(crdt_document_listen(a, &listener), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "set o.p.f 2; set o.p.f 3; add y", NULL), CRDT_OK);
    expect_notes(&told,
                 "op 0 o.p.f=1 live; changed o; op 1 o.p.f=2 hidden; changed y; ");
    cr_assert_eq(script_edit(a, 1, "remove o; add o", NULL), CRDT_OK);
    expect_notes(&told, "op 0 o.p.f=3 live; op 0 o.p live; op 0 o live; changed o; ");
    cr_assert_eq(crdt_document_listen(b, &listener), CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    expect_notes(&told, "join o.p.f=1 live; join o.p live; join o live; changed o; "
                        "changed y; ");
    crdt_buf_deinit(&told.text);
    crdt_document_close(a);
    crdt_document_close(b);
}

Test(document, at_most_eight_listeners)
{
    crdt_document *doc = script_open();
    int identities[9];
    for (size_t i = 0; i < 9; i++) {
        const crdt_listener listener = {.ctx = &identities[i]};
        cr_assert_eq(crdt_document_listen(doc, &listener),
                     i < 8 ? CRDT_OK : CRDT_ELIMIT);
    }
    crdt_document_unlisten(doc, &identities[3]);
    const crdt_listener listener = {.ctx = &identities[8]};
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
    crdt_document_close(doc);
}

static bool note_standing(void *ctx, const crdt_conflict *conflict)
{
    note_conflict(ctx, conflict);
    return true;
}

Test(document, conflicts_that_stand_are_listed_in_order)
{
    pair p = meet("add o; add o.p; set o.p.f 0; add b; add b.p; set b.p.f 0",
                  "set o.p.f 1; remove b", "set o.p.f 2; set b.p.f 2");
    note_taker told = {script_buf()};
    cr_assert_eq(crdt_document_conflicts(p.a, note_standing, &told), CRDT_OK);
    expect_notes(&told, "removed b.p.f=2 by person 2; "
                        "concurrent o.p.f=1 by person 1, shows=2; ");
    crdt_buf_deinit(&told.text);
    part_ways(p);
}

/* ---- memory ---- */

#define LONG "a_value_that_is_too_long_to_lie_in_a_slot_and_so_needs_memory_of_its_own"

/* A script, and before it enough new objects for every table and chunk to grow. */
static const char *with_many(const char *script)
{
    static char text[65536];
    size_t size = 0;
    for (unsigned i = 0; i < 300; i++) {
        int written = snprintf(text + size, sizeof text - size,
                               "add n%u; add n%u.p; set n%u.p.f " LONG "; ", i, i, i);
        size += (size_t)written;
    }
    size += (size_t)snprintf(text + size, sizeof text - size, "add big; add big.p; ");
    for (unsigned i = 0; i < 60; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "add big.p%u; set big.p.f%u " LONG "; ", i, i);
    }
    snprintf(text + size, sizeof text - size, "%s", script);
    return text;
}

/* A base that the failing change meets with siblings, hidden values and a log. */
static crdt_document *busy_document(crdt_alloc alloc, crdt_buf *batch)
{
    crdt_document *doc = script_open_with(alloc);
    crdt_document *other = script_open();
    cr_assert_eq(script_edit(doc, 1,
                             "add o; add o.p; set o.p.f " LONG "; add x; add x.p;"
                             "set x.p.f 1; add z; remove z",
                             NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(other, doc), CRDT_OK);
    cr_assert_eq(script_edit(doc, 1, "set o.p.f 2; remove x", NULL), CRDT_OK);
    cr_assert_eq(script_edit(other, 2,
                             with_many("set o.p.f " LONG "2; set x.p.f 2; remove o.p;"
                                       "add o.q; add new2; remove new2; unset x.p.f"),
                             batch),
                 CRDT_OK);
    crdt_document_close(other);
    return doc;
}

static crdt_err try_commit(crdt_document *doc, const crdt_buf *bytes)
{
    (void)bytes;
    return script_edit(doc, 5,
                       with_many("set o.p.f " LONG "; remove o; add o; add o.p;"
                                 "set o.p.f 1; unset o.p.f; set q.q.q 1"),
                       NULL);
}

static crdt_err try_merge(crdt_document *doc, const crdt_buf *bytes)
{
    return crdt_document_merge(doc, crdt_buf_span(bytes), NULL, NULL, NULL);
}

static void fail_each(crdt_err (*change)(crdt_document *, const crdt_buf *),
                      const crdt_buf *bytes)
{
    for (uint64_t n = 0;; n++) {
        fault_alloc fault;
        crdt_buf batch = script_buf();
        crdt_document *doc = busy_document(fault_alloc_init(&fault), &batch);
        crdt_document *before = busy_document(crdt_alloc_default(), &batch);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = change(doc, bytes == NULL ? &batch : bytes);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        cr_assert(crdt_document_check(doc), "allocation %d", (int)n);
        cr_assert_eq(script_equal(doc, before), err != CRDT_OK, "allocation %d",
                     (int)n);
        crdt_document_close(doc);
        crdt_document_close(before);
        crdt_buf_deinit(&batch);
        cr_assert(fault_alloc_balanced(&fault), "allocation %d", (int)n);
        if (err == CRDT_OK) {
            cr_assert_gt(n, 8); /* so many can fail */
            return;
        }
    }
}

Test(document, failing_memory_in_commit_changes_nothing)
{
    fail_each(try_commit, NULL);
}

Test(document, failing_memory_in_apply_changes_nothing)
{
    fail_each(script_apply, NULL);
}

Test(document, failing_memory_in_merge_changes_nothing)
{
    crdt_buf batch = script_buf();
    crdt_document *doc = busy_document(crdt_alloc_default(), &batch);
    crdt_document *other = script_open();
    cr_assert_eq(script_pull(other, doc), CRDT_OK);
    crdt_document_close(doc);
    doc = busy_document(crdt_alloc_default(), &batch);
    cr_assert_eq(script_apply(other, &batch), CRDT_OK);
    cr_assert_eq(script_edit(other, 3, "remove o; add a; add a.p; set a.p.f 1", NULL),
                 CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer(other, crdt_document_version(doc), NULL, &answer),
                 CRDT_OK);
    fail_each(try_merge, &answer);
    crdt_buf_clear(&answer);
    cr_assert_eq(crdt_document_answer_full(other, NULL, &answer), CRDT_OK);
    fail_each(try_merge, &answer);
    crdt_buf_deinit(&answer);
    crdt_buf_deinit(&batch);
    crdt_document_close(doc);
    crdt_document_close(other);
}

Test(document, failing_memory_in_answer_leaves_the_bytes)
{
    fault_alloc fault;
    crdt_buf batch = script_buf();
    crdt_document *doc = busy_document(fault_alloc_init(&fault), &batch);
    crdt_version since;
    crdt_version_init(&since, crdt_alloc_default());
    for (uint64_t n = 0;; n++) {
        crdt_buf out;
        crdt_buf_init(&out, (crdt_alloc){.fn = NULL});
        out = script_buf();
        cr_assert_eq(crdt_buf_append(&out, "before", 6), CRDT_OK);
        fault_alloc_fail_at(&fault, n);
        crdt_err err = crdt_document_answer(doc, &since, NULL, &out);
        fault_alloc_heal(&fault);
        cr_assert(crdt_document_check(doc));
        if (err != CRDT_OK) {
            cr_assert_eq(out.size, 6);
        }
        crdt_buf_deinit(&out);
        if (err == CRDT_OK) {
            cr_assert_gt(n, 0);
            break;
        }
    }
    crdt_document_close(doc);
    crdt_buf_deinit(&batch);
    cr_assert(fault_alloc_balanced(&fault));
}

/* A remote write of known names allocates nothing once warm. */
Test(document, a_remote_write_allocates_nothing)
{
    enum { WRITES = 500 };
    crdt_document *a = script_open();
    fault_alloc fault;
    crdt_document *b = script_open_with(fault_alloc_init(&fault));
    cr_assert_eq(script_edit(a, 1, "add o; add o.p; set o.p.f 0; set o.p.g 0", NULL),
                 CRDT_OK);
    cr_assert_eq(script_pull(b, a), CRDT_OK);
    crdt_buf batches[WRITES];
    for (int i = 0; i < WRITES; i++) {
        char text[160];
        snprintf(text, sizeof text, "set o.p.f " LONG "%d; set o.p.g %d", i, i);
        batches[i] = script_buf();
        cr_assert_eq(script_edit(a, 1, text, &batches[i]), CRDT_OK);
    }
    uint64_t calls = 0;
    for (int i = 0; i < WRITES; i++) {
        cr_assert_eq(script_apply(b, &batches[i]), CRDT_OK);
        if (i == WRITES / 10) {
            calls = fault.call_count; /* warm */
        }
        crdt_buf_deinit(&batches[i]);
    }
    cr_assert_eq(fault.call_count, calls);
    cr_assert(script_same_state(a, b));
    crdt_document_close(a);
    crdt_document_close(b);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Objects that come and go, each under a name of its own, leave nothing behind but the
 * remove log, and that is bounded. */
Test(document, removed_objects_cost_nothing)
{
    fault_alloc fault;
    crdt_document_options options = crdt_document_options_default();
    options.alloc = fault_alloc_init(&fault);
    options.log_bytes_max = 4096;
    crdt_document *doc;
    cr_assert_eq(crdt_document_open(&doc, &options), CRDT_OK);
    size_t size = 0;
    for (unsigned i = 0; i < 30000; i++) {
        char text[128];
        snprintf(text, sizeof text, "add e%u; add e%u.p; set e%u.p.f " LONG, i, i, i);
        cr_assert_eq(script_edit(doc, 1, text, NULL), CRDT_OK);
        snprintf(text, sizeof text, "remove e%u", i);
        cr_assert_eq(script_edit(doc, 1, text, NULL), CRDT_OK);
        if (i == 3000) {
            size = fault.live_size;
        }
    }
    cr_assert_leq(fault.live_size, size);
    cr_assert(crdt_document_check(doc));
    crdt_document_close(doc);
    cr_assert(fault_alloc_balanced(&fault));
}

/* Groups that grow out of being walked, and shrink again: against a plain array. */
Test(document, large_groups)
{
    enum { WORLD = 40 };
    crdt_document *doc = script_open();
    cr_assert_eq(script_edit(doc, 1, "add o; add o.p", NULL), CRDT_OK);
    int values[WORLD] = {0};
    gen g = gen_open(gen_seed(5), NULL);
    for (int step = 1; step < 4000; step++) {
        size_t i = gen_below(&g, WORLD);
        bool grow = gen_chance(&g, step / 500 % 2 == 0 ? 80 : 15);
        char text[64];
        snprintf(text, sizeof text, grow ? "set o.p.f%zu %d" : "unset o.p.f%zu", i,
                 step);
        crdt_err err = script_edit(doc, 1, text, NULL);
        cr_assert_eq(err, grow || values[i] != 0 ? CRDT_OK : CRDT_ENOTHING);
        values[i] = grow ? step : 0;
        snprintf(text, sizeof text, "o.p.f%zu", i);
        char value[16];
        snprintf(value, sizeof value, grow ? "%d" : "-", step);
        cr_assert(script_shows(doc, text, value));
        if (step % 50 == 0) {
            size_t held = 0;
            for (size_t j = 0; j < WORLD; j++) {
                held += values[j] != 0;
            }
            cr_assert_eq(crdt_document_count(doc).fields, held);
            cr_assert(crdt_document_check(doc));
        }
    }
    crdt_document_close(doc);
}

/* 65,536 actors do not fit into a dot: refused, nothing changed. */
Test(document, too_many_actors_are_refused)
{
    crdt_document *doc = script_open();
    for (unsigned i = 0; i < 65536; i++) {
        char name[16];
        snprintf(name, sizeof name, "o%u", i);
        const crdt_op op = {.kind = CRDT_OP_ADD, .key = script_key(name)};
        const crdt_actor actor = {{(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        const crdt_batch batch = {.actor = actor, .ops = &op, .op_count = 1};
        cr_assert_eq(crdt_document_apply(doc, &batch, NULL),
                     i < 65535 ? CRDT_OK : CRDT_ELIMIT);
    }
    cr_assert_eq(crdt_document_version(doc)->stamp_count, 65535);
    cr_assert_eq(crdt_document_count(doc).objects, 65535);
    crdt_document_close(doc);
}
