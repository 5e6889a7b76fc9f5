#ifndef SYNC_META_H
#define SYNC_META_H

/* Who a replica is: what its store keeps beside the document, so that it is the same one
 * after a restart, and can tell when it is not the only one.
 *
 * Starts: each start of an actor has a random nonce, and the time of the actor's last
 * operation then. Two stores that came of one by copying share the beginning of that
 * list; so when they meet they know up to which time their histories are the same:
 *
 *      original   n1@0   n2@17  ───────────▶ writes 40, 41 ...
 *                          ╰ copied at 39
 *      copy       n1@0   n2@17   n3@39 ────▶ writes 40, 41 ...   common: up to 39 */

#include "crdt/op.h"

#define SYNC_START_COUNT_MAX 8u

typedef struct sync_start {
    uint64_t nonce;
    uint64_t time; /* of the actor's last operation before */
} sync_start;

#define SYNC_FORMER_COUNT_MAX 8u

/* An actor with two histories: its operations up to `time` are the same in both. */
typedef struct sync_former {
    crdt_actor actor;
    uint64_t time;
} sync_former;

#define SYNC_REMEMBERED_COUNT_MAX 32u

/* What another replica told of its starts: who is set back, and has forgotten it, is told
 * by those who remember. */
typedef struct sync_remembered {
    crdt_actor actor;
    sync_start starts[SYNC_START_COUNT_MAX];
    size_t count;  /* 0: free */
    uint64_t time; /* of its last operation then */
} sync_remembered;

typedef struct sync_meta {
    crdt_span scene; /* empty: none yet */
    bool lineage_known;
    crdt_actor lineage;
    crdt_actor actor;
    uint64_t
        confirmed_time; /* own operations up to here were seen at another replica */
    sync_start starts[SYNC_START_COUNT_MAX]; /* the last ones, oldest first */
    size_t start_count;
    /* Written as before it turned out that somebody else did too, oldest first. While
     * there are any, what was written as them may have to be written again. */
    sync_former formers[SYNC_FORMER_COUNT_MAX];
    size_t former_count;
    sync_remembered remembered[SYNC_REMEMBERED_COUNT_MAX]; /* no order; gaps are free */
} sync_meta;

/* Append the bytes of all but scene and lineage. Errors: CRDT_ENOMEM. */
crdt_err sync_meta_encode(const sync_meta *meta, crdt_buf *out);
/* Fill in what encode wrote; meta->actor is set already, and where the bytes tell of
 * another one, its starts and confirmed_time are left out.
 * Errors: CRDT_ECORRUPT, CRDT_EVERSION; `meta` as before. */
crdt_err sync_meta_decode(crdt_span bytes, sync_meta *meta, crdt_diag *diag);

/* Note a start; the oldest one goes where there are too many. */
void sync_meta_add_start(sync_meta *meta, uint64_t nonce, uint64_t time);
/* Note that `actor` has two histories beyond `time`; the oldest one goes where there are
 * too many. */
void sync_meta_add_former(sync_meta *meta, const crdt_actor *actor, uint64_t time);
/* Up to which time two that write under one actor have one history, as far as is known
 * for sure; false: they share no start that is still listed. */
bool sync_meta_common_time(const sync_meta *meta, const sync_start *starts,
                           size_t start_count, uint64_t *time);
/* Another replica once heard `remembered` of this actor, and operations up to `time`. Was
 * the store set back since? So it is if that tells of a start that `meta` has never made,
 * or if the start after it did not know all of these operations. */
bool sync_meta_was_set_back(const sync_meta *meta, const sync_start *remembered,
                            size_t count, uint64_t time);
/* The same as common_time, without knowing the other's starts: an older one of mine that another replica
 * had seen. */
uint64_t sync_meta_safe_time(const sync_meta *meta);

#endif /* SYNC_META_H */
