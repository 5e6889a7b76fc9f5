#ifndef CLI_FUZZ_FULL_HISTORY_H
#define CLI_FUZZ_FULL_HISTORY_H

/* The naive model: every batch ever committed is kept, and the state after a set of them is
 * computed from their definition alone: every add and every set, less what an operation
 * had seen. No merging, no order of arrival, nothing is ever forgotten. Replicas that agree
 * with each other may all be wrong; here they are compared with what is right.
 *
 *      batch   author, what the author had seen, operations
 *      entry   what an add or a set put there: a key, a stamp, a value
 *      remover an operation that had seen the entry and drops it
 *
 *      held at version V   the entry is covered by V, and none of its removers is
 *
 * Cost: a batch O(operations * entries of their objects); a check O(all entries). */

#include "crdt/document.h"

typedef struct fuzz_full_history fuzz_full_history;

fuzz_full_history *fuzz_full_history_open(void);
void fuzz_full_history_close(fuzz_full_history *history);

/* Batch number `index` (they come in order, from 0) was committed. */
void fuzz_full_history_add(fuzz_full_history *history, const crdt_batch *batch);
/* A crash took batch `index` before anybody knew of it: it never was. */
void fuzz_full_history_lose(fuzz_full_history *history, size_t index);

/* What a check found. `oracle` names the promise that is broken: "lost write", "add wins",
 * "resurrection", "invention", "value", "who", "conflicts", "counts", "shown". */
typedef struct fuzz_finding {
    const char *oracle; /* NULL: all is well */
    char text[256];
} fuzz_finding;

/* Does `doc` hold exactly the state after all batches that its version covers; does it show
 * what it should, and list exactly the conflicts of concurrent writes? False, and what is
 * wrong. */
bool fuzz_full_history_check(fuzz_full_history *history, const crdt_document *doc,
                             fuzz_finding *finding);

#endif /* CLI_FUZZ_FULL_HISTORY_H */
