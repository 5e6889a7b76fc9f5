#ifndef CLI_ACCESS_FILE_H
#define CLI_ACCESS_FILE_H

/* The access file (cli/access.h) as bytes: entries, tokens, reading and writing.
 *
 * Read strictly: a member that is not known is refused, for a misspelt "expires" would be
 * an entry that never expires. Limits: 1 MiB, 4,096 people, names of 127 bytes UTF-8
 * without control characters, ids of 8 to 31 letters a-z and digits.
 *
 * A file that others than its owner may write is refused, and so is one whose owner is
 * neither this user nor root, or that is no plain file. Written whole or not at all,
 * readable by the owner alone; two who change it at once wait for each other. */

#include "cli/access.h"
#include "crdt/buf.h"

#include <sys/stat.h>

#define ACCESS_FILE_SIZE_MAX (1u << 20)
#define ACCESS_PEOPLE_MAX 4096u
#define ACCESS_SALT_SIZE 16
#define ACCESS_SECRET_SIZE 32
#define ACCESS_HASH_SIZE 32

typedef struct access_entry {
    access_person person;
    uint64_t expires_ms; /* Unix time; 0: never */
    uint8_t salt[ACCESS_SALT_SIZE];
    uint8_t hash[ACCESS_HASH_SIZE]; /* BLAKE2b of the secret, keyed with the salt */
} access_entry;

typedef struct access_file {
    crdt_alloc alloc;
    access_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
} access_file;

void access_file_init(access_file *file, crdt_alloc alloc);
void access_file_deinit(access_file *file);

/* Replace the entries by those of the text. Errors, `file` then empty: CRDT_ECORRUPT,
 * CRDT_ELIMIT with the place in `diag`; CRDT_ENOMEM. */
crdt_err access_file_parse(access_file *file, crdt_span text, crdt_diag *diag);
/* Append the text, one person a line. Errors: CRDT_ENOMEM. */
crdt_err access_file_format(const access_file *file, crdt_buf *out);
/* Errors: CRDT_ENOMEM; CRDT_ELIMIT. */
crdt_err access_file_append(access_file *file, const access_entry *entry);

/* Read and parse the file at `path`; *status (may be NULL) is of what was read. Errors:
 * CRDT_ENOTFOUND; CRDT_EREFUSED: others may write it; CRDT_EIO; as access_file_parse. */
crdt_err access_file_read(access_file *file, const char *path, struct stat *status,
                          crdt_diag *diag);
/* Change the file: `change` gets what is there (nothing, where it is missing) and makes of
 * it what will be there. Its error leaves the file as it was and is returned. Errors else:
 * as access_file_read. */
crdt_err access_file_change(const char *path,
                            crdt_err (*change)(void *ctx, access_file *file,
                                               crdt_diag *diag),
                            void *ctx, crdt_diag *diag);

/* Take "ss1_<id>_<secret>" apart; false: it is no token. */
bool access_token_parse(const char *token, char id[32],
                        uint8_t secret[ACCESS_SECRET_SIZE]);
void access_token_format(const char *id, const uint8_t secret[ACCESS_SECRET_SIZE],
                         char token[ACCESS_TOKEN_SIZE]);

/* "2027-01-31T00:00:00Z" or "2027-01-31", UTC; false: it is neither, or no date between
 * 1970 and 9999. */
bool access_time_parse(const char *text, uint64_t *ms);
/* May a person be called so? */
bool access_name_valid(crdt_span name);

#endif /* CLI_ACCESS_FILE_H */
