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

/* Reading while reading: a walk goes on as it was, whatever else is read meanwhile, though
 * the order is only brought about when somebody asks for it. */
Test(document, a_walk_is_not_disturbed_by_reading)
{
    crdt_document *doc = script_open();
    cr_assert_eq(
        script_edit(doc, 1, "add c; add a; add d; add b; add c.z; add c.y", NULL),
        CRDT_OK);
    static const char *const wanted[] = {"a", "b", "c", "d"};
    crdt_object object = {0};
    size_t count = 0;
    while (crdt_document_next_object(doc, &object)) {
        cr_assert_lt(count, 4);
        cr_assert(crdt_span_equal(crdt_document_object_name(doc, object),
                                  crdt_span_of(wanted[count++])));
        crdt_buf bytes = script_buf();
        cr_assert_eq(crdt_document_answer_full(doc, NULL, &bytes), CRDT_OK);
        crdt_buf_deinit(&bytes);
    }
    cr_assert_eq(count, 4);
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

Test(document, an_add_wins_over_a_concurrent_remove)
{
    script_pair p =
        script_meet("add o; add o.p; set o.p.f 1", "remove o", "remove o; add o");
    cr_assert(script_live(p.a, "o"));
    cr_assert(!script_live(p.a, "o.p"));
    script_pair_close(p);
}

/* An edit does not revive what another deletes: it stays hidden, as a conflict. */
Test(document, an_edit_against_a_delete_stays_hidden)
{
    script_pair p =
        script_meet("add o; add o.p; set o.p.f 1", "remove o", "set o.p.f 2");
    cr_assert(script_shows(p.a, "o.p.f", "-"));
    cr_assert_eq(script_count(p.a, "o.p.f"), 1);
    cr_assert_eq(crdt_document_count(p.a).conflicts, 1);
    /* An add that has not seen it brings it back into view... */
    script_pair_close(p);
    p = script_meet("add o; add o.p", "remove o; add o; add o.p", "set o.p.f 2");
    cr_assert(script_shows(p.a, "o.p.f", "2"));
    script_pair_close(p);
}

/* A bare tombstone was written over what others had put into a container meanwhile. */
Test(document, a_removed_container_spares_what_its_remover_had_not_seen)
{
    script_pair p = script_meet("add o; add o.p", "remove o", "add o.q; set o.q.f 1");
    cr_assert(!script_live(p.a, "o"));
    cr_assert_eq(script_count(p.a, "o.q"), 1);
    cr_assert_eq(script_count(p.a, "o.q.f"), 1);
    cr_assert_eq(script_edit(p.a, 1, "add o", NULL),
                 CRDT_OK); /* has seen: takes away */
    cr_assert_eq(script_count(p.a, "o.q.f"), 0);
    script_pair_close(p);
}

/* Both create the same child at once: one side's content vanished. */
Test(document, concurrent_creation_keeps_both_contents)
{
    script_pair p = script_meet("add x", "add o; add o.p; set o.p.f 1",
                                "add o; add o.p; set o.p.g 2");
    cr_assert(script_shows(p.a, "o.p.f", "1"));
    cr_assert(script_shows(p.a, "o.p.g", "2"));
    script_pair_close(p);
}

/* A remove gave another result than a remove followed by an add. */
Test(document, remove_and_add_again)
{
    script_pair p = script_meet("add o; add o.p; set o.p.f 1", "remove o",
                                "remove o; add o; add o.p; set o.p.f 2");
    cr_assert(script_live(p.a, "o"));
    cr_assert(script_shows(p.a, "o.p.f", "2"));
    script_pair_close(p);
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
    script_pair p =
        script_meet("add o; add o.p; set o.p.f 0", "set o.p.f 1", "set o.p.f 2");
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
    script_pair_close(p);
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

/* Rows of dependencies travel with an answer, so that whoever catches up can read batches
 * that are coded against an earlier one. */
Test(document, rows_of_dependencies_travel)
{
    crdt_document *a = script_open();
    crdt_document *b = script_open();
    crdt_deps *mine;
    crdt_deps *theirs;
    cr_assert_eq(crdt_deps_open(&mine, crdt_alloc_default(), 8), CRDT_OK);
    cr_assert_eq(crdt_deps_open(&theirs, crdt_alloc_default(), 8), CRDT_OK);
    cr_assert_eq(script_edit(a, 1, "add o; add x", NULL), CRDT_OK);
    const crdt_actor author = script_actor(1);
    const crdt_deps_row row = {.actor = author,
                               .last_time = 2,
                               .after = crdt_document_version(a),
                               .who = crdt_span_of("ann"),
                               .wall_ms = 77};
    cr_assert_eq(crdt_deps_put(mine, &row), CRDT_OK);
    crdt_buf answer = script_buf();
    cr_assert_eq(crdt_document_answer(a, crdt_document_version(b), mine, &answer),
                 CRDT_OK);
    cr_assert_eq(crdt_document_merge(b, crdt_buf_span(&answer), theirs, NULL, NULL),
                 CRDT_OK);
    crdt_deps_row got;
    cr_assert(crdt_deps_find(theirs, &author, &got));
    cr_assert_eq(got.last_time, 2);
    cr_assert_eq(crdt_version_compare(got.after, crdt_document_version(a)), CRDT_EQUAL);
    cr_assert(crdt_span_equal(got.who, row.who));
    cr_assert_eq(got.wall_ms, 77);
    crdt_buf_deinit(&answer);
    crdt_deps_close(mine);
    crdt_deps_close(theirs);
    crdt_document_close(a);
    crdt_document_close(b);
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
    script_pair p =
        script_meet("add o; add o.p; set o.p.f 0; add x; add x.p; set x.p.f 0",
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
    script_pair_close(p);
}

/* Two values wait below a part that somebody removed meanwhile; one of them was written
 * again after the last look. Then neither goes, whichever is met last. */
Test(document, housekeeping_spares_a_part_that_has_news)
{
    static const char *const news[] = {"set x.p.a 3", "set x.p.b 3"};
    for (int i = 0; i < 2; i++) {
        crdt_document *a = script_open();
        crdt_document *b = script_open();
        crdt_buf bytes = script_buf();
        crdt_version shown;
        crdt_version_init(&shown, crdt_alloc_default());
        cr_assert_eq(script_edit(a, 9, "add x; add x.p", &bytes), CRDT_OK);
        cr_assert_eq(script_apply(b, &bytes), CRDT_OK);
        cr_assert_eq(script_edit(a, 1, "remove x", NULL), CRDT_OK);
        cr_assert_eq(script_edit(b, 2, "set x.p.a 1; set x.p.b 2", &bytes), CRDT_OK);
        cr_assert_eq(script_apply(a, &bytes), CRDT_OK);
        cr_assert_eq(crdt_version_copy(&shown, crdt_document_version(a)), CRDT_OK);
        cr_assert_eq(script_edit(b, 2, news[i], &bytes), CRDT_OK);
        cr_assert_eq(script_apply(a, &bytes), CRDT_OK);
        cr_assert_eq(script_housekeep(a, 1, &shown, NULL), CRDT_ENOTHING);
        cr_assert_eq(crdt_version_copy(&shown, crdt_document_version(a)), CRDT_OK);
        cr_assert_eq(script_housekeep(a, 1, &shown, NULL), CRDT_OK);
        cr_assert_eq(script_count(a, "x.p.a") + script_count(a, "x.p.b"), 0);
        crdt_version_deinit(&shown);
        crdt_buf_deinit(&bytes);
        crdt_document_close(a);
        crdt_document_close(b);
    }
}

/* A part that was added while its object was removed has a dot and does not live: adding it
 * says something. */
Test(document, an_add_below_a_removed_object_says_something)
{
    script_pair p = script_meet("add o; add o.p", "remove o", "remove o.p; add o.p");
    cr_assert_eq(script_count(p.a, "o.p"), 1);
    cr_assert(!script_live(p.a, "o.p"));
    cr_assert_eq(script_edit(p.a, 1, "add o.p", NULL), CRDT_OK);
    script_pair_close(p);
}
