#include "tests/support/fault_alloc.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In front of every block: its size, to hold the caller to it. */
typedef struct header {
    alignas(max_align_t) size_t size;
} header;

static void check_size(const header *head, size_t claimed)
{
    if (head->size != claimed) {
        fprintf(stderr, "fault_alloc: block of %zu bytes given back as %zu\n",
                head->size, claimed);
        abort();
    }
}

static bool is_to_fail(fault_alloc *fault, size_t old_size, size_t new_size)
{
    fault->call_count++;
    if (fault->size_max != 0 &&
        (new_size > fault->size_max ||
         fault->live_size - old_size > fault->size_max - new_size)) {
        return true;
    }
    if (fault->fail_at == UINT64_MAX) {
        return false;
    }
    if (fault->fail_at > 0) {
        fault->fail_at--;
        return false;
    }
    if (!fault->fail_after) {
        fault->fail_at = UINT64_MAX;
    }
    return true;
}

/* A resize always moves and scribbles over the old block, so that stale pointers show.
 */
static void *fault_fn(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    fault_alloc *fault = ctx;
    header *old = ptr == NULL ? NULL : (header *)ptr - 1;
    if (old != NULL) {
        check_size(old, old_size);
    }
    header *new = NULL;
    if (new_size > 0) {
        if (is_to_fail(fault, old == NULL ? 0 : old_size, new_size)) {
            return NULL;
        }
        new = malloc(sizeof *new + new_size);
        if (new == NULL) {
            return NULL;
        }
        new->size = new_size;
        memset(new + 1, 0xa5, new_size);
        fault->live_count++;
        fault->live_size += new_size;
    } else {
        fault->free_count++;
    }
    if (old != NULL) {
        if (new != NULL) {
            memcpy(new + 1, ptr, old_size < new_size ? old_size : new_size);
        }
        memset(ptr, 0x5a, old_size);
        fault->live_count--;
        fault->live_size -= old_size;
        free(old);
    }
    if (fault->live_size > fault->live_size_max) {
        fault->live_size_max = fault->live_size;
    }
    return new == NULL ? NULL : new + 1;
}

crdt_alloc fault_alloc_init(fault_alloc *fault)
{
    *fault = (fault_alloc){.fail_at = UINT64_MAX};
    return (crdt_alloc){.fn = fault_fn, .ctx = fault};
}

void fault_alloc_fail_at(fault_alloc *fault, uint64_t index)
{
    fault->fail_at = index;
    fault->fail_after = false;
}

void fault_alloc_heal(fault_alloc *fault)
{
    fault->fail_at = UINT64_MAX;
    fault->size_max = 0;
}

bool fault_alloc_balanced(const fault_alloc *fault)
{
    return fault->live_count == 0 && fault->live_size == 0;
}
