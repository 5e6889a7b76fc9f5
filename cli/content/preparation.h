#ifndef CLI_CONTENT_PREPARATION_H
#define CLI_CONTENT_PREPARATION_H

/* What is prepared for deployment, in memory and in a folder of its own:
 *
 *   <root>/<id>/prepared.json    what it is, as it was answered (cli/content/publish.h)
 *   <root>/<id>/<hash>           the files, and the entity under its id
 *   <root>/<id>/done.json        it is deployed: {"timestamp":MS}
 *
 * It is made under another name and renamed when it is whole and on disk. Opening a new one
 * removes what has expired, and of more than 8 the oldest. Only the owner may read it. */

#include "cli/content/cid.h"
#include "cli/content/parcels.h"
#include "cli/content/publish.h"
#include "scene/text_map.h"

#define CONTENT_PREPARED_MAX 8          /* kept at once */
#define CONTENT_DONE_LAST_MS (86400000) /* so long it is known that it was done */
#define CONTENT_PREPARED_FILES_MAX 20000u
#define CONTENT_PREPARED_SIZE_MAX (8u << 20) /* bytes of prepared.json */
#define CONTENT_PATH_SIZE 4096

typedef struct content_prepared_file {
    crdt_span name;
    char hash[CONTENT_CID_SIZE];
    uint64_t size;
} content_prepared_file;

/* A file that could not be had, or something to know. */
typedef struct content_prepared_note {
    crdt_span file; /* empty: a warning */
    crdt_span text;
} content_prepared_note;

typedef struct content_prepared {
    crdt_alloc alloc;
    crdt_arena arena; /* all texts */
    char root[CONTENT_PATH_SIZE];
    char id[CONTENT_PUBLISH_ID_SIZE];
    bool kept; /* it lies under its id, not under the name it is made under */

    bool unpublish;
    char entity_id[CONTENT_CID_SIZE];
    char pointer[CONTENT_POINTER_SIZE];
    content_parcels parcels;
    content_prepared_file *files;
    size_t file_count;
    size_t file_capacity;
    scene_text_map names; /* in small letters -> index */
    uint64_t size;        /* bytes of all files */
    crdt_span version;    /* JSON text, empty: none */
    crdt_span lineage;
    crdt_span replaces; /* id of the entity that is deployed; empty: none */
    uint64_t expires_ms;
    content_prepared_note *notes;
    size_t note_count;
    size_t note_capacity;

    bool done;
    uint64_t timestamp_ms; /* done: the server's */
} content_prepared;

/* Begin a new one. Errors: CRDT_EIO, CRDT_ENOMEM, in `diag`; close it in every case. */
crdt_err content_prepared_open(content_prepared *prepared, crdt_alloc alloc,
                               const char *root, uint64_t now_ms, crdt_diag *diag);
/* Add a file. Errors: CRDT_EEXIST: there is another of this name; CRDT_EINVAL: it cannot be
 * called so; CRDT_ELIMIT; CRDT_EIO; CRDT_ENOMEM. The same again is no error. */
crdt_err content_prepared_add(content_prepared *prepared, crdt_span name,
                              crdt_span content, crdt_diag *diag);
/* Is there a file of this name (case ignored)? */
bool content_prepared_has(const content_prepared *prepared, crdt_span name);
/* Note what is missing, or (`file` empty) a warning. */
crdt_err content_prepared_note_add(content_prepared *prepared, crdt_span file,
                                   const char *text);
/* A copy of a text that lives as long as `prepared`. Errors: CRDT_ENOMEM. */
crdt_err content_prepared_text(content_prepared *prepared, crdt_span text,
                               crdt_span *copy);
/* Sort the files, so that the entity can be made of them. */
void content_prepared_sort(content_prepared *prepared);
/* Keep it, with this entity; fills entity_id. Errors: CRDT_EIO, CRDT_ENOMEM. */
crdt_err content_prepared_keep(content_prepared *prepared, crdt_span entity,
                               crdt_diag *diag);
/* Append the object that is told, {"id":...}. Errors: CRDT_ENOMEM. */
crdt_err content_prepared_write(const content_prepared *prepared, crdt_buf *out);

/* Load one. Errors: CRDT_ENOTFOUND: there is none of this id; CRDT_ECORRUPT; CRDT_EIO;
 * CRDT_ENOMEM; close it in every case. */
crdt_err content_prepared_load(content_prepared *prepared, crdt_alloc alloc,
                               const char *root, const char *id, crdt_diag *diag);
/* Map a file of it, or the entity, into memory; NULL with CRDT_OK for an empty one. Free
 * it with unmap. Errors: CRDT_EIO, CRDT_ECORRUPT: it is not what it was. */
crdt_err content_prepared_map(const content_prepared *prepared, const char *hash,
                              crdt_span *content, crdt_diag *diag);
void content_prepared_unmap(crdt_span content);
/* Note on disk that it is deployed. Errors: CRDT_EIO. */
crdt_err content_prepared_finish(content_prepared *prepared, uint64_t timestamp_ms,
                                 crdt_diag *diag);

/* Free it; what was not kept is removed from disk. */
void content_prepared_close(content_prepared *prepared);

#endif /* CLI_CONTENT_PREPARATION_H */
