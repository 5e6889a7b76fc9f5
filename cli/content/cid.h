#ifndef CLI_CONTENT_CID_H
#define CLI_CONTENT_CID_H

/* Content identifiers as content servers name files: CIDv1 in base32 (bafk..., bafy...) with
 * raw leaves, sha2-256, chunks of 256 KiB, balanced DAG of up to 174 links; and the older
 * CIDv0 (Qm...: dag-pb leaves) for checking what is fetched.
 *
 *   file <= 256 KiB      raw block                          -> bafkrei...
 *   file  > 256 KiB      node [174 links] -> ... -> raw     -> bafybei...
 *
 * A text names one file only: bits that encode nothing must be zero, letters lower case; so
 * a valid CID is also a safe name for a file.
 *
 * Source: multiformats CID specification; UnixFS and DAG-PB specifications (IPFS). */

#include "crdt/buf.h"
#include "crdt/err.h"

#include <stdbool.h>

#define CONTENT_CID_SIZE 64 /* text with terminator */

/* The CIDv1 of `content`. O(size); 50 KB of stack. */
void content_cid(crdt_span content, char text[CONTENT_CID_SIZE]);
/* Is the text a CID that can be checked: CIDv0, or CIDv1 with sha2-256 and raw or dag-pb? */
bool content_cid_valid(const char *text);
/* Is `content` what `cid` names? False also for a CID of another kind. Trees are accepted
 * with raw leaves and with dag-pb leaves; other chunk sizes and layouts are not known
 * again. O(size), twice for a tree that does not match. */
bool content_cid_matches(const char *cid, crdt_span content);

#endif /* CLI_CONTENT_CID_H */
