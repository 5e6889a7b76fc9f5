#include "tests/fuzz/fuzz.h"
#include "crdt/history.h"

#include <assert.h>

/* An operation of three bytes is a record of a hundred, and it is encoded again. An arena gives
 * blocks of 16 KiB, of 32 KiB, ...: the second may be hardly begun. */
const fuzz_budget fuzz_target_budget = {.factor = 64, .fixed = 32u << 10};

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
            size_t op_count = record.op_count;
            size_t drop_count = record.drop_count;
            crdt_arena_deinit(&arena); /* the budget is that of one record */
            crdt_arena_init(&arena, crdt_alloc_default());
            assert(crdt_history_decode(crdt_buf_span(&out), &arena, &record, NULL) ==
                   CRDT_OK);
            assert(record.op_count == op_count && record.drop_count == drop_count &&
                   record.step.size == 0);
        }
        crdt_buf_deinit(&out);
    } else {
        assert(diag.offset <= size && diag.text[0] != '\0');
    }
    crdt_arena_deinit(&arena);
    return err == CRDT_OK;
}
