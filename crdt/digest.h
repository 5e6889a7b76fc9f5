#ifndef CRDT_DIGEST_H
#define CRDT_DIGEST_H

/* Fingerprints (the only file that meets xxhash is digest.c).
 *
 * The digest of a state is the sum modulo 2^128 of the XXH3-128 of every (key, stamp) and
 * (field, stamp, value): independent of order, O(1) to keep up to date. Not a defence
 * against an attacker; equal versions must have equal digests, and anything else is a
 * fault that must be seen. Bytes hashed: docs/FORMAT.md, "Digest". */

#include "crdt/op.h"

typedef struct crdt_digest {
    uint64_t low;
    uint64_t high;
} crdt_digest;

#define CRDT_DIGEST_TEXT_SIZE 33

void crdt_digest_add(crdt_digest *digest, crdt_digest term);
void crdt_digest_subtract(crdt_digest *digest, crdt_digest term);
bool crdt_digest_equal(crdt_digest a, crdt_digest b);
/* 32 hex digits, high half first. */
void crdt_digest_format(crdt_digest digest, char text[CRDT_DIGEST_TEXT_SIZE]);

/* The term of a dot (depth 1, 2) or of a sibling (depth 3, with its value). */
crdt_digest crdt_digest_entry(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value);
/* The same for several entries of one key: what is the key's is laid out once. `key` is
 * borrowed as long as the form is used. */
#define CRDT_DIGEST_FORM_SIZE 512u
typedef struct crdt_digest_form {
    const crdt_key *key;
    size_t size; /* of the key's part in `bytes`; 0: too large for it */
    uint8_t bytes[CRDT_DIGEST_FORM_SIZE];
} crdt_digest_form;

void crdt_digest_form_init(crdt_digest_form *form, const crdt_key *key);
crdt_digest crdt_digest_form_entry(crdt_digest_form *form, const crdt_stamp *stamp,
                                   crdt_span value);

/* The digest of a state given as a version (for beacons: hash of the whole vector). */
crdt_digest crdt_digest_version(const crdt_version *version);

/* XXH3 of bytes: for checksums (64) and content identities (128). */
uint64_t crdt_hash64(crdt_span bytes, uint64_t seed);
crdt_digest crdt_hash128(crdt_span bytes);

#endif /* CRDT_DIGEST_H */
