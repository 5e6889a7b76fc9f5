/* What comes out of a sandbox (records of calls) and what renderers say to the running
 * worker: whatever it is, the stage stays sound and what is told is JSON.
 *
 *   byte 0   even: records follow; odd: a message of a renderer */

#include "cli/play/audience.h"
#include "scene/json.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check_json(crdt_span text)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    scene_json *json = NULL;
    if (scene_json_open(&json, crdt_alloc_default(), text, &limits, NULL) != CRDT_OK) {
        abort();
    }
    scene_json_close(json);
}

/* Whoever is shown can be found, and hangs below somebody who is shown, ending at the
 * root. */
static void check_stage(const play_stage *stage)
{
    size_t index = 0;
    size_t count = 0;
    play_entity entity;
    while (play_stage_next(stage, &index, &entity)) {
        play_entity at = entity;
        size_t where;
        count++;
        if (!play_stage_find(stage, entity.id, &where, &at) || where != index) {
            abort();
        }
        for (size_t steps = 0; at.parent.size > 0; steps++) {
            if (steps > play_stage_entity_count(stage) ||
                !play_stage_find(stage, at.parent, &where, &at)) {
                abort();
            }
        }
    }
    if (count != play_stage_entity_count(stage)) {
        abort();
    }
}

static play_stage *build(crdt_span records)
{
    play_stage_limits limits = {
        .entity_max = 200, .component_max = 500, .size_max = 1 << 20};
    play_stage *stage = NULL;
    if (play_stage_open(&stage, crdt_alloc_default(), &limits) != CRDT_OK) {
        abort();
    }
    play_call call;
    size_t size;
    while (play_call_decode(records, &call, &size, NULL) == CRDT_OK &&
           play_stage_apply(stage, &call, NULL) == CRDT_OK) {
        records.data += size;
        records.size -= size;
    }
    if (play_stage_finish(stage) == CRDT_OK) {
        check_stage(stage);
    }
    return stage;
}

/* Everything that a viewer is told until there is nothing more. */
static void tell_all(play_viewer *viewer)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    for (int i = 0; i < 100 && play_viewer_waiting(viewer); i++) {
        crdt_buf_clear(&out);
        if (play_viewer_tell(viewer, &out) != CRDT_OK || out.size == 0) {
            abort();
        }
        check_json(crdt_buf_span(&out));
    }
    crdt_buf_deinit(&out);
}

/* A record makes an entity with its names and tables, and is told as JSON, which is read.
 * Of what a viewer says up to 1,000 events of a few bytes are answered, each by some 150. */
const fuzz_budget fuzz_target_budget = {.factor = 120, .fixed = 384u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return false;
    }
    crdt_span rest = {data + 1, size - 1};
    bool records = data[0] % 2 == 0;
    play_stage *stage = build(records ? rest : (crdt_span){NULL, 0});
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    if (play_audience_write(stage, crdt_alloc_default(), &text) != CRDT_OK) {
        abort();
    }
    check_json(crdt_buf_span(&text));
    play_audience *audience = NULL;
    play_viewer *viewer = NULL;
    access_person person = {.role = ACCESS_EDIT, .name = "Ana"};
    if (play_audience_open(&audience, crdt_alloc_default(), "0,0") != CRDT_OK ||
        play_audience_join(audience, &person, "#000000", NULL, &viewer) != CRDT_OK) {
        abort();
    }
    play_audience_show(audience, stage, play_stage_note(stage));
    tell_all(viewer);
    const char *why = "";
    bool taken = records ? play_stage_entity_count(stage) > 0
                         : play_viewer_hear(viewer, rest, &why);
    if (!records && taken) {
        tell_all(viewer);
    }
    play_audience_leave(audience, viewer);
    play_audience_close(audience);
    crdt_buf_deinit(&text);
    play_stage_close(stage);
    return taken;
}
