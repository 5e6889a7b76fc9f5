#ifndef CLI_FILES_H
#define CLI_FILES_H

/* Files that a verb reads or writes as a whole. */

#include "crdt/buf.h"

#include <stdio.h>

/* Append all of the file (`-`: standard input) to `out`. Errors, told in `diag`: CRDT_EIO,
 * CRDT_ENOTFOUND; CRDT_ELIMIT: over `size_max` bytes; CRDT_ENOMEM. */
crdt_err cli_files_read(const char *path, size_t size_max, crdt_buf *out,
                        crdt_diag *diag);

/* A file that is there whole, on disk, or not at all: written beside and renamed. What is
 * no plain file (a pipe, a device) is written directly; NULL and `-` are standard output. */
typedef struct cli_file {
    FILE *stream;
    const char *path;
    char *beside; /* the name it has until it is complete; NULL: written directly */
} cli_file;

/* Errors: CRDT_EIO, CRDT_ENOMEM. */
crdt_err cli_files_create(cli_file *file, const char *path, crdt_diag *diag);
/* Put it in place if `keep`, else leave what was there. Errors: CRDT_EIO: nothing changed. */
crdt_err cli_files_close(cli_file *file, bool keep, crdt_diag *diag);

#endif /* CLI_FILES_H */
