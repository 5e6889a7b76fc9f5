#include "tests/fuzz/fuzz.h"
#include "sync/message.h"
#include "sync/replica.h"

#include <assert.h>
#include <string.h>

/* A replica takes anything that comes in as a request, and stays sound. */
static void ask_replica(crdt_span bytes)
{
    crdt_document_options doc_options = crdt_document_options_default();
    crdt_document *doc = NULL;
    crdt_deps *deps = NULL;
    sync_replica *replica = NULL;
    assert(crdt_document_open(&doc, &doc_options) == CRDT_OK);
    assert(crdt_deps_open(&deps, doc_options.alloc, 16) == CRDT_OK);
    sync_replica_options options = sync_replica_options_default();
    options.doc = doc;
    options.deps = deps;
    options.meta.scene = crdt_span_of("plaza");
    options.meta.lineage_known = true;
    options.meta.lineage.bytes[0] = 6;
    options.meta.actor.bytes[0] = 1;
    assert(sync_replica_open(&replica, &options) == CRDT_OK);
    sync_effects effects;
    sync_replica_event event = {.kind = SYNC_ON_REQUEST, .token = 3, .bytes = bytes};
    assert(sync_replica_step(replica, &event, &effects) == CRDT_OK);
    assert(effects.reply_count == 1 && effects.replies[0].token == 3);
    assert(sync_replica_check(replica));
    assert(crdt_document_check(doc));
    event.kind = SYNC_ON_REPLY;
    assert(sync_replica_step(replica, &event, &effects) == CRDT_OK);
    assert(sync_replica_check(replica));
    sync_replica_close(replica);
    crdt_document_close(doc);
    crdt_deps_close(deps);
}

/* A stamp of 17 bytes is one of 24, decoded and kept by the replica; a document and a
 * replica stand ready. */
const fuzz_budget fuzz_target_budget = {.factor = 64, .fixed = 256u << 10};

/* A message that decodes encodes to its own bytes. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span bytes = {.data = data, .size = size};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    sync_message message;
    crdt_diag diag = {.offset = 0};
    crdt_err err = sync_message_decode(bytes, &arena, &message, &diag);
    if (err == CRDT_OK) {
        crdt_buf out;
        crdt_buf_init(&out, crdt_alloc_default());
        assert(sync_message_encode(&message, &out) == CRDT_OK);
        assert(crdt_span_equal(crdt_buf_span(&out), bytes));
        crdt_buf_deinit(&out);
    } else {
        assert(diag.offset <= size && diag.text[0] != '\0');
    }
    crdt_arena_deinit(&arena);
    ask_replica(bytes);
    return err == CRDT_OK;
}
