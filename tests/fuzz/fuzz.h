#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* A fuzz target: called with one input after the other, aborts on a fault. libFuzzer calls
 * it (-DSCENESYNC_FUZZ=ON, clang), or replay.c with the files of a corpus. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* TESTS_FUZZ_FUZZ_H */
