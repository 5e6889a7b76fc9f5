#include "crdt/value.h"
#include "scene/json.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

/* 16 bytes a value, and `[` is one of a byte; twice while the list of them grows; the text is
 * copied; then the value and its text, and all again for the second reading. */
const fuzz_budget fuzz_target_budget = {.factor = 60, .fixed = 64u << 10};

/* The text of a value, read again, is the same value; and its own canonical text. */
static void check_text(crdt_span value)
{
    crdt_alloc alloc = crdt_alloc_default();
    crdt_buf text;
    crdt_buf again;
    crdt_buf_init(&text, alloc);
    crdt_buf_init(&again, alloc);
    assert(crdt_value_check(value, NULL) == CRDT_OK);
    assert(scene_json_write_value(value, &text) == CRDT_OK);
    assert(scene_json_to_value(crdt_buf_span(&text), alloc, &again, NULL) == CRDT_OK);
    assert(crdt_span_equal(crdt_buf_span(&again), value));
    crdt_buf_deinit(&again);
    crdt_buf_deinit(&text);
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_alloc alloc = crdt_alloc_default();
    crdt_span text = {data, size};
    scene_json *json = NULL;
    crdt_diag diag = {.text = ""};
    crdt_err err = scene_json_open(&json, alloc, text, NULL, &diag);
    scene_json *lent = NULL;
    scene_json_limits limits = scene_json_limits_default();
    limits.borrow = true;
    assert(scene_json_open(&lent, alloc, text, &limits, NULL) == err);
    scene_json_close(lent);
    if (err != CRDT_OK) {
        assert(json == NULL && diag.text[0] != '\0' && diag.offset <= size);
        return false;
    }
    crdt_buf value;
    crdt_buf_init(&value, alloc);
    assert(scene_json_encode(scene_json_root(json), alloc, &value) == CRDT_OK);
    scene_json_close(json);
    check_text(crdt_buf_span(&value));
    crdt_buf_deinit(&value);
    return true;
}
