#include "cli/worker/presence.h"

#include "cli/worker/text.h"
#include "crdt/value.h"
#include "scene/array.h"

#include <stdio.h>
#include <stdlib.h>

#define ID_MAX 64u

/* A person; blobs are JSON text, NULL where nothing is told. */
typedef struct person {
    worker_blob *id; /* bytes, not JSON */
    worker_blob *name;
    worker_blob *color;
    worker_blob *selection;
    worker_blob *camera;
    worker_blob *editing;
    access_role role;
    bool own;
    bool gone;
    bool met;
    crdt_actor worker;
    uint64_t revision;
} person;

struct worker_presence {
    crdt_alloc alloc;
    crdt_actor actor;
    person *people;
    size_t count;
    size_t capacity;
    size_t left_count;
    uint64_t revision;
    uint64_t forgotten; /* who left up to here is not known any more */
    bool dirty;
};

crdt_err worker_presence_open(worker_presence **out, crdt_alloc alloc)
{
    worker_presence *presence = crdt_allocate(alloc, sizeof *presence);
    if (presence == NULL) {
        return CRDT_ENOMEM;
    }
    *presence = (worker_presence){.alloc = alloc, .dirty = true};
    *out = presence;
    return CRDT_OK;
}

static void clear_person(person *p)
{
    worker_blob_drop(p->id);
    worker_blob_drop(p->name);
    worker_blob_drop(p->color);
    worker_blob_drop(p->selection);
    worker_blob_drop(p->camera);
    worker_blob_drop(p->editing);
}

void worker_presence_close(worker_presence *presence)
{
    if (presence == NULL) {
        return;
    }
    for (size_t i = 0; i < presence->count; i++) {
        clear_person(&presence->people[i]);
    }
    crdt_free(presence->alloc, presence->people,
              presence->capacity * sizeof *presence->people);
    crdt_free(presence->alloc, presence, sizeof *presence);
}

static void touch(worker_presence *presence, person *p)
{
    p->revision = ++presence->revision;
    presence->dirty = presence->dirty || p->own;
}

void worker_presence_set_actor(worker_presence *presence, const crdt_actor *actor)
{
    presence->actor = *actor;
    for (size_t i = 0; i < presence->count; i++) {
        if (presence->people[i].own && !presence->people[i].gone) {
            presence->people[i].worker = *actor;
            touch(presence, &presence->people[i]);
        }
    }
}

/* Whose id it is, here or gone; NULL: nobody's. */
static person *find(const worker_presence *presence, crdt_span id, bool own,
                    const crdt_actor *worker)
{
    for (size_t i = 0; i < presence->count; i++) {
        person *p = &presence->people[i];
        if (p->own == own && crdt_span_equal(worker_blob_span(p->id), id) &&
            (own || crdt_actor_equal(&p->worker, worker))) {
            return p;
        }
    }
    return NULL;
}

static person *find_own(const worker_presence *presence, crdt_span id)
{
    person *p = find(presence, id, true, NULL);
    return p == NULL || p->gone ? NULL : p;
}

static void remove_at(worker_presence *presence, size_t index)
{
    presence->left_count -= presence->people[index].gone;
    clear_person(&presence->people[index]);
    presence->people[index] = presence->people[--presence->count];
}

void worker_presence_forget(worker_presence *presence, uint64_t revision)
{
    for (size_t i = presence->count; i > 0 && presence->left_count > 0; i--) {
        const person *p = &presence->people[i - 1];
        if (p->gone && p->revision <= revision) {
            remove_at(presence, i - 1);
        }
    }
}

/* Gone; remembered until all were told, or too many are. */
static void leave(worker_presence *presence, person *p)
{
    worker_blob **told[] = {&p->selection, &p->camera, &p->editing};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        worker_blob_drop(*told[i]);
        *told[i] = NULL;
    }
    p->gone = true;
    presence->left_count++;
    touch(presence, p);
}

static void trim(worker_presence *presence)
{
    if (presence->left_count > WORKER_LEFT_MAX) {
        presence->forgotten = presence->revision - WORKER_LEFT_MAX / 2;
        worker_presence_forget(presence, presence->forgotten);
    }
}

/* A person of this id, found or made. NULL: no memory. */
static person *find_or_make(worker_presence *presence, crdt_span id, bool own,
                            const crdt_actor *worker)
{
    person *p = find(presence, id, own, worker);
    if (p != NULL) {
        return p;
    }
    person *people =
        scene_array_grow(presence->alloc, presence->people, presence->count,
                         &presence->capacity, sizeof *people);
    if (people == NULL) {
        return NULL;
    }
    presence->people = people;
    p = &people[presence->count];
    *p = (person){.id = worker_blob_make(presence->alloc, id),
                  .own = own,
                  .gone = true,
                  .worker = *worker};
    if (p->id == NULL) {
        return NULL;
    }
    presence->count++;
    presence->left_count++;
    return p;
}

/* Put text as JSON; false: no memory. */
static bool set_string(worker_presence *presence, worker_blob **blob, crdt_span text)
{
    crdt_buf json;
    crdt_buf_init(&json, presence->alloc);
    worker_text writer = worker_text_open(&json);
    worker_text_string(&writer, text);
    worker_blob *made = writer.err == CRDT_OK
                            ? worker_blob_make(presence->alloc, crdt_buf_span(&json))
                            : NULL;
    crdt_buf_deinit(&json);
    if (made != NULL) {
        worker_blob_drop(*blob);
        *blob = made;
    }
    return made != NULL;
}

crdt_err worker_presence_join(worker_presence *presence, crdt_span id, crdt_span name,
                              crdt_span color, access_role role)
{
    if (worker_presence_count(presence) >= WORKER_PEOPLE_MAX * 2) {
        return CRDT_ELIMIT;
    }
    person *p = find_or_make(presence, id, true, &presence->actor);
    if (p == NULL || !set_string(presence, &p->name, name) ||
        !set_string(presence, &p->color, color)) {
        return CRDT_ENOMEM;
    }
    presence->left_count -= p->gone;
    p->gone = false;
    p->role = role;
    touch(presence, p);
    return CRDT_OK;
}

void worker_presence_leave(worker_presence *presence, crdt_span id)
{
    person *p = find_own(presence, id);
    if (p != NULL) {
        leave(presence, p);
        trim(presence);
    }
}

void worker_presence_set_role(worker_presence *presence, crdt_span id, access_role role)
{
    person *p = find_own(presence, id);
    if (p != NULL && p->role != role) {
        p->role = role;
        touch(presence, p);
    }
}

/* ---- what people tell ---- */

static bool is_color(crdt_span text)
{
    bool valid = text.size == 7 && text.data[0] == '#';
    for (size_t i = 1; valid && i < 7; i++) {
        uint8_t c = text.data[i];
        valid =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    }
    return valid;
}

static bool is_selection(const scene_json_node *node)
{
    if (node->type != SCENE_JSON_ARRAY) {
        return false;
    }
    const scene_json_node *at = node + 1;
    for (uint32_t i = 0; i < node->count; i++, at = scene_json_next(at)) {
        if (at->type != SCENE_JSON_STRING) {
            return false;
        }
    }
    return true;
}

/* The node as JSON text of at most `size_max` bytes; null gives NULL. */
static crdt_err read_text(worker_presence *presence, const scene_json_node *node,
                          size_t size_max, worker_blob **out)
{
    *out = NULL;
    if (node->type == SCENE_JSON_NULL) {
        return CRDT_OK;
    }
    crdt_buf value;
    crdt_buf text;
    crdt_buf_init(&value, presence->alloc);
    crdt_buf_init(&text, presence->alloc);
    crdt_err err = scene_json_encode(node, presence->alloc, &value);
    if (err == CRDT_OK) {
        err = scene_json_write_value(crdt_buf_span(&value), &text);
    }
    if (err == CRDT_OK && text.size > size_max) {
        err = CRDT_ELIMIT;
    }
    if (err == CRDT_OK) {
        *out = worker_blob_make(presence->alloc, crdt_buf_span(&text));
        err = *out == NULL ? CRDT_ENOMEM : CRDT_OK;
    }
    crdt_buf_deinit(&value);
    crdt_buf_deinit(&text);
    return err;
}

/* What one payload says, read before anything is changed. */
typedef struct told {
    const scene_json_node *nodes[3]; /* selection, camera, editing; NULL: stays */
    worker_blob *blobs[3];
    const scene_json_node *color;
} told;

static crdt_err read_told(worker_presence *presence, const scene_json_node *payload,
                          told *t, crdt_diag *diag)
{
    static const char *const NAMES[] = {"selection", "camera", "editing"};
    static const size_t SIZES[] = {WORKER_SELECTION_MAX, WORKER_CAMERA_MAX,
                                   WORKER_CAMERA_MAX};
    *t = (told){.color = scene_json_find(payload, "color")};
    if (t->color != NULL &&
        (t->color->type != SCENE_JSON_STRING || !is_color(scene_json_text(t->color)))) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "color is #rrggbb");
    }
    crdt_err err = CRDT_OK;
    for (int i = 0; i < 3 && err == CRDT_OK; i++) {
        const scene_json_node *node = scene_json_find(payload, NAMES[i]);
        if (node == NULL) {
            continue;
        }
        bool shaped = node->type == SCENE_JSON_NULL ||
                      (i == 0 ? is_selection(node) : node->type == SCENE_JSON_OBJECT);
        if (!shaped) {
            return crdt_diag_set(diag, CRDT_EINVAL, 0, "%s is %s", NAMES[i],
                                 i == 0 ? "an array of texts" : "an object");
        }
        err = read_text(presence, node, SIZES[i], &t->blobs[i]);
        if (err == CRDT_ELIMIT) {
            return crdt_diag_set(diag, CRDT_EINVAL, 0, "%s is longer than %zu bytes",
                                 NAMES[i], SIZES[i]);
        }
        t->nodes[i] = node;
    }
    return err;
}

static void drop_told(told *t)
{
    for (int i = 0; i < 3; i++) {
        worker_blob_drop(t->blobs[i]);
    }
}

/* Takes the blobs. True: something differs. */
static bool put_told(person *p, told *t)
{
    worker_blob **kept[3] = {&p->selection, &p->camera, &p->editing};
    bool changed = false;
    for (int i = 0; i < 3; i++) {
        if (t->nodes[i] != NULL && !worker_blob_equal(*kept[i], t->blobs[i])) {
            worker_blob *former = *kept[i];
            *kept[i] = t->blobs[i];
            t->blobs[i] = former;
            changed = true;
        }
    }
    return changed;
}

crdt_err worker_presence_set(worker_presence *presence, crdt_span id,
                             const scene_json_node *payload, crdt_diag *diag)
{
    person *p = find_own(presence, id);
    if (p == NULL) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "this person is not shown");
    }
    if (payload == NULL || payload->type != SCENE_JSON_OBJECT) {
        return crdt_diag_set(diag, CRDT_EINVAL, 0, "Presence has no payload");
    }
    told t;
    crdt_err err = read_told(presence, payload, &t, diag);
    if (err == CRDT_OK) {
        bool changed = put_told(p, &t);
        if (t.color != NULL) {
            worker_blob *before = worker_blob_hold(p->color);
            if (!set_string(presence, &p->color, scene_json_text(t.color))) {
                err = CRDT_ENOMEM;
            }
            changed = changed || !worker_blob_equal(before, p->color);
            worker_blob_drop(before);
        }
        if (changed) {
            touch(presence, p);
        }
    }
    drop_told(&t);
    return err;
}

void worker_presence_touch(worker_presence *presence)
{
    presence->dirty = true;
}

bool worker_presence_dirty(const worker_presence *presence)
{
    return presence->dirty;
}

/* ---- writing ---- */

static void put_member(worker_text *text, const char *key, const worker_blob *json)
{
    if (json != NULL) {
        worker_text_put(text, key);
        worker_text_raw(text, worker_blob_span(json));
    }
}

/* `level` 0: all; 1: no camera; 2: neither selection nor editing. */
static void put_person(worker_text *text, const person *p, bool worker, int level)
{
    worker_text_put(text, "{\"id\":");
    worker_text_string(text, worker_blob_span(p->id));
    if (worker) {
        worker_text_put(text, ",\"worker\":");
        worker_text_actor(text, &p->worker);
    }
    put_member(text, ",\"name\":", p->name);
    put_member(text, ",\"color\":", p->color);
    worker_text_put(text, ",\"role\":\"");
    worker_text_put(text, access_role_name(p->role));
    worker_text_put(text, "\"");
    if (level < 2) {
        put_member(text, ",\"selection\":", p->selection);
        put_member(text, ",\"editing\":", p->editing);
    }
    if (level < 1) {
        put_member(text, ",\"camera\":", p->camera);
    }
    worker_text_put(text, "}");
}

/* One try; at the last level people are left out at the end. */
static crdt_err write_level(const worker_presence *presence, bool saves,
                            crdt_span saved, size_t size_max, int level, crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    size_t start = out->size;
    worker_text_put(&text, saves ? "{\"worker\":{\"saves\":true,\"saved\":"
                                 : "{\"worker\":{\"saves\":false,\"saved\":");
    worker_text_string(&text, saved);
    worker_text_put(&text, "},\"people\":[");
    bool comma = false;
    for (size_t i = 0; i < presence->count; i++) {
        const person *p = &presence->people[i];
        if (!p->own || p->gone) {
            continue;
        }
        size_t before = out->size;
        worker_text_put(&text, comma ? "," : "");
        put_person(&text, p, false, level);
        if (level == 2 && out->size - start + 2 > size_max) {
            out->size = before;
            break;
        }
        comma = true;
    }
    worker_text_put(&text, "]}");
    return text.err;
}

crdt_err worker_presence_write(worker_presence *presence, bool saves, crdt_span saved,
                               size_t size_max, crdt_buf *out)
{
    size_t start = out->size;
    crdt_err err = CRDT_OK;
    for (int level = 0; level < 3; level++) {
        out->size = start;
        err = write_level(presence, saves, saved, size_max, level, out);
        if (err != CRDT_OK || out->size - start <= size_max) {
            break;
        }
    }
    if (err != CRDT_OK) {
        out->size = start;
    } else {
        presence->dirty = false;
    }
    return err;
}

/* ---- hearing ---- */

static crdt_span text_of(const scene_json_node *node, size_t size_max)
{
    if (node == NULL || node->type != SCENE_JSON_STRING || node->count > size_max) {
        return (crdt_span){0};
    }
    return scene_json_text(node);
}

static access_role role_of(crdt_span text)
{
    char name[16];
    access_role role = ACCESS_NONE;
    if (text.size < sizeof name) {
        memcpy(name, text.data != NULL ? (const char *)text.data : "", text.size);
        name[text.size] = '\0';
        if (!access_role_parse(name, &role)) {
            role = ACCESS_NONE;
        }
    }
    return role;
}

static crdt_err hear_person(worker_presence *presence, const crdt_actor *actor,
                            const scene_json_node *node)
{
    crdt_span id = text_of(scene_json_find(node, "id"), ID_MAX);
    if (id.size == 0) {
        return CRDT_OK;
    }
    told t;
    crdt_err err = read_told(presence, node, &t, NULL);
    person *p = err == CRDT_OK ? find_or_make(presence, id, false, actor) : NULL;
    if (p == NULL) {
        drop_told(&t);
        return err == CRDT_EINVAL ? CRDT_OK : CRDT_ENOMEM;
    }
    for (int i = 0; i < 3; i++) { /* what is told is all: what is missing is no more */
        t.nodes[i] = node;
    }
    worker_blob *name = worker_blob_hold(p->name);
    worker_blob *color = worker_blob_hold(p->color);
    access_role role = role_of(text_of(scene_json_find(node, "role"), 16));
    bool done =
        set_string(presence, &p->name,
                   text_of(scene_json_find(node, "name"), WORKER_PERSON_NAME_MAX)) &&
        set_string(presence, &p->color,
                   t.color == NULL ? (crdt_span){0} : scene_json_text(t.color));
    bool changed = put_told(p, &t) || p->gone || p->role != role ||
                   !worker_blob_equal(name, p->name) ||
                   !worker_blob_equal(color, p->color);
    worker_blob_drop(name);
    worker_blob_drop(color);
    drop_told(&t);
    presence->left_count -= p->gone;
    p->gone = false;
    p->met = true;
    p->role = role;
    if (changed) {
        touch(presence, p);
    }
    return done ? CRDT_OK : CRDT_ENOMEM;
}

/* How many workers tell of people. */
static size_t count_workers(const worker_presence *presence)
{
    size_t count = 0;
    for (size_t i = 0; i < presence->count; i++) {
        const person *p = &presence->people[i];
        bool first = !p->own && !p->gone;
        for (size_t k = 0; k < i && first; k++) {
            const person *other = &presence->people[k];
            first = other->own || other->gone ||
                    !crdt_actor_equal(&other->worker, &p->worker);
        }
        count += first;
    }
    return count;
}

static bool knows_worker(const worker_presence *presence, const crdt_actor *actor)
{
    for (size_t i = 0; i < presence->count; i++) {
        const person *p = &presence->people[i];
        if (!p->own && !p->gone && crdt_actor_equal(&p->worker, actor)) {
            return true;
        }
    }
    return false;
}

static void read_worker(const scene_json_node *root, worker_presence_worker *worker)
{
    const scene_json_node *node = scene_json_find(root, "worker");
    const scene_json_node *saves = node == NULL ? NULL : scene_json_find(node, "saves");
    *worker = (worker_presence_worker){
        .saves = saves != NULL && saves->type == SCENE_JSON_BOOL && saves->boolean};
    crdt_span saved = text_of(node == NULL ? NULL : scene_json_find(node, "saved"),
                              sizeof worker->saved - 1);
    if (saved.size > 0) {
        memcpy(worker->saved, saved.data, saved.size);
    }
}

static crdt_err hear_people(worker_presence *presence, const crdt_actor *actor,
                            const scene_json_node *people)
{
    for (size_t i = 0; i < presence->count; i++) {
        presence->people[i].met = false;
    }
    uint32_t count =
        people == NULL || people->type != SCENE_JSON_ARRAY ? 0 : people->count;
    if (!knows_worker(presence, actor) &&
        count_workers(presence) >= WORKER_WORKERS_MAX) {
        count = 0;
    }
    crdt_err err = CRDT_OK;
    const scene_json_node *at = count > 0 ? people + 1 : NULL;
    for (uint32_t i = 0; i < count && i < WORKER_PEOPLE_MAX && err == CRDT_OK; i++) {
        if (at->type == SCENE_JSON_OBJECT) {
            err = hear_person(presence, actor, at);
        }
        at = scene_json_next(at);
    }
    for (size_t i = presence->count; i > 0; i--) {
        person *p = &presence->people[i - 1];
        if (!p->own && !p->gone && !p->met && crdt_actor_equal(&p->worker, actor)) {
            leave(presence, p);
        }
    }
    trim(presence);
    return err;
}

crdt_err worker_presence_hear(worker_presence *presence, const crdt_actor *actor,
                              crdt_span text, worker_presence_worker *worker,
                              crdt_diag *diag)
{
    scene_json *json = NULL;
    const scene_json_limits limits = {.size_max = 64u << 10, .depth_max = 16};
    *worker = (worker_presence_worker){.saves = false};
    crdt_err err = scene_json_open(&json, presence->alloc, text, &limits, diag);
    if (err != CRDT_OK) {
        return err;
    }
    const scene_json_node *root = scene_json_root(json);
    if (root->type != SCENE_JSON_OBJECT) {
        err = scene_json_refuse(json, root, diag, CRDT_ECORRUPT,
                                "presence is one object");
    } else {
        read_worker(root, worker);
        err = hear_people(presence, actor, scene_json_find(root, "people"));
    }
    scene_json_close(json);
    return err;
}

void worker_presence_left(worker_presence *presence, const crdt_actor *actor)
{
    for (size_t i = presence->count; i > 0; i--) {
        person *p = &presence->people[i - 1];
        if (!p->own && !p->gone && crdt_actor_equal(&p->worker, actor)) {
            leave(presence, p);
        }
    }
    trim(presence);
}

/* ---- telling ---- */

size_t worker_presence_count(const worker_presence *presence)
{
    return presence->count - presence->left_count;
}

uint64_t worker_presence_revision(const worker_presence *presence)
{
    return presence->revision;
}

static void put_people(worker_text *text, const worker_presence *presence,
                       uint64_t since, crdt_span self, bool *any)
{
    bool comma = false;
    worker_text_put(text, "[");
    for (size_t i = 0; i < presence->count; i++) {
        const person *p = &presence->people[i];
        bool is_self = p->own && crdt_span_equal(worker_blob_span(p->id), self);
        if (p->gone || p->revision <= since || is_self) {
            continue;
        }
        worker_text_put(text, comma ? "," : "");
        put_person(text, p, true, 0);
        comma = true;
        *any = true;
    }
    worker_text_put(text, "]");
}

crdt_err worker_presence_tell(const worker_presence *presence, uint64_t since,
                              crdt_span self, crdt_buf *out)
{
    bool all = since == 0 || since < presence->forgotten;
    bool any = all;
    size_t start = out->size;
    worker_text text = worker_text_open(out);
    worker_text_put(&text, "{\"eventType\":\"Presence\",\"payload\":{");
    worker_text_put(&text, all ? "\"all\":true,\"people\":" : "\"people\":");
    put_people(&text, presence, all ? 0 : since, self, &any);
    worker_text_put(&text, ",\"left\":[");
    bool comma = false;
    for (size_t i = 0; i < presence->count && !all; i++) {
        const person *p = &presence->people[i];
        if (p->gone && p->revision > since) {
            worker_text_put(&text, comma ? "," : "");
            worker_text_string(&text, worker_blob_span(p->id));
            comma = true;
            any = true;
        }
    }
    worker_text_put(&text, "]}}");
    if (text.err != CRDT_OK || !any) {
        out->size = start;
    }
    return text.err;
}

crdt_err worker_presence_list(const worker_presence *presence, crdt_buf *out)
{
    bool any = false;
    worker_text text = worker_text_open(out);
    put_people(&text, presence, 0, (crdt_span){0}, &any);
    return text.err;
}
