#ifndef CLI_SERVERS_SERVERS_H
#define CLI_SERVERS_SERVERS_H

/* A content server and a Builder server over one folder: what they hold and how they
 * answer, without the socket. docs/SERVERS.md says which calls there are, and in what they
 * differ from the real ones.
 *
 * Threads: one. */

#include "cli/servers/api.h"

typedef struct servers servers;

typedef struct servers_options {
    crdt_alloc alloc;
    const char *dir;
    uint64_t size_max; /* bytes of all files; 0: no limit */
    bool open;         /* take writes from other machines too */
    bool any_age;      /* take entities of any age */
    /* Told of files that cannot be read; may be NULL. */
    void (*warn)(void *ctx, const char *text);
    void *ctx;
} servers_options;

servers_options servers_options_default(void);

/* Open the folder, made if it is not there, and clean up after a crash.
 * Errors: CRDT_EBUSY: another server has it. CRDT_EIO, CRDT_ELIMIT, CRDT_ENOMEM. */
crdt_err servers_open(servers **out, const servers_options *options, crdt_diag *diag);
/* Accepts NULL. */
void servers_close(servers *both);

/* Answer a request at this Unix time. What is answered with 2xx to a write is on disk. */
void servers_handle(servers *both, const web_request *request, web_reply *reply,
                    uint64_t now_ms);

/* For filling them without a request (servers/seed.h). */
servers_api *servers_inside(servers *both);

#endif /* CLI_SERVERS_SERVERS_H */
