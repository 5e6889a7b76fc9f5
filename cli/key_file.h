#ifndef CLI_KEY_FILE_H
#define CLI_KEY_FILE_H

/* A scene's key in a file: 32 bytes as 64 hexadecimal digits or in base64 (44 characters,
 * with or without the last `=`), blanks around it, nothing else. Whoever may read the file
 * may join the bus, so nobody but its owner may. */

#include "sync/crypto.h"

/* Read the key. A pipe will do (`--key <(pass show scene)`).
 * Errors, told in `diag`: CRDT_ENOTFOUND; CRDT_EIO; CRDT_EREFUSED: group or others have
 * rights on it; CRDT_ECORRUPT: it is no key. */
crdt_err cli_key_file_read(const char *path, uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                           crdt_diag *diag);

/* The key that a text of up to 255 bytes says; false: it says none, and `key` may hold a part.
 * Zeros are said like others. */
bool cli_key_file_parse(crdt_span text, uint8_t key[SYNC_CRYPTO_KEY_SIZE]);

/* Write the key to a new file of mode 0600, on disk when this returns.
 * Errors, told in `diag`: CRDT_EEXIST: there is a file, which stays as it is; CRDT_EIO. */
crdt_err cli_key_file_write(const char *path, const uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                            crdt_diag *diag);

/* What two people can compare to see that they have the same key: 16 hexadecimal digits
 * that tell nothing of it. */
#define CLI_KEY_PRINT_SIZE 17
void cli_key_file_print(const uint8_t key[SYNC_CRYPTO_KEY_SIZE],
                        char print[CLI_KEY_PRINT_SIZE]);

#endif /* CLI_KEY_FILE_H */
