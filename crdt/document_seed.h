#ifndef CRDT_DOCUMENT_SEED_H
#define CRDT_DOCUMENT_SEED_H

/* Inside of the document: the first batch of an empty one.
 *
 * A template (crdt/template.h) comes in key order, adds what it writes into, and names no
 * key twice. Put into a document that holds nothing and knows nothing, every key of it is
 * new, and goes behind the one before: nothing is searched, planned or dropped. What becomes
 * of the document, and what listeners hear, is the same as on the long way of
 * document_edit.c. */

#include "crdt/document_state.h"

/* Is it such a batch? O(its names). */
bool crdt_seed_fits(const crdt_document *doc, const crdt_batch *batch);

/* Apply a batch that fits. Errors: CRDT_ENOMEM, CRDT_ELIMIT; the document is empty again. */
crdt_err crdt_seed_apply(crdt_document *doc, const crdt_batch *batch);

/* ---- the same, while its operations are made ---- */

/* The author is the hash of all operations, so it is named at the end; what depends on it, the
 * digest, is made then in a walk through the document. Until then nobody may read it. */
typedef struct crdt_seed {
    crdt_document *doc;
    /* In the document's own names, but for its value; depth 0: none yet. */
    crdt_op last;
    uint64_t op_count; /* put so far: times begin with 1 */
    uint32_t object;   /* slots of the keys at hand */
    uint32_t part;
    uint32_t field;
    size_t object_count; /* keys in the groups that are open */
    size_t part_count;
    size_t field_count;
    size_t key_room; /* entries that there is room for in the trails */
    size_t field_room;
} crdt_seed;

/* The document, which must hold and know nothing, is the seed's until the end. Errors:
 * CRDT_ENOMEM. */
crdt_err crdt_seed_open(crdt_seed *seed, crdt_document *doc);
/* May `op` come next: an ADD or SET, after the last key and below what was added? */
bool crdt_seed_follows(const crdt_seed *seed, const crdt_op *op);
/* Put an operation that follows. Nothing is borrowed from it. Errors: CRDT_ENOMEM,
 * CRDT_ELIMIT; then all there is to do is crdt_state_clear. */
crdt_err crdt_seed_put(crdt_seed *seed, const crdt_op *op);
/* At the end of one operation at least: who made them. The listeners are told. */
void crdt_seed_finish(crdt_seed *seed, const crdt_actor *actor);

#endif /* CRDT_DOCUMENT_SEED_H */
