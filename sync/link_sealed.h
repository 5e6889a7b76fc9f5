#ifndef SYNC_LINK_SEALED_H
#define SYNC_LINK_SEALED_H

/* A link that seals what goes over another link with a key that all peers share, and
 * opens what comes: XChaCha20-Poly1305 (sync/crypto.h). Who has not the key is not heard,
 * hears nothing, and cannot tell what scene is spoken of.
 *
 *      publication   topic(16) │ sealed( instance(16) number(8) time(8)  message )
 *      request                   sealed( way(16) number(8) challenge(16)  message )
 *      reply                     sealed( state(1) instance(16) number(8) time(8)
 *                                        challenge(16)  message )
 *
 * Numbers are little end first. `topic` is the keyed hash of the message's own topic: the
 * same for all who have the key, so that subscription filters as before. What a message
 * is, is bound to its seal: a publication to its topic, a reply to the very request it
 * answers; nothing can be taken for anything else.
 *
 * Replay. `instance` is random, drawn at the open, `way` at the dial; `number` counts the
 * sender's publications, or its requests on that way.
 *   - A request is taken once, and only with the challenge that this end drew less than a
 *     minute ago and told in its last reply. Without it the reply is state 1: here is the
 *     challenge; the asker's end asks again by itself. So a recorded request is never
 *     answered, not even after a restart.
 *   - A publication is taken from that instance only which the peer told in a reply since
 *     it was dialed, with rising numbers, and if it is no older than 5 s by the sender's
 *     clock, as compared at the last reply. So recorded ones of a peer that died or
 *     started again are never taken; before the first reply none is.
 *   - A reply is taken for its own request only.
 * A message that is turned back to its sender opens there, as if he had dialed himself;
 * replicas know themselves by their nonce.
 * Who controls the wire can lose and delay messages (publications by up to 5 s), sees
 * sizes, times and addresses, and whether two messages are of the same scene.
 *
 * What does not open is dropped and counted; a request is answered by nothing. A link adds
 * SYNC_LINK_SEALED_OVERHEAD bytes at most to a message; the inner one must allow them.
 *
 * Threads: as sync/link.h. Memory: requests under way are kept until their end. */

#include "sync/crypto.h"
#include "sync/link.h"

#define SYNC_LINK_SEALED_OVERHEAD 128u

typedef struct sync_link_sealed_options {
    crdt_alloc alloc;
    const uint8_t *key; /* SYNC_CRYPTO_KEY_SIZE bytes; copied, wiped at the close */
    size_t message_size_max;  /* bytes of a message as it is said, not sealed */
    size_t topic_size;        /* bytes that each publication begins with */
    uint64_t (*now_ms)(void); /* monotonic; NULL: the clock of this machine */
} sync_link_sealed_options;

/* Defaults: 1 MiB, SYNC_TOPIC_SIZE, no key. */
sync_link_sealed_options sync_link_sealed_options_default(void);

/* Seal what goes over `inner`, and own it from now on: closed with this link, or at once
 * on an error. Errors: CRDT_ENOMEM. */
crdt_err sync_link_sealed_open(sync_link **out, sync_link *inner,
                               const sync_link_sealed_options *options);

#endif /* SYNC_LINK_SEALED_H */
