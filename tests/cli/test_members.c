#include "cli/worker/members.h"

#include "scene/json.h"

#include <criterion/criterion.h>
#include <stdio.h>

static crdt_span value_of(crdt_buf *buf, const char *json)
{
    crdt_buf_init(buf, crdt_alloc_default());
    if (json == NULL) {
        return (crdt_span){0};
    }
    cr_assert_eq(
        scene_json_to_value(crdt_span_of(json), crdt_alloc_default(), buf, NULL),
        CRDT_OK, "%s", json);
    return crdt_buf_span(buf);
}

/* What is touched, as "a=1 b-": set, unset, in the order found. */
static const char *touched(const char *base, const char *value, const char *from,
                           const char *to)
{
    static char text[256];
    crdt_buf bufs[4];
    crdt_arena arena;
    worker_members found;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_span b = value_of(&bufs[0], base);
    crdt_span v = value_of(&bufs[1], value);
    const worker_crossing crossing = {.from = value_of(&bufs[2], from),
                                      .to = value_of(&bufs[3], to)};
    cr_assert_eq(worker_members_touched(&arena, b, v, &crossing,
                                        to != NULL || from != NULL, &found),
                 CRDT_OK);
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < found.count; i++) {
        const worker_member *member = &found.items[i];
        crdt_buf json;
        crdt_buf_init(&json, crdt_alloc_default());
        if (member->value.data != NULL) {
            scene_json_write_value(member->value, &json);
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s%s%.*s",
                               i > 0 ? " " : "", (int)member->name.size,
                               (const char *)member->name.data,
                               member->value.data != NULL ? "=" : "-", (int)json.size,
                               json.size > 0 ? (const char *)json.data : "");
        crdt_buf_deinit(&json);
    }
    for (int i = 0; i < 4; i++) {
        crdt_buf_deinit(&bufs[i]);
    }
    crdt_arena_deinit(&arena);
    return text;
}

/* base, value, what crossed: the fields that count. */
Test(members, touched)
{
    static const struct {
        const char *base, *value, *from, *to, *touched;
    } ROWS[] = {
        {NULL, "{\"a\":1,\"b\":2}", NULL, NULL, "a=1 b=2"},
        {"{}", "{}", NULL, NULL, ""},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}", NULL, NULL, ""},
        {"{\"a\":1,\"b\":2}", "{\"a\":5,\"b\":2}", NULL, NULL, "a=5"},
        {"{\"a\":1,\"b\":2}", "{\"b\":3}", NULL, NULL, "b=3 a-"},
        {"{\"a\":{\"x\":1}}", "{\"a\":{\"x\":2}}", NULL, NULL, "a={\"x\":2}"},
        /* b went from 2 to 9 on the way: the sender still has 2. */
        {"{\"a\":1,\"b\":9}", "{\"a\":5,\"b\":2}", "{\"a\":1,\"b\":2}",
         "{\"a\":1,\"b\":9}", "a=5"},
        /* It was added on the way: that the sender lacks it says nothing. */
        {"{\"a\":1,\"b\":9}", "{\"a\":5}", "{\"a\":1}", "{\"a\":1,\"b\":9}", "a=5"},
        /* It was taken away on the way: that the sender has it says nothing. */
        {"{\"a\":1}", "{\"a\":5,\"b\":2}", "{\"a\":1,\"b\":2}", "{\"a\":1}", "a=5"},
        /* What the message did not change counts as always. */
        {"{\"a\":5,\"b\":9}", "{\"a\":1,\"b\":9}", "{\"a\":1,\"b\":2}",
         "{\"a\":1,\"b\":9}", "a=1"},
        /* The component was not there before. */
        {"{\"a\":1}", "{\"b\":2}", NULL, "{\"a\":1}", "b=2"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        cr_assert_str_eq(touched(ROWS[i].base, ROWS[i].value, ROWS[i].from, ROWS[i].to),
                         ROWS[i].touched, "row %zu", i);
    }
}

/* Keys in the order of maps, put and taken away. */
Test(members, put)
{
    crdt_arena arena;
    crdt_buf map;
    crdt_buf one;
    crdt_buf out;
    worker_members members;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_buf_init(&out, crdt_alloc_default());
    crdt_span base = value_of(&map, "{\"b\":1,\"d\":1}");
    crdt_span two = value_of(&one, "2");
    cr_assert_eq(worker_members_open(&members, &arena, base, 3), CRDT_OK);
    worker_members_put(&members, &(worker_member){crdt_span_of("c"), two});
    worker_members_put(&members, &(worker_member){crdt_span_of("a"), two});
    worker_members_put(&members, &(worker_member){crdt_span_of("d"), two});
    worker_members_put(&members, &(worker_member){crdt_span_of("b"), {0}});
    worker_members_put(&members, &(worker_member){crdt_span_of("x"), {0}});
    cr_assert_eq(worker_members_write(&members, &out), CRDT_OK);
    cr_assert_eq(crdt_value_check(crdt_buf_span(&out), NULL), CRDT_OK);
    crdt_buf json;
    crdt_buf_init(&json, crdt_alloc_default());
    cr_assert_eq(scene_json_write_value(crdt_buf_span(&out), &json), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&json),
                              crdt_span_of("{\"a\":2,\"c\":2,\"d\":2}")));
    cr_assert(worker_members_find(&members, crdt_span_of("b")) == NULL);
    crdt_buf_deinit(&json);
    crdt_buf_deinit(&map);
    crdt_buf_deinit(&one);
    crdt_buf_deinit(&out);
    crdt_arena_deinit(&arena);
}
