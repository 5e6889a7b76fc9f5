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

static bool within_ratio(size_t frame_size, uint64_t size)
{
    return size / CRDT_ZSTD_RATIO_MAX <= frame_size;
}

bool crdt_zstd_allows(crdt_span frame, uint64_t size)
{
    return within_ratio(frame.size, size) &&
           ZSTD_getFrameContentSize(frame.data, frame.size) == size;
}

/* A frame that would expand to more than is believed gets a frame behind it that is to be
 * skipped (RFC 8878, 3.1.2). Returns its size; 0: none is needed, or there is no room. */
static size_t pad(uint8_t *at, size_t room, size_t frame_size, size_t size)
{
    static const uint8_t magic[] = {0x50, 0x2a, 0x4d, 0x18};
    const size_t head_size = 2 * sizeof magic;
    const size_t wanted = size / CRDT_ZSTD_RATIO_MAX;
    size_t body = wanted > frame_size + head_size ? wanted - frame_size - head_size : 0;
    if (wanted <= frame_size || room < head_size + body || body > UINT32_MAX) {
        return 0;
    }
    memcpy(at, magic, sizeof magic);
    for (size_t i = 0; i < 4; i++) {
        at[4 + i] = (uint8_t)(body >> 8 * i);
    }
    memset(at + head_size, 0, body);
    return head_size + body;
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
    uint8_t *frame = out->data + out->size;
    size += pad(frame + size, room - size, size, bytes.size);
    if (within_ratio(size, bytes.size)) {
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
