#include "tests/support/decoder.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_bytes(const char *what, crdt_span bytes)
{
    fprintf(stderr, "%s (%zu bytes):", what, bytes.size);
    for (size_t i = 0; i < bytes.size && i < 400; i++) {
        fprintf(stderr, " %02x", bytes.data[i]);
    }
    fprintf(stderr, "\n");
}

static uint8_t *exact_copy(crdt_span bytes)
{
    uint8_t *copy = malloc(bytes.size == 0 ? 1 : bytes.size);
    if (copy == NULL) {
        abort();
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

/* What was decoded into d->ctx encodes, and to `bytes` if it must. */
static bool encodes_back(const decoder *d, crdt_span bytes)
{
    if (d->encode == NULL) {
        return true;
    }
    crdt_buf first;
    crdt_buf second;
    crdt_arena arena;
    crdt_buf_init(&first, crdt_alloc_default());
    crdt_buf_init(&second, crdt_alloc_default());
    crdt_arena_init(&arena, crdt_alloc_default());
    bool good = d->encode(d->ctx, &first) == CRDT_OK;
    if (good && d->canonical) {
        good = crdt_span_equal(crdt_buf_span(&first), bytes);
    } else if (good) {
        good = d->decode(d->ctx, crdt_buf_span(&first), &arena, NULL) == CRDT_OK &&
               d->encode(d->ctx, &second) == CRDT_OK &&
               crdt_span_equal(crdt_buf_span(&first), crdt_buf_span(&second));
    }
    if (!good) {
        print_bytes("decoded", bytes);
        print_bytes("encoded again", crdt_buf_span(&first));
    }
    crdt_buf_deinit(&first);
    crdt_buf_deinit(&second);
    crdt_arena_deinit(&arena);
    return good;
}

/* Decodes an exact copy; checks what must hold whether it succeeds or not. */
static bool try_decode(const decoder *d, crdt_span bytes, crdt_err *err,
                       uint64_t *offset)
{
    fault_alloc fault;
    crdt_arena arena;
    crdt_arena_init(&arena, fault_alloc_init(&fault));
    uint8_t *copy = exact_copy(bytes);
    crdt_span exact = {.data = copy, .size = bytes.size};
    crdt_diag diag = {.offset = UINT64_MAX};
    *err = d->decode(d->ctx, exact, &arena, &diag);
    *offset = diag.offset;
    bool good = true;
    if (*err == CRDT_OK) {
        good = encodes_back(d, exact);
    } else if (diag.offset > bytes.size || diag.text[0] == '\0') {
        print_bytes("refused without a place and a reason", bytes);
        good = false;
    }
    if (fault.live_size_max > d->memory_factor * bytes.size + d->memory_fixed) {
        fprintf(stderr, "allocated %zu bytes\n", fault.live_size_max);
        print_bytes("for", bytes);
        good = false;
    }
    crdt_arena_deinit(&arena);
    free(copy);
    if (!fault_alloc_balanced(&fault)) {
        print_bytes("memory is not given back", bytes);
        good = false;
    }
    return good;
}

bool decoder_accepts(const decoder *d, crdt_span bytes)
{
    crdt_err err;
    uint64_t offset;
    if (!try_decode(d, bytes, &err, &offset)) {
        return false;
    }
    if (err != CRDT_OK) {
        fprintf(stderr, "%s at %llu\n", crdt_err_name(err), (unsigned long long)offset);
        print_bytes("refused", bytes);
    }
    return err == CRDT_OK;
}

bool decoder_refuses_truncated(const decoder *d, crdt_span bytes)
{
    for (size_t size = 0; size < bytes.size; size++) {
        crdt_span cut = {.data = bytes.data, .size = size};
        crdt_err err;
        uint64_t offset;
        if (!try_decode(d, cut, &err, &offset)) {
            return false;
        }
        if (err == CRDT_OK) {
            print_bytes("accepted though cut short", cut);
            return false;
        }
    }
    return true;
}

bool decoder_stands_flips(const decoder *d, crdt_span bytes)
{
    uint8_t *flipped = exact_copy(bytes);
    crdt_span span = {.data = flipped, .size = bytes.size};
    bool good = true;
    for (size_t bit = 0; bit < bytes.size * 8 && good; bit++) {
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        crdt_err err;
        uint64_t offset;
        good = try_decode(d, span, &err, &offset);
        flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(flipped);
    return good;
}

bool decoder_stands_noise(const decoder *d, crdt_span bytes, uint64_t seed,
                          size_t count)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(seed, &arena);
    uint8_t *noisy = exact_copy((crdt_span){.data = bytes.data, .size = bytes.size});
    bool good = true;
    for (size_t i = 0; i < count && good && bytes.size > 0; i++) {
        memcpy(noisy, bytes.data, bytes.size);
        size_t size = bytes.size;
        for (uint64_t edits = 1 + gen_below(&g, 4); edits > 0; edits--) {
            size_t at = (size_t)gen_below(&g, size);
            size_t from = (size_t)gen_below(&g, size);
            size_t most = size - (at > from ? at : from);
            switch (gen_below(&g, 3)) {
            case 0:
                noisy[at] = (uint8_t)gen_next(&g);
                break;
            case 1: {
                static const uint8_t heads[] = {0xc0, 0xc4, 0xcf, 0xdd, 0xdf,
                                                0xdb, 0x00, 0x7f, 0xff, 0xca};
                noisy[at] = heads[gen_below(&g, sizeof heads)];
                break;
            }
            default:
                memmove(noisy + at, noisy + from, (size_t)gen_below(&g, most + 1));
                break;
            }
        }
        crdt_err err;
        uint64_t offset;
        good = try_decode(d, (crdt_span){.data = noisy, .size = size}, &err, &offset);
    }
    if (!good) {
        fprintf(stderr, "SCENESYNC_SEED=%llu\n", (unsigned long long)seed);
    }
    free(noisy);
    crdt_arena_deinit(&arena);
    return good;
}

bool decoder_stands_no_memory(const decoder *d, crdt_span bytes)
{
    for (uint64_t index = 0;; index++) {
        fault_alloc fault;
        crdt_arena arena;
        crdt_arena_init(&arena, fault_alloc_init(&fault));
        fault_alloc_fail_at(&fault, index);
        crdt_err err = d->decode(d->ctx, bytes, &arena, NULL);
        bool reached = fault.fail_at == UINT64_MAX;
        crdt_arena_deinit(&arena);
        if (!fault_alloc_balanced(&fault)) {
            fprintf(stderr, "memory is lost when allocation %llu fails\n",
                    (unsigned long long)index);
            return false;
        }
        if (!reached) {
            return err == CRDT_OK;
        }
        if (err != CRDT_ENOMEM) {
            fprintf(stderr, "allocation %llu fails, yet %s\n",
                    (unsigned long long)index, crdt_err_name(err));
            return false;
        }
    }
}

void decoder_unhex(const char *hex, crdt_buf *out)
{
    unsigned digits = 0;
    unsigned byte = 0;
    for (; *hex != '\0'; hex++) {
        if (*hex == ' ') {
            continue;
        }
        byte = byte << 4 | (unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
        if (++digits % 2 == 0) {
            uint8_t whole = (uint8_t)byte;
            if (crdt_buf_append(out, &whole, 1) != CRDT_OK) {
                abort();
            }
            byte = 0;
        }
    }
}

bool decoder_refuses(const decoder *d, const decoder_bad *rows, size_t row_count)
{
    bool good = true;
    for (size_t i = 0; i < row_count; i++) {
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        decoder_unhex(rows[i].hex, &bytes);
        crdt_err err = CRDT_OK;
        uint64_t offset = 0;
        bool stands = try_decode(d, crdt_buf_span(&bytes), &err, &offset);
        if (!stands || err != rows[i].err || offset != rows[i].offset) {
            fprintf(stderr, "row %zu \"%s\": %s at %llu, expected %s at %llu\n", i,
                    rows[i].hex, crdt_err_name(err), (unsigned long long)offset,
                    crdt_err_name(rows[i].err), (unsigned long long)rows[i].offset);
            good = false;
        }
        crdt_buf_deinit(&bytes);
    }
    return good;
}
