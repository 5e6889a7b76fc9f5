#ifndef CLI_SERVERS_DISK_H
#define CLI_SERVERS_DISK_H

/* The folder of the servers: whole files in a few sub-folders, put there so that a crash
 * at any moment leaves each of them as it was or as it should be.
 *
 *   DIR/lock          held while a server runs
 *   DIR/tmp/          what is being written; emptied when a server starts
 *   DIR/contents/     files of scenes, named by their CID
 *   DIR/entities/     ID.json: what was deployed, when and by whom
 *   DIR/projects/     UUID.json: a Builder project with its manifest
 *   DIR/media/        UUID.thumbnail.png and so on
 *   DIR/crdt/         UUID: main.crdt of a project
 *
 * A file is written into tmp/, synced, renamed to its place; servers_disk_sync then makes
 * the rename itself last. Names come from callers that checked them; one with '/' or a dot
 * in front is refused here once more.
 *
 * Threads: one. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum servers_folder {
    SERVERS_CONTENTS,
    SERVERS_ENTITIES,
    SERVERS_PROJECTS,
    SERVERS_MEDIA,
    SERVERS_CRDT,
    SERVERS_FOLDER_COUNT,
} servers_folder;

#define SERVERS_DISK_NAME_SIZE 128 /* of a file, with terminator */

typedef struct servers_disk servers_disk;

/* Make what is missing, take the lock, clean up. `size_max`: bytes of all files together;
 * 0: no limit.
 * Errors: CRDT_EBUSY: another server has it. CRDT_EIO, CRDT_ENOMEM. */
crdt_err servers_disk_open(servers_disk **out, crdt_alloc alloc, const char *dir,
                           uint64_t size_max, crdt_diag *diag);
/* Accepts NULL. */
void servers_disk_close(servers_disk *disk);

/* Put a file in its place, or replace it. After a crash before servers_disk_sync it may be
 * there or not, or be the older one, but never a part.
 * Errors: CRDT_ELIMIT: the disk, or the share of it, is full. CRDT_EIO. CRDT_EINVAL: the
 * name. The file is as before. */
crdt_err servers_disk_put(servers_disk *disk, servers_folder folder, const char *name,
                          crdt_span content, crdt_diag *diag);
/* What was put and removed in this folder lasts. Errors: CRDT_EIO. */
crdt_err servers_disk_sync(servers_disk *disk, servers_folder folder, crdt_diag *diag);
/* Append the file to `out`. Errors: CRDT_ENOTFOUND; CRDT_ELIMIT: over `size_max` bytes;
 * CRDT_EIO; CRDT_ENOMEM; CRDT_EINVAL: the name. */
crdt_err servers_disk_read(servers_disk *disk, servers_folder folder, const char *name,
                           size_t size_max, crdt_buf *out, crdt_diag *diag);
/* What is not there is removed already. Errors: CRDT_EIO; CRDT_EINVAL. */
crdt_err servers_disk_remove(servers_disk *disk, servers_folder folder,
                             const char *name, crdt_diag *diag);
/* Is it there? *size (may be NULL): its bytes. */
bool servers_disk_find(servers_disk *disk, servers_folder folder, const char *name,
                       uint64_t *size);
/* Call `visit` for each file until it returns false; it may remove the one it is given.
 * Order unspecified. Errors: CRDT_EIO. */
crdt_err servers_disk_list(servers_disk *disk, servers_folder folder,
                           bool (*visit)(void *ctx, const char *name), void *ctx,
                           crdt_diag *diag);
/* Append a file of the folder itself (assets.json); errors as servers_disk_read. */
crdt_err servers_disk_read_top(servers_disk *disk, const char *name, size_t size_max,
                               crdt_buf *out, crdt_diag *diag);
/* Bytes of all files. */
uint64_t servers_disk_size(const servers_disk *disk);

#endif /* CLI_SERVERS_DISK_H */
