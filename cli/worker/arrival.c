#include "cli/worker/arrival.h"

void worker_arrival_fail(worker_arrival *at)
{
    at->session->broken = true;
}

bool worker_arrival_open(worker_arrival *at, bool alone)
{
    worker_session *session = at->session;
    worker_batch *batch = session->open;
    crdt_span step = at->event->step;
    if (batch == NULL || batch->alone || alone || !crdt_span_equal(batch->step, step)) {
        batch = worker_batch_open(session->alloc, session->options.name, step,
                                  session->batch_number + 1);
        if (batch == NULL) {
            worker_arrival_fail(at);
            return false;
        }
        batch->alone = alone;
        session->batch_number++;
        *(session->open == NULL ? &session->first : &session->open->next) = batch;
        session->open = batch;
    }
    at->batch = batch;
    at->first = batch->intent_count;
    return true;
}

worker_intent *worker_arrival_intend(worker_arrival *at, worker_intent_kind kind,
                                     crdt_span entity, crdt_span part)
{
    worker_intent *intent = worker_batch_add(at->batch, kind, entity, part);
    if (intent == NULL) {
        worker_arrival_fail(at);
        return NULL;
    }
    intent->group = at->first;
    intent->has_seen = at->event->has_seen;
    intent->seen = at->event->seen;
    at->count++;
    return intent;
}

static bool has_number(const worker_hub *hub, uint32_t type, uint32_t number)
{
    const worker_type *named = worker_hub_type(hub, type);
    return named->has_number && named->number == number;
}

/* What the entity at hand has under this number: two types may have one (Material and
 * PBRMaterial), and what the renderer is shown is what it means. */
static uint32_t find_there(const worker_arrival *at, uint32_t number)
{
    const worker_hub *hub = at->session->options.hub;
    const worker_entity *entity = worker_hub_find(hub, at->event->entity);
    if (entity == NULL) {
        return WORKER_NONE;
    }
    const worker_known *known = worker_session_find(at->session, entity);
    for (size_t i = 0; known != NULL && i < known->part_count; i++) {
        const worker_known_part *part = &known->parts[i];
        if (part->value != NULL && has_number(hub, part->type, number)) {
            return part->type;
        }
    }
    for (size_t i = 0; i < entity->part_count; i++) {
        if (has_number(hub, entity->parts[i].type, number)) {
            return entity->parts[i].type;
        }
    }
    return WORKER_NONE;
}

uint32_t worker_arrival_type(worker_arrival *at, const scene_json_node *component)
{
    worker_hub *hub = at->session->options.hub;
    if (component->type != SCENE_JSON_NUMBER) {
        return worker_hub_type_by_name(hub, scene_json_text(component));
    }
    uint32_t number = (uint32_t)component->as.number;
    uint32_t there = find_there(at, number);
    return there != WORKER_NONE ? there : worker_hub_type_by_number(hub, number);
}

void worker_arrival_refuse(worker_arrival *at, const char *code, const char *reason)
{
    worker_session_refuse(at->session, at->id, code, reason);
}

/* Who is refused makes no new types. */
static uint32_t find_known_type(worker_arrival *at, const scene_json_node *component)
{
    bool known =
        component != NULL &&
        (component->type == SCENE_JSON_NUMBER ||
         worker_hub_type_known(at->session->options.hub, scene_json_text(component)));
    return known ? worker_arrival_type(at, component) : WORKER_NONE;
}

void worker_arrival_refuse_edit(worker_arrival *at, const char *code,
                                const char *reason)
{
    worker_arrival_refuse(at, code, reason);
    const worker_event *event = at->event;
    worker_known *known = event->entity.size == 0
                              ? NULL
                              : worker_session_known(at->session, event->entity);
    if (known == NULL) {
        return;
    }
    uint32_t type = find_known_type(at, event->component);
    worker_known_part *part =
        type == WORKER_NONE || !known->entity->live
            ? NULL
            : worker_known_part_of(known, at->session->options.hub, type);
    if (part != NULL) {
        part->force = true;
    } else {
        known->force = true;
    }
    worker_session_look(at->session, known);
}
