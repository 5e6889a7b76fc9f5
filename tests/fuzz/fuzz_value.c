#include "tests/fuzz/fuzz.h"
#include "crdt/value.h"

#include <assert.h>

/* Nothing is allocated. */
const fuzz_budget fuzz_target_budget = {.factor = 0, .fixed = 0};

/* Whatever crdt_value_check lets through, the reader reads to its end. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    crdt_diag diag = {.offset = 0};
    if (crdt_value_check(bytes, &diag) != CRDT_OK) {
        assert(diag.offset <= size && diag.text[0] != '\0');
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(bytes);
    assert(crdt_value_read_span(&reader).size == size);
    crdt_span found;
    crdt_value_map_find(bytes, "a", &found);
    return true;
}
