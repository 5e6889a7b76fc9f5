#include "crdt/zstd.h"

/* Contexts with an allocator of one's own are behind this door. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include <string.h>

/* Fast: a quarter of the cost of making the bytes, for nearly all that can be gained. */
#define LEVEL (-1)

/* libzstd frees without telling a size: it is kept in front of each block. */
#define HEAD_SIZE 16u

static void *take(void *opaque, size_t size)
{
    const crdt_alloc *alloc = opaque;
    if (size > SIZE_MAX - HEAD_SIZE) {
        return NULL;
    }
    uint8_t *block = crdt_allocate(*alloc, HEAD_SIZE + size);
    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &size, sizeof size);
    return block + HEAD_SIZE;
}

static void give(void *opaque, void *address)
{
    const crdt_alloc *alloc = opaque;
    if (address != NULL) {
        uint8_t *block = (uint8_t *)address - HEAD_SIZE;
        size_t size;
        memcpy(&size, block, sizeof size);
        crdt_free(*alloc, block, HEAD_SIZE + size);
    }
}

static crdt_err err_of(size_t result)
{
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? CRDT_ENOMEM
                                                                     : CRDT_ECORRUPT;
}

crdt_err crdt_zstd_pack(crdt_span bytes, crdt_buf *out, bool *done)
{
    *done = false;
    size_t room = bytes.size - bytes.size / 8;
    crdt_err err = crdt_buf_reserve(out, room);
    if (err != CRDT_OK || room == 0) {
        return err;
    }
    const ZSTD_customMem memory = {
        .customAlloc = take, .customFree = give, .opaque = &out->alloc};
    ZSTD_CCtx *context = ZSTD_createCCtx_advanced(memory);
    if (context == NULL) {
        return CRDT_ENOMEM;
    }
    size_t size = ZSTD_compressCCtx(context, out->data + out->size, room, bytes.data,
                                    bytes.size, LEVEL);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(size)) {
        /* The only other failure: it does not fit, for it shrinks too little. */
        return err_of(size) == CRDT_ENOMEM ? CRDT_ENOMEM : CRDT_OK;
    }
    if (crdt_zstd_allows(size, bytes.size)) {
        out->size += size;
        *done = true;
    }
    return CRDT_OK;
}

crdt_err crdt_zstd_unpack(crdt_span frame, crdt_alloc alloc, uint8_t *out, size_t size)
{
    const ZSTD_customMem memory = {
        .customAlloc = take, .customFree = give, .opaque = &alloc};
    ZSTD_DCtx *context = ZSTD_createDCtx_advanced(memory);
    if (context == NULL) {
        return CRDT_ENOMEM;
    }
    size_t result = ZSTD_decompressDCtx(context, out, size, frame.data, frame.size);
    ZSTD_freeDCtx(context);
    if (ZSTD_isError(result)) {
        return err_of(result);
    }
    return result == size ? CRDT_OK : CRDT_ECORRUPT;
}
