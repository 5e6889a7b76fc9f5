#ifndef CLI_WORKER_CHRONICLE_H
#define CLI_WORKER_CHRONICLE_H

/* Who did what, when: history records (crdt/history.h) as entries for people.
 *
 * Fed with records newest first. Records of one doing are one entry: those of one step, and
 * those of one person that change the same things, each within a second of the next (a drag,
 * as its workers heard it). They may lie between those of others.
 *
 * Of what a record changed is told what a person did: of an entity that was added, that it
 * was, and not what it was made of. What belongs to no entity is counted, not told.
 *
 * Bounded: entries, changes of an entry. Pure. */

#include "crdt/history.h"

#define WORKER_CHRONICLE_ENTRIES_MAX 200u
#define WORKER_CHRONICLE_CHANGES_MAX 24u /* told of one entry */

typedef struct worker_chronicle worker_chronicle;

typedef struct worker_chronicle_options {
    crdt_alloc alloc;
    bool has_before; /* begin with what is older than the record of this stamp */
    crdt_stamp before;
    size_t limit; /* entries, 1 .. WORKER_CHRONICLE_ENTRIES_MAX */
} worker_chronicle_options;

/* The stamp that an entry has: of its oldest record the first operation's; of an answer,
 * which has none, its time in ms and an actor of zeros. */
crdt_stamp worker_chronicle_stamp(const crdt_history_record *record);

/* Errors: CRDT_ENOMEM. */
crdt_err worker_chronicle_open(worker_chronicle **out,
                               const worker_chronicle_options *options);
/* Accepts NULL. */
void worker_chronicle_close(worker_chronicle *chronicle);

/* Take one record; false: enough, stop. Shaped for sync_node_history. */
bool worker_chronicle_visit(void *chronicle, crdt_span record);

/* Append `"entries":[...],"complete":...`: nothing older is to be had. After the last
 * record; `ended`: there were no more. Errors: of the visits; CRDT_ENOMEM. */
crdt_err worker_chronicle_write(const worker_chronicle *chronicle, bool ended,
                                crdt_buf *out);

#endif /* CLI_WORKER_CHRONICLE_H */
