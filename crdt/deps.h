#ifndef CRDT_DEPS_H
#define CRDT_DEPS_H

/* What each author's last batch said: the base that its next one is coded against
 * (crdt/batch.h), and a part of every catch-up answer, so that the live path goes on after
 * catching up. */

#include "crdt/op.h"

/* An author's last batch, as far as the next one is coded against it. All borrowed. */
typedef struct crdt_deps_row {
    crdt_actor actor;
    uint64_t last_time;        /* of its last operation */
    const crdt_version *after; /* what it depended on, and itself */
    crdt_span who;
    uint64_t wall_ms;
} crdt_deps_row;

/* author -> row of its last batch known here. Bounded: the least recently used author goes
 * first. */
typedef struct crdt_deps crdt_deps;

crdt_err crdt_deps_open(crdt_deps **out, crdt_alloc alloc, size_t author_max);
void crdt_deps_close(crdt_deps *deps);
/* Remember `batch` as its author's last, unless a later one is known.
 * Errors: CRDT_ENOMEM; table as before. */
crdt_err crdt_deps_note(crdt_deps *deps, const crdt_batch *batch);
/* Set one row as an answer carries it, unless a later one is known. `row->after` may leave
 * the author out. Errors: CRDT_ENOMEM; table as before. */
crdt_err crdt_deps_put(crdt_deps *deps, const crdt_deps_row *row);
/* The row of `actor`, borrowed until the next note or put. False: none; then *row is of
 * time 0, with an empty version and an empty person. */
bool crdt_deps_find(const crdt_deps *deps, const crdt_actor *actor, crdt_deps_row *row);
/* Iterate rows, most recently used first; `*index` starts at 0. False at the end. */
bool crdt_deps_next(const crdt_deps *deps, size_t *index, crdt_deps_row *row);

#endif /* CRDT_DEPS_H */
