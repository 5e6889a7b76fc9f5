#ifndef CRDT_MSGPACK_H
#define CRDT_MSGPACK_H

/* Single msgpack tokens <-> bytes: what values, batches, answers and messages are made
 * of.
 *
 * Writing goes through msgpack-c's header-only packer (msgpack.c alone meets it), to a
 * cursor: the caller has reserved the room, so nothing can fail. Reading is ours: it
 * trusts no count, allocates nothing, and tells where bytes stop making sense.
 *
 * Shortest forms only: a token has one encoding, so what decodes is canonical.
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md */

#include "crdt/buf.h"

/* Bytes of the longest token without its body. */
#define CRDT_MSGPACK_SIZE_MAX 9u

/* ---- writing: each returns the cursor behind what it wrote ---- */

uint8_t *crdt_msgpack_put_nil(uint8_t *at);
uint8_t *crdt_msgpack_put_bool(uint8_t *at, bool value);
uint8_t *crdt_msgpack_put_uint(uint8_t *at, uint64_t value);
uint8_t *crdt_msgpack_put_int(uint8_t *at, int64_t value);
uint8_t *crdt_msgpack_put_float32(uint8_t *at, float value);
uint8_t *crdt_msgpack_put_float64(uint8_t *at, double value);
uint8_t *crdt_msgpack_put_array(uint8_t *at, uint32_t count);
uint8_t *crdt_msgpack_put_map(uint8_t *at, uint32_t count);
/* Head and body: CRDT_MSGPACK_SIZE_MAX + bytes.size bytes of room. */
uint8_t *crdt_msgpack_put_str(uint8_t *at, crdt_span utf8);
uint8_t *crdt_msgpack_put_bin(uint8_t *at, crdt_span bytes);
/* A bin's head alone; the caller writes the body. */
uint8_t *crdt_msgpack_put_bin_head(uint8_t *at, uint32_t size);
/* Any bytes: str where they are valid UTF-8, else bin. How names travel. */
uint8_t *crdt_msgpack_put_name(uint8_t *at, crdt_span name);

/* The same on a growing buffer. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err crdt_msgpack_append_uint(crdt_buf *out, uint64_t value);
crdt_err crdt_msgpack_append_name(crdt_buf *out, crdt_span name);
crdt_err crdt_msgpack_append_str(crdt_buf *out, crdt_span utf8);
crdt_err crdt_msgpack_append_bin(crdt_buf *out, crdt_span bytes);

/* ---- reading ---- */

typedef enum crdt_msgpack_type {
    CRDT_MSGPACK_NIL,
    CRDT_MSGPACK_BOOL,    /* number: 0 or 1 */
    CRDT_MSGPACK_UINT,    /* number */
    CRDT_MSGPACK_INT,     /* below 0: (int64_t)number */
    CRDT_MSGPACK_FLOAT32, /* number: the IEEE bits */
    CRDT_MSGPACK_FLOAT64, /* number: the IEEE bits */
    CRDT_MSGPACK_STR,     /* number: size of the body, which is not checked here */
    CRDT_MSGPACK_BIN,     /* as STR */
    CRDT_MSGPACK_ARRAY,   /* number: count of values */
    CRDT_MSGPACK_MAP,     /* number: count of pairs */
    CRDT_MSGPACK_BAD,     /* ends early, ext, unused byte, or not the shortest form */
} crdt_msgpack_type;

typedef struct crdt_msgpack_token {
    crdt_msgpack_type type;
    uint32_t head_size; /* bytes of the token without a body */
    uint64_t number;
} crdt_msgpack_token;

/* A token whose first byte is c0 .. df. */
crdt_msgpack_token crdt_msgpack_peek_long(const uint8_t *at, const uint8_t *end);

/* The token at `at`, which may be `end`. No allocation, O(1). */
static inline crdt_msgpack_token crdt_msgpack_peek(const uint8_t *at,
                                                   const uint8_t *end)
{
    crdt_msgpack_token token = {.type = CRDT_MSGPACK_BAD, .head_size = 1};
    if (at == end) {
        return token;
    }
    uint8_t first = *at;
    if (first < 0x80) {
        token.type = CRDT_MSGPACK_UINT;
        token.number = first;
    } else if (first < 0x90) {
        token.type = CRDT_MSGPACK_MAP;
        token.number = first & 0x0fu;
    } else if (first < 0xa0) {
        token.type = CRDT_MSGPACK_ARRAY;
        token.number = first & 0x0fu;
    } else if (first < 0xc0) {
        token.type = CRDT_MSGPACK_STR;
        token.number = first & 0x1fu;
    } else if (first >= 0xe0) {
        token.type = CRDT_MSGPACK_INT;
        token.number = (uint64_t)(int64_t)(int8_t)first;
    } else {
        return crdt_msgpack_peek_long(at, end);
    }
    return token;
}

/* Reads foreign bytes token by token. After an error it stays where the bad token
 * begins and every further read fails the same way, so a caller may read several and
 * ask once.
 *
 * Invariant: begin <= at <= end. */
typedef struct crdt_msgpack_reader {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    crdt_diag *diag; /* may be NULL */
    crdt_err err;
} crdt_msgpack_reader;

crdt_msgpack_reader crdt_msgpack_read_open(crdt_span bytes, crdt_diag *diag);
/* Sets the error at the reader's place, if there is none yet. Returns reader->err. */
crdt_err crdt_msgpack_fail(crdt_msgpack_reader *reader, crdt_err err, const char *text);

/* Each returns 0, false or an empty span after an error (`reader->err`): CRDT_ECORRUPT
 * for another type or a body beyond the end, CRDT_ELIMIT for a number above `max` or
 * more than `size_max` bytes. Spans are borrowed from the input. */
uint64_t crdt_msgpack_read_uint(crdt_msgpack_reader *reader, uint64_t max);
/* Any integer of 64 bits, signed. */
int64_t crdt_msgpack_read_int(crdt_msgpack_reader *reader);
bool crdt_msgpack_read_bool(crdt_msgpack_reader *reader);
/* A count of things of at least `item_size_min` bytes each: one that the bytes left
 * cannot hold is CRDT_ECORRUPT, so what is allocated for it is bounded by the input. */
size_t crdt_msgpack_read_count(crdt_msgpack_reader *reader, uint64_t max,
                               size_t item_size_min);
crdt_span crdt_msgpack_read_name(crdt_msgpack_reader *reader, size_t size_max);
crdt_span crdt_msgpack_read_str(crdt_msgpack_reader *reader, size_t size_max);
crdt_span crdt_msgpack_read_bin(crdt_msgpack_reader *reader, size_t size_max);
/* A bin of exactly `size` bytes, copied to `out` (untouched on error). */
void crdt_msgpack_read_fixed(crdt_msgpack_reader *reader, void *out, size_t size);
/* One canonical value (crdt/value.h) of any kind. */
crdt_span crdt_msgpack_read_value(crdt_msgpack_reader *reader);
/* Is the next token a number (true) or something else, or the end (false)? */
static inline bool crdt_msgpack_at_uint(const crdt_msgpack_reader *reader)
{
    return reader->err == CRDT_OK &&
           crdt_msgpack_peek(reader->at, reader->end).type == CRDT_MSGPACK_UINT;
}
/* CRDT_ECORRUPT unless all bytes are read. Returns reader->err. */
crdt_err crdt_msgpack_read_end(crdt_msgpack_reader *reader);

#endif /* CRDT_MSGPACK_H */
