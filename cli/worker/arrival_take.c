/* A component as a renderer has it now: what of it differs from what it was last known to
 * show is what it means. */

#include "cli/worker/arrival.h"

static bool is_script(crdt_span part)
{
    uint32_t number;
    return crdt_span_equal(scene_layout_base(part, &number), crdt_span_of("Script"));
}

/* `data` of a Script without assetId sets its `values` alone. */
static crdt_err complete_script(worker_arrival *at, const worker_known_part *part,
                                crdt_buf *value)
{
    crdt_span unused;
    crdt_span given = crdt_buf_span(value);
    if (crdt_value_type_of(given) != CRDT_VALUE_MAP ||
        crdt_value_map_find(given, "assetId", &unused)) {
        return CRDT_OK;
    }
    crdt_value_reader reader = crdt_value_read_open(given);
    crdt_span values = given;
    crdt_span inner;
    if (crdt_value_read(&reader).count == 1 &&
        crdt_value_map_find(given, "values", &inner)) {
        values = inner;
    }
    worker_members members;
    crdt_arena *arena = &at->session->scratch;
    crdt_span base = {0};
    if (part->value != NULL) {
        base = worker_blob_span(part->value);
    }
    crdt_err err = worker_members_open(&members, arena, base, 1);
    if (err != CRDT_OK) {
        return err;
    }
    worker_members_put(&members, &(worker_member){crdt_span_of("values"), values});
    crdt_buf whole;
    crdt_buf_init(&whole, at->session->alloc);
    err = worker_members_write(&members, &whole);
    if (err == CRDT_OK) {
        crdt_buf_deinit(value);
        *value = whole;
    } else {
        crdt_buf_deinit(&whole);
    }
    return err;
}

/* The value as it counts. NULL: no memory. */
static worker_blob *read_value(worker_arrival *at, const worker_known_part *part,
                               crdt_span name, const scene_json_node *data)
{
    crdt_buf value;
    crdt_buf_init(&value, at->session->alloc);
    crdt_err err = scene_json_encode(data, at->session->alloc, &value);
    if (err == CRDT_OK && is_script(name)) {
        err = complete_script(at, part, &value);
    }
    worker_blob *blob =
        err == CRDT_OK ? worker_blob_make(at->session->alloc, crdt_buf_span(&value))
                       : NULL;
    crdt_buf_deinit(&value);
    return blob;
}

static bool is_map(const worker_blob *blob)
{
    return blob != NULL && crdt_value_type_of(worker_blob_span(blob)) == CRDT_VALUE_MAP;
}

/* `mine`: what this renderer said of the component last. */
static worker_intent_field field_of(const worker_arrival *at,
                                    const worker_members *mine,
                                    const worker_member *touched)
{
    const worker_member *said = worker_members_find(mine, touched->name);
    return (worker_intent_field){.name = touched->name,
                                 .value = touched->value,
                                 .mine = said == NULL ? (crdt_span){0} : said->value,
                                 .has_seen = at->event->has_seen,
                                 .seen = at->event->seen};
}

/* Fields that differ, into the intent at hand or a new one. */
static bool put_fields(worker_arrival *at, worker_known_part *part, crdt_span name,
                       worker_blob *value, const worker_members *touched)
{
    bool places = false;
    for (size_t i = 0; i < touched->count; i++) {
        places =
            places || (scene_layout_class(name) == SCENE_CLASS_TRANSFORM &&
                       crdt_span_equal(touched->items[i].name, crdt_span_of("parent")));
    }
    bool expected = part->value != NULL || (part->past_count > 0 && !at->anew);
    worker_intent *intent = NULL;
    if (!places && at->count == 0) {
        intent = worker_batch_find(at->batch, at->event->entity, name);
    }
    if (intent != NULL) {
        at->first = (size_t)(intent - at->batch->intents);
        at->count = 1;
    } else {
        intent =
            worker_arrival_intend(at, WORKER_INTENT_FIELDS, at->event->entity, name);
        if (intent == NULL) {
            return false;
        }
        intent->entity_expected = at->entity_expected;
        intent->expected = expected;
        intent->places = places;
        if (!expected) {
            intent->value = worker_batch_copy(at->batch, worker_blob_span(value));
            intent->places = scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
            return intent->value.data != NULL;
        }
    }
    worker_members mine;
    crdt_span said = is_map(part->mine) ? worker_blob_span(part->mine) : (crdt_span){0};
    if (worker_members_open(&mine, &at->session->scratch, said, 0) != CRDT_OK) {
        return false;
    }
    for (size_t i = 0; i < touched->count; i++) {
        worker_intent_field field = field_of(at, &mine, &touched->items[i]);
        if (worker_batch_put(at->batch, intent, &field) != CRDT_OK ||
            worker_known_pend(part, at->session->options.hub, &touched->items[i],
                              at->batch->number) != CRDT_OK) {
            return false;
        }
    }
    return true;
}

static bool put_whole(worker_arrival *at, worker_known_part *part, crdt_span name,
                      worker_blob *value)
{
    bool expected = part->value != NULL || (part->past_count > 0 && !at->anew);
    bool same =
        worker_blob_equal(part->value, value); /* nothing but an answer is due */
    worker_intent *intent = worker_arrival_intend(
        at, same ? WORKER_INTENT_FIELDS : WORKER_INTENT_WHOLE, at->event->entity, name);
    if (intent == NULL) {
        return false;
    }
    intent->entity_expected = at->entity_expected;
    intent->expected = expected;
    if (same) {
        return true;
    }
    intent->value = worker_batch_copy(at->batch, worker_blob_span(value));
    part->edited = at->batch->number;
    return intent->value.data != NULL;
}

void worker_arrival_doubt(worker_arrival *at, worker_known *known)
{
    known->unsure = true;
    known->edited_ms = at->now_ms;
    worker_session_look_later(at->session, known);
}

bool worker_arrival_take(worker_arrival *at, worker_known *known, uint32_t type,
                         const scene_json_node *data)
{
    worker_session *session = at->session;
    worker_hub *hub = session->options.hub;
    worker_known_part *part = worker_known_part_of(known, hub, type);
    crdt_span name = worker_blob_span(worker_hub_type(hub, type)->part);
    worker_blob *value = part == NULL ? NULL : read_value(at, part, name, data);
    if (value == NULL) {
        worker_arrival_fail(at);
        return false;
    }
    worker_known_prune(known, hub, at->now_ms);
    part = worker_known_part_of(known, hub, type); /* a prune may have moved it */
    bool done = false;
    if (is_map(value) && (part->value == NULL || is_map(part->value))) {
        size_t count = 0;
        worker_members touched;
        worker_crossing *crossings = worker_known_crossings(
            part, at->fresh, at->event->has_seen ? &at->event->seen : NULL,
            &session->scratch, at->now_ms, &count);
        crdt_span base = {0};
        if (part->value != NULL) {
            base = worker_blob_span(part->value);
        }
        if (at->anew) {
            count = 0; /* all that it says is meant */
        }
        done = crossings != NULL &&
               worker_members_touched(&session->scratch, base, worker_blob_span(value),
                                      crossings, count, &touched) == CRDT_OK &&
               put_fields(at, part, name, value, &touched);
    } else {
        done = put_whole(at, part, name, value);
    }
    if (part->value == NULL) {
        part->edited = at->batch->number;
    }
    if (!known->shown) {
        if (at->entity_expected) { /* it may not know yet that the entity is gone */
            worker_arrival_doubt(at, known);
        }
        known->shown = true;
        known->edited = at->batch->number;
    }
    if (worker_known_got(part, hub, at->fresh, value, at->now_ms) != CRDT_OK) {
        done = false;
    }
    if (part->unsure) {
        worker_session_look_later(session, known);
    }
    if (!done) {
        worker_arrival_fail(at);
    }
    return done;
}

bool worker_arrival_drop(worker_arrival *at, worker_known_part *part)
{
    worker_hub *hub = at->session->options.hub;
    crdt_span name = worker_blob_span(worker_hub_type(hub, part->type)->part);
    if (worker_arrival_intend(at, WORKER_INTENT_REMOVE_PART, at->event->entity, name) ==
        NULL) {
        return false;
    }
    if (worker_known_got(part, hub, false, NULL, at->now_ms) != CRDT_OK) {
        return false;
    }
    part->edited = at->batch->number;
    return true;
}
