#include "tests/fuzz/fuzz.h"
#include "crdt/history.h"

#include <assert.h>

/* An operation of three bytes is a record of a hundred, and it is encoded again. */
const fuzz_budget fuzz_target_budget = {.factor = 64, .fixed = 16u << 10};

/* A record that decodes encodes to its own bytes; one of format 3 to those of format 4, which
 * decode to the same. */
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
        if (data[0] == 4) {
            assert(crdt_span_equal(crdt_buf_span(&out), bytes));
        } else {
            crdt_history_record again;
            assert(crdt_history_decode(crdt_buf_span(&out), &arena, &again, NULL) ==
                   CRDT_OK);
            assert(again.op_count == record.op_count &&
                   again.drop_count == record.drop_count && again.step.size == 0);
        }
        crdt_buf_deinit(&out);
    } else {
        assert(diag.offset <= size && diag.text[0] != '\0');
    }
    crdt_arena_deinit(&arena);
    return err == CRDT_OK;
}
