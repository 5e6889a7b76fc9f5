#ifndef SYNC_LITTLE_H
#define SYNC_LITTLE_H

/* Integers as little-endian bytes: how the store's files hold them. */

#include <stdint.h>

static inline void sync_put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint16_t sync_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t sync_get_u32(const uint8_t *at)
{
    return sync_get_u16(at) | (uint32_t)sync_get_u16(at + 2) << 16;
}

static inline uint64_t sync_get_u64(const uint8_t *at)
{
    return sync_get_u32(at) | (uint64_t)sync_get_u32(at + 4) << 32;
}

#endif /* SYNC_LITTLE_H */
