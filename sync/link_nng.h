#ifndef SYNC_LINK_NNG_H
#define SYNC_LINK_NNG_H

/* A link over nng (link_nng.c alone meets it): PUB/SUB for what is published, REQ/REP
 * for requests, one REQ socket per peer, so that the asker chooses whom it asks.
 *
 * nng 1.5.2 can hang for ever in nng_close of a TCP socket. So sockets are never
 * closed: they live in a pool of the process and are used again; only their listeners
 * and dialers are closed, by a thread of their own that nobody waits for without a
 * limit. */

#include "sync/link.h"

/* Files in PEM. All three, or none (then tls+tcp is refused). Every peer must show a
 * certificate that `ca_file` vouches for; who it is, is no matter of the link. */
typedef struct sync_link_tls {
    const char *cert_file; /* own certificate (and chain) */
    const char *key_file;  /* its private key; may be the same file */
    const char *ca_file;   /* who may vouch for peers */
    const char *peer_name; /* name in the peers' certificates; NULL: the URL's host */
} sync_link_tls;

typedef struct sync_link_nng_options {
    crdt_alloc alloc;
    size_t
        message_size_max; /* bytes; default 1 MiB + 64 KiB; larger ones are refused */
    uint32_t connection_max;   /* accepted at once; default 1024 */
    uint32_t reconnect_ms_min; /* default 50 */
    uint32_t reconnect_ms_max; /* default 1000 */
    sync_link_tls tls;
    double fault_drop; /* TEST AID: lose this share (0..1) of all messages */
    uint64_t fault_seed;
} sync_link_nng_options;

sync_link_nng_options sync_link_nng_options_default(void);

/* Errors: CRDT_ENOMEM; CRDT_EIO: nng or the kernel gave no socket; CRDT_EINVAL: TLS
 * files that cannot be read, fault_drop out of range. */
crdt_err sync_link_nng_open(sync_link **out, const sync_link_nng_options *options,
                            crdt_diag *diag);

/* Ask nng back: does every socket of this link have the receive limit it was given? */
bool sync_link_nng_check(const sync_link *link);

#endif /* SYNC_LINK_NNG_H */
