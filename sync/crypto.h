#ifndef SYNC_CRYPTO_H
#define SYNC_CRYPTO_H

/* The few primitives that are used, all of libsodium; crypto.c is the only file that meets
 * it. Threads: every function may be called from any thread; the library is made ready at
 * the first call. Without a source of randomness the process ends. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Unpredictable bytes. */
void sync_crypto_random(void *out, size_t size);

/* `size` zeros for a secret, in pages of their own: not swapped out (as far as the system
 * lets us lock memory), in no core file, between pages that cannot be touched. NULL: no
 * memory. Costs some 10 us and 16 KiB of address space: for keys. */
void *sync_crypto_secret_open(size_t size);
/* Wipes it. Accepts NULL. */
void sync_crypto_secret_close(void *secret);

#define SYNC_CRYPTO_HASH_SIZE 32
void sync_crypto_sha256(crdt_span bytes, uint8_t hash[SYNC_CRYPTO_HASH_SIZE]);
/* BLAKE2b-256 of `bytes`, keyed with `key` (16 to 64 bytes; empty: unkeyed). */
void sync_crypto_hash(crdt_span key, crdt_span bytes,
                      uint8_t hash[SYNC_CRYPTO_HASH_SIZE]);
/* In constant time. */
bool sync_crypto_equal(const void *a, const void *b, size_t size);
/* Zeros over a secret that is not needed any more; never optimised away. */
void sync_crypto_wipe(void *bytes, size_t size);

/* XChaCha20-Poly1305. Sealed: 24 bytes of random nonce, the text, 16 bytes of tag. */
#define SYNC_CRYPTO_KEY_SIZE 32
#define SYNC_CRYPTO_SEAL_SIZE 40 /* what sealing adds */
/* Append `text` sealed to `out`; `context` is bound to it, not sent. Errors:
 * CRDT_ENOMEM. */
crdt_err sync_crypto_seal(const uint8_t key[SYNC_CRYPTO_KEY_SIZE], crdt_span context,
                          crdt_span text, crdt_buf *out);
/* Append the text. Errors: CRDT_EREFUSED: not sealed with this key and context; `out` as
 * before. CRDT_ENOMEM. */
crdt_err sync_crypto_open(const uint8_t key[SYNC_CRYPTO_KEY_SIZE], crdt_span context,
                          crdt_span sealed, crdt_buf *out);

#endif /* SYNC_CRYPTO_H */
