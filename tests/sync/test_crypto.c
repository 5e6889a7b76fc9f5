/* The primitives give what their papers say, and nothing opens that was not sealed so. */

#include "sync/crypto.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The bytes of `hex`. */
static size_t parse(const char *hex, uint8_t *out)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return size;
}

static void check_hash(const uint8_t hash[SYNC_CRYPTO_HASH_SIZE], const char *hex)
{
    uint8_t expected[SYNC_CRYPTO_HASH_SIZE];
    cr_assert_eq(parse(hex, expected), SYNC_CRYPTO_HASH_SIZE);
    cr_assert_arr_eq(hash, expected, SYNC_CRYPTO_HASH_SIZE);
}

static crdt_span numbers(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)i;
    }
    return (crdt_span){.data = bytes, .size = size};
}

/* FIPS 180-4; RFC 7693 with other lengths, as Python's hashlib gives them. */
Test(crypto, hashes)
{
    uint8_t hash[SYNC_CRYPTO_HASH_SIZE];
    sync_crypto_sha256(crdt_span_of("abc"), hash);
    check_hash(hash,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sync_crypto_sha256((crdt_span){0}, hash);
    check_hash(hash,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sync_crypto_hash((crdt_span){0}, crdt_span_of("abc"), hash);
    check_hash(hash,
               "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    uint8_t key[32];
    sync_crypto_hash(numbers(key, 32), crdt_span_of("abc"), hash);
    check_hash(hash,
               "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
}

/* draft-irtf-cfrg-xchacha, A.3.1: what others sealed opens here. */
Test(crypto, opens_what_others_sealed)
{
    static const char text[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip "
        "for the future, sunscreen would be it.";
    static const char hex[] =
        "404142434445464748494a4b4c4d4e4f5051525354555657"
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52e"
        "c0875924c1c7987947deafd8780acf49";
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    uint8_t context[12];
    uint8_t sealed[256];
    parse("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key);
    parse("50515253c0c1c2c3c4c5c6c7", context);
    size_t size = parse(hex, sealed);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(sync_crypto_open(key, (crdt_span){context, 12},
                                  (crdt_span){sealed, size}, &out),
                 CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(text)));
    crdt_buf_deinit(&out);
}

/* Sealed anew each time; a bit changed anywhere, another key, another context, a byte less:
 * it does not open, and nothing is appended. */
Test(crypto, seals)
{
    uint8_t key[SYNC_CRYPTO_KEY_SIZE];
    numbers(key, sizeof key);
    crdt_span context = crdt_span_of("context");
    crdt_span text = crdt_span_of("a chair");
    crdt_buf a;
    crdt_buf b;
    crdt_buf out;
    crdt_buf_init(&a, crdt_alloc_default());
    crdt_buf_init(&b, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(sync_crypto_seal(key, context, text, &a), CRDT_OK);
    cr_assert_eq(sync_crypto_seal(key, context, text, &b), CRDT_OK);
    cr_assert_eq(a.size, text.size + SYNC_CRYPTO_SEAL_SIZE);
    cr_assert(!crdt_span_equal(crdt_buf_span(&a), crdt_buf_span(&b)));
    cr_assert_eq(crdt_buf_append(&out, "=", 1), CRDT_OK);
    for (size_t bit = 0; bit < a.size * 8; bit++) {
        a.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(sync_crypto_open(key, context, crdt_buf_span(&a), &out),
                     CRDT_EREFUSED, "bit %zu", bit);
        a.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < a.size; size++) {
        cr_assert_eq(sync_crypto_open(key, context, (crdt_span){a.data, size}, &out),
                     CRDT_EREFUSED);
    }
    cr_assert_eq(
        sync_crypto_open(key, crdt_span_of("contexT"), crdt_buf_span(&a), &out),
        CRDT_EREFUSED);
    key[31] ^= 1;
    cr_assert_eq(sync_crypto_open(key, context, crdt_buf_span(&a), &out),
                 CRDT_EREFUSED);
    key[31] ^= 1;
    cr_assert_eq(out.size, 1);
    cr_assert_eq(sync_crypto_open(key, context, crdt_buf_span(&a), &out), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of("=a chair")));
    crdt_buf_deinit(&a);
    crdt_buf_deinit(&b);
    crdt_buf_deinit(&out);
}

Test(crypto, nothing_can_be_sealed_too)
{
    uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {1};
    crdt_buf sealed;
    crdt_buf out;
    crdt_buf_init(&sealed, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(sync_crypto_seal(key, (crdt_span){0}, (crdt_span){0}, &sealed),
                 CRDT_OK);
    cr_assert_eq(sealed.size, SYNC_CRYPTO_SEAL_SIZE);
    cr_assert_eq(sync_crypto_open(key, (crdt_span){0}, crdt_buf_span(&sealed), &out),
                 CRDT_OK);
    cr_assert_eq(out.size, 0);
    crdt_buf_deinit(&sealed);
    crdt_buf_deinit(&out);
}

Test(crypto, without_memory)
{
    uint8_t key[SYNC_CRYPTO_KEY_SIZE] = {1};
    fault_alloc fault;
    crdt_buf out;
    crdt_buf_init(&out, fault_alloc_init(&fault));
    fault_alloc_fail_at(&fault, 0);
    cr_assert_eq(sync_crypto_seal(key, (crdt_span){0}, crdt_span_of("x"), &out),
                 CRDT_ENOMEM);
    cr_assert_eq(out.size, 0);
    crdt_buf_deinit(&out);
    cr_assert(fault_alloc_balanced(&fault));
}

Test(crypto, random_and_equal)
{
    uint8_t a[64] = {0};
    uint8_t b[64] = {0};
    sync_crypto_random(a, sizeof a);
    sync_crypto_random(b, sizeof b);
    cr_assert(!sync_crypto_equal(a, b, sizeof a));
    memcpy(b, a, sizeof b);
    cr_assert(sync_crypto_equal(a, b, sizeof a));
    b[63] ^= 0x80;
    cr_assert(!sync_crypto_equal(a, b, sizeof a));
    cr_assert(sync_crypto_equal(a, b, 63));
    sync_crypto_wipe(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++) {
        cr_assert_eq(a[i], 0);
    }
}

/* Zeros at first, room for all of it, and its neighbours out of reach of others. */
Test(crypto, secrets_have_memory_of_their_own)
{
    static const size_t sizes[] = {1, 32, 64, 129, 4096, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *secret = sync_crypto_secret_open(sizes[i]);
        cr_assert_not_null(secret);
        for (size_t at = 0; at < sizes[i]; at++) {
            cr_assert_eq(secret[at], 0);
        }
        memset(secret, 7, sizes[i]);
        sync_crypto_secret_close(secret);
    }
    sync_crypto_secret_close(NULL);
}
