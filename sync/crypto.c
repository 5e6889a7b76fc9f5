#include "sync/crypto.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

/* What the sizes in the header stand for. */
static_assert(SYNC_CRYPTO_HASH_SIZE == crypto_hash_sha256_BYTES, "SHA-256");
static_assert(SYNC_CRYPTO_HASH_SIZE == crypto_generichash_BYTES, "BLAKE2b-256");
static_assert(SYNC_CRYPTO_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
              "key");
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
static_assert(SYNC_CRYPTO_SEAL_SIZE == NONCE_SIZE + TAG_SIZE, "what sealing adds");

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Without a source of randomness there is nothing that could safely go on. */
static void init(void)
{
    if (sodium_init() < 0) {
        abort();
    }
}

static void be_ready(void)
{
    pthread_once(&once, init);
}

void sync_crypto_random(void *out, size_t size)
{
    be_ready();
    randombytes_buf(out, size);
}

void sync_crypto_sha256(crdt_span bytes, uint8_t hash[SYNC_CRYPTO_HASH_SIZE])
{
    be_ready();
    crypto_hash_sha256(hash, bytes.data, bytes.size);
}

void sync_crypto_hash(crdt_span key, crdt_span bytes,
                      uint8_t hash[SYNC_CRYPTO_HASH_SIZE])
{
    assert(key.size == 0 || key.size >= crypto_generichash_KEYBYTES_MIN);
    assert(key.size <= crypto_generichash_KEYBYTES_MAX);
    be_ready();
    crypto_generichash(hash, SYNC_CRYPTO_HASH_SIZE, bytes.data, bytes.size, key.data,
                       key.size);
}

bool sync_crypto_equal(const void *a, const void *b, size_t size)
{
    be_ready();
    return sodium_memcmp(a, b, size) == 0;
}

void sync_crypto_wipe(void *bytes, size_t size)
{
    be_ready();
    sodium_memzero(bytes, size);
}

void *sync_crypto_secret_open(size_t size)
{
    be_ready();
    void *secret = sodium_malloc(size); /* locks it, and leaves it out of cores */
    if (secret != NULL) {
        sodium_memzero(secret, size);
    }
    return secret;
}

void sync_crypto_secret_close(void *secret)
{
    sodium_free(secret);
}

/* Sealed: nonce, text as ciphertext, tag. */
crdt_err sync_crypto_seal(const uint8_t key[SYNC_CRYPTO_KEY_SIZE], crdt_span context,
                          crdt_span text, crdt_buf *out)
{
    be_ready();
    crdt_err err = crdt_buf_reserve(out, text.size + SYNC_CRYPTO_SEAL_SIZE);
    if (err != CRDT_OK) {
        return err;
    }
    uint8_t *nonce = out->data + out->size;
    randombytes_buf(nonce, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_SIZE, NULL, text.data,
                                               text.size, context.data, context.size,
                                               NULL, nonce, key);
    out->size += text.size + SYNC_CRYPTO_SEAL_SIZE;
    return CRDT_OK;
}

crdt_err sync_crypto_open(const uint8_t key[SYNC_CRYPTO_KEY_SIZE], crdt_span context,
                          crdt_span sealed, crdt_buf *out)
{
    be_ready();
    if (sealed.size < SYNC_CRYPTO_SEAL_SIZE) {
        return CRDT_EREFUSED;
    }
    crdt_err err = crdt_buf_reserve(out, sealed.size - SYNC_CRYPTO_SEAL_SIZE + 1);
    if (err != CRDT_OK) {
        return err;
    }
    /* One byte more is reserved: an empty text has a place to point to, too. */
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            out->data + out->size, NULL, NULL, sealed.data + NONCE_SIZE,
            sealed.size - NONCE_SIZE, context.data, context.size, sealed.data,
            key) != 0) {
        return CRDT_EREFUSED;
    }
    out->size += sealed.size - SYNC_CRYPTO_SEAL_SIZE;
    return CRDT_OK;
}
