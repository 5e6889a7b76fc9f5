#include "cli/content/entity_text.h"

#include "crdt/value.h"
#include "scene/json_writer.h"

#include <stdio.h>

/* ---- names ---- */

bool content_file_name_valid(crdt_span name)
{
    if (name.size == 0 || name.size > CONTENT_FILE_NAME_MAX ||
        !crdt_utf8_valid(name, NULL)) {
        return false;
    }
    size_t part = 0; /* where it begins */
    for (size_t i = 0; i <= name.size; i++) {
        uint8_t c = i < name.size ? name.data[i] : '/';
        if (c < 0x20 || c == 0x7f || c == '\\') {
            return false;
        }
        if (c != '/') {
            continue;
        }
        crdt_span word = {name.data + part, i - part};
        if (word.size == 0 || crdt_span_equal(word, crdt_span_of(".")) ||
            crdt_span_equal(word, crdt_span_of(".."))) {
            return false;
        }
        part = i + 1;
    }
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

bool content_file_name_equal(crdt_span a, crdt_span b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return false;
        }
    }
    return true;
}

/* ---- scene.json ---- */

typedef struct metadata_writer {
    const content_metadata *metadata;
    scene_json_writer json;
    crdt_buf value; /* scratch */
} metadata_writer;

static void key(metadata_writer *w, const char *name)
{
    scene_json_writer_key(&w->json, crdt_span_of(name));
}

static void text(metadata_writer *w, const char *name, const char *value)
{
    key(w, name);
    scene_json_writer_string(&w->json, crdt_span_of(value));
}

/* A node of what was deployed, as it is. */
static void former_value(metadata_writer *w, const scene_json_node *node)
{
    crdt_buf_clear(&w->value);
    crdt_err err = scene_json_encode(node, w->json.alloc, &w->value);
    if (err == CRDT_OK) {
        scene_json_writer_value(&w->json, crdt_buf_span(&w->value));
    } else if (w->json.err == CRDT_OK) {
        w->json.err = err;
    }
}

/* The members of an object that are not written already: of two members with one key the
 * writer keeps the first. */
static void former_members(metadata_writer *w, const scene_json_node *object,
                           const char *const *skip)
{
    if (object == NULL || object->type != SCENE_JSON_OBJECT) {
        return;
    }
    const scene_json_node *member = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const scene_json_node *value = scene_json_next(member);
        bool skipped = false;
        for (size_t s = 0; skip != NULL && skip[s] != NULL; s++) {
            skipped |= crdt_span_equal(scene_json_text(member), crdt_span_of(skip[s]));
        }
        if (!skipped) {
            scene_json_writer_key(&w->json, scene_json_text(member));
            former_value(w, value);
        }
        member = scene_json_next(value);
    }
}

static const scene_json_node *former_object(const metadata_writer *w, const char *name)
{
    const scene_json_node *former = w->metadata->former;
    const scene_json_node *node =
        former != NULL && !w->metadata->empty ? scene_json_find(former, name) : NULL;
    return node != NULL && node->type == SCENE_JSON_OBJECT ? node : NULL;
}

static void write_display(metadata_writer *w)
{
    const content_metadata *m = w->metadata;
    const scene_json_node *former = former_object(w, "display");
    key(w, "display");
    scene_json_writer_object_begin(&w->json);
    if (m->title.size > 0) {
        key(w, "title");
        scene_json_writer_string(&w->json, m->title);
    }
    if (m->description.data != NULL) {
        key(w, "description");
        scene_json_writer_string(&w->json, m->description);
    }
    if (m->thumbnail) {
        text(w, "navmapThumbnail", "thumbnail.png");
    }
    former_members(w, former, NULL);
    if (m->title.size == 0 &&
        (former == NULL || scene_json_find(former, "title") == NULL)) {
        char pointer[CONTENT_POINTER_SIZE];
        char title[CONTENT_POINTER_SIZE + 16];
        content_parcel_format(m->base, pointer);
        snprintf(title, sizeof title, "%s %s", m->empty ? "Empty" : "Scene", pointer);
        text(w, "title", title);
    }
    scene_json_writer_object_end(&w->json);
}

static void write_parcels(scene_json_writer *json, const content_parcels *parcels)
{
    scene_json_writer_array_begin(json);
    for (size_t i = 0; i < parcels->count; i++) {
        char pointer[CONTENT_POINTER_SIZE];
        content_parcel_format(parcels->list[i], pointer);
        scene_json_writer_string(json, crdt_span_of(pointer));
    }
    scene_json_writer_array_end(json);
}

static void write_land(metadata_writer *w)
{
    char pointer[CONTENT_POINTER_SIZE];
    content_parcel_format(w->metadata->base, pointer);
    key(w, "scene");
    scene_json_writer_object_begin(&w->json);
    text(w, "base", pointer);
    key(w, "parcels");
    write_parcels(&w->json, w->metadata->parcels);
    former_members(w, former_object(w, "scene"), NULL);
    scene_json_writer_object_end(&w->json);
}

static void write_point(metadata_writer *w, content_parcel point)
{
    key(w, "point");
    scene_json_writer_object_begin(&w->json);
    key(w, "x");
    scene_json_writer_integer(&w->json, point.x);
    key(w, "y");
    scene_json_writer_integer(&w->json, point.y);
    scene_json_writer_object_end(&w->json);
}

/* Is the land what it was? */
static bool same_land(const metadata_writer *w)
{
    const scene_json_node *land = former_object(w, "scene");
    const scene_json_node *list =
        land != NULL ? scene_json_find(land, "parcels") : NULL;
    if (list == NULL || list->type != SCENE_JSON_ARRAY ||
        list->count != w->metadata->parcels->count) {
        return false;
    }
    const scene_json_node *node = list + 1;
    for (uint32_t i = 0; i < list->count; i++) {
        content_parcel parcel;
        if (node->type != SCENE_JSON_STRING ||
            !content_parcel_parse(scene_json_text(node), &parcel) ||
            !content_parcels_have(w->metadata->parcels, parcel)) {
            return false;
        }
        node = scene_json_next(node);
    }
    return true;
}

/* How the project lies on the land: as it was, where that is told and the land is it. */
static void write_source(metadata_writer *w)
{
    static const char *const OURS[] = {"isEmpty", "projectId", NULL};
    content_parcel corner;
    uint32_t width;
    uint32_t height;
    content_parcels_box(w->metadata->parcels, &corner, &width, &height);
    key(w, "source");
    scene_json_writer_object_begin(&w->json);
    key(w, "version");
    scene_json_writer_integer(&w->json, 1);
    text(w, "origin", "builder-in-world");
    if (w->metadata->empty) {
        key(w, "isEmpty");
        scene_json_writer_bool(&w->json, true);
    }
    if (w->metadata->project.size > 0) {
        key(w, "projectId");
        scene_json_writer_string(&w->json, w->metadata->project);
    }
    former_members(w, same_land(w) ? former_object(w, "source") : NULL, OURS);
    write_point(w, corner);
    text(w, "rotation", "east");
    key(w, "layout");
    scene_json_writer_object_begin(&w->json);
    key(w, "rows");
    scene_json_writer_integer(&w->json, width);
    key(w, "cols");
    scene_json_writer_integer(&w->json, height);
    scene_json_writer_object_end(&w->json);
    scene_json_writer_object_end(&w->json);
}

/* In the middle of the first parcel. */
static void write_spawn(metadata_writer *w)
{
    key(w, "spawnPoints");
    scene_json_writer_array_begin(&w->json);
    scene_json_writer_object_begin(&w->json);
    text(w, "name", "spawn1");
    key(w, "default");
    scene_json_writer_bool(&w->json, true);
    key(w, "position");
    scene_json_writer_object_begin(&w->json);
    key(w, "x");
    scene_json_writer_integer(&w->json, 8);
    key(w, "y");
    scene_json_writer_integer(&w->json, 0);
    key(w, "z");
    scene_json_writer_integer(&w->json, 8);
    scene_json_writer_object_end(&w->json);
    scene_json_writer_object_end(&w->json);
    scene_json_writer_array_end(&w->json);
}

crdt_err content_metadata_write(const content_metadata *metadata, crdt_alloc alloc,
                                crdt_buf *out)
{
    /* The code that is deployed is of the older runtime. */
    static const char *const NOT_KEPT[] = {"ecs7", "runtimeVersion", "composite", NULL};
    size_t before = out->size;
    metadata_writer w = {.metadata = metadata};
    scene_json_writer_init(&w.json, alloc, out);
    crdt_buf_init(&w.value, alloc);
    scene_json_writer_object_begin(&w.json);
    text(&w, "main", "bin/game.js");
    write_display(&w);
    write_land(&w);
    write_source(&w);
    former_members(&w, metadata->empty ? NULL : metadata->former, NOT_KEPT);
    key(&w, "contact");
    scene_json_writer_object_begin(&w.json);
    text(&w, "name", "");
    scene_json_writer_object_end(&w.json);
    text(&w, "owner", "");
    key(&w, "tags");
    scene_json_writer_array_begin(&w.json);
    scene_json_writer_array_end(&w.json);
    write_spawn(&w);
    scene_json_writer_object_end(&w.json);
    crdt_err err = w.json.err;
    crdt_buf_deinit(&w.value);
    scene_json_writer_deinit(&w.json);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}

/* ---- the entity ---- */

crdt_err content_entity_write(const content_parcels *parcels, uint64_t timestamp_ms,
                              const content_entity_file *files, size_t file_count,
                              crdt_span metadata, crdt_alloc alloc, crdt_buf *out)
{
    size_t before = out->size;
    scene_json_writer json;
    scene_json_writer_init(&json, alloc, out);
    scene_json_writer_object_begin(&json);
    scene_json_writer_key(&json, crdt_span_of("version"));
    scene_json_writer_string(&json, crdt_span_of("v3"));
    scene_json_writer_key(&json, crdt_span_of("type"));
    scene_json_writer_string(&json, crdt_span_of("scene"));
    scene_json_writer_key(&json, crdt_span_of("pointers"));
    write_parcels(&json, parcels);
    scene_json_writer_key(&json, crdt_span_of("timestamp"));
    scene_json_writer_integer(&json, (int64_t)timestamp_ms);
    scene_json_writer_key(&json, crdt_span_of("content"));
    scene_json_writer_array_begin(&json);
    for (size_t i = 0; i < file_count; i++) {
        scene_json_writer_object_begin(&json);
        scene_json_writer_key(&json, crdt_span_of("file"));
        scene_json_writer_string(&json, files[i].name);
        scene_json_writer_key(&json, crdt_span_of("hash"));
        scene_json_writer_string(&json, crdt_span_of(files[i].hash));
        scene_json_writer_object_end(&json);
    }
    scene_json_writer_array_end(&json);
    scene_json_writer_key(&json, crdt_span_of("metadata"));
    scene_json_writer_raw(&json, metadata);
    scene_json_writer_object_end(&json);
    crdt_err err = json.err;
    scene_json_writer_deinit(&json);
    if (err != CRDT_OK) {
        out->size = before;
    }
    return err;
}
