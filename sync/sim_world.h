#ifndef SYNC_SIM_WORLD_H
#define SYNC_SIM_WORLD_H

/* A simulated world: N places, each with a disk and, while it runs, a real replica on a
 * real document; a simulated network between them; virtual time. One seed decides all.
 *
 *      place 0            place 1
 *      document           document        what is real: document, codec, replica,
 *      replica            replica         the store's replay, marks and journal bytes
 *      disk ───── net ───── disk          what is simulated: disk, network, clocks
 *
 * What is queued for a disk becomes durable a few ms later, group by group; a crash leaves
 * of the rest what sync/sim_disk.h says. A disk can be copied to another place or set back
 * to an older state.
 *
 * All chances of a place depend on the seed, the place and how many it took before; those of
 * a packet on its way and number there. So a run in which one thing is left out differs only
 * in what comes of that.
 *
 * Out of memory aborts: this serves tests and the fuzzer. */

#include "crdt/op_list.h"
#include "sync/replica.h"
#include "sync/sim_log.h"
#include "sync/sim_net.h"

#define SYNC_SIM_PLACES_MAX 64u

/* Called when something happens at a place; any may be NULL. */
typedef struct sync_sim_hooks {
    void *ctx;
    /* The document is as the disk had it; the replica has not seen it yet. */
    void (*opened)(void *ctx, uint32_t place, crdt_document *doc);
    /* It is about to go: a stop or a crash. */
    void (*closing)(void *ctx, uint32_t place, crdt_document *doc);
    /* It was changed just now: by `batch`, or by an answer (NULL). `own`: committed by the
     * caller, else applied, merged or healed by the replica. */
    void (*changed)(void *ctx, uint32_t place, const crdt_batch *batch, bool own);
    /* The replica told this; borrowed for the call. */
    void (*noticed)(void *ctx, uint32_t place, const sync_notice *notice);
} sync_sim_hooks;

typedef struct sync_sim_options {
    uint32_t place_count;
    uint64_t seed;
    sync_sim_faults faults;
    uint32_t disk_ms_max; /* a sync takes 1 .. this; default 5 */
    size_t journal_size;  /* bytes of a half of a disk's journal; default 8 KiB */
    bool lineage_known;   /* all begin with the empty template; default true */
    bool trace;           /* collect lines for sync_sim_trace */
    bool
        check; /* after every step: equal versions have equal digests, and "in sync" is true.
                 * Not for runs in which two write as one actor. Default true */
    uint8_t
        *coverage; /* SYNC_SIM_COVERAGE_SIZE bytes to set bits in, borrowed; or NULL */
    sync_sim_hooks hooks;
    sync_replica_options replica; /* limits and times of all replicas */
} sync_sim_options;

sync_sim_options sync_sim_options_default(void);

/* How a place starts. */
typedef enum sync_sim_start {
    SYNC_SIM_KEEP,  /* as the actor of its disk: where that is an old disk or a copy, a
                     * machine was set back with all that could prove it */
    SYNC_SIM_FRESH, /* the disk is known to be a copy or an old one: a fresh actor */
    SYNC_SIM_PROVE  /* as the store does (sync/identity.h): the same actor if this place
                     * wrote that very disk last, and the disk has all that it noted */
} sync_sim_start;

typedef enum sync_sim_disk_mood {
    SYNC_SIM_DISK_GOOD,
    SYNC_SIM_DISK_FAILS, /* full, or broken */
    SYNC_SIM_DISK_LIES,  /* says it has synced, and has not */
} sync_sim_disk_mood;

/* Own batches as they were committed, for an oracle. */
typedef struct sync_sim_batch {
    uint32_t place;
    crdt_buf bytes; /* absolute encoding */
    crdt_stamp last;
    uint64_t
        group;    /* of the place's disk, that has it; 0: none yet, UINT64_MAX: the disk
                     * is another one now */
    bool durable; /* acknowledged */
    bool lost;    /* a crash took it before it was acknowledged */
    bool excused; /* acknowledged, but its disk lied, was set back or replaced, when no
                     * other running place had it */
} sync_sim_batch;

typedef struct sync_sim sync_sim;

sync_sim *sync_sim_open(const sync_sim_options *options);
void sync_sim_close(sync_sim *sim);

/* ---- what happens ---- */

/* Run the place on what its disk holds. Errors: CRDT_ECORRUPT: the disk has lost what was
 * acknowledged, and tells. CRDT_EIO: it cannot be written. The place does not run. */
crdt_err sync_sim_start_place(sync_sim *sim, uint32_t place, sync_sim_start how);
/* Stop it between two instructions. `torn_kept`: what was written is there (the process
 * ended), else nothing of it is. */
void sync_sim_crash(sync_sim *sim, uint32_t place, bool torn_kept);
/* The same by a power cut while sectors were being written: any of them are there, or parts
 * of them. */
void sync_sim_cut_power(sync_sim *sim, uint32_t place);
/* Say goodbye, sync, stop. */
void sync_sim_stop(sync_sim *sim, uint32_t place);
/* Before it starts: its scene begins with that template; NULL: it has none yet. */
void sync_sim_set_lineage(sync_sim *sim, uint32_t place, const crdt_actor *lineage);
/* `place` dials `other`, as configured: again after each start. */
void sync_sim_peer(sync_sim *sim, uint32_t place, uint32_t other);
/* All places dial the one before them (a line), or each one all others. */
void sync_sim_line(sync_sim *sim);
void sync_sim_mesh(sync_sim *sim);
/* May others dial it (default true)? */
void sync_sim_set_dialable(sync_sim *sim, uint32_t place, bool dialable);

/* Commit `ops` at the place. Errors: as crdt_document_commit. */
crdt_err sync_sim_commit(sync_sim *sim, uint32_t place, const crdt_op *ops,
                         size_t op_count);
/* The same with `edit` (a person, what was seen); its actor and time are filled in. */
crdt_err sync_sim_commit_as(sync_sim *sim, uint32_t place, const crdt_edit *edit,
                            const crdt_op *ops, size_t op_count);
/* The scene begins with this template (crdt/template.h), which is the lineage of all places
 * (sync_sim_set_lineage), and is imported here. Errors: as crdt_document_apply. */
crdt_err sync_sim_import(sync_sim *sim, uint32_t place, const crdt_batch *batch);
/* Set a field to an integer; object and part are added where they are missing. */
void sync_sim_set(sync_sim *sim, uint32_t place, const char *object, const char *field,
                  int64_t value);
void sync_sim_remove(sync_sim *sim, uint32_t place, const char *object);
crdt_err sync_sim_housekeep(sync_sim *sim, uint32_t place);

/* What the place tells of its people; "" nothing. What `other` told it: the last notice. */
void sync_sim_presence(sync_sim *sim, uint32_t place, const char *text);
const char *sync_sim_heard_presence(const sync_sim *sim, uint32_t place,
                                    uint32_t other);

/* ---- faults ---- */

void sync_sim_set_faults(sync_sim *sim, sync_sim_faults faults);
/* Both directions. */
void sync_sim_cut(sync_sim *sim, uint32_t a, uint32_t b);
void sync_sim_heal(sync_sim *sim, uint32_t a, uint32_t b);
void sync_sim_cut_one_way(sync_sim *sim, uint32_t from, uint32_t to, bool cut);
void sync_sim_heal_all(sync_sim *sim);

/* The disk of `to` (not running) becomes what that of `from` holds durably. */
void sync_sim_copy_disk(sync_sim *sim, uint32_t from, uint32_t to);
/* Remember the disk as it is; set it back to that (the place is not running). */
void sync_sim_save_disk(sync_sim *sim, uint32_t place);
void sync_sim_restore_disk(sync_sim *sim, uint32_t place);
/* A new, empty disk for a place that is not running; the next start is of a fresh actor. */
void sync_sim_replace_disk(sync_sim *sim, uint32_t place);
/* From now on its syncs fail (the place ends at the next one, and can only be started on a
 * good disk again), or lie, or are honest. */
void sync_sim_set_disk(sync_sim *sim, uint32_t place, sync_sim_disk_mood mood);
/* Replace its records by one saved document, as a store's checkpoint does. */
void sync_sim_checkpoint(sync_sim *sim, uint32_t place);
/* Keep `keep` batches in memory: who lacks more is told by an answer. */
void sync_sim_trim(sync_sim *sim, uint32_t place, size_t keep);
/* Its wall clock is set forward or back by `ms`, for good. */
void sync_sim_jump_clock(sync_sim *sim, uint32_t place, int64_t ms);
/* It takes no messages and does nothing (a process stopped); then it goes on, with the
 * sixteen oldest publications that came, and all that was meant for it alone. */
void sync_sim_stall(sync_sim *sim, uint32_t place, bool stalled);
/* Its program speaks protocols newer by `ahead` than that of the others (0: no longer): they
 * refuse each other's messages. Only a place that is not running. */
void sync_sim_set_protocol(sync_sim *sim, uint32_t place, uint32_t ahead);
/* Hand bytes to a place as if the place `from` had published them. */
void sync_sim_inject(sync_sim *sim, uint32_t from, uint32_t to, crdt_span bytes);

/* ---- time ---- */

/* Let `ms` of virtual time pass. */
void sync_sim_run(sync_sim *sim, uint64_t ms);
/* Until all running places are equal and say so, at most `ms`; the time it took, or
 * UINT64_MAX. */
uint64_t sync_sim_run_until_equal(sync_sim *sim, uint64_t ms);
/* Until all messages that are under way now have come: what no place that runs knows, and
 * somebody who is gone had said, is known then. Who stalls keeps them for later. */
void sync_sim_settle(sync_sim *sim);

/* ---- looking ---- */

uint64_t sync_sim_now(const sync_sim *sim);
uint32_t sync_sim_place_count(const sync_sim *sim);
bool sync_sim_running(const sync_sim *sim, uint32_t place);
bool sync_sim_stalled(const sync_sim *sim, uint32_t place);
crdt_document *sync_sim_document(sync_sim *sim, uint32_t place);
sync_replica *sync_sim_replica(sync_sim *sim, uint32_t place);
crdt_actor sync_sim_actor(const sync_sim *sim, uint32_t place);
sync_sim_net *sync_sim_network(sync_sim *sim);
/* Do all running places (that speak one protocol) have one version and one digest, all of it
 * on disk? */
bool sync_sim_equal(sync_sim *sim);
/* Empty, or what was found wrong first (with the time). */
const char *sync_sim_fault(const sync_sim *sim);
/* How often a place gave that notice, over all its runs. */
uint64_t sync_sim_notices(const sync_sim *sim, uint32_t place, sync_notice_kind kind);
/* All batches committed at any place, in order. */
const sync_sim_batch *sync_sim_batches(const sync_sim *sim, size_t *count);
/* What happened since the last call, one line each: "[  50] 1 > asks 0\n". */
const char *sync_sim_trace(sync_sim *sim);
/* How much happened, and a hash over all of it (sync/sim_log.h). */
sync_sim_counts sync_sim_count(const sync_sim *sim);
uint64_t sync_sim_hash(const sync_sim *sim);

#endif /* SYNC_SIM_WORLD_H */
