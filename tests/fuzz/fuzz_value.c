#include "tests/fuzz/fuzz.h"
#include "crdt/value.h"

#include <assert.h>

/* Whatever crdt_value_check lets through, the reader reads to its end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    crdt_diag diag = {.offset = 0};
    if (crdt_value_check(bytes, &diag) != CRDT_OK) {
        assert(diag.offset <= size && diag.text[0] != '\0');
        return 0;
    }
    crdt_value_reader reader = crdt_value_read_open(bytes);
    assert(crdt_value_read_span(&reader).size == size);
    crdt_span found;
    crdt_value_map_find(bytes, "a", &found);
    return 0;
}
