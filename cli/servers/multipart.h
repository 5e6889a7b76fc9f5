#ifndef CLI_SERVERS_MULTIPART_H
#define CLI_SERVERS_MULTIPART_H

/* The parts of a multipart/form-data body (RFC 7578, RFC 2046 5.1).
 *
 *   --BOUNDARY CRLF
 *   Content-Disposition: form-data; name="..."[; filename="..."] CRLF
 *   [Content-Type: ... CRLF]
 *   CRLF
 *   content CRLF
 *   --BOUNDARY-- [CRLF anything]
 *
 * Pure: borrows the body, allocates nothing. O(size). */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

typedef struct servers_part {
    crdt_span name;      /* as sent: escapes are not resolved */
    crdt_span file_name; /* data NULL: it is a field, not a file */
    crdt_span type;      /* Content-Type; empty if none was sent */
    crdt_span content;
} servers_part;

/* Find the parts of `body`. `type` is the request's Content-Type header.
 * Errors: CRDT_EINVAL: `type` is no multipart/form-data or has no good boundary.
 * CRDT_ECORRUPT: the body, with the offset. CRDT_ELIMIT: more than `part_max` parts. */
crdt_err servers_multipart_parse(const char *type, crdt_span body, servers_part *parts,
                                 size_t part_max, size_t *part_count, crdt_diag *diag);
/* The first part of this name; NULL: none. */
const servers_part *servers_multipart_find(const servers_part *parts, size_t part_count,
                                           const char *name);

#endif /* CLI_SERVERS_MULTIPART_H */
