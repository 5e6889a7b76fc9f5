#ifndef SYNC_UNSENT_H
#define SYNC_UNSENT_H

/* What was applied here and waits for the disk before it may be spoken of: a queue, one
 * entry an append, in the order of the appends.
 *
 * Each entry knows how the version grows with it and the digest after it, so that the
 * version told to others always has the digest that belongs to it. */

#include "crdt/digest.h"

typedef struct sync_unsent_entry {
    uint64_t sequence;
    crdt_stamp stamp;    /* of a batch: the version grows by this */
    crdt_version answer; /* of an answer: and by these; else empty */
    crdt_digest digest;  /* of the document after it */
    uint8_t *bytes;      /* own batch to publish; NULL: none, or it was too much */
    size_t size;
} sync_unsent_entry;

/* Invariant: entries first .. first + count (modulo capacity) by ascending sequence. */
typedef struct sync_unsent {
    crdt_alloc alloc;
    sync_unsent_entry *entries;
    size_t first;
    size_t count;
    size_t capacity;
    size_t size; /* bytes of all batches to publish */
    size_t size_max;
} sync_unsent;

void sync_unsent_init(sync_unsent *unsent, crdt_alloc alloc, size_t size_max);
void sync_unsent_deinit(sync_unsent *unsent);

/* Queue an entry (its `answer` is taken over; also on error). `publish` is copied;
 * beyond size_max it is left out, and peers learn of the batch by catching up. Errors:
 * CRDT_ENOMEM. */
crdt_err sync_unsent_add(sync_unsent *unsent, const sync_unsent_entry *entry,
                         crdt_span publish);
/* The oldest entry if its sequence is at most `sequence`, else NULL. */
const sync_unsent_entry *sync_unsent_peek(const sync_unsent *unsent, uint64_t sequence);
void sync_unsent_drop(sync_unsent *unsent); /* the oldest */
/* Publish nothing of `actor`. */
void sync_unsent_silence(sync_unsent *unsent, const crdt_actor *actor);

#endif /* SYNC_UNSENT_H */
