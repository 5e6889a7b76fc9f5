#include "cli/worker/presence.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static worker_presence *open_presence(unsigned char actor)
{
    worker_presence *presence;
    cr_assert_eq(worker_presence_open(&presence, crdt_alloc_default()), CRDT_OK);
    crdt_actor self = {{actor}};
    worker_presence_set_actor(presence, &self);
    return presence;
}

static void join(worker_presence *presence, const char *id, const char *name)
{
    cr_assert_eq(worker_presence_join(presence, crdt_span_of(id), crdt_span_of(name),
                                      crdt_span_of("#112233"), ACCESS_EDIT),
                 CRDT_OK);
}

static crdt_err set(worker_presence *presence, const char *id, const char *payload)
{
    scene_json *json;
    crdt_diag diag = {.text = ""};
    cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), crdt_span_of(payload),
                                 NULL, &diag),
                 CRDT_OK, "%s", payload);
    crdt_err err =
        worker_presence_set(presence, crdt_span_of(id), scene_json_root(json), &diag);
    cr_assert(err == CRDT_OK || diag.text[0] != '\0');
    scene_json_close(json);
    return err;
}

/* What is told, as text; valid until the next call. */
static const char *told(worker_presence *presence, uint64_t since, const char *self)
{
    static char text[65536];
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(worker_presence_tell(presence, since, crdt_span_of(self), &out),
                 CRDT_OK);
    cr_assert_lt(out.size, sizeof text);
    memcpy(text, out.size > 0 ? (const char *)out.data : "", out.size);
    text[out.size] = '\0';
    crdt_buf_deinit(&out);
    return text;
}

static void carry(worker_presence *from, worker_presence *to, unsigned char actor)
{
    crdt_buf bytes;
    worker_presence_worker worker;
    crdt_diag diag = {.text = ""};
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(worker_presence_write(from, true, crdt_span_of("x:1"), 16384, &bytes),
                 CRDT_OK);
    cr_assert_leq(bytes.size, 16384);
    crdt_actor self = {{actor}};
    cr_assert_eq(worker_presence_hear(to, &self, crdt_buf_span(&bytes), &worker, &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert(worker.saves);
    cr_assert_str_eq(worker.saved, "x:1");
    crdt_buf_deinit(&bytes);
}

/* Who comes, changes, leaves: told once, to everybody but themselves. */
Test(presence, here)
{
    worker_presence *p = open_presence(1);
    join(p, "r1", "Ana");
    join(p, "r2", "Ben");
    const char *all = told(p, 0, "r1");
    cr_assert(strstr(all, "\"all\":true") && strstr(all, "Ben") && !strstr(all, "Ana"));
    uint64_t revision = worker_presence_revision(p);
    cr_assert_str_eq(told(p, revision, "r1"), "");
    cr_assert_eq(set(p, "r2", "{\"selection\":[\"lamp\"],\"camera\":{\"position\":1}}"),
                 CRDT_OK);
    const char *changed = told(p, revision, "r1");
    cr_assert(strstr(changed, "\"selection\":[\"lamp\"]") && !strstr(changed, "Ana"));
    revision = worker_presence_revision(p);
    cr_assert_eq(set(p, "r2", "{\"selection\":[\"lamp\"]}"), CRDT_OK);
    cr_assert_eq(worker_presence_revision(p), revision, "nothing new");
    cr_assert_eq(set(p, "r2", "{\"camera\":null}"), CRDT_OK);
    changed = told(p, revision, "r1");
    cr_assert(strstr(changed, "lamp") && !strstr(changed, "camera"), "members stay");
    revision = worker_presence_revision(p);
    worker_presence_leave(p, crdt_span_of("r2"));
    cr_assert(strstr(told(p, revision, "r1"), "\"left\":[\"r2\"]"));
    cr_assert_eq(worker_presence_count(p), 1);
    worker_presence_forget(p, worker_presence_revision(p));
    cr_assert_eq(worker_presence_count(p), 1);
    worker_presence_close(p);
}

Test(presence, nonsense_is_refused)
{
    static const char *const PAYLOADS[] = {
        "3",
        "{\"color\":\"red\"}",
        "{\"color\":\"#12345g\"}",
        "{\"selection\":\"lamp\"}",
        "{\"selection\":[1]}",
        "{\"camera\":[]}",
        "{\"editing\":true}",
    };
    worker_presence *p = open_presence(1);
    join(p, "r1", "Ana");
    uint64_t revision = worker_presence_revision(p);
    for (size_t i = 0; i < sizeof PAYLOADS / sizeof PAYLOADS[0]; i++) {
        cr_assert_eq(set(p, "r1", PAYLOADS[i]), CRDT_EINVAL, "%s", PAYLOADS[i]);
    }
    char *big = malloc(8192);
    memset(big, 'a', 8192);
    memcpy(big, "{\"camera\":{\"x\":\"", 16);
    memcpy(big + 8000, "\"}}", 4);
    cr_assert_eq(set(p, "r1", big), CRDT_EINVAL);
    free(big);
    cr_assert_eq(set(p, "r9", "{}"), CRDT_EINVAL);
    cr_assert_eq(worker_presence_revision(p), revision);
    worker_presence_close(p);
}

/* Another worker's people: they come, change, leave with what is told last, and all of
 * them with their worker. */
Test(presence, of_others)
{
    worker_presence *a = open_presence(1);
    worker_presence *b = open_presence(2);
    join(a, "r1", "Ana");
    join(a, "r2", "Ben");
    cr_assert_eq(set(a, "r2", "{\"selection\":[\"lamp\"]}"), CRDT_OK);
    cr_assert(worker_presence_dirty(a));
    carry(a, b, 1);
    cr_assert_not(worker_presence_dirty(a));
    cr_assert_eq(worker_presence_count(b), 2);
    cr_assert(
        strstr(told(b, 0, ""), "\"worker\":\"01000000000000000000000000000000\""));
    uint64_t revision = worker_presence_revision(b);
    carry(a, b, 1);
    cr_assert_eq(worker_presence_revision(b), revision, "nothing new");
    worker_presence_leave(a, crdt_span_of("r1"));
    cr_assert_eq(set(a, "r2", "{\"selection\":null}"), CRDT_OK);
    carry(a, b, 1);
    const char *changed = told(b, revision, "");
    cr_assert(strstr(changed, "\"left\":[\"r1\"]") && strstr(changed, "Ben") &&
              !strstr(changed, "lamp"));
    crdt_actor gone = {{1}};
    worker_presence_left(b, &gone);
    cr_assert_eq(worker_presence_count(b), 0);
    worker_presence_close(a);
    worker_presence_close(b);
}

/* What others tell is foreign. */
Test(presence, foreign_bytes)
{
    static const struct {
        const char *text;
        size_t people;
        bool taken;
    } ROWS[] = {
        {"", 0, false},
        {"[]", 0, false},
        {"{\"people\":[", 0, false},
        {"{}", 0, true},
        {"{\"people\":7,\"worker\":[]}", 0, true},
        {"{\"people\":[3,{},{\"id\":7},{\"id\":\"\"}]}", 0, true},
        {"{\"people\":[{\"id\":\"a\"}]}", 1, true},
        {"{\"people\":[{\"id\":\"a\",\"name\":7,\"role\":\"king\",\"color\":\"#"
         "000000\"}]}",
         1, true},
        {"{\"people\":[{\"id\":\"a\",\"selection\":7}]}", 0, true},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        worker_presence *p = open_presence(1);
        worker_presence_worker worker;
        crdt_diag diag = {.text = ""};
        crdt_actor actor = {{7}};
        crdt_err err =
            worker_presence_hear(p, &actor, crdt_span_of(ROWS[i].text), &worker, &diag);
        cr_assert_eq(err == CRDT_OK, ROWS[i].taken, "%s", ROWS[i].text);
        cr_assert_eq(worker_presence_count(p), ROWS[i].people, "%s", ROWS[i].text);
        cr_assert_not(worker.saves);
        worker_presence_close(p);
    }
}

/* Too much to tell: cameras go first, then selections, then people. */
Test(presence, is_cut)
{
    worker_presence *p = open_presence(1);
    for (int i = 0; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        join(p, id, "somebody with a name");
        cr_assert_eq(set(p, id,
                         "{\"selection\":[\"lamp\",\"table\"],\"camera\":{\"position\":"
                         "{\"x\":1,\"y\":2,\"z\":3}}}"),
                     CRDT_OK);
    }
    static const size_t SIZES[] = {65536, 30000, 18000, 16384, 4096, 100};
    size_t before = SIZE_MAX;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        cr_assert_eq(
            worker_presence_write(p, false, crdt_span_of(""), SIZES[i], &bytes),
            CRDT_OK);
        cr_assert_leq(bytes.size, SIZES[i]);
        cr_assert_leq(bytes.size, before);
        before = bytes.size;
        scene_json *json;
        cr_assert_eq(scene_json_open(&json, crdt_alloc_default(), crdt_buf_span(&bytes),
                                     NULL, NULL),
                     CRDT_OK);
        scene_json_close(json);
        crdt_buf_deinit(&bytes);
    }
    worker_presence_close(p);
}

/* Many come and go: what is remembered of them is bounded, and who missed too much is told
 * all anew. */
Test(presence, crowd)
{
    worker_presence *p = open_presence(1);
    join(p, "me", "Me");
    uint64_t early = worker_presence_revision(p);
    for (int i = 0; i < 5000; i++) {
        char id[16];
        snprintf(id, sizeof id, "r%d", i);
        join(p, id, "X");
        worker_presence_leave(p, crdt_span_of(id));
    }
    cr_assert_eq(worker_presence_count(p), 1);
    const char *all = told(p, early, "");
    cr_assert(strstr(all, "\"all\":true") && strstr(all, "\"Me\""));
    cr_assert(strstr(told(p, worker_presence_revision(p) - 3, ""), "\"left\":[\"r"));
    worker_presence_close(p);
}
