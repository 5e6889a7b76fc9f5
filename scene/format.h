#ifndef SCENE_FORMAT_H
#define SCENE_FORMAT_H

/* The scene formats: recognize one, read a file into operations, write a document.
 *
 * Reading gives the operations that make an empty document into what the file says
 * (scene/layout.h); importing commits them as the template, or their difference to a
 * living document (scene/difference.h). Writing is canonical JSON (RFC 8785).
 *
 * Nothing is lost: what is read and written in one format is the same JSON, and what
 * another format cannot say travels in a field of its own (docs/FORMATS.md). */

#include "crdt/document.h"
#include "crdt/op_list.h"
#include "scene/descent.h"
#include "scene/json.h"
#include "scene/layout.h"
#include "scene/tree.h"

typedef struct scene_format_options {
    scene_format format;      /* SCENE_FORMAT_NONE: recognize it */
    const char *file_name;    /* of the file, NULL: unknown (a composite that names its
                               * own file is refused) */
    scene_json_limits limits; /* of the text; values in it nest to CRDT_VALUE_DEPTH_MAX,
                               * the records around them deeper */
} scene_format_options;

scene_format_options scene_format_options_default(void);

/* Append the operations of a file to `ops`. *format (may be NULL) is the format found.
 * Errors: CRDT_ECORRUPT, CRDT_EVERSION, CRDT_ELIMIT with offset, line, column and reason;
 * CRDT_ENOMEM. After an error forget the list: it may hold a part of the file. */
crdt_err scene_format_read(crdt_span text, const scene_format_options *options,
                           crdt_alloc alloc, crdt_op_list *ops, scene_format *format,
                           crdt_diag *diag);

/* Make an empty document of a file: what scene_format_read, crdt_template_make and
 * crdt_document_apply make of it, to the byte. Of states as we write them neither the nodes nor
 * the operations of more than one entity exist at a time. *author (may be NULL) is the
 * template's. Errors: those of the three; the document is as before. */
crdt_err scene_format_load(crdt_span text, const scene_format_options *options,
                           crdt_alloc alloc, crdt_document *doc, crdt_actor *author,
                           crdt_diag *diag);

/* The name that the operations of a file give the scene: id of the project, or of the
 * scene. False: none. Borrowed from `ops`. */
bool scene_format_scene_name(const crdt_op *ops, size_t op_count, crdt_span *name);

/* Append the document as a file; SCENE_FORMAT_NONE: in the format that was imported, else
 * as a state. `tree` (NULL: parents as written) resolves parents. A state written so lists
 * no conflicts: the snapshot (scene/materialize.h) does.
 * Errors: CRDT_ENOMEM; `out` as before. */
crdt_err scene_format_write(const crdt_document *doc, scene_format format,
                            const scene_tree *tree, crdt_alloc alloc, crdt_buf *out);
/* The same as a file that is saved or published: `descent` (document's own lineage and
 * version in front, scene_descent_push) is written instead of what the document itself
 * comes from. */
crdt_err scene_format_write_saved(const crdt_document *doc, scene_format format,
                                  const scene_tree *tree, const scene_descent *descent,
                                  crdt_alloc alloc, crdt_buf *out);

#endif /* SCENE_FORMAT_H */
