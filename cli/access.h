#ifndef CLI_ACCESS_H
#define CLI_ACCESS_H

/* Who may do what: the access file of a scene.
 *
 *   {"version":1,
 *    "people":[{"id":"k3v...","name":"Ana","role":"edit","salt":"<hex>","hash":"<hex>",
 *               "expires":"2027-01-31T00:00:00Z"}]}
 *
 * A token is "ss1_<id>_<secret>": 32 random bytes as base64url, shown once when it is made;
 * the file holds its salted hash (BLAKE2b; a random secret of 256 bits needs no slow one).
 * No file: nobody but callers on the loopback, as far as `loopback` lets them.
 *
 * The file is looked at again when it changes; so a role that is changed or taken away
 * counts at the next message. A file that cannot be read as one lets nobody in, on the
 * loopback neither, and says why: never "everybody". What is refused: cli/access_file.h.
 *
 * Threads: one thread. */

#include "crdt/alloc.h"
#include "crdt/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum access_role {
    ACCESS_NONE = 0,
    ACCESS_VIEW,    /* see the scene and who is there */
    ACCESS_EDIT,    /* and change and save it */
    ACCESS_PUBLISH, /* and publish it */
    ACCESS_ADMIN,   /* and start, stop, unpublish */
} access_role;

const char *access_role_name(access_role role); /* "view"; "none" */
bool access_role_parse(const char *text, access_role *role);

#define ACCESS_NAME_SIZE 128
#define ACCESS_TOKEN_SIZE 128 /* with terminator */

typedef struct access_person {
    access_role role;
    char id[32];                 /* of the entry; "": the loopback; "kernel" */
    char name[ACCESS_NAME_SIZE]; /* as shown to others, and as `who` of edits */
} access_person;

typedef struct cli_access cli_access;

typedef struct cli_access_options {
    crdt_alloc alloc;
    const char *file;     /* NULL: none */
    access_role loopback; /* of callers on this machine without a token */
    const char
        *master; /* NULL, or a token that may do all (a kernel's for its workers) */
} cli_access_options;

/* Errors: CRDT_ENOMEM. A bad file is no error here: see cli_access_trouble. */
crdt_err cli_access_open(cli_access **out, const cli_access_options *options);
void cli_access_close(cli_access *access);

/* Look at the file again if it changed; true if anything may have changed (also that an
 * entry expired): check those who are there again. Cheap (one stat); call it every tick. */
bool cli_access_refresh(cli_access *access, uint64_t now_ms);
/* Who is it that shows `token` (NULL or "": none)? A token that is wrong, expired or
 * forged is ACCESS_NONE, on the loopback too. `why` (static text) says so for the log, not
 * for the caller. `now_ms` is Unix time. Constant time in the secret. */
access_person cli_access_check(cli_access *access, const char *token, bool loopback,
                               uint64_t now_ms, const char **why);
/* The same for somebody who was let in: by the entry's id. */
access_person cli_access_again(cli_access *access, const char *id, bool loopback,
                               uint64_t now_ms);
/* What is wrong with the file; NULL: nothing. */
const char *cli_access_trouble(const cli_access *access);

/* ---- changing the file: whole or not at all ---- */

/* Add a person; `token` is what to give them. `expires_ms` 0: never.
 * Whole seconds count.
 * Errors: CRDT_EINVAL: the name. CRDT_ECORRUPT, CRDT_EIO: the file, in `diag`. */
crdt_err cli_access_add(const char *file, const char *name, access_role role,
                        uint64_t expires_ms, char token[ACCESS_TOKEN_SIZE],
                        crdt_diag *diag);
/* By id, or by name where only one has it. ACCESS_NONE removes. Errors: CRDT_ENOTFOUND;
 * CRDT_EINVAL: several have the name. */
crdt_err cli_access_set_role(const char *file, const char *who, access_role role,
                             crdt_diag *diag);
/* Step through the entries; `visit` gets name, role, expiry (0: never). */
crdt_err cli_access_list(const char *file,
                         void (*visit)(void *ctx, const access_person *person,
                                       uint64_t expires_ms),
                         void *ctx, crdt_diag *diag);

#endif /* CLI_ACCESS_H */
