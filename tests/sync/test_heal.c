/* Two documents at one version that differ: what each writes again makes them equal, and
 * nothing that only one held is gone. */

#include "sync/heal.h"

#include "crdt/value.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const crdt_actor A = {{1}};

typedef struct side {
    crdt_document *doc;
    crdt_actor healer;
    crdt_op_list ops;
    crdt_arena arena;
    crdt_batch batch;
    size_t rewritten;
    size_t lost;
} side;

static void side_open(side *s, uint8_t healer)
{
    *s = (side){.healer = {{healer}}};
    crdt_document_options options = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&s->doc, &options), CRDT_OK);
    crdt_op_list_init(&s->ops, options.alloc);
    crdt_arena_init(&s->arena, options.alloc);
}

static void side_close(side *s)
{
    crdt_document_close(s->doc);
    crdt_op_list_deinit(&s->ops);
    crdt_arena_deinit(&s->arena);
}

static crdt_key field_of(const char *object, const char *field)
{
    return crdt_key_field(crdt_span_of(object), crdt_span_of("part"),
                          crdt_span_of(field));
}

/* Three operations under `actor`: object, part, and a field. Says how many it made. */
static size_t write(side *s, const crdt_actor *actor, const char *object,
                    const char *field, int64_t value, crdt_batch *out)
{
    crdt_op_list ops;
    crdt_buf bytes;
    crdt_batch batch;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(crdt_value_write_integer(&bytes, value), CRDT_OK);
    crdt_key key = field_of(object, field);
    crdt_op_list_add(&ops, crdt_key_object(key.object));
    crdt_op_list_add(&ops, crdt_key_part(key.object, key.part));
    crdt_op_list_set(&ops, key, crdt_buf_span(&bytes));
    crdt_edit edit = {.actor = *actor};
    cr_assert_eq(crdt_document_commit(s->doc, &edit, ops.ops, ops.op_count, &s->arena,
                                      &batch, NULL),
                 CRDT_OK);
    size_t count = batch.op_count;
    if (out != NULL) {
        *out = batch;
    } else {
        crdt_op_list_deinit(&ops);
        crdt_buf_deinit(&bytes);
    }
    return count;
}

static int64_t shown(const side *s, const char *object, const char *field)
{
    crdt_key key = field_of(object, field);
    crdt_span value;
    if (!crdt_document_get(s->doc, &key, &value)) {
        return -1;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).integer;
}

static void tell(void *ctx, const crdt_key *key, const crdt_entry *entry, bool lost)
{
    side *s = ctx;
    (void)key;
    (void)entry;
    s->rewritten += lost ? 0 : 1;
    s->lost += lost ? 1 : 0;
}

static sync_heal_counts plan(side *s, const side *other, bool both)
{
    sync_heal_options options = {
        .both = both, .actor = s->healer, .tell = tell, .tell_ctx = s};
    sync_heal_counts counts;
    crdt_op_list_clear(&s->ops);
    cr_assert_eq(sync_heal_plan(s->doc, other->doc, &options, &s->ops, &counts),
                 CRDT_OK);
    return counts;
}

static bool commit(side *s)
{
    crdt_edit edit = {.actor = s->healer, .sweep = true};
    return s->ops.op_count > 0 &&
           crdt_document_commit(s->doc, &edit, s->ops.ops, s->ops.op_count, &s->arena,
                                &s->batch, NULL) == CRDT_OK;
}

/* Both plan on what they see now, then write, then hear each other. */
static void heal(side *a, side *b)
{
    plan(a, b, false);
    plan(b, a, false);
    bool a_wrote = commit(a);
    bool b_wrote = commit(b);
    cr_assert(a_wrote || b_wrote);
    if (a_wrote) {
        cr_assert_eq(crdt_document_apply(b->doc, &a->batch, NULL), CRDT_OK);
    }
    if (b_wrote) {
        cr_assert_eq(crdt_document_apply(a->doc, &b->batch, NULL), CRDT_OK);
    }
    cr_assert(crdt_document_check(a->doc));
    cr_assert_eq(crdt_version_compare(crdt_document_version(a->doc),
                                      crdt_document_version(b->doc)),
                 CRDT_EQUAL);
    cr_assert(
        crdt_digest_equal(crdt_document_digest(a->doc), crdt_document_digest(b->doc)));
}

Test(heal, equal_documents_need_nothing)
{
    side a;
    side b;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    write(&b, &A, "lamp", "x", 1, NULL);
    sync_heal_counts counts = plan(&a, &b, true);
    cr_assert_eq(a.ops.op_count, 0);
    cr_assert_eq(counts.mine + counts.theirs + counts.forks, 0);
    side_close(&a);
    side_close(&b);
}

/* One stamp with two values: the greater bytes are written again, by who holds them. */
Test(heal, one_stamp_two_values)
{
    side a;
    side b;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    write(&b, &A, "lamp", "x", 2, NULL);
    sync_heal_counts counts = plan(&a, &b, false);
    cr_assert_eq(counts.forks, 1);
    cr_assert_eq(a.ops.op_count, 0);
    heal(&a, &b);
    cr_assert_eq(shown(&a, "lamp", "x"), 2);
    cr_assert_eq(b.rewritten, 1);
    cr_assert_geq(b.lost, 1, "the lesser one is listed");
    side_close(&a);
    side_close(&b);
}

/* Each holds a field and an object that the other lacks. */
Test(heal, what_only_one_holds)
{
    side a;
    side b;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    write(&b, &A, "lamp", "x", 1, NULL);
    write(&a, &A, "lamp", "left", 2, NULL);
    write(&b, &A, "lamp", "right", 3, NULL);
    write(&a, &A, "desk", "x", 4, NULL);
    write(&b, &A, "door", "x", 5, NULL);
    heal(&a, &b);
    cr_assert_eq(shown(&b, "lamp", "x"), 1);
    cr_assert_eq(shown(&b, "lamp", "left"), 2);
    cr_assert_eq(shown(&a, "lamp", "right"), 3);
    cr_assert_eq(shown(&b, "desk", "x"), 4);
    cr_assert_eq(shown(&a, "door", "x"), 5);
    side_close(&a);
    side_close(&b);
}

/* The side that lost its memory writes nothing; after some rounds the other writes for
 * it too. */
Test(heal, both_for_a_silent_one)
{
    side a;
    side b;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    write(&b, &A, "desk", "x", 2, NULL);
    plan(&a, &b, true);
    cr_assert(commit(&a));
    cr_assert_eq(crdt_document_apply(b.doc, &a.batch, NULL), CRDT_OK);
    cr_assert(
        crdt_digest_equal(crdt_document_digest(a.doc), crdt_document_digest(b.doc)));
    cr_assert_eq(shown(&b, "lamp", "x"), 1);
    cr_assert_eq(shown(&b, "desk", "x"), 2);
    side_close(&a);
    side_close(&b);
}

/* A former actor with two histories beyond time 3. What they both had before, and one
 * has removed since, stays removed; what either wrote since is written again. */
Test(heal, rescue)
{
    side a;
    side b;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    write(&b, &A, "lamp", "x", 1, NULL);
    crdt_op remove = {.kind = CRDT_OP_REMOVE,
                      .key = crdt_key_object(crdt_span_of("lamp"))};
    crdt_edit edit = {.actor = A};
    crdt_batch batch;
    cr_assert_eq(crdt_document_commit(b.doc, &edit, &remove, 1, &b.arena, &batch, NULL),
                 CRDT_OK);
    write(&b, &A, "door", "x", 2, NULL);
    write(&a, &A, "desk", "x", 3, NULL);
    const sync_former formers[] = {{{{9}}, 0}, {A, 3}};
    sync_heal_options options = {.rescue = true,
                                 .formers = formers,
                                 .former_count = 2,
                                 .tell = tell,
                                 .tell_ctx = &a};
    sync_heal_counts counts;
    cr_assert_eq(sync_heal_plan(a.doc, b.doc, &options, &a.ops, &counts), CRDT_OK);
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    cr_assert_eq(crdt_document_answer_full(b.doc, NULL, &answer), CRDT_OK);
    cr_assert_eq(crdt_document_merge(a.doc, crdt_buf_span(&answer), NULL, NULL, NULL),
                 CRDT_OK);
    cr_assert(commit(&a));
    cr_assert_eq(shown(&a, "lamp", "x"), -1);
    cr_assert_eq(shown(&a, "desk", "x"), 3);
    cr_assert_eq(shown(&a, "door", "x"), 2);
    cr_assert_eq(crdt_document_apply(b.doc, &a.batch, NULL), CRDT_OK);
    cr_assert(
        crdt_digest_equal(crdt_document_digest(a.doc), crdt_document_digest(b.doc)));
    crdt_buf_deinit(&answer);
    side_close(&a);
    side_close(&b);
}

/* One stamp is that of a part here, and of another part there: each is added again where it
 * is not, which takes a remove before it where it is. */
Test(heal, one_stamp_two_parts)
{
    side a;
    side b;
    crdt_batch batch;
    side_open(&a, 10);
    side_open(&b, 11);
    write(&a, &A, "lamp", "x", 1, NULL);
    static const uint8_t two[1] = {2};
    crdt_span lamp = crdt_span_of("lamp");
    crdt_span other = crdt_span_of("other");
    crdt_op ops[3] = {{.kind = CRDT_OP_ADD, .key = crdt_key_object(lamp)},
                      {.kind = CRDT_OP_ADD, .key = crdt_key_part(lamp, other)},
                      {.kind = CRDT_OP_SET,
                       .key = crdt_key_field(lamp, other, crdt_span_of("y")),
                       .value = {two, 1}}};
    crdt_edit edit = {.actor = A};
    cr_assert_eq(crdt_document_commit(b.doc, &edit, ops, 3, &b.arena, &batch, NULL),
                 CRDT_OK);
    heal(&a, &b);
    cr_assert_eq(shown(&b, "lamp", "x"), 1);
    crdt_span value;
    cr_assert(crdt_document_get(a.doc, &ops[2].key, &value));
    side_close(&a);
    side_close(&b);
}
