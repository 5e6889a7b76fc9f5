#ifndef CLI_FUZZ_BEGINNING_H
#define CLI_FUZZ_BEGINNING_H

/* What runs begin with: nothing, or a scene file, imported at every place as workers do
 * that load the same scene. */

#include "crdt/batch.h"

/* A scene file read: its template, and the names of its first entities. */
typedef struct fuzz_beginning {
    crdt_batch batch;
    const crdt_span *entities;
    size_t entity_count;
} fuzz_beginning;

/* The file at `path`. It is read once in a process; what is returned lasts as long as that.
 * Errors: as scene_format_read and cli_files_read. */
crdt_err fuzz_beginning_read(const char *path, const fuzz_beginning **beginning,
                             crdt_diag *diag);

#endif /* CLI_FUZZ_BEGINNING_H */
