#include "tests/fuzz/fuzz.h"
#include "crdt/document.h"

#include <assert.h>

/* A document that holds something merges any bytes, or refuses them unchanged; its own
 * answer afterwards brings an empty one to the same state. */

static crdt_document *open_document(void)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    assert(crdt_document_open(&doc, &options) == CRDT_OK);
    return doc;
}

/* Actor 00..0f, as in the golden answers, so that mutations of those meet it. */
static void edit(crdt_document *doc)
{
    static const uint8_t one[] = {0x01};
    crdt_span lamp = crdt_span_of("lamp");
    crdt_span part = crdt_span_of("Transform");
    const crdt_op ops[] = {
        {.kind = CRDT_OP_ADD, .key = crdt_key_object(lamp)},
        {.kind = CRDT_OP_ADD, .key = crdt_key_part(lamp, part)},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(lamp, part, crdt_span_of("position")),
         .value = {.data = one, .size = 1}},
        {.kind = CRDT_OP_SET,
         .key = crdt_key_field(lamp, part, crdt_span_of("rotation")),
         .value = {.data = one, .size = 1}},
    };
    crdt_edit how = {.who = crdt_span_of("ann")};
    for (size_t i = 0; i < sizeof how.actor.bytes; i++) {
        how.actor.bytes[i] = (uint8_t)i;
    }
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    assert(crdt_document_commit(doc, &how, ops, 4, &arena, &batch, NULL) == CRDT_OK);
    crdt_arena_deinit(&arena);
}

static void check_copy(const crdt_document *doc)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    assert(crdt_document_answer_full(doc, NULL, &out) == CRDT_OK);
    crdt_document *copy = open_document();
    assert(crdt_document_merge(copy, crdt_buf_span(&out), NULL, NULL, NULL) == CRDT_OK);
    assert(crdt_digest_equal(crdt_document_digest(doc), crdt_document_digest(copy)));
    assert(crdt_version_compare(crdt_document_version(doc),
                                crdt_document_version(copy)) == CRDT_EQUAL);
    crdt_document_close(copy);
    crdt_buf_deinit(&out);
}

/* A packed body expands to 32 times its bytes at most; an item of it that says little is two
 * bytes and a slot of 48 with its share of tables, in two documents. */
const fuzz_budget fuzz_target_budget = {.factor = 2500, .fixed = 256u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    bool taken = false;
    for (int held = 0; held < 2; held++) {
        crdt_document *doc = open_document();
        if (held) {
            edit(doc);
        }
        crdt_digest before = crdt_document_digest(doc);
        crdt_deps *deps = NULL;
        assert(crdt_deps_open(&deps, crdt_alloc_default(), 8) == CRDT_OK);
        crdt_err err = crdt_document_merge(doc, bytes, deps, NULL, NULL);
        assert(crdt_document_check(doc));
        if (err != CRDT_OK) {
            assert(crdt_digest_equal(before, crdt_document_digest(doc)));
        } else {
            check_copy(doc);
            taken = true;
        }
        crdt_deps_close(deps);
        crdt_document_close(doc);
    }
    return taken;
}
