#ifndef TESTS_SYNC_RELAY_H
#define TESTS_SYNC_RELAY_H

/* A wire with somebody on it: forwards TCP from a pair of ports of its own to another
 * pair (a node's: requests, and publications one port up), keeps what it saw, and can be
 * cut. A thread of its own. Aborts the test program where it cannot work. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct relay relay;

/* Forward to the node at `url` (tcp://127.0.0.1:PORT or tls+tcp://...). */
relay *relay_open(const char *url);
void relay_close(relay *r);
/* Where to dial instead; lasts as long as the relay. */
const char *relay_url(const relay *r);

/* End all connections and take none, or take them again. Returns when it is so. */
void relay_cut(relay *r, bool cut);
/* The connections there are stay open and carry nothing any more, as over a NAT that forgot
 * them; new ones are fine. */
void relay_forget(relay *r);
/* Bytes seen, towards the node and from it. */
size_t relay_seen(relay *r);
/* Do they contain these, in one direction of one connection? */
bool relay_contains(relay *r, const void *bytes, size_t size);

#endif /* TESTS_SYNC_RELAY_H */
