#ifndef BENCH_ANCHOR_NNG_H
#define BENCH_ANCHOR_NNG_H

/* nng alone: one PUB socket, one SUB socket and a thread that receives; how long a message
 * is on its way. What a node over the same transport is compared with. */

#include "bench/spread.h"

typedef struct bench_nng bench_nng;

/* `url` with a port of its own; `pem` (certificate and key, vouching for itself) for
 * tls+tcp, else NULL. Messages of `message_size` bytes, at least 16. */
bench_nng *bench_nng_open(const char *url, const char *pem, size_t message_size);
/* Send one message now; its time goes to `spread` when it is received. */
void bench_nng_send(bench_nng *anchor);
/* Wait (at most a second) until all that was sent is received. */
void bench_nng_settle(bench_nng *anchor);
/* Between settle and the next send. */
bench_spread *bench_nng_spread(bench_nng *anchor);

/* There is no close: nng 1.5.2 may hang in it. The process ends with it. */

#endif /* BENCH_ANCHOR_NNG_H */
