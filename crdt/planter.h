#ifndef CRDT_PLANTER_H
#define CRDT_PLANTER_H

/* A template (crdt/template.h) put into an empty document while its operations are made.
 *
 * What crdt_template_make and crdt_document_apply do of a list of all of them, this does some
 * operations at a time, and needs none of them afterwards: they go into the document, and as
 * bytes into what becomes the author's name, which is the hash of all. The document becomes
 * the same, to the byte.
 *
 *     open --> put, put, put --> finish --> close
 *
 * Memory: from the document's allocator, its bytes (docs/FORMAT.md, "Operations") until close.
 * Until then the document is nobody's to read. */

#include "crdt/document.h"

typedef struct crdt_planter crdt_planter;

/* `size`: what the bytes may come to; more is taken where needed, so that it may be wrong.
 * Errors: CRDT_ENOMEM. CRDT_EEXIST: the document holds or knows something. */
crdt_err crdt_planter_open(crdt_planter **out, crdt_document *doc, size_t size);

/* Add operations; nothing is borrowed from them. Values are canonical (crdt_value_check), which
 * nobody checks here. O(their bytes).
 *
 * Errors (all there is to do after one is close): CRDT_EINVAL: one does not come after those
 * before in key order, is no ADD or SET, or is below what was not added: crdt_template_make
 * may take them. CRDT_ELIMIT: a name is too long, or the operations are too many. CRDT_ENOMEM. */
crdt_err crdt_planter_put(crdt_planter *planter, const crdt_op *ops, size_t op_count);

/* No more follow, and there was one at least: their author. Listeners of the document are told
 * what changed. Cannot fail. */
crdt_actor crdt_planter_finish(crdt_planter *planter);

/* Without finish the document is empty again. Accepts NULL. */
void crdt_planter_close(crdt_planter *planter);

#endif /* CRDT_PLANTER_H */
