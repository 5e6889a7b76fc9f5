#ifndef CRDT_DIGEST_H
#define CRDT_DIGEST_H

/* Fingerprints (the only file that meets xxhash is digest.c).
 *
 * The digest of a state is the sum modulo 2^128 of one term for every (key, stamp) and
 * (field, stamp, value): independent of order, O(1) to keep up to date. Everything that
 * goes into a term is mixed in by one multiplication for 16 bytes:
 *
 *   name --XXH3-64--> hash \
 *   name --XXH3-64--> hash  > fold --> key --.
 *   name --XXH3-64--> hash /                  > fold --.
 *                              stamp --------'          > fold --> fold, fold --> term
 *                                             value ---'
 *
 * So whoever keeps the hashes of names (crdt_names) hashes no name twice. Two terms that
 * differ in what they say are equal with a probability of 2^-64. Not a defence against an
 * attacker; equal versions must have equal digests, and anything else is a
 * fault that must be seen. Exactly: docs/FORMAT.md, "Digest". */

#include "crdt/op.h"

typedef struct crdt_digest {
    uint64_t low;
    uint64_t high;
} crdt_digest;

#define CRDT_DIGEST_TEXT_SIZE 33

static inline void crdt_digest_add(crdt_digest *digest, crdt_digest term)
{
    digest->low += term.low;
    digest->high += term.high + (digest->low < term.low);
}

static inline void crdt_digest_subtract(crdt_digest *digest, crdt_digest term)
{
    digest->high -= term.high + (digest->low < term.low);
    digest->low -= term.low;
}

bool crdt_digest_equal(crdt_digest a, crdt_digest b);
/* 32 hex digits, high half first. */
void crdt_digest_format(crdt_digest digest, char text[CRDT_DIGEST_TEXT_SIZE]);

/* The hash of a name, as it goes into the hash of a key. */
uint64_t crdt_digest_name(crdt_span name);

/* High and low half of the product, folded into one: mixes each bit of `a` into all. */
static inline uint64_t crdt_digest_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of a key: begins with the depth, and takes in the hash of each of its names. */
#define CRDT_DIGEST_P UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */
#define CRDT_DIGEST_Q UINT64_C(0xb504f333f9de6485) /* 2^64 / root of 2 */
static inline uint64_t crdt_digest_key_begin(crdt_depth depth)
{
    return (uint64_t)depth;
}

static inline uint64_t crdt_digest_key_add(uint64_t key_hash, uint64_t name_hash)
{
    return crdt_digest_fold(key_hash ^ name_hash, CRDT_DIGEST_P);
}

uint64_t crdt_digest_key(const crdt_key *key);

/* The term of a dot (no value: the empty span) or of a sibling (with its value). */
crdt_digest crdt_digest_term(uint64_t key_hash, const crdt_stamp *stamp,
                             crdt_span value);
/* The same from the key itself: depth 1 and 2 take no value. */
crdt_digest crdt_digest_entry(const crdt_key *key, const crdt_stamp *stamp,
                              crdt_span value);

/* The digest of a state given as a version (for beacons: hash of the whole vector). */
crdt_digest crdt_digest_version(const crdt_version *version);

/* XXH3 of bytes: for checksums (64) and content identities (128). */
uint64_t crdt_hash64(crdt_span bytes, uint64_t seed);
crdt_digest crdt_hash128(crdt_span bytes);

#endif /* CRDT_DIGEST_H */
