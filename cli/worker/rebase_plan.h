#ifndef CLI_WORKER_REBASE_PLAN_H
#define CLI_WORKER_REBASE_PLAN_H

/* What a rebase has to do (cli/worker/rebase.h): which edits are made again on the living
 * document, under whom, and where they clash with what was done there. Pure. */

#include "crdt/document.h"

typedef struct worker_rebase_plan_input {
    const crdt_document *ours;
    const crdt_version *base; /* V: what the living document holds of our lineage */
    const crdt_document *living;
    crdt_actor template_actor; /* the living lineage: stamps of the saved file */
} worker_rebase_plan_input;

typedef enum worker_rebase_clash_kind {
    WORKER_REBASE_OVERWRITTEN, /* theirs was changed too; ours is written */
    WORKER_REBASE_GONE,        /* they removed what ours was edited in; not written */
    WORKER_REBASE_REMOVED,     /* ours removed what they had changed; done */
    WORKER_REBASE_KEPT,        /* ours removed what they added anew; not done */
} worker_rebase_clash_kind;

/* "overwritten", ... */
const char *worker_rebase_clash_name(worker_rebase_clash_kind kind);

typedef struct worker_rebase_clash {
    worker_rebase_clash_kind kind;
    crdt_key key;
    crdt_span ours; /* value, empty for a remove */
    crdt_span who;
    crdt_span theirs; /* value, empty where there is none */
    crdt_span their_who;
    crdt_stamp their_stamp;
} worker_rebase_clash;

/* Operations of one person, to be made as one batch. */
typedef struct worker_rebase_group {
    crdt_span who; /* empty: not known */
    const crdt_op *ops;
    size_t op_count;
} worker_rebase_group;

typedef struct worker_rebase_plan {
    worker_rebase_group *groups; /* in this order */
    size_t group_count;
    worker_rebase_clash *clashes;
    size_t clash_count;
    size_t op_count;
    bool
        removes_unknown; /* the remove log was trimmed, and ours does not hold all of V:
                           * what was removed here may still be there */
    crdt_arena arena;    /* all of the above */
} worker_rebase_plan;

/* What has to be done on `living`. O(state). Errors: CRDT_ENOMEM, CRDT_ECORRUPT. Free with
 * deinit in every case. */
crdt_err worker_rebase_plan_make(worker_rebase_plan *plan,
                                 const worker_rebase_plan_input *input,
                                 crdt_alloc alloc);
/* Also of one that is all zero. */
void worker_rebase_plan_deinit(worker_rebase_plan *plan);

#endif /* CLI_WORKER_REBASE_PLAN_H */
