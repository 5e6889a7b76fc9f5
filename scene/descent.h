#ifndef SCENE_DESCENT_H
#define SCENE_DESCENT_H

/* Where a scene comes from: of which lineages it holds what.
 *
 * A file that is saved names, beside the scene, the lineage it was saved from, the version
 * it shows, and what that lineage descended from in turn:
 *
 *   "scenesync": {"lineage": "<32 hex>", "version": {"<actor>": time, ...},
 *                 "ancestors": [{"lineage": ..., "version": ...}, ...], ...}
 *
 * Who loads it begins a new lineage (its template), whose document keeps these rows as
 * data, in the object FF scene, part FF p: one field per lineage, {"age", "version"}, age
 * 0 being the one it was saved from. So a store of an old lineage that comes back can be
 * told what of it lives on (cli/worker/rebase.h). Rebasing adds fields
 * "<lineage>.<actor>"; rows of one lineage count together.
 *
 * A plain export writes the rows as they are, so that import and export give the same
 * again; saving puts the document's own lineage and version in front. */

#include "crdt/document.h"
#include "crdt/op_list.h"

#define SCENE_NAME_PAST "\377p" /* part of FF scene */

#define SCENE_DESCENT_MAX 17 /* rows: a lineage, and 16 ancestors */
#define SCENE_DESCENT_SIZE_MAX                                                         \
    (1u << 16) /* bytes of all versions, 24 an entry; the
                                           * oldest rows are left out beyond */

typedef struct scene_descent_row {
    crdt_actor lineage;
    crdt_version version;
} scene_descent_row;

/* Rows, the youngest first; no lineage twice. */
typedef struct scene_descent {
    crdt_alloc alloc;
    scene_descent_row rows[SCENE_DESCENT_MAX];
    size_t row_count;
} scene_descent;

void scene_descent_init(scene_descent *descent, crdt_alloc alloc);
void scene_descent_deinit(scene_descent *descent);

/* What a document says it comes from; conflicting values count together. Into an
 * initialized one, which is overwritten. Rows that are no such thing are passed over.
 * Errors: CRDT_ENOMEM. */
crdt_err scene_descent_read(scene_descent *descent, const crdt_document *doc);
/* The same for the operations of a file (scene_format_read). */
crdt_err scene_descent_read_ops(scene_descent *descent, const crdt_op *ops,
                                size_t op_count);
/* Put a row in front: what was saved of `lineage` at `version`. A row that it has already
 * is joined. Errors: CRDT_ENOMEM; as before. */
crdt_err scene_descent_push(scene_descent *descent, const crdt_actor *lineage,
                            const crdt_version *version);
/* The row of a lineage, NULL: none. */
const crdt_version *scene_descent_find(const scene_descent *descent,
                                       const crdt_actor *lineage);

/* Append the operations that note in a document that it holds `lineage` up to `version`
 * too (rebase), as written by `actor`. Errors: CRDT_ENOMEM. */
crdt_err scene_descent_note(const crdt_actor *lineage, const crdt_version *version,
                            const crdt_actor *actor, crdt_op_list *ops);

/* The parts of such a row, as text and as a value: "<32 hex>", and {actor: time} into an
 * initialized version, joined; entries that are none are passed over.
 * Errors: CRDT_ENOMEM. */
bool scene_descent_lineage(crdt_span text, crdt_actor *lineage);
crdt_err scene_descent_version_read(crdt_version *version, crdt_span value);
/* Append the value of such a field, or {actor: time} alone, canonical.
 * Errors: CRDT_ENOMEM. */
crdt_err scene_descent_value(const crdt_version *version, int64_t age, crdt_buf *out);
crdt_err scene_descent_version_value(const crdt_version *version, crdt_buf *out);

#endif /* SCENE_DESCENT_H */
