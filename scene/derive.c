#include "scene/derive.h"

#include <string.h>

#include "crdt/digest.h"

static uint64_t mix(uint64_t seed, crdt_span a)
{
    /* The size goes in too: ("ab", "c") is not ("a", "bc"). */
    return crdt_hash64(a, seed + a.size * UINT64_C(0x9e3779b97f4a7c15));
}

void scene_derive_uuid(const char *meaning, crdt_span a, crdt_span b,
                       char text[SCENE_UUID_SIZE])
{
    static const char HEX[] = "0123456789abcdef";
    uint64_t half[2];
    for (uint64_t i = 0; i < 2; i++) {
        half[i] = mix(mix(mix(i, crdt_span_of(meaning)), a), b);
    }
    half[0] = (half[0] & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
    half[1] = (half[1] & (UINT64_MAX >> 2)) | (UINT64_C(1) << 63);
    size_t at = 0;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            text[at++] = '-';
        }
        text[at++] = HEX[(half[i / 16] >> (60 - 4 * (i % 16))) & 15];
    }
}

bool scene_derive_is_uuid(crdt_span id, const char *meaning, crdt_span a, crdt_span b)
{
    char text[SCENE_UUID_SIZE];
    scene_derive_uuid(meaning, a, b, text);
    return id.size == SCENE_UUID_SIZE && memcmp(id.data, text, SCENE_UUID_SIZE) == 0;
}
