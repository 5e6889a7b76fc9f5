#ifndef SYNC_SIM_IMPL_H
#define SYNC_SIM_IMPL_H

/* The inside of the simulated world, shared by its files and nobody else:
 *
 *      sim_world.c    open, close, time, what comes next, looking
 *      sim_place.c    a place: starts, ends, edits, its disk, its clock
 *      sim_perform.c  what a replica asks for is done: links, messages, the disk
 *      sim_check.c    what must hold after every step
 */

#include "sync/sim_disk.h"
#include "sync/sim_world.h"

typedef struct sim_link {
    uint32_t number;
    uint32_t target;
    bool up;
} sim_link;

typedef struct sim_place {
    sync_sim *sim;
    uint32_t index;
    bool running;
    bool dialable;
    uint64_t life;  /* counts starts */
    uint64_t draws; /* of luck */
    crdt_document *doc;
    crdt_deps *deps;
    sync_replica *replica;
    crdt_arena arena;
    uint64_t wake_at_ms;
    int64_t wall_offset_ms;
    uint32_t protocol; /* newer than the others' by that much */

    bool stalled;           /* takes no messages, does nothing */
    sync_sim_packet *inbox; /* that came meanwhile */
    size_t inbox_count;
    size_t inbox_capacity;

    sync_sim_disk disk;
    sync_sim_disk saved; /* if there is one: */
    bool has_saved;
    uint64_t sync_end_ms;
    uint64_t
        proof_token; /* what the state folder of this machine has of the store, and */
    uint64_t proof_group; /* the last group it noted, not synced */
    uint64_t proof_group_synced;
    bool proven;     /* at the last start */
    size_t *unacked; /* own batches that wait for the disk: indices */
    size_t unacked_count;
    size_t unacked_capacity;

    sim_link *links;
    size_t link_count;
    size_t link_capacity;
    bool configured[SYNC_SIM_PLACES_MAX];
    uint64_t notices[SYNC_NOTICE_COUNT];
    char presences[SYNC_SIM_PLACES_MAX][16]; /* as told by the others */
    sync_replica_counts traced;
    bool told; /* these two were looked at last: */
    crdt_version told_version;
    crdt_digest told_digest;
} sim_place;

/* A request that was sent: who waits for the reply. */
typedef struct sim_request {
    uint64_t token; /* the server's */
    uint32_t asker;
    uint64_t asker_life;
    uint64_t asker_token;
    uint32_t server;
} sim_request;

/* Which digest a version had when it was first seen; and that a place told it. */
typedef struct sim_seen {
    crdt_digest version_hash; /* 0, 0: free */
    crdt_digest digest;
} sim_seen;

struct sync_sim {
    sync_sim_options o;
    crdt_alloc alloc;
    sync_sim_net net;
    sync_sim_log log;
    uint64_t now_ms;
    sim_place *places; /* o.place_count */
    sim_request *requests;
    size_t request_count;
    size_t request_capacity;
    uint64_t token;
    sync_sim_batch *batches;
    size_t batch_count;
    size_t batch_capacity;
    sim_seen *seen; /* open addressing */
    size_t seen_count;
    size_t seen_capacity;
    char fault[256];
};

/* ---- sim_world.c ---- */

/* Out of memory, or a mistake of this code: ends the program. */
void sim_must(bool ok);
/* Room for one more item. */
void *sim_grow(sync_sim *sim, void *items, size_t count, size_t *capacity,
               size_t item_size);
void sim_trace(sync_sim *sim, uint32_t place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Note what is wrong; the first one stays. */
void sim_fail(sync_sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Count a fault or a start that the caller asked for. */
void sim_control(sync_sim *sim, uint32_t place, uint64_t what);

/* ---- sim_place.c ---- */

/* 64 bits of luck that depend on the seed, the place and how many it drew before. */
uint64_t sim_luck(sync_sim *sim, uint32_t place);
uint64_t sim_luck_below(sync_sim *sim, uint32_t place, uint64_t bound);
crdt_actor sim_random_actor(sync_sim *sim, uint32_t place);
uint64_t sim_wall_ms(const sync_sim *sim, const sim_place *place);
/* Let the replica see one event, and do what it asks for. */
void sim_step(sync_sim *sim, uint32_t place, sync_replica_event event);
/* The process is gone; its links go down. */
void sim_halt(sync_sim *sim, uint32_t place);
/* The sync under way is over. */
void sim_end_sync(sync_sim *sim, uint32_t place);
/* All that is queued becomes durable now, as far as the disk can. */
void sim_flush(sync_sim *sim, uint32_t place);
/* A message for a place that takes none now. Takes over the packet. */
void sim_keep_for_later(sync_sim *sim, sync_sim_packet *packet);

/* ---- sim_perform.c ---- */

void sim_perform(sync_sim *sim, uint32_t place, const sync_effects *effects);
void sim_begin_sync(sync_sim *sim, uint32_t place);
sim_link *sim_find_link(sim_place *place, uint32_t number);
void sim_schedule_link(sync_sim *sim, uint32_t place, uint32_t number, uint64_t ms);
/* Nobody waits any more for the request of that token of `asker`. */
void sim_forget_request(sync_sim *sim, uint32_t asker, uint64_t asker_token);
uint32_t sim_place_of_actor(const sync_sim *sim, const crdt_actor *actor);
crdt_span sim_url_of_place(uint32_t place, char text[32]);

/* ---- sim_check.c ---- */

/* Equal versions have equal digests, at any place and time of the run; and the replica's
 * invariants. */
void sim_check_place(sync_sim *sim, uint32_t place);
/* Who says that it is in sync with another has a version that the other told. */
void sim_check_claims(sync_sim *sim, uint32_t place, const sync_effects *effects);

#endif /* SYNC_SIM_IMPL_H */
