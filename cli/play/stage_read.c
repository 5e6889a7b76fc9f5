#include "cli/play/stage_impl.h"

#include "cli/args.h"
#include "scene/class_id.h"
#include "scene/json_writer.h"

#define NAME_SIZE_MAX 1024 /* bytes of an id or a name */
#define DEPTH_MAX 64       /* of a value */

bool play_stage_name_fits(play_stage *stage, const play_call *call, crdt_span name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX) {
        play_stage_note_call(
            stage, call, name.size == 0 ? "an empty name" : "too long a name", name);
        return false;
    }
    return true;
}

bool play_stage_read_class(play_stage *stage, const play_call *call, uint32_t *class_id)
{
    crdt_span text = call->arguments[2];
    char digits[24] = "";
    double number;
    if (text.size < sizeof digits) {
        memcpy(digits, text.data, text.size);
        digits[text.size] = '\0';
    }
    if (!cli_args_number(digits, 0, UINT32_MAX, &number) ||
        number != (double)(uint32_t)number) {
        play_stage_note_call(stage, call, "no class id:", text);
        return false;
    }
    *class_id = (uint32_t)number;
    return true;
}

/* ---- JSON ---- */

static scene_json_limits json_limits(void)
{
    return (scene_json_limits){.size_max = PLAY_CALL_SIZE_MAX, .depth_max = DEPTH_MAX};
}

/* Does the list of texts (may be NULL) name `key`? */
static bool lists(const scene_json_node *list, crdt_span key)
{
    if (list == NULL || list->type != SCENE_JSON_ARRAY) {
        return false;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++, node = scene_json_next(node)) {
        if (node->type == SCENE_JSON_STRING &&
            crdt_span_equal(scene_json_text(node), key)) {
            return true;
        }
    }
    return false;
}

/* The canonical text of `node`, without the members that `made` lists, kept. */
crdt_err play_stage_keep_json(play_stage *stage, const scene_json_node *node,
                              const scene_json_node *made, crdt_span *data,
                              crdt_diag *diag)
{
    crdt_buf value;
    crdt_buf text;
    crdt_buf_init(&value, stage->alloc);
    crdt_buf_init(&text, stage->alloc);
    crdt_err err = CRDT_OK;
    if (node->type != SCENE_JSON_OBJECT || made == NULL) {
        err = scene_json_encode(node, stage->alloc, &value);
        if (err == CRDT_OK) {
            err = scene_json_write_value(crdt_buf_span(&value), &text);
        }
    } else {
        scene_json_writer writer;
        scene_json_writer_init(&writer, stage->alloc, &text);
        scene_json_writer_object_begin(&writer);
        const scene_json_node *key = node + 1;
        for (uint32_t i = 0; err == CRDT_OK && i < node->count; i++) {
            if (!lists(made, scene_json_text(key))) {
                crdt_buf_clear(&value);
                err = scene_json_encode(key + 1, stage->alloc, &value);
                scene_json_writer_key(&writer, scene_json_text(key));
                scene_json_writer_value(&writer, crdt_buf_span(&value));
            }
            key = scene_json_next(key + 1);
        }
        scene_json_writer_object_end(&writer);
        err = err != CRDT_OK ? err : writer.err;
        scene_json_writer_deinit(&writer);
    }
    if (err == CRDT_OK) {
        err = play_stage_copy(stage, crdt_buf_span(&text), data, diag);
    }
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&text);
    return err;
}

/* Open what a call carries; *json NULL where it carries nothing of sense. */
crdt_err play_stage_open_carried(play_stage *stage, crdt_span text, scene_json **json)
{
    scene_json_limits limits = json_limits();
    *json = NULL;
    crdt_err err = text.size == 0
                       ? CRDT_OK
                       : scene_json_open(json, stage->alloc, text, &limits, NULL);
    return err == CRDT_ENOMEM ? err : CRDT_OK;
}

/* The text that is the member `key`; false: there is none, or it is of no use as a name. */
bool play_stage_carried_text(const scene_json *json, const char *key, crdt_span *text)
{
    const scene_json_node *node =
        json != NULL ? scene_json_find(scene_json_root(json), key) : NULL;
    if (node == NULL || node->type != SCENE_JSON_STRING || node->count == 0 ||
        node->count > NAME_SIZE_MAX) {
        return false;
    }
    *text = scene_json_text(node);
    return true;
}

/* The canonical text of a value, kept. *fits false: it is none, noted. */
crdt_err play_stage_read_data(play_stage *stage, const play_call *call, crdt_span text,
                              const scene_json *carried, crdt_span *data, bool *fits,
                              crdt_diag *diag)
{
    scene_json_limits limits = json_limits();
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, stage->alloc, text, &limits, NULL);
    *fits = err == CRDT_OK;
    if (err == CRDT_ECORRUPT || err == CRDT_ELIMIT) {
        play_stage_note_call(stage, call, "no JSON:", text);
        err = CRDT_OK;
    } else if (err == CRDT_OK) {
        const scene_json_node *made =
            carried != NULL ? scene_json_find(scene_json_root(carried), "made") : NULL;
        err = play_stage_keep_json(stage, scene_json_root(json), made, data, diag);
    }
    scene_json_close(json);
    return err;
}

/* What a component is: by what is carried, else by its class, else by its slot. */
crdt_err play_stage_read_type(play_stage *stage, const scene_json *carried,
                              crdt_span slot, play_component *component,
                              crdt_diag *diag)
{
    crdt_span type = slot;
    if (!play_stage_carried_text(carried, "type", &type)) {
        scene_class_id_type(component->class_id, stage->origin, &type);
    }
    return play_stage_copy(stage, type, &component->type, diag);
}
