#ifndef CLI_SERVERS_CONTENT_STORE_H
#define CLI_SERVERS_CONTENT_STORE_H

/* What a content server holds: files by their CID, entities, and which entity is active at
 * each pointer.
 *
 * An entity is deployed when its record ID.json is in place (servers/disk.h); its files and
 * its own file lie in contents/ before. Which are active follows from the records alone:
 * applied by time (and id, where times are equal) each one takes over all its pointers, and
 * an entity that lost one is active nowhere. So a crash leaves nothing between: a deployment
 * is there whole or not at all.
 *
 * Files that no record names (of a deployment that a crash cut off) are removed at the
 * start, unless a record could not be read.
 *
 * Limits: 100,000 entities, 15 MB of files per parcel, servers/entity.h.
 * Threads: one. Memory: an entry and its pointers for each entity. */

#include "cli/servers/auth_chain.h"
#include "cli/servers/disk.h"
#include "cli/servers/entity.h"

#define SERVERS_ENTITY_MAX 100000u
#define SERVERS_PARCEL_SIZE_MAX (15u * 1024 * 1024)
#define SERVERS_FUTURE_MS (15 * 60000) /* so far ahead may a timestamp be */
#define SERVERS_PAST_MS (20 * 60000)   /* and so far behind */

typedef struct servers_content_store servers_content_store;

/* `warn` (may be NULL) is told of records that cannot be read: they are left alone.
 * Errors: CRDT_EIO, CRDT_ENOMEM, CRDT_ELIMIT: too many entities. */
crdt_err servers_content_store_open(servers_content_store **out, crdt_alloc alloc,
                                    servers_disk *disk,
                                    void (*warn)(void *ctx, const char *text),
                                    void *ctx, crdt_diag *diag);
/* Accepts NULL. */
void servers_content_store_close(servers_content_store *store);

/* A file that was uploaded. */
typedef struct servers_upload {
    char cid[64];
    crdt_span content;
} servers_upload;

typedef struct servers_deployment {
    crdt_span id; /* the CID of the entity file, which is among the uploads */
    const servers_auth_chain *chain; /* NULL: deployed by this program itself */
    const servers_upload *uploads;   /* `content` is checked against `cid` */
    size_t upload_count;
    uint64_t now_ms; /* Unix time */
    bool any_age;    /* take old timestamps too */
} servers_deployment;

/* Deploy an entity. *deployed_ms: when it was (an entity that is there already stays as it
 * is). All or nothing.
 * Errors: CRDT_EINVAL: the upload or the chain. CRDT_ECORRUPT: the entity. CRDT_ESTALE: a
 * newer entity has one of the pointers, or the timestamp is too far from now. CRDT_ENOTFOUND:
 * a file is neither here nor uploaded. CRDT_EREFUSED: the auth chain. CRDT_ELIMIT: 15 MB per
 * parcel. CRDT_EBUSY: the disk or the store is full. CRDT_EIO. CRDT_ENOMEM. */
crdt_err servers_content_store_deploy(servers_content_store *store,
                                      const servers_deployment *deployment,
                                      uint64_t *deployed_ms, crdt_diag *diag);

/* The id of the entity that is active at "x,y"; NULL: none. Borrowed, until the next
 * deployment. */
const char *servers_content_store_active(const servers_content_store *store,
                                         crdt_span pointer);
/* The id of this entity, if it is active; NULL: it is not. Borrowed likewise. */
const char *servers_content_store_active_id(const servers_content_store *store,
                                            crdt_span id);

/* Is this file here (as part of something deployed)? */
bool servers_content_store_has(const servers_content_store *store, const char *cid);
/* Append a file, checked against its CID. Errors: CRDT_ENOTFOUND; CRDT_ECORRUPT: it is
 * damaged; CRDT_EIO; CRDT_ENOMEM. */
crdt_err servers_content_store_read(servers_content_store *store, const char *cid,
                                    crdt_buf *out, crdt_diag *diag);

size_t servers_content_store_count(const servers_content_store *store);

#endif /* CLI_SERVERS_CONTENT_STORE_H */
