#ifndef CLI_FUZZ_SCOPES_H
#define CLI_FUZZ_SCOPES_H

/* Small scopes, exhaustively: every history of a few batches by a few authors over a tiny
 * alphabet, every order in which they can arrive, and every join of what a replica may hold
 * with what another may. No network, no replica, no chance: documents alone.
 *
 *      history    batches 0 .. n-1, each with an author, a letter, and the set of batches
 *                 that its author had seen (with all that those had seen)
 *      downset    a set of batches that has all that its members had seen: what a replica
 *                 can hold
 *      order      a way from nothing to the whole history, batch by batch
 *
 * On every order, at every prefix: the digest is that of the downset, whatever way led there;
 * a batch that comes again is a duplicate; one that comes too early is held back. For every
 * downset: the document is what the full history says (full_history.h). For every downset X
 * and every Y that an author held: X, and what X lacks of Y, is the document of X and Y.
 *
 * Two neighbours in a history that had not seen each other are taken in one order only; a
 * batch that says nothing where it is made ends its history. */

#include "cli/fuzz/full_history.h"

typedef struct fuzz_scope {
    uint32_t authors;    /* 1 to 3 */
    uint32_t batches;    /* 1 to 5: histories of up to so many */
    const char *letters; /* of the alphabet: see fuzz_scope_letters */
    uint32_t share;      /* of `shares`: this part of the histories */
    uint32_t shares;
} fuzz_scope;

/* "p put  s set  u unset  r remove object  d drop part  a add object  b add part
 *  h housekeeping" */
extern const char fuzz_scope_letters[];

typedef struct fuzz_scope_counts {
    uint64_t histories;
    uint64_t downsets;
    uint64_t orders;
    uint64_t joins;
    char oracle[32]; /* which promise was broken; empty: none */
    char text[300];
    char history[200]; /* the one that failed, to be read */
} fuzz_scope_counts;

/* Go through the share of a scope; stops at the first finding. Adds to `counts`. */
void fuzz_scope_run(const fuzz_scope *scope, fuzz_scope_counts *counts);

#endif /* CLI_FUZZ_SCOPES_H */
