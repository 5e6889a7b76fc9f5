#include "crdt/buf.h"

#include <assert.h>
#include <string.h>

int crdt_span_compare(crdt_span a, crdt_span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 || a.data == b.data ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

void crdt_buf_init(crdt_buf *buf, crdt_alloc alloc)
{
    *buf = (crdt_buf){.alloc = alloc};
}

void crdt_buf_deinit(crdt_buf *buf)
{
    crdt_free(buf->alloc, buf->data, buf->capacity);
    *buf = (crdt_buf){.alloc = buf->alloc};
}

void crdt_buf_clear(crdt_buf *buf)
{
    buf->size = 0;
}

crdt_span crdt_buf_span(const crdt_buf *buf)
{
    return (crdt_span){.data = buf->data, .size = buf->size};
}

crdt_err crdt_buf_grow(crdt_buf *buf, size_t more)
{
    assert(buf->size <= buf->capacity);
    if (more > SIZE_MAX / 4 || buf->size > SIZE_MAX / 4) {
        return CRDT_ENOMEM;
    }
    size_t capacity = buf->capacity + buf->capacity / 2;
    if (capacity < buf->size + more) {
        capacity = buf->size + more;
    }
    if (capacity < 64) {
        capacity = 64;
    }
    uint8_t *data =
        crdt_resize_array(buf->alloc, buf->data, buf->capacity, capacity, 1);
    if (data == NULL) {
        return CRDT_ENOMEM;
    }
    buf->data = data;
    buf->capacity = capacity;
    return CRDT_OK;
}

crdt_err crdt_buf_append(crdt_buf *buf, const void *bytes, size_t size)
{
    crdt_err err = crdt_buf_reserve(buf, size);
    if (err == CRDT_OK && size > 0) {
        memcpy(buf->data + buf->size, bytes, size);
        buf->size += size;
    }
    return err;
}

crdt_err crdt_buf_append_span(crdt_buf *buf, crdt_span span)
{
    return crdt_buf_append(buf, span.data, span.size);
}
