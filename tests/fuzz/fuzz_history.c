#include "tests/fuzz/fuzz.h"
#include "crdt/history.h"

#include <assert.h>

/* An operation of three bytes is a record of a hundred, and it is encoded again. */
const fuzz_budget fuzz_target_budget = {.factor = 64, .fixed = 16u << 10};

/* A record that decodes encodes to its own bytes. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_history_record record;
    crdt_diag diag = {.offset = 0};
    crdt_err err = crdt_history_decode(bytes, &arena, &record, &diag);
    if (err == CRDT_OK) {
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        assert(crdt_history_encode(&record, &out) == CRDT_OK);
        assert(crdt_span_equal(crdt_buf_span(&out), bytes));
        crdt_buf_deinit(&out);
    } else {
        assert(diag.offset <= size && diag.text[0] != '\0');
    }
    crdt_arena_deinit(&arena);
    return err == CRDT_OK;
}
