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
