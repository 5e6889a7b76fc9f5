#include "crdt/digest.h"

/* All of xxhash inside this file, so that short inputs are hashed without a call. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

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

/* Most names and values are of 4 .. 16 bytes: two copies that overlap, and no call. */
static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t size)
{
    if (size >= 8 && size <= 16) {
        memcpy(at, bytes, 8);
        memcpy(at + size - 8, (const uint8_t *)bytes + size - 8, 8);
    } else if (size >= 4 && size < 8) {
        memcpy(at, bytes, 4);
        memcpy(at + size - 4, (const uint8_t *)bytes + size - 4, 4);
    } else if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

/* depth (1), time (8), actor (16), then size (4) and bytes of object, part, field, then
 * the bytes of the value. Numbers little-endian. Sizes go first: no two entries give the
 * same bytes. */
#define TIME_AT 1
#define ACTOR_AT 9
#define NAMES_AT 25

static void put_stamp(uint8_t *bytes, const crdt_stamp *stamp)
{
    put_le64(bytes + TIME_AT, stamp->time);
    memcpy(bytes + ACTOR_AT, stamp->actor.bytes, sizeof stamp->actor.bytes);
}

/* The names of a key by depth; their number. */
static size_t names_of(const crdt_key *key, crdt_span names[3])
{
    names[0] = key->object;
    names[1] = key->part;
    names[2] = key->field;
    return (size_t)key->depth;
}

static crdt_digest hash_large(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value)
{
    uint8_t head[NAMES_AT] = {(uint8_t)key->depth};
    put_stamp(head, stamp);
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, head, sizeof head);
    crdt_span names[3];
    size_t count = names_of(key, names);
    for (size_t i = 0; i < count; i++) {
        put_le32(head, (uint32_t)names[i].size);
        XXH3_128bits_update(&state, head, 4);
        XXH3_128bits_update(&state, names[i].data, names[i].size);
    }
    XXH3_128bits_update(&state, value.data, value.size);
    return of_xxh(XXH3_128bits_digest(&state));
}

void crdt_digest_form_init(crdt_digest_form *form, const crdt_key *key)
{
    crdt_span names[3];
    size_t count = names_of(key, names);
    size_t size = NAMES_AT;
    for (size_t i = 0; i < count; i++) {
        size += 4 + names[i].size;
    }
    form->key = key;
    form->size = size <= sizeof form->bytes ? size : 0;
    if (form->size == 0) {
        return;
    }
    form->bytes[0] = (uint8_t)key->depth;
    uint8_t *at = form->bytes + NAMES_AT;
    for (size_t i = 0; i < count; i++) {
        at = put_le32(at, (uint32_t)names[i].size);
        at = put_bytes(at, names[i].data, names[i].size);
    }
}

crdt_digest crdt_digest_form_entry(crdt_digest_form *form, const crdt_stamp *stamp,
                                   crdt_span value)
{
    if (form->key->depth < CRDT_FIELD) {
        value = (crdt_span){0};
    }
    if (form->size == 0 || value.size > sizeof form->bytes - form->size) {
        return hash_large(form->key, stamp, value);
    }
    put_stamp(form->bytes, stamp);
    put_bytes(form->bytes + form->size, value.data, value.size);
    return of_xxh(XXH3_128bits(form->bytes, form->size + value.size));
}

crdt_digest crdt_digest_entry(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value)
{
    crdt_digest_form form; /* bytes are written before they are read */
    crdt_digest_form_init(&form, key);
    return crdt_digest_form_entry(&form, stamp, value);
}

crdt_digest crdt_digest_version(const crdt_version *version)
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (size_t i = 0; i < version->stamp_count; i++) {
        uint8_t row[8 + 16];
        put_le64(row, version->stamps[i].time);
        memcpy(row + 8, version->stamps[i].actor.bytes, 16);
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
