/* Who is here, as other workers tell it and as renderers do: whatever they say, what is told on
 * is JSON, bounded, and can be heard by the next worker.
 *
 *   texts, each: kind (1), size (2, little end first), bytes
 *     kind  0 to 3 worker of that number tells    4 ours says (a Presence event's payload)
 *           5 worker leaves: its number is the first byte of the text */

#include "cli/worker/presence.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

/* JSON of what is said; a person of a few bytes is an entry of some hundred, and is told on,
 * written, listed and heard again. */
const fuzz_budget fuzz_target_budget = {.factor = 400, .fixed = 128u << 10};

static void check_json(crdt_span text)
{
    scene_json *json = NULL;
    assert(scene_json_open(&json, crdt_alloc_default(), text, NULL, NULL) == CRDT_OK);
    scene_json_close(json);
}

static void say(worker_presence *presence, crdt_span text)
{
    scene_json *json = NULL;
    if (scene_json_open(&json, crdt_alloc_default(), text, NULL, NULL) == CRDT_OK) {
        crdt_diag diag = {.text = ""};
        crdt_err err = worker_presence_set(presence, crdt_span_of("r1"),
                                           scene_json_root(json), &diag);
        assert(err == CRDT_OK || diag.text[0] != '\0');
    }
    scene_json_close(json);
}

static bool hear(worker_presence *presence, uint8_t number, crdt_span text)
{
    static worker_presence_worker worker;
    crdt_actor actor = {{number + 1}};
    crdt_diag diag = {.text = ""};
    crdt_err err = worker_presence_hear(presence, &actor, text, &worker, &diag);
    assert(err == CRDT_OK || diag.text[0] != '\0');
    assert(memchr(worker.saved, 0, sizeof worker.saved) != NULL);
    return err == CRDT_OK;
}

/* What is told to other workers is heard by them, and to renderers and programs is JSON. */
static void tell(worker_presence *presence)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    assert(worker_presence_write(presence, true, crdt_span_of("1@ab"), 16384, &out) ==
           CRDT_OK);
    assert(out.size <= 16384);
    worker_presence *other = NULL;
    assert(worker_presence_open(&other, crdt_alloc_default()) == CRDT_OK);
    assert(hear(other, 9, crdt_buf_span(&out)));
    assert(worker_presence_count(other) >= 1);
    worker_presence_close(other);
    crdt_buf_clear(&out);
    assert(worker_presence_list(presence, &out) == CRDT_OK);
    check_json(crdt_buf_span(&out));
    crdt_buf_clear(&out);
    assert(worker_presence_tell(presence, 0, crdt_span_of("r2"), &out) == CRDT_OK);
    if (out.size > 0) {
        check_json(crdt_buf_span(&out));
    }
    crdt_buf_deinit(&out);
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    worker_presence *presence = NULL;
    assert(worker_presence_open(&presence, crdt_alloc_default()) == CRDT_OK);
    assert(worker_presence_join(presence, crdt_span_of("r1"), crdt_span_of("ann"),
                                crdt_span_of("#ff0000"), ACCESS_EDIT) == CRDT_OK);
    bool heard = false;
    while (size >= 3) {
        uint8_t kind = data[0] % 6;
        size_t length = (size_t)data[1] | (size_t)data[2] << 8;
        length = length < size - 3 ? length : size - 3;
        crdt_span text = {data + 3, length};
        if (kind < 4) {
            heard = hear(presence, kind, text) || heard;
        } else if (kind == 4) {
            say(presence, text);
        } else if (length > 0) {
            crdt_actor actor = {{text.data[0] % 4u + 1}};
            worker_presence_left(presence, &actor);
        }
        data += 3 + length;
        size -= 3 + length;
    }
    tell(presence);
    worker_presence_close(presence);
    return heard;
}
