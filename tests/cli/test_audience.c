/* What renderers of the running worker are told, message by message. */

#include "cli/play/audience.h"

#include <criterion/criterion.h>
#include <stdio.h>

static play_audience *audience;
static play_stage *stage;

static void begin(void)
{
    play_stage_limits limits = play_stage_limits_default();
    cr_assert_eq(play_audience_open(&audience, crdt_alloc_default(), "0,0"), CRDT_OK);
    cr_assert_eq(play_stage_open(&stage, crdt_alloc_default(), &limits), CRDT_OK);
}

static void end(void)
{
    play_viewer *viewer;
    while ((viewer = play_audience_next(audience, NULL)) != NULL) {
        play_audience_leave(audience, viewer);
    }
    play_audience_close(audience);
    play_stage_close(stage);
}

TestSuite(audience, .init = begin, .fini = end);

static void add(const char *id, const char *parent, const char *transform)
{
    play_call call = {.kind = PLAY_CALL_ADD_ENTITY,
                      .argument_count = 2,
                      .arguments = {crdt_span_of(id)}};
    cr_assert_eq(play_stage_apply(stage, &call, NULL), CRDT_OK);
    call = (play_call){.kind = PLAY_CALL_SET_PARENT,
                       .argument_count = 2,
                       .arguments = {crdt_span_of(id), crdt_span_of(parent)}};
    cr_assert_eq(play_stage_apply(stage, &call, NULL), CRDT_OK);
    if (transform != NULL) {
        call = (play_call){.kind = PLAY_CALL_UPDATE,
                           .argument_count = 5,
                           .arguments = {crdt_span_of(id),
                                         crdt_span_of("engine.transform"),
                                         crdt_span_of("1"), crdt_span_of(transform)}};
        cr_assert_eq(play_stage_apply(stage, &call, NULL), CRDT_OK);
    }
}

static void show(const char *text)
{
    cr_assert_eq(play_stage_finish(stage), CRDT_OK);
    play_audience_show(audience, stage, text);
}

static play_viewer *join(const char *name)
{
    access_person person = {.role = ACCESS_EDIT};
    play_viewer *viewer;
    snprintf(person.name, sizeof person.name, "%s", name);
    cr_assert_eq(play_audience_join(audience, &person, "#102030", NULL, &viewer),
                 CRDT_OK);
    return viewer;
}

/* The next message, as text; "" if there is none. */
static const char *told(play_viewer *viewer)
{
    static char text[200000];
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    bool waiting = play_viewer_waiting(viewer);
    cr_assert_eq(play_viewer_tell(viewer, &out), CRDT_OK);
    cr_assert_eq(waiting, out.size > 0);
    snprintf(text, sizeof text, "%.*s", (int)out.size, (const char *)out.data);
    crdt_buf_deinit(&out);
    return text;
}

static void hear(play_viewer *viewer, const char *text)
{
    const char *why = "";
    cr_assert(play_viewer_hear(viewer, crdt_span_of(text), &why), "%s", why);
}

#define HELLO                                                                          \
    "{\"eventType\":\"Welcome\",\"payload\":{\"protocol\":1,\"scene\":\"0,0\","        \
    "\"state\":\"running\",\"tickMs\":0,\"you\":{\"id\":\"p1\",\"name\":\"Ana\","      \
    "\"role\":\"edit\"}}},{\"eventType\":\"Presence\",\"payload\":{\"all\":true,"      \
    "\"people\":[],\"left\":[]}}"
#define FINISHED                                                                       \
    "{\"type\":\"InitMessagesFinished\",\"tag\":\"scene\",\"payload\":\"{}\"}"
#define EVENT(type, rest)                                                              \
    "{\"sceneId\":\"0,0\",\"eventType\":\"stateEvent\",\"payload\":{\"type\":\"" type  \
    "\",\"payload\":{" rest "}}}"

Test(audience, first_the_welcome_then_the_scene_then_what_there_is_to_say)
{
    play_viewer *ana = join("Ana");
    cr_assert_str_eq(told(ana), "[" HELLO "]");
    cr_assert_str_eq(told(ana), "");
    add("a", "0", "{\"scale\":1}");
    add("b", "a", "{\"a\":1,\"parent\":\"x\",\"z\":2}");
    add("c", "b", NULL);
    show("something");
    cr_assert_str_eq(
        told(ana),
        "[" EVENT("AddEntity",
                  "\"entityId\":\"a\",\"components\":[{\"componentId\":1,"
                  "\"component\":\"Transform\",\"data\":{\"scale\":1}}]") "," //
        EVENT("AddEntity", "\"entityId\":\"b\",\"components\":[{\"componentId\":1,"
                           "\"component\":\"Transform\",\"data\":{\"a\":1,"
                           "\"parent\":\"a\",\"z\":2}}]") "," //
        EVENT("AddEntity", "\"entityId\":\"c\",\"components\":[{\"componentId\":1,"
                           "\"component\":\"Transform\",\"data\":{"
                           "\"parent\":\"b\"}}]") "," FINISHED
                                                  ",{\"eventType\":\"State\","
                                                  "\"payload\":{\"state\":\"running\","
                                                  "\"text\":\"something\"}}]");
    cr_assert_str_eq(told(ana), "");
}

Test(audience, an_empty_scene)
{
    show("");
    play_viewer *ana = join("Ana");
    cr_assert_str_eq(told(ana), "[" HELLO "," FINISHED "]");
    cr_assert_str_eq(told(ana), "");
}

Test(audience, an_edit_is_refused_and_undone_at_its_sender)
{
    add("a", "0", "{}");
    show("");
    play_viewer *ana = join("Ana");
    told(ana);
    hear(ana, "[" EVENT("RemoveEntity", "\"entityId\":\"a\"") "]");
    cr_assert_str_eq(told(ana),
                     "[{\"eventType\":\"Answer\",\"payload\":{\"id\":null,\"ok\":false,"
                     "\"code\":\"busy\",\"error\":\"the scene is running: it takes no "
                     "edits\"}}," EVENT("AddEntity",
                                        "\"entityId\":\"a\",\"components\":[{"
                                        "\"componentId\":1,\"component\":\"Transform\","
                                        "\"data\":{}}]") "]");
    hear(ana,
         EVENT("SetComponent", "\"entityId\":\"new\",\"componentId\":1,\"data\":{}"));
    cr_assert(strstr(told(ana), EVENT("RemoveEntity", "\"entityId\":\"new\"")) != NULL);
    cr_assert_eq(play_audience_refused(audience), 2);
}

Test(audience, who_comes_and_goes)
{
    show("");
    play_viewer *ana = join("Ana");
    told(ana);
    play_viewer *ben = join("B\"en");
    cr_assert(strstr(told(ana), "{\"id\":\"p2\",\"name\":\"B\\\"en\"") != NULL);
    cr_assert(strstr(told(ben), "\"all\":true,\"people\":[{\"id\":\"p1\"") != NULL);
    cr_assert_null(strstr(told(ana), "\"p1\"")); /* nobody is told of himself */
    play_viewer_set_role(ben, ACCESS_EDIT);      /* no change */
    cr_assert_str_eq(told(ana), "");
    play_viewer_set_role(ben, ACCESS_VIEW);
    cr_assert(
        strstr(told(ben), "{\"eventType\":\"Role\",\"payload\":{\"role\":\"view\"}}") !=
        NULL);
    cr_assert(strstr(told(ana), "\"role\":\"view\"") != NULL);
    play_audience_leave(audience, ben);
    cr_assert(strstr(told(ana), "\"left\":[\"p2\"]") != NULL);
    cr_assert_str_eq(told(ana), "");
    cr_assert_eq(play_audience_count(audience), 1);
}

/* What generated code says of an entity beside its components. */
static void carry(const char *id, const char *said)
{
    const play_call call = {.kind = PLAY_CALL_ADD_ENTITY,
                            .argument_count = 2,
                            .arguments = {crdt_span_of(id), crdt_span_of(said)}};
    cr_assert_eq(play_stage_apply(stage, &call, NULL), CRDT_OK);
}

Test(audience, names_that_entities_have)
{
    carry("1",
          "{\"id\":\"x\",\"fields\":{\"disableGizmos\":true,\"name\":\"t\\\"ree\"}}");
    carry("2", "{\"id\":\"y\",\"fields\":{\"name\":7}}");
    show("");
    const char *text = told(join("Ana"));
    cr_assert_not_null(
        strstr(text, "\"entityId\":\"x\",\"name\":\"t\\\"ree\",\"components\":"), "%s",
        text);
    cr_assert_not_null(strstr(text, "\"entityId\":\"y\",\"components\":"), "%s", text);
}

/* Who never reads costs a bounded memory, and is given up at last. */
Test(audience, who_does_not_read)
{
    show("");
    play_viewer *ana = join("Ana");
    told(ana);
    for (int i = 0; i < 20000 && !play_viewer_lost(ana); i++) {
        play_viewer *ben = join("Ben");
        told(ben);
        play_audience_leave(audience, ben);
    }
    cr_assert(play_viewer_lost(ana));
}

/* A large message of edits of large entities: its answers do not grow with these. */
Test(audience, many_edits_of_a_large_entity)
{
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    memcpy(large, "{\"text\":\"", 9);
    memcpy(large + sizeof large - 3, "\"}", 3);
    add("a", "0", large);
    show("");
    play_viewer *ana = join("Ana");
    told(ana);
    static char message[200000] = "[";
    for (int i = 0; i < 1000; i++) {
        size_t used = strlen(message);
        snprintf(message + used, sizeof message - used, "%s%s", i > 0 ? "," : "",
                 EVENT("RemoveEntity", "\"entityId\":\"a\""));
    }
    strncat(message, "]", sizeof message - strlen(message) - 1);
    hear(ana, message);
    cr_assert(play_viewer_full(ana));
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(play_viewer_tell(ana, &out), CRDT_OK);
    cr_assert(out.size < 600000, "%zu", out.size);
    cr_assert_not(play_viewer_full(ana));
    crdt_buf_deinit(&out);
}

Test(audience, what_is_no_event)
{
    show("");
    play_viewer *ana = join("Ana");
    told(ana);
    const char *why = "";
    cr_assert_not(play_viewer_hear(ana, crdt_span_of("{"), &why));
    cr_assert_not(play_viewer_hear(ana, crdt_span_of(""), &why));
    static const char *const texts[] = {
        "7",
        "{}",
        "[7,{},[]]",
        "{\"payload\":7}",
        "{\"eventType\":\"stateEvent\",\"payload\":[]}",
        "{\"eventType\":7,\"payload\":{\"type\":\"x\"}}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hear(ana, texts[i]);
        cr_expect(strstr(told(ana), "\"code\":\"invalid\"") != NULL, "%s", texts[i]);
    }
    hear(ana, "[]");
    cr_assert_str_eq(told(ana), "");
    hear(ana, "{\"eventType\":\"stateEvent\",\"id\":{\"a\":1},\"payload\":{\"type\":"
              "\"Undo\"}}");
    cr_assert(strstr(told(ana), "\"id\":null") != NULL);
}

/* More than fits into one message comes in several, each entity once. */
Test(audience, a_large_scene_in_pieces)
{
    for (int i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%d", i);
        add(id, "0", "{\"position\":{\"x\":1,\"y\":2,\"z\":3}}");
    }
    show("");
    play_viewer *ana = join("Ana");
    size_t messages = 0;
    size_t count = 0;
    const char *text;
    while ((text = told(ana))[0] != '\0') {
        cr_assert(strlen(text) < 80000);
        messages++;
        for (const char *at = text; (at = strstr(at, "AddEntity")) != NULL; at++) {
            count++;
        }
    }
    cr_assert_eq(count, 5000);
    cr_assert(messages > 5);
}
