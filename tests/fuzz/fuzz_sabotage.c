#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A target that does what its input says: so tests see that the driver notices. */
const fuzz_budget fuzz_target_budget = {.factor = 10, .fixed = 10000};

static void *volatile kept;
static volatile unsigned depth;

static unsigned sink(unsigned n) /* NOLINT(misc-no-recursion) */
{
    volatile char room[4096];
    room[n % sizeof room] = (char)n;
    depth = n;
    return n == 0 ? 0 : sink(n - 1) + (unsigned)room[n % sizeof room];
}

static void hold(size_t size)
{
    kept = malloc(size);
    if (kept != NULL) {
        memset(kept, 1, size);
    }
    free(kept);
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    static void *once;
    switch (size == 0 ? 0 : data[0]) {
    case 'L': /* loses memory */
        kept = malloc(100);
        return true;
    case 'O': /* keeps something, once: that is no loss */
        once = once == NULL ? malloc(100) : once;
        return once != NULL;
    case 'B': /* over the budget */
        hold(10000 + 10 * size + 100);
        return true;
    case 'W': /* within it */
        hold(9000 + 10 * size);
        return true;
    case 'A':
        abort();
    case 'S': /* no stack left */
        return sink(1u << 30) > 0;
    case 'H':
        for (;;) {
            depth++;
        }
    default:
        return false;
    }
}
