#ifndef TESTS_FUZZ_FUZZ_INPUT_H
#define TESTS_FUZZ_FUZZ_INPUT_H

/* An input that is read as a script: byte by byte, what is missing at the end is 0. */

#include "crdt/buf.h"

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static inline unsigned fuzz_take(fuzz_input *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

/* The next `size` bytes, or what is left. */
static inline crdt_span fuzz_take_span(fuzz_input *in, size_t size)
{
    size = size < in->left ? size : in->left;
    crdt_span span = {in->at, size};
    in->at += size;
    in->left -= size;
    return span;
}

#endif /* TESTS_FUZZ_FUZZ_INPUT_H */
