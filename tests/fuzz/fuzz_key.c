#include "cli/key_file.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

/* Nothing is allocated. */
const fuzz_budget fuzz_target_budget = {.factor = 0, .fixed = 0};

/* A text that is a key is one that can be shown again: 64 digits that give the same. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    uint8_t again[SYNC_CRYPTO_KEY_SIZE];
    if (!cli_key_file_parse((crdt_span){data, size}, key)) {
        return false;
    }
    uint8_t text[2 * SYNC_CRYPTO_KEY_SIZE];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t) "0123456789abcdef"[key[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    }
    assert(cli_key_file_parse((crdt_span){text, sizeof text}, again));
    assert(memcmp(key, again, sizeof key) == 0);
    assert(size < 256);
    return true;
}
