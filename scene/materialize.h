#ifndef SCENE_MATERIALIZE_H
#define SCENE_MATERIALIZE_H

/* The snapshot: what a document shows, as canonical scene JSON.
 *
 *   {"conflicts":[...],"entities":[...],"schemaVersion":1, and the scene's own fields}
 *
 * The bytes are RFC 8785 (sorted keys, ES number form) and a pure function of the
 * state: equal states give equal bytes on every replica and machine. Entities come by
 * the order that was imported, then by id; those without one after all others. Parents
 * are shown resolved (scene/resolve.h).
 *
 * `conflicts` lists what the reader would otherwise not learn, and import ignores it:
 *
 *   {"entity":"a","kind":"cycle","parent":"b"}       shown under the root instead
 *   {"entity":"a","kind":"orphan","parent":"b"}
 *   {"component":"Transform","entity":"a","field":"position","kind":"concurrent",
 *    "stamp":"17@...","value":{...}}                 a write that is not shown
 *   {..., "kind":"edited-while-removed", ...}        a write hidden by a remove
 *   {"count":7,"kind":"more"}                        that many more are left out
 *
 * Repairs first, then the rest; both in the order of the entities, then by key. A value
 * longer than a limit is left out and its `bytes` told.
 *
 * The text is kept in pages (scene/text_pages.h), so after k edits
 *
 *   an update        O(k): the records of what changed are made anew, each page that
 *                    holds one is moved once a record, all other text stays as it is
 *   a visit          O(pages), 16 KiB each: the text is handed out where it lies
 *   a write          O(text): one copy of it
 *
 * Where something is wrong (repairs, conflicts) listing it looks at every entity besides.
 *
 * Memory: about the size of the text. Threads: no locking; the document's thread. */

#include "crdt/document.h"
#include "scene/tree.h"

#define SCENE_SNAPSHOT_CONFLICTS_MAX 1000u /* entries listed */
#define SCENE_SNAPSHOT_VALUE_MAX 1024u     /* bytes of a conflict's value, as JSON */

typedef struct scene_snapshot scene_snapshot;

/* Follow `doc` from now on (as one of its listeners). The document must outlive it.
 * O(1): the first update reads all. Errors: CRDT_ENOMEM; CRDT_ELIMIT: too many
 * listeners. */
crdt_err scene_snapshot_open(scene_snapshot **out, crdt_document *doc,
                             crdt_alloc alloc);
void scene_snapshot_close(scene_snapshot *snapshot);

/* Who wants to know what an update looks at: `everything` at the beginning of one that
 * reads all anew, then `object` for each object (entity or not, there or gone) that is
 * looked at; may repeat. Called within the update; at the time of `object` the tree says
 * how that object is shown. One at a time; `follower` is copied. */
typedef struct scene_snapshot_follower {
    void *ctx;
    void (*everything)(void *ctx);
    void (*object)(void *ctx, crdt_span object);
} scene_snapshot_follower;
void scene_snapshot_follow(scene_snapshot *snapshot,
                           const scene_snapshot_follower *follower);

/* Take in what changed. O(entities changed, and those that share with them).
 * Errors: CRDT_ENOMEM: nothing is lost, the next update tries again. */
crdt_err scene_snapshot_update(scene_snapshot *snapshot);

/* Update, then append the whole text to `out`. Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_snapshot_write(scene_snapshot *snapshot, crdt_buf *out);

/* Update, then hand out the whole text in pieces, in their order, until `take` returns
 * false. The pieces are borrowed for the call. Errors: CRDT_ENOMEM; nothing was taken. */
crdt_err scene_snapshot_visit(scene_snapshot *snapshot,
                              bool (*take)(void *ctx, crdt_span piece), void *ctx);

/* One snapshot of a document that is not followed. O(document). Errors: CRDT_ENOMEM. */
crdt_err scene_materialize(const crdt_document *doc, crdt_alloc alloc, crdt_buf *out);

/* The tree as of the last update. */
const scene_tree *scene_snapshot_tree(const scene_snapshot *snapshot);
/* How many objects were read since the snapshot was opened: what an update costs. */
uint64_t scene_snapshot_fragment_count(const scene_snapshot *snapshot);

#endif /* SCENE_MATERIALIZE_H */
