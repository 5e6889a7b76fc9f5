/* W2: an empty replica applies the messages that a W1 has kept. */

#include "bench/editor.h"
#include "bench/message_log.h"
#include "bench/result.h"
#include "bench/state_hash.h"
#include "bench/workloads.h"

#include <stdlib.h>

typedef struct tally {
    bench_stopwatch watch;
    uint64_t messages;
    uint64_t bytes;
} tally;

/* Applies up to `count` messages from `*at` on. */
static void apply(bench_editor *e, crdt_span log, size_t *at, uint64_t count, tally *t)
{
    crdt_span message;
    bench_stopwatch_start(&t->watch);
    while (t->messages < count && bench_message_log_next(log, at, &message)) {
        bench_editor_apply(e, message);
        t->messages++;
        t->bytes += message.size;
    }
    bench_stopwatch_stop(&t->watch);
}

static void tell(bench_result *result, const tally *t, uint64_t ops)
{
    bench_result_watch(result, &t->watch, ops);
    bench_result_count(result, "messages", t->messages);
    bench_result_wire(result, t->bytes, ops);
}

void bench_w2_run(const bench_options *o)
{
    bench_editor e;
    bench_editor_open(&e, 1, crdt_alloc_default());
    crdt_span log = bench_message_log_read(o);
    size_t at = 0;
    bench_result result;
    tally build = {0};
    apply(&e, log, &at, o->entity_count / o->per_message, &build);
    bench_result_begin(&result, o, "W2-build-%s", o->variant);
    tell(&result, &build, o->entity_count);
    bench_result_end(&result);

    tally update = {0};
    apply(&e, log, &at, UINT64_MAX, &update);
    bench_result_begin(&result, o, "W2-update-%s", o->variant);
    tell(&result, &update, o->update_count);
    bench_state_hash_tell(&result, e.doc);
    bench_result_end(&result);
    free((void *)(uintptr_t)log.data);
    bench_editor_close(&e);
}
