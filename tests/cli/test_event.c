#include "cli/worker/event.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define EVENT(members) "{\"eventType\":\"stateEvent\"," members "}"
#define EDIT(type, payload)                                                            \
    EVENT("\"payload\":{\"type\":\"" type "\",\"payload\":" payload "}")

typedef struct row {
    const char *text;
    crdt_err err;       /* of the message */
    const char *reason; /* part of the reason of the first event; NULL: it is taken */
} row;

/* What is no message, and what is no event in one. */
static const row REFUSED[] = {
    {"", CRDT_ECORRUPT, NULL},
    {"{", CRDT_ECORRUPT, NULL},
    {"\xff", CRDT_ECORRUPT, NULL},
    {"3", CRDT_ECORRUPT, NULL},
    {"\"x\"", CRDT_ECORRUPT, NULL},
    {"{}{}", CRDT_ECORRUPT, NULL},
    {"[1]", CRDT_OK, "an event is an object"},
    {"{}", CRDT_OK, "eventType"},
    {EVENT("\"payload\":3"), CRDT_OK, "no payload"},
    {EVENT("\"payload\":{}"), CRDT_OK, "no type"},
    {EVENT("\"payload\":{\"type\":3}"), CRDT_OK, "no type"},
    {EDIT("Fly", "{}"), CRDT_OK, "no event of type Fly"},
    {EDIT("AddEntity", "3"), CRDT_OK, "AddEntity has no payload"},
    {EDIT("AddEntity", "{}"), CRDT_OK, "entityId"},
    {EDIT("AddEntity", "{\"entityId\":7}"), CRDT_OK, "entityId"},
    {EDIT("AddEntity", "{\"entityId\":\"a\",\"components\":{}}"), CRDT_OK, "array"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"data\":1}"), CRDT_OK, "componentId"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":-1,\"data\":1}"),
     CRDT_OK, "componentId"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":1.5,\"data\":1}"),
     CRDT_OK, "componentId"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":1e300,\"data\":1}"),
     CRDT_OK, "componentId"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":\"\",\"data\":1}"),
     CRDT_OK, "componentId"},
    {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":1}"), CRDT_OK,
     "no data"},
    {EDIT("RemoveComponent", "{\"entityId\":\"a\"}"), CRDT_OK, "componentId"},
    {EDIT("DismissConflict", "{}"), CRDT_OK, "entityId"},
    {EDIT("DismissConflict", "{\"entityId\":\"a\",\"component\":1.5}"), CRDT_OK,
     "component"},
    {EDIT("DismissConflict", "{\"entityId\":\"a\",\"field\":7}"), CRDT_OK, "field"},
    {EDIT("DismissConflict", "{\"entityId\":\"a\",\"stamp\":\"7\"}"), CRDT_OK, "stamp"},
    {EDIT("DismissConflict", "{\"entityId\":\"a\",\"stamp\":7}"), CRDT_OK, "stamp"},
    {EVENT("\"id\":{},\"payload\":{\"type\":\"Undo\"}"), CRDT_OK, "id"},
    {EVENT("\"id\":\"12345678901234567890123456789012x\",\"payload\":{\"type\":"
           "\"Undo\"}"),
     CRDT_OK, "id"},
    {EVENT("\"seen\":\"12\",\"payload\":{\"type\":\"Undo\"}"), CRDT_OK, "seen"},
    {EVENT("\"seen\":12,\"payload\":{\"type\":\"Undo\"}"), CRDT_OK, "seen"},
    {EVENT("\"step\":12,\"payload\":{\"type\":\"Undo\"}"), CRDT_OK, "step"},
    {EVENT(
         "\"step\":\"12345678901234567890123456789012345678901234567890123456789012345"
         "\",\"payload\":{\"type\":\"Undo\"}"),
     CRDT_OK, "step is a text of at most 64 bytes"},
    {EDIT("Restore", "{}"), CRDT_OK, "entityId"},
    {EVENT("\"sceneId\":\"1,1\",\"payload\":{\"type\":\"Undo\"}"), CRDT_OK,
     "this is the scene 0,0"},
    {EVENT("\"sceneId\":5,\"payload\":{\"type\":\"Undo\"}"), CRDT_OK, "scene"},
};

static crdt_err open_text(worker_message *message, const char *text, crdt_diag *diag)
{
    return worker_message_open(message, crdt_alloc_default(), crdt_span_of("0,0"),
                               crdt_span_of(text), diag);
}

Test(event, nonsense_is_refused_with_a_reason)
{
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        const row *r = &REFUSED[i];
        worker_message message;
        worker_event event;
        crdt_diag diag = {.text = ""};
        cr_assert_eq(open_text(&message, r->text, &diag), r->err, "%s", r->text);
        if (r->err != CRDT_OK) {
            cr_assert(diag.text[0] != '\0' && diag.line >= 1, "%s", r->text);
            continue;
        }
        cr_assert(worker_message_next(&message, &event));
        cr_assert_eq(event.err, CRDT_EINVAL, "%s", r->text);
        cr_assert(strstr(event.reason, r->reason) != NULL, "%s: %s", r->text,
                  event.reason);
        cr_assert_not(worker_message_next(&message, &event));
        worker_message_close(&message);
    }
}

/* Every kind, with and without what may be missing. */
Test(event, kinds)
{
    static const struct {
        const char *text;
        worker_event_kind kind;
    } ROWS[] = {
        {EDIT("AddEntity", "{\"entityId\":\"a\"}"), WORKER_EVENT_ADD_ENTITY},
        {EDIT("RemoveEntity", "{\"entityId\":\"a\"}"), WORKER_EVENT_REMOVE_ENTITY},
        {EDIT("SetComponent", "{\"entityId\":\"a\",\"componentId\":1,\"data\":null}"),
         WORKER_EVENT_SET_COMPONENT},
        {EDIT("RemoveComponent", "{\"entityId\":\"a\",\"componentId\":\"1\"}"),
         WORKER_EVENT_REMOVE_COMPONENT},
        {EDIT("SaveSceneState", "\"{}\""), WORKER_EVENT_SAVE},
        {EVENT("\"payload\":{\"type\":\"SaveProjectInfo\"}"), WORKER_EVENT_PROJECT},
        {EDIT("PublishSceneState", "{}"), WORKER_EVENT_PUBLISH},
        {EDIT("Undo", "{}"), WORKER_EVENT_UNDO},
        {EVENT("\"payload\":{\"type\":\"Redo\"}"), WORKER_EVENT_REDO},
        {EDIT("Restore", "{\"entityId\":\"a\"}"), WORKER_EVENT_RESTORE},
        {EDIT("Presence", "{}"), WORKER_EVENT_PRESENCE},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        worker_message message;
        worker_event event;
        cr_assert_eq(open_text(&message, ROWS[i].text, NULL), CRDT_OK);
        cr_assert(worker_message_next(&message, &event));
        cr_assert_eq(event.err, CRDT_OK, "%s: %s", ROWS[i].text, event.reason);
        cr_assert_eq(event.kind, ROWS[i].kind);
        cr_assert(event.id == NULL && !event.has_seen);
        worker_message_close(&message);
    }
}

/* In an array each event is judged by itself; ids come back as they were written. */
Test(event, array)
{
    worker_message message;
    worker_event event;
    const char *text =
        "[" EVENT("\"id\":7,\"payload\":{\"type\":\"Undo\"}") ",3," EVENT(
            "\"id\":\"a\\\"b\",\"seen\":\"12@"
            "000102030405060708090a0b0c0d0e0f\","
            "\"sceneId\":\"0,0\",\"step\":\"drag\",\"payload\":{\"type\":"
            "\"Redo\"}") "]";
    cr_assert_eq(open_text(&message, text, NULL), CRDT_OK);
    crdt_buf id;
    crdt_buf_init(&id, crdt_alloc_default());
    cr_assert(worker_message_next(&message, &event));
    cr_assert_eq(worker_event_write_id(event.id, &id), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&id), crdt_span_of("7")));
    cr_assert(worker_message_next(&message, &event));
    cr_assert_eq(event.err, CRDT_EINVAL);
    cr_assert(worker_message_next(&message, &event));
    crdt_buf_clear(&id);
    cr_assert_eq(worker_event_write_id(event.id, &id), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&id), crdt_span_of("\"a\\\"b\"")));
    cr_assert(event.has_seen);
    cr_assert_eq(event.seen.time, 12);
    cr_assert_eq(event.seen.actor.bytes[15], 15);
    cr_assert(crdt_span_equal(event.step, crdt_span_of("drag")));
    cr_assert_not(worker_message_next(&message, &event));
    crdt_buf_deinit(&id);
    worker_message_close(&message);
}

/* One event too many: the whole message is refused. */
Test(event, too_many)
{
    for (unsigned extra = 0; extra < 2; extra++) {
        crdt_buf text;
        crdt_buf_init(&text, crdt_alloc_default());
        crdt_buf_append(&text, "[1", 2);
        for (unsigned i = 1; i < WORKER_EVENTS_MAX + extra; i++) {
            crdt_buf_append(&text, ",1", 2);
        }
        crdt_buf_append(&text, "]", 2); /* terminated */
        worker_message message;
        cr_assert_eq(open_text(&message, (const char *)text.data, NULL),
                     extra == 0 ? CRDT_OK : CRDT_ELIMIT);
        if (extra == 0) {
            worker_message_close(&message);
        }
        crdt_buf_deinit(&text);
    }
}
