#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* A fuzz target: handed one input after the other, it aborts on a fault. Each fuzz_NAME.c
 * is one. The drivers: libFuzzer and AFL++ (-DSCENESYNC_FUZZ=ON, clang), else storm.c, which
 * replays a corpus or throws mutations of it.
 *
 * Whatever drives, around each input stands fuzz.c, which asks also: does memory stay within
 * the target's budget, and is all of it given back? */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An input of n bytes may make us hold factor * n + fixed bytes at one time, all of malloc
 * counted: ours, the libraries', the target's own. So `factor` is what a format can expand
 * to, copies included; `fixed` is what stands ready for the first byte. */
typedef struct fuzz_budget {
    size_t factor;
    size_t fixed; /* bytes */
    bool lasting; /* another thread of the target gives memory back when it comes to it:
                   * what is held after an input is not looked at */
} fuzz_budget;

/* ---- defined by the target ---- */

extern const fuzz_budget fuzz_target_budget;
/* One input; true: it was taken as good. The first one is empty. Keeps nothing from one call to the next, but what
 * a second call with the same input would not ask for again. */
bool fuzz_target(const uint8_t *data, size_t size);

/* ---- fuzz.c ---- */

/* One input under all that is asked of it; as fuzz_target. `*peak` (may be NULL): bytes held
 * at most. Aborts with a line on stderr if memory is lost or over the budget. */
bool fuzz_check(const uint8_t *data, size_t size, size_t *peak);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* TESTS_FUZZ_FUZZ_H */
