#ifndef CRDT_DOCUMENT_OVERWRITE_H
#define CRDT_DOCUMENT_OVERWRITE_H

/* Inside of the document: batches that do nothing but write over values that are there.
 *
 * Most batches are such: every operation is a SET, its field exists and holds one value,
 * which its author had seen. Then no slot is made or forgotten and no name comes or goes, so
 * nothing has to be held in place meanwhile, and a value of about the size of the one before
 * is copied over it. All other batches go the long way of document_edit.c; what becomes of
 * the document, and what listeners hear, is the same on both ways.
 *
 * A batch is looked up in stages over a group of objects, each stage asking for the memory
 * that the next one reads: so the misses of a group happen at the same time.
 * Source: Chen, Ailamaki, Gibbons, Mowry, "Improving Hash Join Performance through
 * Prefetching" (2004): group prefetching. */

#include "crdt/document_state.h"

/* Ask for what the lookup of an object reads, the first one of a batch before it is planned; `hash` of its name is from crdt_names_seek. */
void crdt_overwrite_prefetch(const crdt_document *doc, uint32_t hash);

/* Are `ops` such a batch? If so doc->plans are filled, with copies of those values that do
 * not fit over the one that is there; after this nothing can fail.
 *
 * Errors: CRDT_ENOTFOUND: they are not. CRDT_ENOMEM. The document is as before. */
crdt_err crdt_overwrite_plan(crdt_change *change, const crdt_op *ops, size_t op_count);

/* Before operation `index` is performed: ask again for what later ones will touch, which in a
 * large batch has left the near caches since it was looked up. */
void crdt_overwrite_look_ahead(const crdt_document *doc, size_t index, size_t op_count);
/* One of the operations, in their order. */
void crdt_overwrite_perform(crdt_change *change, const crdt_op *op, crdt_plan *plan,
                            crdt_dot dot, uint32_t who);

/* Would it change nothing that its author means? Then it is not to be performed, and what
 * it had been given is taken back. */
bool crdt_overwrite_says_nothing(crdt_document *doc, const crdt_op *op,
                                 crdt_plan *plan);

#endif /* CRDT_DOCUMENT_OVERWRITE_H */
