#ifndef TESTS_CLUSTER_EDIT_LOG_H
#define TESTS_CLUSTER_EDIT_LOG_H

/* What a writer meant to do and what was acknowledged, in a file of text lines that
 * survives its being killed: the witness against which a final document is held.
 *
 *   I n time@actor s|r object field value adds seen...    meant: in the edit, before commit
 *   A n                                                   acknowledged: after it returned
 *
 * `adds`: 1 the object was not live and is added, 2 the part likewise. `seen`: the version
 * that the edit was made on. */

#include "crdt/document.h"

typedef struct logged_edit {
    uint64_t number;
    crdt_stamp first; /* of its batch */
    bool is_remove;
    unsigned object;
    unsigned field;
    int64_t value;
    unsigned adds;
    crdt_version seen;
    bool acknowledged;
} logged_edit;

typedef struct edit_log {
    logged_edit *edits;
    size_t count;
    size_t capacity;
    size_t acknowledged_count;
} edit_log;

#define EDIT_OBJECTS 200u
#define EDIT_FIELDS 4u

/* Names as edited: "e17", part "p", "f3". */
void edit_log_object_name(unsigned object, char name[16]);
void edit_log_field_name(unsigned field, char name[16]);

/* One line each, by one write. */
void edit_log_meant(int fd, const logged_edit *edit);
void edit_log_acknowledged(int fd, uint64_t number);

/* Append the lines of a file; a missing file has none, a last line that
 * is being written is left out. Aborts on lines that are none. */
void edit_log_read(edit_log *log, const char *path);
void edit_log_free(edit_log *log);

/* Is every acknowledged edit of all writers there, or overwritten or removed by one that
 * had seen it, or held as a lost sibling or hidden value (which conflicts list)? Prints
 * each that is not; returns how many. */
size_t edit_log_check(const edit_log *log, const crdt_document *doc);

#endif /* TESTS_CLUSTER_EDIT_LOG_H */
