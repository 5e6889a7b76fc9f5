/* What listeners are told, and what stands as a conflict. */

#include "crdt/document.h"
#include "crdt/value.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>

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

Test(document_listen, listeners_hear_of_conflicts)
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

/* Values that are written over, and nothing else: the short way once forgot to tell, and
 * the snapshot went on showing the former ones. */
Test(document_listen, listeners_hear_of_values_written_over)
{
    crdt_document *doc = script_open();
    note_taker told = {script_buf()};
    const crdt_listener listener = {.ctx = &told, .changed = note_changed};
    cr_assert_eq(script_edit(doc, 1,
                             "add o; add o.p; set o.p.f 0; add q; add q.p; set q.p.f 0",
                             NULL),
                 CRDT_OK);
    cr_assert_eq(crdt_document_listen(doc, &listener), CRDT_OK);
    cr_assert_eq(script_edit(doc, 1, "set o.p.f 1", NULL), CRDT_OK);
    expect_notes(&told, "changed o; ");
    cr_assert_eq(script_edit(doc, 1, "set o.p.f 2; set q.p.f 2", NULL), CRDT_OK);
    expect_notes(&told, "changed o; changed q; ");
    crdt_buf_deinit(&told.text);
    crdt_document_close(doc);
}

/* A remove that is an add again in the same batch hides nothing. */
Test(document_listen, a_replacement_is_no_conflict)
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
Test(document_listen, an_edit_on_an_older_value_is_reported)
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

Test(document_listen, listeners_hear_what_was_dropped)
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

Test(document_listen, at_most_eight_listeners)
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

Test(document_listen, conflicts_that_stand_are_listed_in_order)
{
    script_pair p =
        script_meet("add o; add o.p; set o.p.f 0; add b; add b.p; set b.p.f 0",
                    "set o.p.f 1; remove b", "set o.p.f 2; set b.p.f 2");
    note_taker told = {script_buf()};
    cr_assert_eq(crdt_document_conflicts(p.a, note_standing, &told), CRDT_OK);
    expect_notes(&told, "removed b.p.f=2 by person 2; "
                        "concurrent o.p.f=1 by person 1, shows=2; ");
    crdt_buf_deinit(&told.text);
    script_pair_close(p);
}

/* A name is known as long as a key has it. */
Test(document_listen, names_come_and_go_with_their_keys)
{
    crdt_document *doc = script_open();
    cr_assert(!crdt_document_has_name(doc, crdt_span_of("f")));
    cr_assert_eq(script_edit(doc, 1, "add o; add o.p; set o.p.f 1", NULL), CRDT_OK);
    cr_assert(crdt_document_has_name(doc, crdt_span_of("o")));
    cr_assert(crdt_document_has_name(doc, crdt_span_of("p")));
    cr_assert(crdt_document_has_name(doc, crdt_span_of("f")));
    cr_assert(!crdt_document_has_name(doc, crdt_span_of("q")));
    crdt_document_close(doc);
}

/* A full answer names what there is. What went with it is told too: a snapshot that was kept
 * up to date went on showing an entity that others had removed while this replica was away,
 * until somebody touched it again. Found by the convergence fuzzer: remove, trim the log,
 * catch up. */
static void note_names(void *ctx, crdt_span object)
{
    crdt_buf *names = ctx;
    crdt_buf_append_span(names, object);
    crdt_buf_append_span(names, crdt_span_of(" "));
}

Test(document_listen, a_full_answer_tells_what_is_gone)
{
    crdt_document *docs[2];
    crdt_document_options options = crdt_document_options_default();
    crdt_arena arena;
    crdt_batch batch;
    crdt_buf bytes;
    crdt_buf names;
    crdt_op ops[4] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("lamp"))},
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("desk"))},
        {.kind = CRDT_OP_ADD,
         .key = crdt_key_part(crdt_span_of("desk"), crdt_span_of("Name"))},
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(crdt_span_of("chair"))}};
    crdt_edit edit = {.actor = {{1}}};
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_buf_init(&bytes, crdt_alloc_default());
    crdt_buf_init(&names, crdt_alloc_default());
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(crdt_document_open(&docs[i], &options), CRDT_OK);
    }
    cr_assert_eq(crdt_document_commit(docs[0], &edit, ops, 4, &arena, &batch, NULL),
                 CRDT_OK);
    cr_assert_eq(crdt_document_apply(docs[1], &batch, NULL), CRDT_OK);
    ops[0].kind = CRDT_OP_REMOVE;
    ops[2].kind = CRDT_OP_REMOVE;
    cr_assert_eq(crdt_document_commit(docs[0], &edit, ops, 1, &arena, &batch, NULL),
                 CRDT_OK);
    cr_assert_eq(crdt_document_commit(docs[0], &edit, &ops[2], 1, &arena, &batch, NULL),
                 CRDT_OK);
    crdt_document_trim_log(docs[0], 0);
    crdt_listener listener = {.ctx = &names, .changed = note_names};
    cr_assert_eq(crdt_document_listen(docs[1], &listener), CRDT_OK);
    cr_assert_eq(
        crdt_document_answer(docs[0], crdt_document_version(docs[1]), NULL, &bytes),
        CRDT_OK);
    cr_assert_eq(crdt_document_merge(docs[1], crdt_buf_span(&bytes), NULL, NULL, NULL),
                 CRDT_OK);
    crdt_buf_append(&names, "", 1);
    cr_assert_not_null(strstr((const char *)names.data, "lamp"));
    cr_assert_not_null(strstr((const char *)names.data, "desk"));
    cr_assert(crdt_document_check(docs[1]));
    for (size_t i = 0; i < 2; i++) {
        crdt_document_close(docs[i]);
    }
    crdt_buf_deinit(&bytes);
    crdt_buf_deinit(&names);
    crdt_arena_deinit(&arena);
}
