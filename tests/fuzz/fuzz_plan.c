#include "cli/fuzz/plan.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

/* A step of a few letters is a record of forty bytes in a list that doubles; the text is
 * written and read again. */
const fuzz_budget fuzz_target_budget = {.factor = 200, .fixed = 64u << 10};

/* A plan of the convergence fuzzer that is taken is written and read again as the same. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    fuzz_plan plan;
    crdt_diag diag = {.text = ""};
    fuzz_plan_init(&plan);
    crdt_err err = fuzz_plan_read(&plan, (crdt_span){data, size}, &diag);
    if (err != CRDT_OK) {
        assert(diag.text[0] != '\0');
        fuzz_plan_deinit(&plan);
        return false;
    }
    assert(plan.place_count <= FUZZ_PLACES_MAX &&
           plan.step_count <= FUZZ_STEPS_MAX + 1);
    crdt_buf text[2];
    for (size_t i = 0; i < 2; i++) {
        crdt_buf_init(&text[i], crdt_alloc_default());
        fuzz_plan_write(&plan, &text[i]);
        assert(fuzz_plan_read(&plan, crdt_buf_span(&text[i]), &diag) == CRDT_OK);
    }
    assert(crdt_span_equal(crdt_buf_span(&text[0]), crdt_buf_span(&text[1])));
    crdt_buf_deinit(&text[0]);
    crdt_buf_deinit(&text[1]);
    fuzz_plan_deinit(&plan);
    return true;
}
