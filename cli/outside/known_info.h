#ifndef CLI_OUTSIDE_KNOWN_INFO_H
#define CLI_OUTSIDE_KNOWN_INFO_H

/* What GET /v1/info answered where the scene was edited, as a running worker tells it on: it
 * has no document that it could ask. Pure. The text comes from a file and is not trusted. */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

#define KNOWN_INFO_SIZE_MAX (16u << 20) /* bytes of text */

typedef struct outside_known_info outside_known_info;

/* The text is copied. Errors: CRDT_ECORRUPT, CRDT_ELIMIT, in `diag`; CRDT_ENOMEM. */
crdt_err outside_known_info_open(outside_known_info **out, crdt_alloc alloc,
                                 crdt_span text, crdt_diag *diag);
/* Accepts NULL. */
void outside_known_info_close(outside_known_info *info);
/* Append it; what runs can neither be saved nor published. Errors: CRDT_ENOMEM. */
crdt_err outside_known_info_write(const outside_known_info *info, bool can_play,
                                  crdt_buf *out);
/* Call for each hash of `models` that can be one. An error ends it. */
crdt_err outside_known_info_each_hash(const outside_known_info *info,
                                      crdt_err (*take)(void *ctx, crdt_span hash),
                                      void *ctx);

#endif /* CLI_OUTSIDE_KNOWN_INFO_H */
