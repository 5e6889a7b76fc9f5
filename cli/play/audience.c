#include "cli/play/audience.h"

#include "cli/worker/text.h"
#include "scene/json.h"

#include <stdio.h>

#define EVENT_MAX 1000           /* of one message, either way */
#define MESSAGE_SIZE (64u << 10) /* a message of ours ends once it is so long */
#define ANSWERS_FULL (64u << 10) /* bytes of answers that wait */
#define LEFT_SIZE_MAX (64u << 10)
#define COLOR_SIZE 16
#define TRANSFORM 1 /* class id, in all scenes */

struct play_viewer {
    play_audience *audience;
    play_viewer *previous;
    play_viewer *next;
    void *user;
    access_person person;
    char color[COLOR_SIZE];
    char id[24];
    bool welcomed;
    bool role_changed;
    bool people_changed;
    size_t shown;  /* cursor on the stage */
    bool finished; /* InitMessagesFinished was sent */
    bool text_told;
    bool lost;
    crdt_buf left;    /* ids of who left, as JSON: "r1","r2" */
    crdt_buf answers; /* events, each followed by a comma */
};

struct play_audience {
    crdt_alloc alloc;
    char scene[64];
    const play_stage *stage;
    char text[1024];
    play_viewer *first;
    play_viewer *newest;
    size_t count;
    uint64_t number; /* of the last who came */
    uint64_t refused;
};

/* ---- writing: the first failure sticks ---- */

typedef struct writing {
    crdt_buf *out;
    crdt_err err;
} writing;

static void put_span(writing *t, crdt_span piece)
{
    if (t->err == CRDT_OK) {
        t->err = crdt_buf_append_span(t->out, piece);
    }
}

static void put(writing *t, const char *piece)
{
    put_span(t, crdt_span_of(piece));
}

static void put_string(writing *t, crdt_span utf8)
{
    worker_text one = {.out = t->out, .err = t->err};
    worker_text_string(&one, utf8); /* what is no UTF-8 becomes U+FFFD */
    t->err = one.err;
}

static void put_text(writing *t, const char *utf8)
{
    put_string(t, crdt_span_of(utf8));
}

static void put_number(writing *t, uint64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    put(t, digits);
}

static void put_json(writing *t, crdt_alloc alloc, const scene_json_node *node)
{
    crdt_buf value;
    crdt_buf_init(&value, alloc);
    if (t->err == CRDT_OK) {
        t->err = scene_json_encode(node, alloc, &value);
    }
    if (t->err == CRDT_OK) {
        t->err = scene_json_write_value(crdt_buf_span(&value), t->out);
    }
    crdt_buf_deinit(&value);
}

/* ---- entities ---- */

static void put_parent(writing *t, const play_entity *entity, bool *comma)
{
    put(t, *comma ? ",\"parent\":" : "\"parent\":");
    put_string(t, entity->parent);
    *comma = true;
}

/* The members of an object, but for `parent`; in its place among the sorted keys the parent
 * that the code gave the entity. */
static void put_members(writing *t, crdt_alloc alloc, const play_entity *entity,
                        const scene_json_node *object)
{
    bool comma = false;
    bool due = entity->parent.size > 0;
    const scene_json_node *member = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const scene_json_node *value = scene_json_next(member);
        int order = crdt_span_compare(scene_json_text(member), crdt_span_of("parent"));
        if (due && order > 0) {
            put_parent(t, entity, &comma);
            due = false;
        }
        if (order != 0) {
            put(t, comma ? "," : "");
            comma = true;
            put_string(t, scene_json_text(member));
            put(t, ":");
            put_json(t, alloc, value);
        }
        member = scene_json_next(value);
    }
    if (due) {
        put_parent(t, entity, &comma);
    }
}

/* The transform of an entity made by hand: its parent is told by a call, and shown as
 * scenes do. */
static void put_transform(writing *t, crdt_alloc alloc, const play_entity *entity,
                          crdt_span data)
{
    scene_json_limits limits = scene_json_limits_default();
    scene_json *json = NULL;
    crdt_span text = data.size > 0 ? data : crdt_span_of("{}");
    crdt_err err = scene_json_open(&json, alloc, text, &limits, NULL);
    const scene_json_node *root = err == CRDT_OK ? scene_json_root(json) : NULL;
    if (root != NULL && root->type == SCENE_JSON_OBJECT) {
        put(t, "{");
        put_members(t, alloc, entity, root);
        put(t, "}");
    } else {
        put_span(t, data); /* no object: it has no members */
        t->err = err == CRDT_ENOMEM ? err : t->err;
    }
    scene_json_close(json);
}

static void put_data(writing *t, crdt_alloc alloc, const play_entity *entity,
                     const play_component *component)
{
    if (!entity->carried && component->has_class && component->class_id == TRANSFORM) {
        put_transform(t, alloc, entity, component->data);
    } else {
        put_span(t, component->data.size > 0 ? component->data : crdt_span_of("null"));
    }
}

/* `"Transform"`; of the second of one type `"Transform#2"`. */
static void put_type(writing *t, const play_component *component)
{
    if (component->number == 1) {
        put_string(t, component->type);
        return;
    }
    crdt_buf name;
    crdt_buf_init(&name, t->out->alloc);
    writing n = {.out = &name};
    put_span(&n, component->type);
    put(&n, "#");
    put_number(&n, component->number);
    t->err = t->err != CRDT_OK ? t->err : n.err;
    put_string(t, crdt_buf_span(&name));
    crdt_buf_deinit(&name);
}

/* As events name it. */
static void put_for_event(writing *t, crdt_alloc alloc, const play_entity *entity,
                          const play_component *component)
{
    put(t, "{\"componentId\":");
    if (component->has_class && component->number == 1) {
        put_number(t, component->class_id);
    } else {
        put_type(t, component);
    }
    put(t, ",\"component\":");
    put_type(t, component);
    put(t, ",\"data\":");
    put_data(t, alloc, entity, component);
    put(t, "}");
}

/* As states do; what they cannot say in members of its own. */
static void put_for_state(writing *t, crdt_alloc alloc, const play_entity *entity,
                          const play_component *component)
{
    put(t, "{");
    if (component->kind == PLAY_VALUE_BINARY) {
        put(t, "\"binary\":");
        put_span(t, component->data);
        put(t, ",");
    }
    if (component->number > 1) {
        put(t, "\"number\":");
        put_number(t, component->number);
        put(t, ",");
    }
    put(t, "\"type\":");
    put_string(t, component->type);
    if (component->kind == PLAY_VALUE_JSON) {
        put(t, ",\"value\":");
        put_data(t, alloc, entity, component);
    }
    put(t, "}");
}

static void put_components(writing *t, crdt_alloc alloc, const play_stage *stage,
                           size_t index, const play_entity *entity, bool event)
{
    bool transform = entity->carried || entity->parent.size == 0;
    put(t, "[");
    for (size_t n = 0; n < entity->component_count; n++) {
        play_component component = play_stage_component(stage, index, n);
        transform =
            transform || (component.has_class && component.class_id == TRANSFORM);
        put(t, n > 0 ? "," : "");
        (event ? put_for_event : put_for_state)(t, alloc, entity, &component);
    }
    if (!transform) { /* the parent has to be told somewhere */
        play_component component = {.type = crdt_span_of("Transform"),
                                    .number = 1,
                                    .has_class = true,
                                    .class_id = TRANSFORM};
        put(t, entity->component_count > 0 ? "," : "");
        (event ? put_for_event : put_for_state)(t, alloc, entity, &component);
    }
    put(t, "]");
}

static void put_event(writing *t, const char *scene, const char *type, crdt_span id)
{
    put(t, "{\"sceneId\":");
    put_text(t, scene);
    put(t, ",\"eventType\":\"stateEvent\",\"payload\":{\"type\":\"");
    put(t, type);
    put(t, "\",\"payload\":{\"entityId\":");
    put_string(t, id);
}

/* The name that the entity itself has, if the code carries one. */
static void put_own_name(writing *t, crdt_alloc alloc, crdt_span fields)
{
    scene_json *json = NULL;
    if (fields.size == 0 ||
        scene_json_open(&json, alloc, fields, NULL, NULL) != CRDT_OK) {
        return;
    }
    const scene_json_node *name = scene_json_find(scene_json_root(json), "name");
    if (name != NULL && name->type == SCENE_JSON_STRING) {
        put(t, ",\"name\":");
        put_string(t, scene_json_text(name));
    }
    scene_json_close(json);
}

static void put_add(writing *t, const play_audience *audience, size_t index,
                    const play_entity *entity)
{
    put_event(t, audience->scene, "AddEntity", entity->id);
    put_own_name(t, audience->alloc, entity->fields);
    put(t, ",\"components\":");
    put_components(t, audience->alloc, audience->stage, index, entity, true);
    put(t, "}}}");
}

crdt_err play_audience_write(const play_stage *stage, crdt_alloc alloc, crdt_buf *out)
{
    writing t = {.out = out};
    size_t index = 0;
    play_entity entity;
    put(&t, "{\"entities\":[");
    for (bool comma = false; play_stage_next(stage, &index, &entity); comma = true) {
        put(&t, comma ? ",{\"components\":" : "{\"components\":");
        put_components(&t, alloc, stage, index, &entity, false);
        if (entity.fields.size > 0) {
            put(&t, ",\"fields\":");
            put_span(&t, entity.fields);
        }
        put(&t, ",\"id\":");
        put_string(&t, entity.id);
        if (entity.parent.size > 0) {
            put(&t, ",\"parent\":");
            put_string(&t, entity.parent);
        }
        put(&t, "}");
    }
    put(&t, "],\"origin\":\"");
    put(&t, scene_format_name(play_stage_origin(stage)));
    put(&t, "\",\"schemaVersion\":1}");
    return t.err;
}

/* ---- who is here ---- */

crdt_err play_audience_open(play_audience **out, crdt_alloc alloc, const char *scene)
{
    play_audience *audience = crdt_allocate(alloc, sizeof *audience);
    if (audience == NULL) {
        return CRDT_ENOMEM;
    }
    *audience = (play_audience){.alloc = alloc};
    snprintf(audience->scene, sizeof audience->scene, "%s", scene);
    *out = audience;
    return CRDT_OK;
}

void play_audience_close(play_audience *audience)
{
    if (audience != NULL) {
        crdt_free(audience->alloc, audience, sizeof *audience);
    }
}

void play_audience_show(play_audience *audience, const play_stage *stage,
                        const char *text)
{
    audience->stage = stage;
    snprintf(audience->text, sizeof audience->text, "%s", text);
}

const char *play_audience_text(const play_audience *audience)
{
    return audience->text;
}

bool play_audience_showing(const play_audience *audience)
{
    return audience->stage != NULL;
}

size_t play_audience_count(const play_audience *audience)
{
    return audience->count;
}

uint64_t play_audience_refused(const play_audience *audience)
{
    return audience->refused;
}

play_viewer *play_audience_next(const play_audience *audience, const play_viewer *last)
{
    return last != NULL ? last->next : audience->first;
}

static void people_change(play_audience *audience)
{
    for (play_viewer *v = audience->first; v != NULL; v = v->next) {
        v->people_changed = true;
    }
}

crdt_err play_audience_join(play_audience *audience, const access_person *person,
                            const char *color, void *user, play_viewer **out)
{
    play_viewer *viewer = crdt_allocate(audience->alloc, sizeof *viewer);
    if (viewer == NULL) {
        return CRDT_ENOMEM;
    }
    *viewer = (play_viewer){.audience = audience,
                            .user = user,
                            .person = *person,
                            .previous = audience->newest};
    crdt_buf_init(&viewer->left, audience->alloc);
    crdt_buf_init(&viewer->answers, audience->alloc);
    snprintf(viewer->color, sizeof viewer->color, "%s", color);
    snprintf(viewer->id, sizeof viewer->id, "p%llu",
             (unsigned long long)++audience->number);
    if (audience->newest != NULL) {
        audience->newest->next = viewer;
    } else {
        audience->first = viewer;
    }
    audience->newest = viewer;
    audience->count++;
    people_change(audience);
    *out = viewer;
    return CRDT_OK;
}

static void note_left(play_viewer *viewer, const char *id)
{
    writing t = {.out = &viewer->left};
    put(&t, viewer->left.size > 0 ? "," : "");
    put_text(&t, id);
    viewer->people_changed = true;
    viewer->lost =
        viewer->lost || t.err != CRDT_OK || viewer->left.size > LEFT_SIZE_MAX;
}

void play_audience_leave(play_audience *audience, play_viewer *viewer)
{
    if (viewer->previous != NULL) {
        viewer->previous->next = viewer->next;
    } else {
        audience->first = viewer->next;
    }
    if (viewer->next != NULL) {
        viewer->next->previous = viewer->previous;
    } else {
        audience->newest = viewer->previous;
    }
    audience->count--;
    for (play_viewer *v = audience->first; v != NULL; v = v->next) {
        if (v->welcomed && !v->lost) {
            note_left(v, viewer->id);
        }
    }
    crdt_buf_deinit(&viewer->left);
    crdt_buf_deinit(&viewer->answers);
    crdt_free(audience->alloc, viewer, sizeof *viewer);
}

void *play_viewer_user(const play_viewer *viewer)
{
    return viewer->user;
}

const access_person *play_viewer_person(const play_viewer *viewer)
{
    return &viewer->person;
}

void play_viewer_set_role(play_viewer *viewer, access_role role)
{
    if (viewer->person.role != role) {
        viewer->person.role = role;
        viewer->role_changed = viewer->welcomed;
        people_change(viewer->audience);
    }
}

bool play_viewer_lost(const play_viewer *viewer)
{
    return viewer->lost;
}

bool play_viewer_full(const play_viewer *viewer)
{
    return viewer->answers.size > ANSWERS_FULL;
}

/* ---- what it says ---- */

/* The true state of the entity that an edit named. Many large ones at once: the whole
 * scene again, as it can be read. */
static void put_truth(writing *t, play_viewer *viewer, crdt_span id)
{
    const play_audience *audience = viewer->audience;
    size_t index = 0;
    play_entity entity;
    if (!play_stage_find(audience->stage, id, &index, &entity)) {
        put_event(t, audience->scene, "RemoveEntity", id);
        put(t, "}}},");
    } else if (play_viewer_full(viewer)) {
        viewer->shown = 0;
        viewer->finished = false;
    } else {
        put_add(t, audience, index, &entity);
        put(t, ",");
    }
}

static void answer(play_viewer *viewer, const scene_json_node *id, const char *code,
                   const char *error)
{
    writing t = {.out = &viewer->answers};
    put(&t, "{\"eventType\":\"Answer\",\"payload\":{\"id\":");
    if (id != NULL &&
        (id->type == SCENE_JSON_STRING || id->type == SCENE_JSON_NUMBER)) {
        put_json(&t, viewer->audience->alloc, id);
    } else {
        put(&t, "null");
    }
    if (code == NULL) {
        put(&t, ",\"ok\":true}},");
    } else {
        put(&t, ",\"ok\":false,\"code\":\"");
        put(&t, code);
        put(&t, "\",\"error\":");
        put_text(&t, error);
        put(&t, "}},");
    }
    viewer->lost = viewer->lost || t.err != CRDT_OK;
}

static bool is_text(const scene_json_node *node, const char *wanted)
{
    return node != NULL && node->type == SCENE_JSON_STRING &&
           crdt_span_equal(scene_json_text(node), crdt_span_of(wanted));
}

static void hear_event(play_viewer *viewer, const scene_json_node *event)
{
    play_audience *audience = viewer->audience;
    const scene_json_node *outer = scene_json_find(event, "payload");
    const scene_json_node *id = outer != NULL ? scene_json_find(event, "id") : NULL;
    const scene_json_node *type = outer != NULL ? scene_json_find(outer, "type") : NULL;
    if (!is_text(scene_json_find(event, "eventType"), "stateEvent") || type == NULL ||
        type->type != SCENE_JSON_STRING) {
        answer(viewer, id, "invalid", "not an event of docs/RENDERER.md");
        return;
    }
    if (is_text(type, "Presence")) {
        if (id != NULL) {
            answer(viewer, id, NULL, NULL);
        }
        return;
    }
    audience->refused++;
    answer(viewer, id, "busy", "the scene is running: it takes no edits");
    const scene_json_node *payload = scene_json_find(outer, "payload");
    const scene_json_node *entity =
        payload != NULL ? scene_json_find(payload, "entityId") : NULL;
    if (entity != NULL && entity->type == SCENE_JSON_STRING &&
        audience->stage != NULL) {
        writing t = {.out = &viewer->answers};
        put_truth(&t, viewer, scene_json_text(entity));
        viewer->lost = viewer->lost || t.err != CRDT_OK;
    }
}

bool play_viewer_hear(play_viewer *viewer, crdt_span message, const char **why)
{
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    scene_json *json = NULL;
    crdt_err err =
        scene_json_open(&json, viewer->audience->alloc, message, &limits, NULL);
    if (err != CRDT_OK) {
        *why = err == CRDT_ENOMEM ? "out of memory" : "the message is no JSON";
        return false;
    }
    const scene_json_node *root = scene_json_root(json);
    bool many = root->type == SCENE_JSON_ARRAY;
    uint32_t count = many ? root->count : 1;
    if (count > EVENT_MAX) {
        scene_json_close(json);
        *why = "too many events in one message";
        return false;
    }
    const scene_json_node *event = many ? root + 1 : root;
    for (uint32_t i = 0; i < count; i++) {
        hear_event(viewer, event);
        event = i + 1 < count ? scene_json_next(event) : event;
    }
    scene_json_close(json);
    return true;
}

/* ---- what it is told ---- */

static void put_welcome(writing *t, const play_viewer *viewer)
{
    const play_audience *audience = viewer->audience;
    put(t, "{\"eventType\":\"Welcome\",\"payload\":{\"protocol\":1,\"scene\":");
    put_text(t, audience->scene);
    put(t, ",\"state\":\"running\",\"tickMs\":0,\"you\":{\"id\":");
    put_text(t, viewer->id);
    put(t, ",\"name\":");
    put_text(t, viewer->person.name);
    put(t, ",\"role\":\"");
    put(t, access_role_name(viewer->person.role));
    put(t, "\"}}},");
}

static void put_people(writing *t, play_viewer *viewer)
{
    put(t, "{\"eventType\":\"Presence\",\"payload\":{\"all\":true,\"people\":[");
    bool comma = false;
    for (play_viewer *v = viewer->audience->first; v != NULL; v = v->next) {
        if (v == viewer) {
            continue; /* all but oneself */
        }
        put(t, comma ? ",{\"id\":" : "{\"id\":");
        comma = true;
        put_text(t, v->id);
        put(t, ",\"name\":");
        put_text(t, v->person.name);
        put(t, ",\"color\":");
        put_text(t, v->color);
        put(t, ",\"role\":\"");
        put(t, access_role_name(v->person.role));
        put(t, "\"}");
    }
    put(t, "],\"left\":[");
    put_span(t, crdt_buf_span(&viewer->left));
    put(t, "]}},");
}

static void put_state(writing *t, const play_audience *audience)
{
    put(t, "{\"eventType\":\"State\",\"payload\":{\"state\":\"running\",\"text\":");
    put_text(t, audience->text);
    put(t, "}},");
}

/* What comes once: welcome, role, people. */
static void put_news(writing *t, play_viewer *viewer)
{
    if (!viewer->welcomed) {
        put_welcome(t, viewer);
    } else if (viewer->role_changed) {
        put(t, "{\"eventType\":\"Role\",\"payload\":{\"role\":\"");
        put(t, access_role_name(viewer->person.role));
        put(t, "\"}},");
    }
    if (viewer->people_changed) {
        put_people(t, viewer);
    }
}

/* As many entities as one message takes. */
static void put_entities(writing *t, const play_viewer *viewer, size_t start,
                         size_t *shown, bool *finished)
{
    const play_audience *audience = viewer->audience;
    play_entity entity;
    size_t count = 0;
    while (t->err == CRDT_OK && t->out->size - start < MESSAGE_SIZE &&
           count++ < EVENT_MAX / 2) {
        if (!play_stage_next(audience->stage, shown, &entity)) {
            put(t, "{\"type\":\"InitMessagesFinished\",\"tag\":\"scene\","
                   "\"payload\":\"{}\"},");
            *finished = true;
            return;
        }
        put_add(t, audience, *shown, &entity);
        put(t, ",");
    }
}

crdt_err play_viewer_tell(play_viewer *viewer, crdt_buf *out)
{
    if (!play_viewer_waiting(viewer)) {
        return CRDT_OK;
    }
    const play_audience *audience = viewer->audience;
    size_t start = out->size;
    size_t shown = viewer->shown;
    bool finished = viewer->finished;
    bool showing = audience->stage != NULL;
    writing t = {.out = out};
    put(&t, "[");
    put_news(&t, viewer);
    if (showing && !finished) {
        put_entities(&t, viewer, start, &shown, &finished);
    }
    bool said = finished && !viewer->text_told;
    if (said && audience->text[0] != '\0') {
        put_state(&t, audience);
    }
    put_span(&t, crdt_buf_span(&viewer->answers));
    if (t.err != CRDT_OK) {
        out->size = start;
        return t.err;
    }
    out->data[out->size - 1] = ']'; /* in place of the last comma, or of '[' */
    viewer->welcomed = true;
    viewer->role_changed = false;
    viewer->people_changed = false;
    viewer->shown = shown;
    viewer->finished = finished;
    viewer->text_told = viewer->text_told || said;
    crdt_buf_clear(&viewer->left);
    crdt_buf_clear(&viewer->answers);
    return CRDT_OK;
}

bool play_viewer_waiting(const play_viewer *viewer)
{
    const play_audience *audience = viewer->audience;
    bool showing = audience->stage != NULL && !viewer->finished;
    bool said = !viewer->text_told && audience->text[0] != '\0';
    return !viewer->welcomed || viewer->role_changed || viewer->people_changed ||
           showing || (viewer->finished && said) || viewer->answers.size > 0;
}
