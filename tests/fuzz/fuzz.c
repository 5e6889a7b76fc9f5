#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_memory.h"

#include <stdio.h>
#include <stdlib.h>

/* Does a second call with the same input ask for more again? What is made once and kept (a
 * table of the library's, say) does not. */
static void check_kept(const uint8_t *data, size_t size, ptrdiff_t before)
{
    ptrdiff_t once = fuzz_memory_held();
    if (once <= before || fuzz_target_budget.lasting) {
        return;
    }
    (void)fuzz_target(data, size);
    ptrdiff_t twice = fuzz_memory_held();
    if (twice > once) {
        fprintf(stderr, "fuzz: an input of %zu bytes loses %td bytes of memory\n", size,
                twice - once);
        abort();
    }
}

bool fuzz_check(const uint8_t *data, size_t size, size_t *peak)
{
    static bool opened;
    if (!opened) {
        fuzz_memory_open();
        opened = true;
        (void)fuzz_target((const uint8_t *)"",
                          0); /* what it makes ready is no input's */
    }
    ptrdiff_t before = fuzz_memory_held();
    fuzz_memory_mark();
    bool taken = fuzz_target(data, size);
    ptrdiff_t most = fuzz_memory_peak() - before;
    size_t budget = fuzz_target_budget.factor * size + fuzz_target_budget.fixed;
    if (most > (ptrdiff_t)budget) {
        fprintf(stderr,
                "fuzz: an input of %zu bytes holds %td bytes, its budget is %zu (%zu "
                "each, %zu in any case)\n",
                size, most, budget, fuzz_target_budget.factor,
                fuzz_target_budget.fixed);
        abort();
    }
    check_kept(data, size, before);
    if (peak != NULL) {
        *peak = most > 0 ? (size_t)most : 0;
    }
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)fuzz_check(data, size, NULL);
    return 0;
}
