#ifndef CLI_SERVERS_SEED_FILES_H
#define CLI_SERVERS_SEED_FILES_H

/* The files of a folder (not of those below it), to be deployed along with scenes that need
 * them: models.
 *
 *   by hash   what the scene says its assets are made of; it is called as publishing would
 *             call it: models/PATH, in scenes of the builder ASSET/PATH
 *   by path   what the scene names as `src`: the folder's own name and the file's,
 *             "models/cart.glb"
 *
 * Limits: 4,096 files, 256 MiB in all; names that begin with "." are passed over. All is
 * held in memory. */

#include "crdt/buf.h"
#include "crdt/err.h"
#include "scene/layout.h"

typedef struct servers_seed_files servers_seed_files;

/* Read the folder. Errors: CRDT_EIO, CRDT_ELIMIT, in `diag`; CRDT_ENOMEM. */
crdt_err servers_seed_files_open(servers_seed_files **out, crdt_alloc alloc,
                                 const char *folder, crdt_diag *diag);
/* Accepts NULL. */
void servers_seed_files_close(servers_seed_files *files);

/* A file for a scene. */
typedef struct servers_seed_file {
    char name[1032]; /* in the scene */
    char cid[64];
    crdt_span content; /* borrowed from the files */
} servers_seed_file;

typedef struct servers_seed_choice {
    crdt_alloc alloc;
    servers_seed_file *list;
    size_t count;
    size_t capacity;
} servers_seed_choice;

/* Those that the scene file needs and the folder has; each name once. `files` NULL: none.
 * Free with deinit in every case. Errors: as scene_format_read; CRDT_ENOMEM. */
crdt_err servers_seed_choice_make(servers_seed_choice *choice,
                                  const servers_seed_files *files, crdt_alloc alloc,
                                  crdt_span scene, crdt_diag *diag);
void servers_seed_choice_deinit(servers_seed_choice *choice);

#endif /* CLI_SERVERS_SEED_FILES_H */
