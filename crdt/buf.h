#ifndef CRDT_BUF_H
#define CRDT_BUF_H

/* Bytes: borrowed (crdt_span) and owned and growing (crdt_buf). */

#include "crdt/alloc.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. Never owned, never terminated; data may be NULL when size is 0. */
typedef struct crdt_span {
    const uint8_t *data;
    size_t size;
} crdt_span;

/* Owned bytes that grow by half. Invariant: size <= capacity. */
typedef struct crdt_buf {
    crdt_alloc alloc;
    uint8_t *data;
    size_t size;
    size_t capacity;
} crdt_buf;

/* A span over a C string, without its terminator. Of a literal it is a constant. */
static inline crdt_span crdt_span_of(const char *text)
{
    crdt_span span = {(const uint8_t *)text, strlen(text)};
    return span;
}

/* Most names and values have 4 .. 16 bytes: both ends are looked at, which may overlap. */
static inline bool crdt_bytes_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size > 16 || size < 4) {
        return size == 0 || memcmp(a, b, size) == 0;
    }
    if (size >= 8) {
        uint64_t words[4];
        memcpy(&words[0], a, 8);
        memcpy(&words[1], b, 8);
        memcpy(&words[2], a + size - 8, 8);
        memcpy(&words[3], b + size - 8, 8);
        return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
    }
    uint32_t words[4];
    memcpy(&words[0], a, 4);
    memcpy(&words[1], b, 4);
    memcpy(&words[2], a + size - 4, 4);
    memcpy(&words[3], b + size - 4, 4);
    return ((words[0] ^ words[1]) | (words[2] ^ words[3])) == 0;
}

static inline bool crdt_span_equal(crdt_span a, crdt_span b)
{
    return a.size == b.size &&
           (a.data == b.data || crdt_bytes_equal(a.data, b.data, a.size));
}
/* As memcmp on the common prefix, then the shorter first. */
int crdt_span_compare(crdt_span a, crdt_span b);

void crdt_buf_init(crdt_buf *buf, crdt_alloc alloc);
void crdt_buf_deinit(crdt_buf *buf);
/* Forget the bytes, keep the memory. */
void crdt_buf_clear(crdt_buf *buf);
crdt_span crdt_buf_span(const crdt_buf *buf);

/* The slow half of crdt_buf_reserve: there is no room yet. */
crdt_err crdt_buf_grow(crdt_buf *buf, size_t more);
/* Room for `more` bytes beyond size; afterwards that many appends cannot fail.
 * Errors: CRDT_ENOMEM, `buf` as before. */
static inline crdt_err crdt_buf_reserve(crdt_buf *buf, size_t more)
{
    return more <= buf->capacity - buf->size ? CRDT_OK : crdt_buf_grow(buf, more);
}
/* Errors: CRDT_ENOMEM, `buf` as before. `bytes` may not lie in `buf`. */
crdt_err crdt_buf_append(crdt_buf *buf, const void *bytes, size_t size);
crdt_err crdt_buf_append_span(crdt_buf *buf, crdt_span span);

#endif /* CRDT_BUF_H */
