#ifndef SYNC_SIM_DISK_H
#define SYNC_SIM_DISK_H

/* A simulated disk with a store on it, in memory: the real journal's bytes over sectors that
 * get lost, torn and swapped; the real replay and the real marks; tables that are as good as
 * LMDB is believed to be: a transaction is there or is not.
 *
 *      append ─> queue ─begin─> sectors that are written ─end─> sectors on the platter
 *                   │              ╰ a power cut takes any of them, or tears them
 *                   ╰─ settings, no room: a transaction of the tables takes all
 *
 * As in the store (sync/store_disk.h) a group is one write and one sync; the tables take what
 * waits in the journal when a half of it is full, and at each start.
 *
 * A disk can be bad: it fails (full, or broken: a failed sync is final), or it lies (it says
 * it has synced and has not; what is lost then had been acknowledged). */

#include "sync/journal.h"
#include "sync/meta.h"
#include "sync/replica.h"
#include "sync/sim_random.h"

/* A sector that was written and not synced. */
typedef struct sync_sim_sector {
    size_t offset; /* on the platter, bytes */
    uint8_t bytes[SYNC_JOURNAL_SECTOR];
} sync_sim_sector;

typedef struct sync_sim_disk {
    crdt_alloc alloc;
    bool fails;   /* the next sync does */
    bool lies;    /* syncs of the journal do nothing; those of the tables are honest */
    bool lied;    /* once */
    bool damaged; /* a start found acknowledged groups missing: it takes no other */

    /* the tables */
    crdt_buf checkpoint; /* empty: none */
    crdt_buf records;    /* since then: kind 1, size 8, bytes */
    uint64_t group;      /* the last one they hold */
    sync_mark mark;      /* of the document then; group 0: none */
    crdt_actor actor;    /* who writes here */
    bool actor_known;
    sync_meta meta; /* of who wrote here last; its scene is static */
    uint64_t token; /* of the last start: also the journal's seed */
    bool begun;     /* a store was opened here once */

    /* the journal */
    uint8_t *platter; /* 2 * half_size, owned */
    size_t half_size;
    size_t offset;
    unsigned half;
    crdt_buf waiting; /* records that only the journal has */
    sync_sim_sector *pending;
    size_t pending_count;
    size_t pending_capacity;

    /* of the run */
    crdt_buf queue;
    bool meta_queued;
    sync_meta meta_next;
    bool meta_flies; /* with the transaction under way */
    sync_meta meta_flight;
    uint64_t appended; /* records since the start */
    uint64_t written;  /* of these in the sync under way, or before */
    uint64_t durable;  /* of these synced */
    uint64_t commits;
    uint64_t group_last; /* begun */
    bool syncing;
    bool to_tables;
    sync_mark mark_next;
    crdt_buf flight; /* the records under way */
} sync_sim_disk;

/* What a crash leaves of what was written and not synced. */
typedef enum sync_sim_remains {
    SYNC_SIM_REMAINS_ALL,    /* all of it: the process ended, the machine did not */
    SYNC_SIM_REMAINS_SYNCED, /* nothing */
    SYNC_SIM_REMAINS_TORN,   /* any sectors, any part of one */
} sync_sim_remains;

/* `half_size`: bytes of a half of the journal, rounded up to sectors. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_init(sync_sim_disk *disk, crdt_alloc alloc, size_t half_size);
void sync_sim_disk_deinit(sync_sim_disk *disk);

/* `to` becomes what a power cut would leave of `from` now: nothing of what is not synced.
 * Both have halves of one size. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_copy(sync_sim_disk *to, const sync_sim_disk *from);
/* An empty disk again. */
void sync_sim_disk_clear(sync_sim_disk *disk);

/* Replay what there is into `doc` and `deps`; each group's mark is compared. Then the tables
 * hold all, and the journal begins anew under `token`.
 *
 * Errors:
 *
 * CRDT_ECORRUPT
 *     Acknowledged groups are missing or damaged, or what was replayed is not what was
 *     recorded. Must not come of crashes alone.
 * CRDT_ENOMEM */
crdt_err sync_sim_disk_open(sync_sim_disk *disk, crdt_document *doc, crdt_deps *deps,
                            uint64_t token, crdt_diag *diag);

/* Who the replica on this disk is, after open. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_meta(const sync_sim_disk *disk, sync_meta *meta);
/* From now on `actor` writes here; durable at once. */
void sync_sim_disk_set_actor(sync_sim_disk *disk, const crdt_actor *actor);

/* Queue a record; a change of who the replica is. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_append(sync_sim_disk *disk, sync_append_kind kind,
                              crdt_span bytes);
void sync_sim_disk_set_meta(sync_sim_disk *disk, const sync_meta *meta);
/* Write what is queued as a group; `doc` holds what was appended. `*begun`: a sync is under
 * way now that was not. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_begin(sync_sim_disk *disk, const crdt_document *doc,
                             bool *begun);
/* The sync is over. Errors: CRDT_EIO: it failed, nothing more may be written. CRDT_ENOMEM. */
crdt_err sync_sim_disk_end(sync_sim_disk *disk);
/* Everything that was appended is durable. */
bool sync_sim_disk_settled(const sync_sim_disk *disk);
/* Replace the records by one saved document; only when settled. Errors: CRDT_ENOMEM. */
crdt_err sync_sim_disk_checkpoint(sync_sim_disk *disk, const crdt_document *doc,
                                  const crdt_deps *deps);

/* What is queued is gone; of what is written `how` decides, with chances from `random`.
 * `*reached`: the last group that a start will find; `*torn`: sectors that did not get
 * there whole. */
void sync_sim_disk_crash(sync_sim_disk *disk, sync_sim_remains how,
                         sync_sim_random *random, uint64_t *reached, uint64_t *torn);

#endif /* SYNC_SIM_DISK_H */
