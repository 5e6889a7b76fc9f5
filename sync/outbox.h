#ifndef SYNC_OUTBOX_H
#define SYNC_OUTBOX_H

/* The effects of one step while they are being collected: arrays that keep their memory
 * from step to step, and an arena for the bytes. Nothing allocates once warm.
 *
 * What does not fit into memory is left out and remembered in `err`; the protocol
 * repairs whatever was not sent. */

#include "sync/replica.h"

typedef struct sync_outbox_list {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_size;
} sync_outbox_list;

typedef struct sync_outbox {
    crdt_alloc alloc;
    crdt_arena arena; /* reset by begin */
    sync_outbox_list appends;
    sync_outbox_list dials;
    sync_outbox_list publishes;
    sync_outbox_list requests;
    sync_outbox_list replies;
    sync_outbox_list notices;
    sync_notice spare; /* filled and forgotten where there is no room */
    crdt_err err;
} sync_outbox;

void sync_outbox_init(sync_outbox *outbox, crdt_alloc alloc);
void sync_outbox_deinit(sync_outbox *outbox);

/* A new step: forget the last one's effects. */
void sync_outbox_begin(sync_outbox *outbox);
/* Fill the arrays of `effects`. */
void sync_outbox_finish(const sync_outbox *outbox, sync_effects *effects);

/* A copy of `bytes` that lasts as long as the effects; empty if there is no memory. */
crdt_span sync_outbox_copy(sync_outbox *outbox, crdt_span bytes);

/* `bytes` are not copied: they come from sync_outbox_copy or last as long. */
void sync_outbox_append(sync_outbox *outbox, sync_append_kind kind, uint64_t sequence,
                        crdt_span bytes);
void sync_outbox_publish(sync_outbox *outbox, crdt_span bytes);
void sync_outbox_request(sync_outbox *outbox, const sync_request *request);
void sync_outbox_reply(sync_outbox *outbox, uint64_t token, crdt_span bytes);
/* `url` is copied; empty lets go. */
void sync_outbox_dial(sync_outbox *outbox, uint32_t peer, crdt_span url);
/* The notice to fill (zeroed but for kind and actor); never NULL. */
sync_notice *sync_outbox_notice(sync_outbox *outbox, sync_notice_kind kind,
                                const crdt_actor *actor);

#endif /* SYNC_OUTBOX_H */
