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

#endif /* CRDT_DOCUMENT_SEED_H */
