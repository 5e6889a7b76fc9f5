#ifndef TESTS_SCENE_SCENE_FILES_H
#define TESTS_SCENE_SCENE_FILES_H

/* Scene files for tests: the samples of docs/scenes/, and where it is at hand the
 * collection of real scenes outside the repository (SCENESYNC_SHARED, or ../shared). */

#include "crdt/document.h"
#include "scene/format.h"

typedef struct files {
    char **paths; /* sorted */
    size_t count;
} files;

/* All files below docs/scenes/, and of the collection, whose names end with one of the
 * scene formats' endings; valid ones only, or the invalid ones alone. Prints a word where
 * the collection is missing. */
files files_open(bool invalid);
void files_close(files *list);
/* The path of a file of the collection; false where it is missing. */
bool files_shared(const char *name, char *path, size_t size);

/* The bytes of a file. */
crdt_buf files_read(const char *path);
/* A document with what the text says; asserts that it reads. */
crdt_document *files_load(crdt_span text, const char *name, scene_format format);
/* A new document with these operations. */
crdt_document *files_commit(const crdt_op *ops, size_t op_count);
/* Commit onto a document; false: nothing to do. */
bool files_commit_onto(crdt_document *doc, const crdt_op *ops, size_t op_count);
/* The document as text. */
crdt_buf files_write(const crdt_document *doc, scene_format format);
/* The text in canonical form. */
crdt_buf files_canonical(crdt_span text);
/* Asserts that two texts are the same; says where they part. */
void files_same(crdt_span got, crdt_span wanted, const char *what);

#endif /* TESTS_SCENE_SCENE_FILES_H */
