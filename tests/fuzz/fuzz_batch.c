#include "tests/fuzz/fuzz.h"
#include "crdt/document.h"

#include <assert.h>

/* A batch that decodes encodes to its own bytes, and a document takes it or leaves it. */
static void apply(const crdt_batch *batch)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    assert(crdt_document_open(&doc, &options) == CRDT_OK);
    crdt_batch orphan = *batch; /* nothing before it, so that it is not held back */
    orphan.dep_count = 0;
    crdt_err err = crdt_document_apply(doc, &orphan, NULL);
    assert(err == CRDT_OK);
    assert(crdt_document_check(doc));
    assert(crdt_document_apply(doc, &orphan, NULL) == CRDT_EDUPLICATE);
    crdt_document_close(doc);
}

/* An operation of four bytes makes a slot of up to 48, a name with its cell, an entry of a
 * trail; the batch is decoded and encoded beside it. */
const fuzz_budget fuzz_target_budget = {.factor = 200, .fixed = 64u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_diag diag = {.offset = 0};
    crdt_err err = crdt_batch_decode(bytes, NULL, &arena, &batch, &diag);
    if (err == CRDT_OK) {
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        assert(crdt_batch_encode(&batch, NULL, &out) == CRDT_OK);
        assert(crdt_span_equal(crdt_buf_span(&out), bytes));
        crdt_buf_deinit(&out);
        apply(&batch);
    } else {
        assert(diag.offset <= size && diag.text[0] != '\0');
    }
    crdt_arena_deinit(&arena);
    return err == CRDT_OK;
}
