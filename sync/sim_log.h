#ifndef SYNC_SIM_LOG_H
#define SYNC_SIM_LOG_H

/* What happens in a simulated world, for who looks at it: counts, a hash over all of it,
 * the states it has been in, and lines to read.
 *
 * The hash takes in every event: when, where, what, a hash of its bytes, and the digest of
 * the document after it. So two builds that have one hash have done the very same. */

#include "crdt/digest.h"
#include "sync/replica.h"

typedef enum sync_sim_fault_kind {
    SYNC_SIM_FAULT_DROP,      /* a packet was lost by luck */
    SYNC_SIM_FAULT_REPEAT,    /* a packet came twice */
    SYNC_SIM_FAULT_OVERTAKE,  /* a packet came after one that was sent later */
    SYNC_SIM_FAULT_CUT_OFF,   /* a packet met a cut way */
    SYNC_SIM_FAULT_OVERFLOW,  /* a packet met a slow reader's full queue */
    SYNC_SIM_FAULT_CUT,       /* a way was cut */
    SYNC_SIM_FAULT_KILL,      /* a process ended between two instructions */
    SYNC_SIM_FAULT_POWER_CUT, /* a machine did */
    SYNC_SIM_FAULT_TEAR,     /* a sector did not reach the disk, or a part of it only */
    SYNC_SIM_FAULT_LIE,      /* a disk told that it had synced */
    SYNC_SIM_FAULT_FAIL,     /* a disk could not: full, or broken */
    SYNC_SIM_FAULT_SET_BACK, /* a disk was set back */
    SYNC_SIM_FAULT_COPY,     /* a disk became a copy of another */
    SYNC_SIM_FAULT_JUMP,     /* a wall clock was set */
    SYNC_SIM_FAULT_STALL,    /* a process stopped taking messages for a while */
    SYNC_SIM_FAULT_TRIM, /* a log was trimmed: who comes back cannot be told batches */
    SYNC_SIM_FAULT_FOREIGN, /* a message of another protocol version came */
    SYNC_SIM_FAULT_INJECT,  /* bytes came that nobody sent */
    SYNC_SIM_FAULT_COUNT,
} sync_sim_fault_kind;

/* "drop", "repeat", ... */
const char *sync_sim_fault_name(sync_sim_fault_kind kind);

/* `events` is the sum of the five after it; `faults` that of `fault`. */
typedef struct sync_sim_counts {
    uint64_t events;
    uint64_t deliveries; /* packets handed to a replica */
    uint64_t timers;     /* ticks, expired requests, links */
    uint64_t syncs;      /* of disks, ended */
    uint64_t edits;      /* commits */
    uint64_t controls;   /* faults and starts that the caller asked for */
    uint64_t faults;
    uint64_t fault[SYNC_SIM_FAULT_COUNT];
} sync_sim_counts;

/* Add `more`, of another run, to `sum`. */
void sync_sim_counts_add(sync_sim_counts *sum, const sync_sim_counts *more);

/* ---- coverage: in which state did what come, and which notice did it bring ----
 *
 *      state (sync_replica_state) x kind of event or message x notice, or none
 *
 * one bit each. The caller owns the bytes and may hand the same to many runs. */

#define SYNC_SIM_COVERAGE_KINDS 32u
#define SYNC_SIM_COVERAGE_NOTICES 16u
#define SYNC_SIM_COVERAGE_SIZE                                                         \
    (SYNC_STATE_COUNT * SYNC_SIM_COVERAGE_KINDS * SYNC_SIM_COVERAGE_NOTICES / 8)

/* How many bits are set. O(SYNC_SIM_COVERAGE_SIZE). */
uint64_t sync_sim_coverage_count(const uint8_t coverage[SYNC_SIM_COVERAGE_SIZE]);

/* ---- the log ---- */

typedef struct sync_sim_log {
    crdt_alloc alloc;
    uint64_t hash;
    sync_sim_counts counts;
    uint8_t *coverage; /* borrowed; NULL: nobody wants it */
    bool tracing;
    char *text; /* owned */
    size_t text_size;
    size_t text_capacity;
    size_t text_read;
} sync_sim_log;

void sync_sim_log_init(sync_sim_log *log, crdt_alloc alloc, uint8_t *coverage,
                       bool tracing);
void sync_sim_log_deinit(sync_sim_log *log);

/* Take one number, or the hash of bytes, into the hash. */
void sync_sim_log_fold(sync_sim_log *log, uint64_t number);
void sync_sim_log_fold_bytes(sync_sim_log *log, crdt_span bytes);

/* `count` faults of a kind. */
void sync_sim_log_fault(sync_sim_log *log, sync_sim_fault_kind kind, uint64_t count);

/* `event` came in `state`, and brought these notices. */
void sync_sim_log_cover(sync_sim_log *log, uint32_t state,
                        const sync_replica_event *event, const sync_effects *effects);

/* One line: "[  50] 1 > asks 0\n". Does nothing if nobody traces.
 * Errors: CRDT_ENOMEM. */
crdt_err sync_sim_log_line(sync_sim_log *log, uint64_t now_ms, uint32_t place,
                           const char *line);
/* The lines since the last call; borrowed until the next line. */
const char *sync_sim_log_read(sync_sim_log *log);

#endif /* SYNC_SIM_LOG_H */
