#ifndef TESTS_SUPPORT_FAULT_ALLOC_H
#define TESTS_SUPPORT_FAULT_ALLOC_H

/* An allocator that counts, and fails when told to.
 *
 *     fault_alloc fault;
 *     crdt_alloc alloc = fault_alloc_init(&fault);
 *     ...
 *     cr_assert(fault_alloc_balanced(&fault));
 *
 * To fail one allocation after the other, `fault_alloc_fail_at(&fault, n)` for n = 0,
 * 1,
 * ... until a run succeeds. It also aborts when a block is given back with another size
 * than it was asked for with. */

#include "crdt/alloc.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fault_alloc {
    uint64_t call_count; /* allocations and resizes, failed ones included */
    uint64_t free_count;
    size_t live_count;    /* blocks */
    size_t live_size;     /* bytes */
    size_t live_size_max; /* highest so far */
    uint64_t fail_at;     /* the call that fails, counted from now; UINT64_MAX: none */
    bool fail_after;      /* and all calls after it */
    size_t size_max;      /* live bytes beyond which calls fail; 0: unlimited */
} fault_alloc;

/* `fault` must not move while the allocator is in use. */
crdt_alloc fault_alloc_init(fault_alloc *fault);
/* Fail the index-th allocation from now (0: the next), only that one. */
void fault_alloc_fail_at(fault_alloc *fault, uint64_t index);
/* Fail no more. */
void fault_alloc_heal(fault_alloc *fault);
/* Is everything given back? */
bool fault_alloc_balanced(const fault_alloc *fault);

#endif /* TESTS_SUPPORT_FAULT_ALLOC_H */
