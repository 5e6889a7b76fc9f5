#include "cli/fuzz/execute_impl.h"

#include "sync/message.h"

#include <stdlib.h>

/* What nobody sent: noise, a message cut short, an old message again, a claim to have heard
 * of times that are not yet. All of it must do nothing at all. */

static void must(bool ok)
{
    if (!ok) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
}

static uint64_t next_luck(uint64_t luck)
{
    return luck * UINT64_C(6364136223846793005) + 1442695040888963407u;
}

/* `other` says that it has more of the victim than the victim has. */
static void write_claim(fuzz_run *run, const fuzz_step *step, sync_message *message,
                        crdt_buf *bytes)
{
    crdt_stamp claim = {step->n[0] / 4 % 2 == 0 ? CRDT_TIME_MAX : 100000 + step->n[0],
                        sync_sim_actor(run->sim, step->place)};
    crdt_version version = {.stamps = &claim, .stamp_count = 1};
    message->kind = SYNC_MESSAGE_BEACON;
    message->nonce = 99;
    message->body.beacon = (sync_beacon){.scene = crdt_span_of("simulated"),
                                         .whole = true,
                                         .version_hash = crdt_digest_version(&version),
                                         .entries = &claim,
                                         .entry_count = 1};
    must(sync_message_encode(message, bytes) == CRDT_OK);
}

/* A batch that was made once, as if `other` published it now. */
static void write_batch(fuzz_run *run, const fuzz_step *step, uint64_t luck,
                        sync_message *message, crdt_buf *bytes)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &count);
    const sync_sim_batch *batch = &batches[luck % count];
    crdt_span span = crdt_buf_span(&batch->bytes);
    message->kind = SYNC_MESSAGE_BATCHES;
    message->body.batches = (sync_batches){.batches = &span, .batch_count = 1};
    must(sync_message_encode(message, bytes) == CRDT_OK);
    if (step->n[0] % 4 == 1 ||
        !batch->durable) { /* of the others nobody has heard yet */
        bytes->size = luck / 3 % bytes->size;
    } else if (step->n[0] % 4 == 2) {
        for (size_t i = SYNC_TOPIC_SIZE; i < bytes->size; i++) {
            luck = next_luck(luck);
            bytes->data[i] = (uint8_t)(luck >> 56);
        }
    }
}

void fuzz_run_forge(fuzz_run *run, const fuzz_step *step)
{
    size_t count = 0;
    sync_sim_batches(run->sim, &count);
    if (!sync_sim_running(run->sim, step->place) || count == 0) {
        return;
    }
    uint64_t luck = next_luck(step->n[0] + run->plan->seed) >> 8;
    sync_message message = {.actor = sync_sim_actor(run->sim, step->other)};
    crdt_span topic = sync_replica_topic(sync_sim_replica(run->sim, step->place));
    if (topic.size != sizeof message.topic) {
        return;
    }
    memcpy(message.topic, topic.data, topic.size);
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    if (step->n[0] % 4 == 3) {
        write_claim(run, step, &message, &bytes);
    } else {
        write_batch(run, step, luck, &message, &bytes);
    }
    sync_sim_inject(run->sim, step->other, step->place, crdt_buf_span(&bytes));
    crdt_buf_deinit(&bytes);
}
