#ifndef CRDT_DEPS_H
#define CRDT_DEPS_H

/* What each author's last batch depended on: the base that its next one is coded against
 * (crdt/batch.h), and a part of every catch-up answer, so that the live path goes on after
 * catching up. */

#include "crdt/op.h"

/* author -> (last time, deps + own ops) of its last batch known here. Bounded: the least
 * recently used author goes first. */
typedef struct crdt_deps crdt_deps;

crdt_err crdt_deps_open(crdt_deps **out, crdt_alloc alloc, size_t author_max);
void crdt_deps_close(crdt_deps *deps);
/* Remember `batch` as its author's last, unless a later one is known.
 * Errors: CRDT_ENOMEM; table as before. */
crdt_err crdt_deps_note(crdt_deps *deps, const crdt_batch *batch);
/* The last batch time noted of `actor`, and the version after it (borrowed until the next
 * note); 0 and an empty version if there is none. */
uint64_t crdt_deps_find(const crdt_deps *deps, const crdt_actor *actor,
                        const crdt_version **version_after);
/* Set one row as an answer carries it, unless a later one is known. Errors: CRDT_ENOMEM. */
crdt_err crdt_deps_put(crdt_deps *deps, const crdt_actor *actor, uint64_t last_time,
                       const crdt_version *version_after);
/* Iterate rows, most recently used first; `*index` starts at 0. False at the end. */
bool crdt_deps_next(const crdt_deps *deps, size_t *index, crdt_actor *actor,
                    uint64_t *last_time, const crdt_version **version_after);

#endif /* CRDT_DEPS_H */
