#ifndef CLI_WORKER_KNOWN_H
#define CLI_WORKER_KNOWN_H

/* What one renderer was last known to show: per entity and component the last value that
 * was sent by it or to it; what it was shown within the last second before that; and
 * what it has under way.
 *
 *   value      last sent by it or to it; NULL: it does not show the component
 *   pasts      each message of the last second that changed the value: from, to
 *   pendings   fields that it set and that the view may not show yet: laid over the view,
 *              so that what it is told never takes back what it just did
 *   edited     the batch with its last edit of the whole (added, removed): until that
 *              is settled it is told nothing of it
 *
 * An edit that crossed a message may leave the renderer showing either; such a component
 * is `unsure`, and told again when it has been quiet for a second.
 *
 * Pure. Memory: some 100 bytes for each component shown. */

#include "cli/worker/hub.h"
#include "cli/worker/members.h"

/* What was sent so long ago has arrived: of the session's time, which stands still while
 * it has not (cli/worker/pulse.h). */
#define WORKER_CROSSING_MS 1000u
#define WORKER_PASTS_MAX 32u    /* remembered of one component; the oldest go first */
#define WORKER_PARTS_MAX 1024u  /* components of an entity that renderers make */
#define WORKER_FIELDS_MAX 1024u /* fields of a component that renderers send */

typedef struct worker_past {
    worker_blob *from; /* NULL: not shown */
    worker_blob *to;
    crdt_stamp stamp; /* that was told with it; time 0: none */
    uint64_t until_ms;
    bool crossed; /* an edit came after it was sent: the renderer may show `to` again */
    bool whole;   /* it came with the entity: `from` says nothing */
} worker_past;

typedef struct worker_pending {
    worker_blob *name;
    worker_blob *value; /* NULL: unset */
    uint64_t batch;
} worker_pending;

typedef struct worker_known_part {
    uint32_t type;
    bool unsure;
    bool force; /* tell it what is true, whatever it is known to show */
    uint8_t past_count;
    uint8_t past_capacity;
    uint32_t pending_count;
    uint32_t pending_capacity;
    worker_blob *value;
    worker_blob *mine; /* the last value that it sent; NULL: none */
    worker_past *pasts;
    worker_pending *pendings;
    uint64_t edited;    /* batch; 0: none */
    uint64_t edited_ms; /* when it last sent the component */
} worker_known_part;

typedef struct worker_known {
    worker_entity *entity; /* held */
    bool shown;
    bool queued;   /* to be looked at (session) */
    bool settling; /* to be looked at later */
    bool force;    /* as of a part, for the entity as a whole */
    bool
        unsure; /* it removed or added the entity, and messages may have crossed that */
    uint64_t edited_ms; /* when it did */
    uint64_t edited;
    uint64_t gone_until_ms; /* not shown: it was told so within the last second */
    uint64_t new_until_ms;  /* shown: it was told of it within the last second, all at
                             * once: a renderer that makes it itself may not know yet */
    worker_known_part *parts;
    size_t part_count;
    size_t part_capacity;
} worker_known;

/* Errors of all: NULL or CRDT_ENOMEM: no memory. */

worker_known *worker_known_open(worker_hub *hub, crdt_span entity);
void worker_known_close(worker_known *known, worker_hub *hub);

worker_known_part *worker_known_find(const worker_known *known, uint32_t type);
/* Found, or made. */
worker_known_part *worker_known_part_of(worker_known *known, worker_hub *hub,
                                        uint32_t type);
/* Room for so many parts. */
crdt_err worker_known_reserve(worker_known *known, worker_hub *hub, size_t count);
/* Remove the parts that say nothing any more. */
void worker_known_prune(worker_known *known, worker_hub *hub, uint64_t now_ms);
/* `value` was sent with the entity to a renderer that showed nothing of it. Takes one
 * reference. */
void worker_known_begin(worker_known_part *part, worker_blob *value);
/* Is there nothing to remember of the entity? */
bool worker_known_empty(const worker_known *known, uint64_t now_ms);

/* The renderer sent `value` (NULL: it removed the component); `fresh` as below. Takes one
 * reference. */
crdt_err worker_known_got(worker_known_part *part, worker_hub *hub, bool fresh,
                          worker_blob *value, uint64_t now_ms);
/* `value` (NULL: removed) was sent to the renderer. Takes one reference. */
crdt_err worker_known_told(worker_known_part *part, worker_hub *hub, worker_blob *value,
                           uint64_t now_ms);
/* This stamp was told with it. */
void worker_known_stamp(worker_known_part *part, const crdt_stamp *stamp);
/* The messages that an edit arriving now may have crossed; `fresh`: that the entity was
 * told of may be one of them. `seen` (may be NULL): the stamp of one that it had heard.
 * In the arena; they borrow. */
worker_crossing *worker_known_crossings(const worker_known_part *part, bool fresh,
                                        const crdt_stamp *seen, crdt_arena *arena,
                                        uint64_t now_ms, size_t *count);
/* A field is under way in this batch (value NULL: unset). Copies. */
crdt_err worker_known_pend(worker_known_part *part, worker_hub *hub,
                           const worker_member *field, uint64_t batch);
/* Batches up to this one are settled, and shown by the hub. */
void worker_known_settle(worker_known *known, worker_hub *hub, uint64_t batch);
/* What the renderer is to show where the hub shows `value`: with what is under way. A new
 * reference; NULL: no memory. */
worker_blob *worker_known_overlay(const worker_known_part *part, worker_hub *hub,
                                  worker_blob *value);

#endif /* CLI_WORKER_KNOWN_H */
