#include "tests/fuzz/fuzz.h"
#include "cli/worker/session.h"

#include <assert.h>
#include <stdlib.h>

static void on_request(void *ctx, worker_session *session, const worker_event *event,
                       crdt_span id)
{
    (void)ctx;
    (void)session;
    (void)event;
    (void)id;
}

/* Whatever a renderer says: it is refused with a reason, or becomes intents that can be
 * done on a document; then all that is to be told is one JSON text. */
static bool say(worker_session *session, crdt_span text)
{
    worker_session_receive(session, text, ACCESS_EDIT, 1000);
    crdt_document *doc;
    crdt_document_options options = crdt_document_options_default();
    if (crdt_document_open(&doc, &options) != CRDT_OK) {
        abort();
    }
    worker_batch *batch;
    bool edited = false;
    while ((batch = worker_session_take(session)) != NULL) {
        crdt_op_list ops;
        edited = true;
        crdt_op_list_init(&ops, crdt_alloc_default());
        if (worker_batch_apply(batch, doc, &ops) != CRDT_OK) {
            abort();
        }
        worker_session_settle(session, batch, CRDT_OK, "", NULL, 1000);
        worker_batch_close(batch);
        crdt_op_list_deinit(&ops);
    }
    crdt_document_close(doc);
    return edited;
}

static void hear(worker_session *session)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    while (worker_session_wants(session)) {
        crdt_buf_clear(&out);
        worker_session_write(session, 1000, &out);
        assert(!worker_session_broken(session));
        if (out.size == 0) {
            break;
        }
        scene_json *json;
        const scene_json_limits limits = {.size_max = 1u << 28, .depth_max = 160};
        if (scene_json_open(&json, crdt_alloc_default(), crdt_buf_span(&out), &limits,
                            NULL) != CRDT_OK) {
            abort();
        }
        scene_json_close(json);
    }
    crdt_buf_deinit(&out);
}

/* JSON; an intent for each member, an operation of a hundred bytes for each intent, a document,
 * and what is told of it. A session and a hub stand ready. */
const fuzz_budget fuzz_target_budget = {.factor = 300, .fixed = 64u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    static worker_held held;
    worker_hub *hub;
    worker_session *session;
    if (worker_hub_open(&hub, crdt_alloc_default(), crdt_span_of("0,0")) != CRDT_OK) {
        abort();
    }
    const worker_session_options options = {.hub = hub,
                                            .id = crdt_span_of("r1"),
                                            .name = crdt_span_of("ann"),
                                            .role = ACCESS_EDIT,
                                            .state = "editing",
                                            .held = &held,
                                            .request = on_request};
    if (worker_session_open(&session, &options) != CRDT_OK) {
        abort();
    }
    bool edited = say(session, (crdt_span){data, size});
    say(session, (crdt_span){data, size}); /* on what it shows now */
    hear(session);
    worker_session_close(session);
    worker_hub_close(hub);
    return edited;
}
