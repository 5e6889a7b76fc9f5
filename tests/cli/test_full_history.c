/* The naive model: it takes a document for what it is, and says of each kind of damage what
 * it is. An oracle that cannot fire is worth nothing: here each one fires. */

#include "cli/fuzz/full_history.h"
#include "crdt/value.h"

#include <criterion/criterion.h>

typedef struct side {
    crdt_document *doc;
    crdt_actor actor;
} side;

static crdt_arena arena;
static fuzz_full_history *history;

static side open_side(uint8_t byte)
{
    side s = {0};
    crdt_document_options options = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&s.doc, &options), CRDT_OK);
    memset(s.actor.bytes, byte, sizeof s.actor.bytes);
    return s;
}

static crdt_key key_of(crdt_depth depth)
{
    crdt_key key =
        crdt_key_field(crdt_span_of("o"), crdt_span_of("p"), crdt_span_of("f"));
    key.depth = depth;
    return key;
}

/* Make one batch there; `told`: the history hears of it. */
static crdt_batch make(side *s, crdt_op_kind kind, crdt_depth depth, uint8_t value,
                       bool told)
{
    static uint8_t values[256];
    crdt_batch batch;
    crdt_edit edit = {.actor = s->actor};
    crdt_op *ops = crdt_arena_alloc(&arena, 3 * sizeof *ops);
    values[value] = value; /* a small integer is its own encoding */
    crdt_op last = {.kind = kind, .key = key_of(depth)};
    last.value = kind == CRDT_OP_SET ? (crdt_span){&values[value], 1} : (crdt_span){0};
    ops[0] = (crdt_op){.kind = CRDT_OP_ADD, .key = key_of(CRDT_OBJECT)};
    ops[1] = (crdt_op){.kind = CRDT_OP_ADD, .key = key_of(CRDT_PART)};
    ops[2] = last;
    bool alone = kind != CRDT_OP_SET;
    cr_assert_eq(crdt_document_commit(s->doc, &edit, alone ? &ops[2] : ops,
                                      alone ? 1 : 3, &arena, &batch, NULL),
                 CRDT_OK);
    if (told) {
        fuzz_full_history_add(history, &batch);
    }
    return batch;
}

static void give(side *s, const crdt_batch *batch)
{
    cr_assert_eq(crdt_document_apply(s->doc, batch, NULL), CRDT_OK);
}

static const char *check(const side *s)
{
    static fuzz_finding finding;
    bool ok = fuzz_full_history_check(history, s->doc, &finding);
    cr_assert_eq(ok, finding.oracle == NULL);
    return ok ? "" : finding.oracle;
}

static void set_up(void)
{
    crdt_arena_init(&arena, crdt_alloc_default());
    history = fuzz_full_history_open();
}

static void tear_down(void)
{
    fuzz_full_history_close(history);
    crdt_arena_deinit(&arena);
}

TestSuite(full_history, .init = set_up, .fini = tear_down);

Test(full_history, takes_a_document_for_what_it_is)
{
    side a = open_side(1);
    side b = open_side(2);
    crdt_batch x = make(&a, CRDT_OP_SET, CRDT_FIELD, 1, true);
    cr_assert_str_eq(check(&a), "");
    cr_assert_str_eq(check(&b), "", "nothing is right for nothing");
    give(&b, &x);
    crdt_batch y = make(&a, CRDT_OP_SET, CRDT_FIELD, 2, true);
    crdt_batch z = make(&b, CRDT_OP_SET, CRDT_FIELD, 3, true);
    give(&a, &z);
    give(&b, &y);
    cr_assert_str_eq(check(&a), "", "siblings");
    crdt_batch gone = make(&a, CRDT_OP_REMOVE, CRDT_OBJECT, 0, true);
    crdt_batch again = make(&b, CRDT_OP_SET, CRDT_FIELD, 4, true);
    give(&a, &again);
    give(&b, &gone);
    cr_assert_str_eq(check(&a), "", "edited while removed");
    cr_assert_str_eq(check(&b), "");
    crdt_document_close(a.doc);
    crdt_document_close(b.doc);
}

/* What a crash took never was; its stamps are used again. */
Test(full_history, forgets_what_was_lost)
{
    side a = open_side(1);
    make(&a, CRDT_OP_SET, CRDT_FIELD, 1, true);
    crdt_document_close(a.doc);
    a = open_side(1);
    fuzz_full_history_lose(history, 0);
    cr_assert_str_eq(check(&a), "");
    make(&a, CRDT_OP_SET, CRDT_FIELD, 2, true);
    cr_assert_str_eq(check(&a), "");
    crdt_document_close(a.doc);
}

/* The version says that it has seen a batch, and what that wrote is not there: the history
 * was told of a write of another field at those times. */
Test(full_history, sees_a_lost_write)
{
    side a = open_side(1);
    crdt_batch x = make(&a, CRDT_OP_SET, CRDT_FIELD, 1, false);
    crdt_op ops[3] = {x.ops[0], x.ops[1], x.ops[2]};
    ops[2].key.field = crdt_span_of("another");
    crdt_batch other = x;
    other.ops = ops;
    fuzz_full_history_add(history, &other);
    cr_assert_str_eq(check(&a), "lost write");
    crdt_document_close(a.doc);
}

Test(full_history, sees_another_value)
{
    side a = open_side(1);
    crdt_batch x = make(&a, CRDT_OP_SET, CRDT_FIELD, 1, false);
    crdt_op ops[3] = {x.ops[0], x.ops[1], x.ops[2]};
    ops[2].value = crdt_span_of("\x02");
    crdt_batch other = x;
    other.ops = ops;
    fuzz_full_history_add(history, &other);
    cr_assert_str_eq(check(&a), "value");
    crdt_document_close(a.doc);
}

/* Nobody told of the write that the document holds. */
Test(full_history, sees_an_invention)
{
    side a = open_side(1);
    make(&a, CRDT_OP_SET, CRDT_FIELD, 1, true);
    make(&a, CRDT_OP_SET, CRDT_FIELD, 2, false);
    cr_assert_str_neq(check(&a), "");
    crdt_document_close(a.doc);
}

/* A remove that the history knows, at the times of a batch that says less. */
Test(full_history, sees_a_resurrection)
{
    side a = open_side(1);
    make(&a, CRDT_OP_SET, CRDT_FIELD, 1, true);
    crdt_batch x = make(&a, CRDT_OP_UNSET, CRDT_FIELD, 0, false);
    crdt_op op = {.kind = CRDT_OP_REMOVE, .key = key_of(CRDT_PART)};
    crdt_batch other = x;
    other.ops = &op;
    fuzz_full_history_add(history, &other);
    cr_assert_str_eq(check(&a), "shown");
    crdt_document_close(a.doc);
}

/* b adds what a removes without having seen that; the document at hand was told that a had
 * seen it, so the add lost there. */
Test(full_history, sees_that_an_add_did_not_win)
{
    side a = open_side(1);
    side b = open_side(2);
    crdt_batch batches[7];
    batches[0] = make(&a, CRDT_OP_SET, CRDT_FIELD, 1, true);
    give(&b, &batches[0]);
    batches[1] = make(&b, CRDT_OP_REMOVE, CRDT_OBJECT, 0, true);
    batches[2] = make(&b, CRDT_OP_ADD, CRDT_OBJECT, 0, true);
    for (uint8_t i = 3; i < 6; i++) {
        batches[i] = make(&a, CRDT_OP_SET, CRDT_FIELD, i, true);
    }
    batches[6] = make(&a, CRDT_OP_REMOVE, CRDT_OBJECT, 0, true);
    crdt_stamp deps[2] = {{crdt_batch_last_time(&batches[5]), a.actor},
                          {crdt_batch_last_time(&batches[2]), b.actor}};
    side right = open_side(3);
    side wrong = open_side(4);
    for (size_t i = 0; i < 7; i++) {
        give(&right, &batches[i]);
        if (i == 6) {
            batches[i].deps = deps;
            batches[i].dep_count = 2;
        }
        give(&wrong, &batches[i]);
    }
    cr_assert_str_eq(check(&right), "", "the add won");
    cr_assert_str_eq(check(&wrong), "add wins");
    crdt_document_close(a.doc);
    crdt_document_close(b.doc);
    crdt_document_close(right.doc);
    crdt_document_close(wrong.doc);
}
