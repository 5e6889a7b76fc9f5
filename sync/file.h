#ifndef SYNC_FILE_H
#define SYNC_FILE_H

/* The few things about files and folders that durability needs. POSIX only. */

#include "crdt/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SYNC_PATH_MAX 4096u /* bytes, terminator included */

/* Write `dir` '/' `name` into `path`. Errors: CRDT_ELIMIT. */
crdt_err sync_file_join(char path[SYNC_PATH_MAX], const char *dir, const char *name,
                        crdt_diag *diag);

/* Make `dir` and what is missing above it (mode 0700), each made durable in its parent.
 * Fine if it is there. Errors: CRDT_EIO, CRDT_ELIMIT. */
crdt_err sync_file_make_dir(const char *dir, crdt_diag *diag);

/* fsync the folder, so that names made or changed in it survive a power cut.
 * Errors: CRDT_EIO. */
crdt_err sync_file_sync_dir(const char *dir, crdt_diag *diag);

/* Read or write exactly `size` bytes at `offset`; interrupted calls go on. False: failed,
 * or the file ends before (errno 0 then). */
bool sync_file_read(int fd, void *bytes, size_t size, uint64_t offset);
bool sync_file_write(int fd, const void *bytes, size_t size, uint64_t offset);

/* What an errno means; never NULL, lives for ever. */
const char *sync_file_reason(int error);

/* Fill with random bytes of the system. */
bool sync_file_random(void *ctx, void *bytes, size_t size);

#endif /* SYNC_FILE_H */
