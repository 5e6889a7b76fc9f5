#ifndef CLI_WORKER_MEMBERS_H
#define CLI_WORKER_MEMBERS_H

/* The top-level fields of a component's value, to compare and to put together.
 *
 * Memory: in the arena given; names and values are borrowed from the maps. */

#include "crdt/value.h"

typedef struct worker_member {
    crdt_span name;
    crdt_span value; /* data NULL: the field is unset */
} worker_member;

/* In the order of map keys. */
typedef struct worker_members {
    worker_member *items;
    size_t count;
} worker_members;

/* The members of `map`; none of what is no map (or has no data). `room` for so many more.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_members_open(worker_members *members, crdt_arena *arena, crdt_span map,
                             size_t room);
/* O(log members). NULL: there is none. */
const worker_member *worker_members_find(const worker_members *members, crdt_span name);
/* Set, or (value without data) unset one. There is room. O(members). */
void worker_members_put(worker_members *members, const worker_member *member);
/* Append the map. Errors: CRDT_ENOMEM. */
crdt_err worker_members_write(const worker_members *members, crdt_buf *out);

/* What a renderer was shown for a moment: `from` until `to` was sent to it. */
typedef struct worker_crossing {
    crdt_span from; /* data NULL: the component was not shown */
    crdt_span to;
} worker_crossing;

/* Which fields does `value` set or unset, if the renderer that sent it was last known to
 * show `base` (data NULL: nothing)? All three are maps. A field that a crossing changed,
 * and that still is as before that, was not touched.
 * Errors: CRDT_ENOMEM. */
crdt_err worker_members_touched(crdt_arena *arena, crdt_span base, crdt_span value,
                                const worker_crossing *crossings, size_t crossing_count,
                                worker_members *touched);

#endif /* CLI_WORKER_MEMBERS_H */
