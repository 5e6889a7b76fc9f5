#ifndef SYNC_SIM_WORLD_H
#define SYNC_SIM_WORLD_H

/* A simulated world: N places, each with a disk and, while it runs, a real replica on a
 * real document; a simulated network between them; virtual time. One seed decides all.
 *
 *      place 0            place 1
 *      document           document        what is real: document, codec, replica
 *      replica            replica
 *      disk ───── net ───── disk          what is simulated: disk, network, clock
 *
 * A disk is a list of records. What is appended becomes durable a few ms later; a crash
 * loses the rest (or keeps it, though nobody was told: the write was done, its sync not).
 * A disk can be copied to another place or set back to an older state.
 *
 * Out of memory aborts: this serves tests and the fuzzer. */

#include "crdt/op_list.h"
#include "sync/replica.h"
#include "sync/sim_net.h"

#define SYNC_SIM_PLACES_MAX 16u

typedef struct sync_sim_options {
    uint32_t place_count;
    uint64_t seed;
    sync_sim_faults faults;
    uint32_t disk_ms_max;         /* a sync takes 1 .. this; default 5 */
    bool lineage_known;           /* all begin with the empty template; default true */
    bool trace;                   /* collect lines for sync_sim_trace */
    bool check;                   /* after every step: equal versions, equal digests */
    sync_replica_options replica; /* limits and times of all replicas */
} sync_sim_options;

sync_sim_options sync_sim_options_default(void);

/* How a place starts. */
typedef enum sync_sim_start {
    SYNC_SIM_KEEP, /* as the actor of its disk */
    SYNC_SIM_FRESH /* the disk is known to be a copy or an old one: a fresh actor */
} sync_sim_start;

/* Own batches as they were committed, for an oracle. */
typedef struct sync_sim_batch {
    uint32_t place;
    crdt_buf bytes; /* absolute encoding */
    crdt_stamp last;
    size_t record; /* its index on the place's disk */
    bool durable;  /* acknowledged */
    bool lost;     /* a crash took it before it was on disk */
} sync_sim_batch;

typedef struct sync_sim sync_sim;

sync_sim *sync_sim_open(const sync_sim_options *options);
void sync_sim_close(sync_sim *sim);

/* ---- what happens ---- */

/* Run the place on what its disk holds. */
void sync_sim_start_place(sync_sim *sim, uint32_t place, sync_sim_start how);
/* Stop it between two instructions. `torn_kept`: the sync under way was done. */
void sync_sim_crash(sync_sim *sim, uint32_t place, bool torn_kept);
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
/* Set a field to an integer; object and part are added where they are missing. */
void sync_sim_set(sync_sim *sim, uint32_t place, const char *object, const char *field,
                  int64_t value);
void sync_sim_remove(sync_sim *sim, uint32_t place, const char *object);
crdt_err sync_sim_housekeep(sync_sim *sim, uint32_t place);

/* What the place tells of its people; "" nothing. What `other` told it: the last notice. */
void sync_sim_presence(sync_sim *sim, uint32_t place, const char *text);
const char *sync_sim_heard_presence(const sync_sim *sim, uint32_t place,
                                    uint32_t other);

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
/* Replace its records by one saved document, as a store's checkpoint does. */
void sync_sim_checkpoint(sync_sim *sim, uint32_t place);
/* Hand bytes to a place as if the place `from` had published them. */
void sync_sim_inject(sync_sim *sim, uint32_t from, uint32_t to, crdt_span bytes);

/* Let `ms` of virtual time pass. */
void sync_sim_run(sync_sim *sim, uint64_t ms);
/* Until all running places are equal and say so, at most `ms`; the time it took, or
 * UINT64_MAX. */
uint64_t sync_sim_run_until_equal(sync_sim *sim, uint64_t ms);

/* ---- looking ---- */

uint64_t sync_sim_now(const sync_sim *sim);
bool sync_sim_running(const sync_sim *sim, uint32_t place);
crdt_document *sync_sim_document(sync_sim *sim, uint32_t place);
sync_replica *sync_sim_replica(sync_sim *sim, uint32_t place);
crdt_actor sync_sim_actor(const sync_sim *sim, uint32_t place);
sync_sim_net *sync_sim_network(sync_sim *sim);
/* Do all running places have one version and one digest, all of it on disk? */
bool sync_sim_equal(sync_sim *sim);
/* Empty, or what was found wrong first (with the time). */
const char *sync_sim_fault(const sync_sim *sim);
/* How often a place gave that notice, over all its runs. */
uint64_t sync_sim_notices(const sync_sim *sim, uint32_t place, sync_notice_kind kind);
/* All batches committed at any place, in order. */
const sync_sim_batch *sync_sim_batches(const sync_sim *sim, size_t *count);
/* What happened since the last call, one line each: "[  50] 1 > asks 0\n". */
const char *sync_sim_trace(sync_sim *sim);

#endif /* SYNC_SIM_WORLD_H */
