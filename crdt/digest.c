#include "crdt/digest.h"

#include "crdt/mutant.h"

/* All of xxhash inside this file, so that short inputs are hashed without a call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

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

/* Byte by byte, of which compilers make one store. */
static uint8_t *put_le32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
    return at + 4;
}

static uint8_t *put_le64(uint8_t *at, uint64_t value)
{
    put_le32(at, (uint32_t)value);
    return put_le32(at + 4, (uint32_t)(value >> 32));
}

/* Straight on, which compilers make one load of. */
static inline uint32_t get_le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

static inline uint64_t get_le64(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
           (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
           (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

uint64_t crdt_digest_name(crdt_span name)
{
    return XXH3_64bits(name.data, name.size);
}

uint64_t crdt_digest_key(const crdt_key *key)
{
    const crdt_span names[3] = {key->object, key->part, key->field};
    uint64_t hash = crdt_digest_key_begin(key->depth);
    for (size_t i = 0; i < (size_t)key->depth; i++) {
        hash = crdt_digest_key_add(hash, crdt_digest_name(names[i]));
    }
    return hash;
}

/* The value's bytes into `hash`, 16 at a time, the last ones twice where they overlap. */
static uint64_t fold_value(uint64_t hash, crdt_span value)
{
    const uint8_t *at = value.data;
    const uint8_t *end = value.size > 0 ? at + value.size : at;
    uint64_t a = 0;
    uint64_t b = 0;
    if (value.size >= 16) {
        for (; end - at > 16 && !MUTANT(150); at += 16) {
            hash =
                crdt_digest_fold(hash ^ get_le64(at), get_le64(at + 8) ^ CRDT_DIGEST_Q);
        }
        a = get_le64(end - 16);
        b = get_le64(end - 8);
    } else if (value.size >= 8) {
        a = get_le64(at);
        b = get_le64(end - 8);
    } else if (value.size >= 4) {
        a = get_le32(at);
        b = get_le32(end - 4);
    } else if (value.size > 0) {
        a = at[0];
        b = (uint64_t)at[value.size / 2] << 8 | end[-1];
    }
    return crdt_digest_fold(hash ^ a, b ^ CRDT_DIGEST_Q) ^ value.size;
}

crdt_digest crdt_digest_term(uint64_t key_hash, const crdt_stamp *stamp,
                             crdt_span value)
{
    const uint8_t *actor = stamp->actor.bytes;
    uint64_t hash = crdt_digest_fold(key_hash ^ get_le64(actor),
                                     MUTANT(152) ? get_le64(actor + 8)
                                                 : stamp->time ^ get_le64(actor + 8));
    hash = MUTANT(151) ? hash : fold_value(hash, value);
    return (crdt_digest){.low = crdt_digest_fold(hash, CRDT_DIGEST_P),
                         .high = crdt_digest_fold(hash, CRDT_DIGEST_Q)};
}

crdt_digest crdt_digest_entry(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value)
{
    if (key->depth < CRDT_FIELD) {
        value = (crdt_span){0};
    }
    return crdt_digest_term(crdt_digest_key(key), stamp, value);
}

#define ROW_SIZE (8u + 16u)
#define ROWS_AT_ONCE 64u

/* The rows of `count` stamps, one behind the other; their size. */
static size_t put_rows(uint8_t *rows, const crdt_stamp *stamps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_le64(rows + i * ROW_SIZE, stamps[i].time);
        memcpy(rows + i * ROW_SIZE + 8, stamps[i].actor.bytes, 16);
    }
    return count * ROW_SIZE;
}

crdt_digest crdt_digest_version(const crdt_version *version)
{
    uint8_t rows[ROWS_AT_ONCE * ROW_SIZE];
    const crdt_stamp *stamps = version->stamps;
    size_t left = version->stamp_count;
    if (MUTANT(153) && left > 0) {
        stamps++;
        left--;
    }
    if (left <= ROWS_AT_ONCE) { /* most are: nothing to be kept between the pieces */
        size_t size = put_rows(rows, stamps, left);
        return of_xxh(XXH3_128bits(rows, size));
    }
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    while (left > 0) {
        size_t count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        XXH3_128bits_update(&state, rows, put_rows(rows, stamps, count));
        stamps += count;
        left -= count;
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
