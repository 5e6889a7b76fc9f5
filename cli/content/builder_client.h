#ifndef CLI_CONTENT_BUILDER_CLIENT_H
#define CLI_CONTENT_BUILDER_CLIENT_H

/* What is asked of a builder server.
 *
 *   GET  /v1/projects/{id}/manifest                (301)  ->  manifest
 *   GET  /v1/manifests?creation_coords_eq=X,Y             ->  {"ok":true,"data":[manifest]}
 *   PUT  /v1/projects/{id}/manifest  {"manifest":...}     ->  {"ok":true,"data":project}
 *   POST /v1/projects/{id}/media     multipart: thumbnail ->  {"ok":true,...}
 *
 * Signed-fetch headers (x-identity-...) are passed on as given. Reading answers is apart
 * from the calls. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdatomic.h>
#include <stdbool.h>

#define BUILDER_MANIFEST_MAX (64u << 20) /* bytes of a manifest that is read */
#define BUILDER_ERROR_SIZE 160

/* Is it an id that may stand in a path: letters, digits, '-' and '_', up to 127? */
bool builder_project_valid(const char *id);

/* The answer to a PUT or POST: {"ok":true,...}, or why not: false, and the server's words
 * (printable, cut) in `error`, "" if it has none. Any bytes. */
bool builder_answer_ok(crdt_span answer, char error[BUILDER_ERROR_SIZE],
                       crdt_alloc alloc);
/* The manifest in the answer to a search by coordinates, as text into `out`: the first of
 * `data`. *found false: there is none.
 * Errors: CRDT_ECORRUPT, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err builder_answer_first(crdt_span answer, bool *found, crdt_buf *out,
                              crdt_alloc alloc, crdt_diag *diag);

/* The text of the object that begins at `offset` of text that has been parsed. O(size). */
crdt_span builder_object_text(crdt_span text, size_t offset);

typedef struct builder_client {
    crdt_alloc alloc;
    const char *url;            /* the base before /v1/... */
    const char *const *headers; /* to pass on; NULL-terminated; may be NULL */
    uint32_t timeout_ms;
    const atomic_bool *stop;
} builder_client;

/* Append the manifest of a project to `out`.
 * Errors: CRDT_ENOTFOUND: 404. CRDT_EREFUSED: 401, 403. CRDT_EIO: no connection, or another
 * status. CRDT_ETIMEOUT, CRDT_ECLOSED, CRDT_ELIMIT, CRDT_EINVAL, CRDT_ENOMEM. `out` as
 * before. */
crdt_err builder_client_get(const builder_client *client, const char *project,
                            crdt_buf *out, crdt_diag *diag);
/* The manifest of the project that was made for "X,Y". CRDT_ENOTFOUND: none. */
crdt_err builder_client_find(const builder_client *client, const char *pointer,
                             crdt_buf *out, crdt_diag *diag);
/* Put a manifest; `body` is the whole body, {"manifest":{...}}. Errors: CRDT_EREFUSED: 401,
 * 403. CRDT_ELIMIT: 413. CRDT_EINVAL: 400, 422: the server does not take it. CRDT_EIO: another
 * status, or an answer that does not say ok; the rest as above. */
crdt_err builder_client_put(const builder_client *client, const char *project,
                            crdt_span body, crdt_diag *diag);
/* Upload a picture as the project's thumbnail. Errors: CRDT_EINVAL: it is neither png nor
 * jpeg; the rest as for put. */
crdt_err builder_client_thumbnail(const builder_client *client, const char *project,
                                  crdt_span image, crdt_diag *diag);
/* "image/png", "image/jpeg", NULL: by the first bytes. */
const char *builder_image_type(crdt_span image);

#endif /* CLI_CONTENT_BUILDER_CLIENT_H */
