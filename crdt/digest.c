#include "crdt/digest.h"

/* All of xxhash inside this file, so that short inputs are hashed without a call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

/* Entries up to this size are hashed from one buffer on the stack. */
#define ENTRY_SIZE_SMALL 1024

void crdt_digest_add(crdt_digest *digest, crdt_digest term)
{
    digest->low += term.low;
    digest->high += term.high + (digest->low < term.low);
}

void crdt_digest_subtract(crdt_digest *digest, crdt_digest term)
{
    digest->high -= term.high + (digest->low < term.low);
    digest->low -= term.low;
}

bool crdt_digest_equal(crdt_digest a, crdt_digest b)
{
    return a.low == b.low && a.high == b.high;
}

void crdt_digest_format(crdt_digest digest, char text[CRDT_DIGEST_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        text[i] = digits[digest.high >> (60 - 4 * i) & 15];
        text[16 + i] = digits[digest.low >> (60 - 4 * i) & 15];
    }
    text[32] = '\0';
}

static crdt_digest of_xxh(XXH128_hash_t hash)
{
    return (crdt_digest){.low = hash.low64, .high = hash.high64};
}

static uint8_t *put_le(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
    return at + size;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

/* depth (1), time (8), actor (16), then size (4) and bytes of object, part, field, then
 * the bytes of the value. Numbers little-endian. Sizes go first: no two entries give
 * the same bytes. */
#define ENTRY_SIZE_FIXED (1 + 8 + 16 + 3 * 4)

static uint8_t *put_stamp(uint8_t *at, const crdt_key *key, const crdt_stamp *stamp)
{
    *at++ = (uint8_t)key->depth;
    at = put_le(at, stamp->time, 8);
    return put_bytes(at, stamp->actor.bytes, sizeof stamp->actor.bytes);
}

static crdt_digest hash_large(const crdt_key *key, const crdt_stamp *stamp,
                              const crdt_span *parts, size_t part_count)
{
    uint8_t head[ENTRY_SIZE_FIXED];
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, head, (size_t)(put_stamp(head, key, stamp) - head));
    for (size_t i = 0; i < part_count; i++) {
        if (i + 1 < part_count) { /* the value is last and needs no size */
            put_le(head, parts[i].size, 4);
            XXH3_128bits_update(&state, head, 4);
        }
        XXH3_128bits_update(&state, parts[i].data, parts[i].size);
    }
    return of_xxh(XXH3_128bits_digest(&state));
}

crdt_digest crdt_digest_entry(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value)
{
    crdt_span parts[4];
    size_t part_count = 0;
    parts[part_count++] = key->object;
    if (key->depth >= CRDT_PART) {
        parts[part_count++] = key->part;
    }
    if (key->depth >= CRDT_FIELD) {
        parts[part_count++] = key->field;
    }
    parts[part_count++] = key->depth >= CRDT_FIELD ? value : (crdt_span){0};
    size_t size = ENTRY_SIZE_FIXED;
    for (size_t i = 0; i < part_count; i++) {
        size += parts[i].size;
    }
    if (size > ENTRY_SIZE_SMALL) {
        return hash_large(key, stamp, parts, part_count);
    }
    uint8_t bytes[ENTRY_SIZE_SMALL];
    uint8_t *at = put_stamp(bytes, key, stamp);
    for (size_t i = 0; i < part_count; i++) {
        if (i + 1 < part_count) {
            at = put_le(at, parts[i].size, 4);
        }
        at = put_bytes(at, parts[i].data, parts[i].size);
    }
    return of_xxh(XXH3_128bits(bytes, (size_t)(at - bytes)));
}

crdt_digest crdt_digest_version(const crdt_version *version)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < version->stamp_count; i++) {
        uint8_t row[8 + 16];
        put_bytes(put_le(row, version->stamps[i].time, 8),
                  version->stamps[i].actor.bytes, 16);
        XXH3_128bits_update(&state, row, sizeof row);
    }
    return of_xxh(XXH3_128bits_digest(&state));
}

uint64_t crdt_hash64(crdt_span bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

crdt_digest crdt_hash128(crdt_span bytes)
{
    return of_xxh(XXH3_128bits(bytes.data, bytes.size));
}
