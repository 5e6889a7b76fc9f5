#include "crdt/zstd.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 20000 };

/* Text of few letters: shrinks by some two thirds. */
static void fill(uint8_t *bytes, size_t size, uint64_t letters)
{
    gen g = gen_open(gen_seed(7), NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)('a' + gen_below(&g, letters));
    }
}

static crdt_buf packed(const uint8_t *bytes, size_t size)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    bool done = false;
    cr_assert_eq(crdt_zstd_pack((crdt_span){bytes, size}, &out, &done), CRDT_OK);
    cr_assert(done);
    return out;
}

Test(zstd, what_was_packed_is_unpacked)
{
    static uint8_t bytes[SIZE];
    static uint8_t back[SIZE];
    fill(bytes, SIZE, 4);
    crdt_buf out = packed(bytes, SIZE);
    cr_assert_lt(out.size, SIZE / 2);
    cr_assert(crdt_zstd_allows(crdt_buf_span(&out), SIZE));
    cr_assert(!crdt_zstd_allows(crdt_buf_span(&out), SIZE + 1));
    cr_assert_eq(
        crdt_zstd_unpack(crdt_buf_span(&out), crdt_alloc_default(), back, SIZE),
        CRDT_OK);
    cr_assert_eq(memcmp(bytes, back, SIZE), 0);
    crdt_buf_deinit(&out);
}

/* Zeros shrink more than a reader believes: the frame is padded, and read all the same. */
Test(zstd, what_shrinks_too_well_is_padded)
{
    static uint8_t bytes[SIZE];
    static uint8_t back[SIZE];
    memset(bytes, 7, sizeof bytes);
    for (size_t size = 500; size <= SIZE; size += 300) {
        crdt_buf out = packed(bytes, size);
        cr_assert_leq(out.size, size / CRDT_ZSTD_RATIO_MAX + 40);
        cr_assert(crdt_zstd_allows(crdt_buf_span(&out), size));
        memset(back, 0, sizeof back);
        cr_assert_eq(
            crdt_zstd_unpack(crdt_buf_span(&out), crdt_alloc_default(), back, size),
            CRDT_OK);
        cr_assert_eq(memcmp(bytes, back, size), 0);
        crdt_buf_deinit(&out);
    }
}

/* Noise does not shrink, and is not packed. */
Test(zstd, what_is_not_worth_a_frame_is_left)
{
    static uint8_t bytes[SIZE];
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    bool done = true;
    fill(bytes, SIZE, 256);
    cr_assert_eq(crdt_zstd_pack((crdt_span){bytes, SIZE}, &out, &done), CRDT_OK);
    cr_assert(!done && out.size == 0);
    done = true;
    cr_assert_eq(crdt_zstd_pack((crdt_span){bytes, 0}, &out, &done), CRDT_OK);
    cr_assert(!done && out.size == 0);
    crdt_buf_deinit(&out);
}

/* A size that is not the frame's, a frame cut short, bits flipped: an error or other
 * bytes, never a byte written beyond the room. */
Test(zstd, broken_frames_are_refused)
{
    static uint8_t bytes[SIZE];
    fill(bytes, SIZE, 4);
    crdt_buf out = packed(bytes, SIZE);
    crdt_alloc alloc = crdt_alloc_default();
    uint8_t *back = malloc(SIZE + 1);
    crdt_span frame = crdt_buf_span(&out);
    cr_assert_eq(crdt_zstd_unpack(frame, alloc, back, SIZE + 1), CRDT_ECORRUPT);
    cr_assert_eq(crdt_zstd_unpack(frame, alloc, back, SIZE - 1), CRDT_ECORRUPT);
    cr_assert_eq(crdt_zstd_unpack(frame, alloc, back, 0), CRDT_ECORRUPT);
    for (size_t size = 0; size < frame.size; size += 37) {
        cr_assert_eq(crdt_zstd_unpack((crdt_span){frame.data, size}, alloc, back, SIZE),
                     CRDT_ECORRUPT);
    }
    back = realloc(back, SIZE);
    for (size_t bit = 0; bit < frame.size * 8; bit += bit < 400 ? 1 : 97) {
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        crdt_err err = crdt_zstd_unpack(frame, alloc, back, SIZE);
        cr_assert(err == CRDT_OK || err == CRDT_ECORRUPT);
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(back);
    crdt_buf_deinit(&out);
}

Test(zstd, no_memory_is_an_error_and_loses_nothing)
{
    static uint8_t bytes[SIZE];
    static uint8_t back[SIZE];
    fill(bytes, SIZE, 4);
    crdt_buf whole = packed(bytes, SIZE);
    for (uint64_t index = 0, reached = 0; reached < 2; index++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        fault_alloc_fail_at(&fault, index);
        bool done = false;
        crdt_err err = crdt_zstd_pack((crdt_span){bytes, SIZE}, &out, &done);
        bool failed = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, failed ? CRDT_ENOMEM : CRDT_OK);
        cr_assert_eq(done, !failed);
        fault_alloc_fail_at(&fault, index);
        err = crdt_zstd_unpack(crdt_buf_span(&whole), alloc, back, SIZE);
        bool failed_too = fault.fail_at == UINT64_MAX;
        cr_assert_eq(err, failed_too ? CRDT_ENOMEM : CRDT_OK);
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
        reached = (uint64_t)!failed + (uint64_t)!failed_too;
    }
    crdt_buf_deinit(&whole);
}
