#ifndef CLI_WORKER_SAVE_PLAN_H
#define CLI_WORKER_SAVE_PLAN_H

/* When to save, and who does: the decisions of cli/worker/save.c, pure. Time is an argument
 * (any clock that goes on), nobody is waited for. */

#include "cli/worker/backoff.h"
#include "crdt/err.h"
#include "crdt/version.h"

/* One place that is saved to. */
typedef struct worker_save_target {
    bool enabled;              /* there is such a place */
    bool unsaved;              /* the document has what is not saved here */
    uint64_t unsaved_since_ms; /* the first change that is not */
    bool failing;              /* the last try failed */
    uint64_t retry_at_ms; /* failing: UINT64_MAX: not before a change or a person */
    bool refused;         /* a person must act: new headers, or `force` */
    worker_backoff backoff;
} worker_save_target;

#define WORKER_SAVE_NEVER UINT64_MAX

/* A change came. What failed because of what the document was may be tried again. */
void worker_save_target_change(worker_save_target *target, uint64_t now_ms);
/* A try begins: changes from here on are new ones. */
void worker_save_target_begin(worker_save_target *target);
/* It ended. `err`: why it failed; `all`: nothing has changed meanwhile. Waits that are due
 * because of what was sent (too large, not taken) end with the next change; a refusal
 * waits for a person. */
void worker_save_target_end(worker_save_target *target, crdt_err err, bool all,
                            uint64_t now_ms);
/* When the next try is due by itself; WORKER_SAVE_NEVER. `mine`: it is ours to save there;
 * `autosave_ms` 0: only what a person asked for and failed. */
uint64_t worker_save_target_due(const worker_save_target *target, bool mine,
                                uint64_t autosave_ms);

/* Another worker of the scene. */
typedef struct worker_save_rival {
    crdt_actor actor;
    bool saves;
} worker_save_rival;

/* Who saves: the smallest actor of those that can; false: nobody. */
bool worker_save_choose(const crdt_actor *self, bool self_saves,
                        const worker_save_rival *rivals, size_t rival_count,
                        crdt_actor *chosen);

/* What is known to be saved, after another worker told that it saved `told`: of two that
 * may have come in any order, what both had. Into `saved`.
 * Errors: CRDT_ENOMEM; as before. */
crdt_err worker_save_learn(crdt_version *saved, const crdt_version *told);

#endif /* CLI_WORKER_SAVE_PLAN_H */
