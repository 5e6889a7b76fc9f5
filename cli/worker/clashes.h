#ifndef CLI_WORKER_CLASHES_H
#define CLI_WORKER_CLASHES_H

/* The clashes that people still have to hear of: writes that somebody replaced or removed
 * without having seen them (`seen` of an event). The document does not hold them any more,
 * so they are kept here, until somebody has dealt with them:
 *
 *   a field that was replaced    is written again, shows the lost value again, or is gone
 *   what was removed             is there again
 *   either                       is dismissed
 *
 * A drag is one doing: writes of the one who replaced the value, each within 1.5 s of the
 * one before, deal with nothing.
 *
 * Bounded: the oldest make room. Pure: time comes in. Threads: one. */

#include "cli/worker/intent.h"

#define WORKER_CLASHES_KEPT_MAX 256u
#define WORKER_CLASHES_SIZE_MAX (1u << 20) /* bytes of names and values */

typedef struct worker_kept_clash {
    worker_clash told; /* borrows from `bytes` */
    crdt_span by;      /* who replaced or removed it */
    crdt_stamp until;  /* later writes deal with it; time 0: later than the next look */
    uint64_t written_ms;
    crdt_buf bytes;
} worker_kept_clash;

typedef struct worker_clashes {
    crdt_alloc alloc;
    worker_kept_clash *items; /* oldest first */
    size_t count;
    size_t capacity;
    size_t size; /* bytes of all */
} worker_clashes;

void worker_clashes_init(worker_clashes *clashes, crdt_alloc alloc);
void worker_clashes_deinit(worker_clashes *clashes);
void worker_clashes_clear(worker_clashes *clashes);

/* Keep a copy, in place of an older one of the same field. `until`: the last stamp of the
 * edit that clashed, NULL: not known. Errors: CRDT_ENOMEM; all as before. */
crdt_err worker_clashes_add(worker_clashes *clashes, const worker_clash *clash,
                            crdt_span by, const crdt_stamp *until, uint64_t now_ms);
/* Let go of those that were dealt with; true: there were any. O(clashes). */
bool worker_clashes_check(worker_clashes *clashes, const crdt_document *doc,
                          uint64_t now_ms);

/* Which ones: of an entity; `part`, `field` and `stamp` only those, where given. */
typedef struct worker_clash_choice {
    crdt_span entity;
    crdt_span part;  /* empty: any */
    crdt_span field; /* empty: any */
    bool has_stamp;
    crdt_stamp stamp;
} worker_clash_choice;

/* Those that an intent of the kind DISMISS means. Borrows from it. */
worker_clash_choice worker_clash_choice_of(const worker_intent *intent);
/* How many were let go of. */
size_t worker_clashes_dismiss(worker_clashes *clashes,
                              const worker_clash_choice *choice);

#endif /* CLI_WORKER_CLASHES_H */
