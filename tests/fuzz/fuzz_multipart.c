#include "tests/fuzz/fuzz.h"
#include "cli/servers/multipart.h"

#include <assert.h>

/* Nothing is allocated: parts are places in the body. */
const fuzz_budget fuzz_target_budget = {.factor = 0, .fixed = 0};

/* The first line is the Content-Type, the rest the body. Every part lies in the body, in
 * order, and does not hold the boundary. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    char type[256];
    size_t type_size = end == NULL ? 0 : (size_t)(end - data);
    if (end == NULL || type_size >= sizeof type) {
        return false;
    }
    memcpy(type, data, type_size);
    type[type_size] = '\0';
    crdt_span body = {end + 1, size - type_size - 1};
    servers_part parts[32];
    size_t count = 0;
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_multipart_parse(type, body, parts, 32, &count, &diag);
    assert(count <= 32);
    assert(err == CRDT_OK || (diag.text[0] != '\0' && diag.offset <= body.size));
    const uint8_t *at = body.data;
    for (size_t i = 0; i < count; i++) {
        const servers_part *part = &parts[i];
        assert(part->name.data >= at);
        at = part->name.data + part->name.size;
        if (part->content.size > 0) {
            assert(part->content.data >= at);
            at = part->content.data + part->content.size;
        }
        assert(at <= body.data + body.size);
    }
    return err == CRDT_OK && count > 0;
}
