#include "cli/worker/wording.h"

#include "cli/worker/text.h"
#include "scene/json.h"

static void put_event(worker_text *text, const worker_hub *hub, const char *type)
{
    worker_text_put(text, "{\"sceneId\":");
    worker_text_string(text, worker_hub_scene(hub));
    worker_text_put(text, ",\"eventType\":\"stateEvent\",\"payload\":{\"type\":\"");
    worker_text_put(text, type);
    worker_text_put(text, "\",\"payload\":{");
}

static void put_entity(worker_text *text, const worker_entity *entity)
{
    worker_text_put(text, "\"entityId\":");
    worker_text_raw(text, worker_blob_span(entity->id_text));
}

static void put_type(worker_text *text, const worker_hub *hub, uint32_t type)
{
    worker_text_put(text, "\"componentId\":");
    worker_text_raw(text, worker_blob_span(worker_hub_type(hub, type)->id));
    worker_text_put(text, ",\"component\":");
    worker_text_raw(text, worker_blob_span(worker_hub_type(hub, type)->name));
}

/* The end of the payloads, who wrote last and when. */
static void put_end(worker_text *text, crdt_span author, const crdt_stamp *stamp)
{
    worker_text_put(text, "}}");
    if (author.size > 0) {
        worker_text_put(text, ",\"author\":{\"name\":");
        worker_text_string(text, author);
        worker_text_put(text, "}");
    }
    if (stamp->time != 0) {
        worker_text_put(text, ",\"stamp\":");
        worker_text_stamp(text, stamp);
    }
    worker_text_put(text, "}");
}

crdt_err worker_word_set(const worker_hub *hub, const worker_entity *entity,
                         const worker_part *part, crdt_span json, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    put_event(&text, hub, "SetComponent");
    put_entity(&text, entity);
    worker_text_put(&text, ",");
    put_type(&text, hub, part->type);
    worker_text_put(&text, ",\"data\":");
    worker_text_raw(&text, json);
    put_end(&text, worker_blob_span(part->author), &part->stamp);
    return text.err;
}

crdt_err worker_word_add(const worker_hub *hub, const worker_entity *entity,
                         worker_blob *const *values, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    crdt_stamp stamp = {0};
    crdt_span author = {0};
    put_event(&text, hub, "AddEntity");
    put_entity(&text, entity);
    if (entity->name != NULL) {
        worker_text_put(&text, ",\"name\":");
        worker_text_raw(&text, worker_blob_span(entity->name));
    }
    worker_text_put(&text, ",\"components\":[");
    bool comma = false;
    for (size_t i = 0; i < entity->part_count; i++) {
        const worker_part *part = &entity->parts[i];
        if (values[i] == NULL) {
            continue;
        }
        crdt_span json = worker_blob_json(values[i]);
        if (json.data == NULL) {
            return CRDT_ENOMEM;
        }
        worker_text_put(&text, comma ? ",{" : "{");
        comma = true;
        put_type(&text, hub, part->type);
        worker_text_put(&text, ",\"data\":");
        worker_text_raw(&text, json);
        worker_text_put(&text, "}");
        if (crdt_stamp_compare(&part->stamp, &stamp) > 0) {
            stamp = part->stamp;
            author = worker_blob_span(part->author);
        }
    }
    worker_text_put(&text, "]");
    put_end(&text, author, &stamp);
    return text.err;
}

crdt_err worker_word_remove(const worker_hub *hub, const worker_entity *entity,
                            crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    put_event(&text, hub, "RemoveEntity");
    put_entity(&text, entity);
    put_end(&text, (crdt_span){0}, &(crdt_stamp){0});
    return text.err;
}

crdt_err worker_word_remove_part(const worker_hub *hub, const worker_entity *entity,
                                 uint32_t type, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    put_event(&text, hub, "RemoveComponent");
    put_entity(&text, entity);
    worker_text_put(&text, ",");
    put_type(&text, hub, type);
    put_end(&text, (crdt_span){0}, &(crdt_stamp){0});
    return text.err;
}

crdt_err worker_word_finished(crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(
        &text,
        "{\"type\":\"InitMessagesFinished\",\"tag\":\"scene\",\"payload\":\"{}\"}");
    return text.err;
}

crdt_err worker_word_accepted(crdt_span id, const crdt_stamp *stamp, crdt_span more,
                              crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Answer\",\"payload\":{\"id\":");
    worker_text_raw(&text, id);
    worker_text_put(&text, ",\"ok\":true");
    if (stamp != NULL) {
        worker_text_put(&text, ",\"stamp\":");
        worker_text_stamp(&text, stamp);
    }
    worker_text_raw(&text, more);
    worker_text_put(&text, "}}");
    return text.err;
}

crdt_err worker_word_refused(crdt_span id, const char *code, crdt_span reason,
                             crdt_span more, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Answer\",\"payload\":{\"id\":");
    worker_text_raw(&text, id.size > 0 ? id : crdt_span_of("null"));
    worker_text_put(&text, ",\"ok\":false,\"code\":\"");
    worker_text_put(&text, code);
    worker_text_put(&text, "\",\"error\":");
    worker_text_string(&text, reason);
    worker_text_raw(&text, more);
    worker_text_put(&text, "}}");
    return text.err;
}

crdt_err worker_word_welcome(const worker_welcome *welcome, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(
        &text, "{\"eventType\":\"Welcome\",\"payload\":{\"protocol\":1,\"scene\":");
    worker_text_string(&text, welcome->scene);
    worker_text_put(&text, ",\"state\":\"");
    worker_text_put(&text, welcome->state);
    worker_text_put(&text, "\",\"tickMs\":");
    worker_text_number(&text, welcome->tick_ms);
    worker_text_put(&text, ",\"you\":{\"id\":");
    worker_text_string(&text, welcome->id);
    worker_text_put(&text, ",\"name\":");
    worker_text_string(&text, welcome->name);
    worker_text_put(&text, ",\"role\":\"");
    worker_text_put(&text, welcome->role);
    worker_text_put(&text, "\"}}}");
    return text.err;
}

crdt_err worker_word_state(const char *state, crdt_span about, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"State\",\"payload\":{\"state\":\"");
    worker_text_put(&text, state);
    worker_text_put(&text, "\"");
    if (about.size > 0) {
        worker_text_put(&text, ",\"text\":");
        worker_text_string(&text, about);
    }
    worker_text_put(&text, "}}");
    return text.err;
}

crdt_err worker_word_role(const char *role, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Role\",\"payload\":{\"role\":\"");
    worker_text_put(&text, role);
    worker_text_put(&text, "\"}}");
    return text.err;
}

#define CONFLICT_VALUE_MAX 4096u /* bytes; of a longer one the size is told */

static void put_conflict_value(worker_text *text, crdt_span value)
{
    if (value.size == 0) {
        return;
    }
    if (value.size > CONFLICT_VALUE_MAX) {
        worker_text_put(text, ",\"bytes\":");
        worker_text_number(text, value.size);
        return;
    }
    worker_text_put(text, ",\"value\":");
    if (text->err == CRDT_OK) {
        text->err = scene_json_write_value(value, text->out);
    }
}

/* What belongs to the entity itself is of no component; a whole value is no field. */
static void put_conflict_place(worker_text *text, const worker_conflict *conflict)
{
    uint32_t number;
    crdt_span base = scene_layout_base(conflict->part, &number);
    if (base.size > 0 && !scene_layout_is_own(base)) {
        worker_text_put(text, ",\"component\":");
        worker_text_part(text, conflict->part);
    }
    if (conflict->field.size > 0 && !scene_layout_is_own(conflict->field)) {
        worker_text_put(text, ",\"field\":");
        worker_text_string(text, conflict->field);
    }
}

static void put_person(worker_text *text, const char *key, crdt_span name)
{
    if (name.size > 0) {
        worker_text_put(text, key);
        worker_text_put(text, "{\"name\":");
        worker_text_string(text, name);
        worker_text_put(text, "}");
    }
}

crdt_err worker_word_conflict_payload(const worker_conflict *conflict, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"kind\":\"");
    worker_text_put(&text, conflict->kind);
    worker_text_put(&text, "\",\"entityId\":");
    worker_text_string(&text, conflict->entity);
    put_conflict_place(&text, conflict);
    put_conflict_value(&text, conflict->value);
    put_person(&text, ",\"author\":", conflict->author);
    if (conflict->stamp.time != 0) {
        worker_text_put(&text, ",\"stamp\":");
        worker_text_stamp(&text, &conflict->stamp);
    }
    put_person(&text, ",\"by\":", conflict->by);
    worker_text_put(&text, "}");
    return text.err;
}

crdt_err worker_word_conflict(const worker_conflict *conflict, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Conflict\",\"payload\":");
    if (text.err == CRDT_OK) {
        text.err = worker_word_conflict_payload(conflict, out);
    }
    worker_text_put(&text, "}");
    return text.err;
}
