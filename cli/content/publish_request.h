#ifndef CLI_CONTENT_PUBLISH_REQUEST_H
#define CLI_CONTENT_PUBLISH_REQUEST_H

/* A request to publish as renderers and programs make it: the payload of
 * PublishSceneState, the body of POST /v1/publish and POST /v1/unpublish.
 *
 *   {"title"?,"description"?,"screenshot"?: base64 of a PNG (a data: URL too),
 *    "parcels"?,"projectId"?}                                        prepare
 *   {"confirm":ID,"authChain":[...],"asPrepared"?:true}              do it
 *
 * Members that are not known are passed over, as renderers send more than is needed. */

#include "cli/content/publish.h"

#define CONTENT_REQUEST_SIZE_MAX (16u << 20)

typedef struct content_publish_request {
    crdt_span payload;   /* JSON; empty: {} */
    const char *pointer; /* "X,Y": the scene's place */
    const char
        *project; /* NULL, or the builder project, where the payload names none */
    bool unpublish;
    /* Append the state file as it is saved now (scene_format_write_saved). */
    crdt_err (*state)(void *ctx, crdt_buf *out, crdt_diag *diag);
    void *ctx;
} content_publish_request;

/* Do what is asked for and append the answer, {"ok":...}: the payload of
 * PublishSceneResult. Blocking. Returns what went wrong (it is in the answer too), so that
 * it can be counted or told as an HTTP status. */
crdt_err content_publish_answer(const content_publish_options *options,
                                const content_publish_request *request,
                                crdt_buf *result);
/* The HTTP status that tells such an error; 200 for CRDT_OK. */
int content_publish_status(crdt_err err);

/* Decode base64 (with or without padding, no blanks); false: it is none. */
bool content_base64_decode(crdt_span text, crdt_buf *out, crdt_err *err);

#endif /* CLI_CONTENT_PUBLISH_REQUEST_H */
