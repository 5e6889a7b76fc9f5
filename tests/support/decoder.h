#ifndef TESTS_SUPPORT_DECODER_H
#define TESTS_SUPPORT_DECODER_H

/* What every decoder of foreign bytes must stand: bytes cut anywhere, any bit flipped, no
 * memory. Each function is true if it holds, else it prints why to stderr.
 *
 * The input is copied to a block of exactly its size, so that the address sanitizer sees
 * a read beyond the end. */

#include "crdt/alloc.h"
#include "crdt/buf.h"

typedef struct decoder {
    void *ctx;
    /* Decode `bytes` and keep the result in ctx until the next call. */
    crdt_err (*decode)(void *ctx, crdt_span bytes, crdt_arena *arena, crdt_diag *diag);
    /* Encode what was decoded last. NULL: there is no way back. */
    crdt_err (*encode)(void *ctx, crdt_buf *out);
    bool canonical; /* one encoding for each thing: what decodes, encodes to its bytes;
                     * else at least encode(decode(encode(x))) = encode(x) */
    size_t memory_factor; /* bytes that may be allocated for each byte of input */
    size_t memory_fixed;  /* and in any case */
} decoder;

/* `bytes` decode. */
bool decoder_accepts(const decoder *d, crdt_span bytes);
/* No beginning of `bytes` decodes. */
bool decoder_refuses_truncated(const decoder *d, crdt_span bytes);
/* With any one bit flipped, `bytes` are refused, or decode to something that encodes. */
bool decoder_stands_flips(const decoder *d, crdt_span bytes);
/* `count` times some bytes changed at random, or moved, or doubled. */
bool decoder_stands_noise(const decoder *d, crdt_span bytes, uint64_t seed,
                          size_t count);
/* Each allocation fails once: CRDT_ENOMEM, and nothing is lost. */
bool decoder_stands_no_memory(const decoder *d, crdt_span bytes);

/* A row of a table of bad bytes, in hex ("01 ff", spaces do not count). */
typedef struct decoder_bad {
    const char *hex;
    crdt_err err;
    uint64_t offset;
} decoder_bad;
bool decoder_refuses(const decoder *d, const decoder_bad *rows, size_t row_count);
/* Append the bytes of a hex text. */
void decoder_unhex(const char *hex, crdt_buf *out);

#endif /* TESTS_SUPPORT_DECODER_H */
