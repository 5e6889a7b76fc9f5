#ifndef BENCH_CATCH_UP_H
#define BENCH_CATCH_UP_H

/* One replica catches up with another by the protocol itself: two sync_replicas whose
 * messages are handed over at once, whose disks are at once done, and whose time passes
 * only while both wait. So what is counted is what the protocol sends and computes. */

#include "bench/editor.h"
#include "bench/result.h"

typedef struct bench_catch_up {
    bench_stopwatch watch;   /* of both sides, from the dial until equal */
    uint64_t request_bytes;  /* of what asks for the answer (SYNC, FETCH) */
    uint64_t answer_bytes;   /* of what answers it */
    uint64_t greeting_bytes; /* HELLO and WELCOME */
    uint64_t beacon_bytes;   /* published meanwhile, as every second anyway */
    uint64_t round_trips;    /* of SYNC and FETCH */
    uint64_t greetings;      /* round trips of HELLO */
    bool equal;              /* versions and digests in the end */
} bench_catch_up;

/* `behind` dials `ahead` and becomes equal to it. */
void bench_catch_up_run(bench_editor *behind, bench_editor *ahead,
                        bench_catch_up *outcome);
/* Adds all but the time to a result; `messages` are those of SYNC and FETCH. */
void bench_catch_up_tell(bench_result *result, const bench_catch_up *outcome);

#endif /* BENCH_CATCH_UP_H */
