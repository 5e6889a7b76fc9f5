#include "cli/worker/view.h"

#include "scene/name_set.h"
#include "scene/scene.h"

#include <stdatomic.h>
#include <stdlib.h>

struct worker_view {
    crdt_alloc alloc;
    crdt_document *doc;
    scene_snapshot *snapshot;
    scene_name_set touched; /* entities that an update looked at, since the last take */
    worker_standing standing;
    bool everything;
    atomic_bool dirty;
    void (*changed)(void *ctx);
    void *changed_ctx;
    bool listening;
};

/* ---- following ---- */

static void on_changed(void *ctx, crdt_span object)
{
    worker_view *view = ctx;
    (void)object;
    if (!atomic_exchange(&view->dirty, true) && view->changed != NULL) {
        view->changed(view->changed_ctx);
    }
}

static void on_everything(void *ctx)
{
    worker_view *view = ctx;
    scene_name_set_clear(&view->touched);
    view->everything = true;
}

static void on_object(void *ctx, crdt_span object)
{
    worker_view *view = ctx;
    if (scene_layout_is_entity(object) && !view->everything &&
        scene_name_set_add(&view->touched, object) != CRDT_OK) {
        view->everything = true;
    }
}

crdt_err worker_view_open(worker_view **out, crdt_document *doc, crdt_alloc alloc,
                          void (*changed)(void *ctx), void *ctx)
{
    worker_view *view = crdt_allocate(alloc, sizeof *view);
    if (view == NULL) {
        return CRDT_ENOMEM;
    }
    *view = (worker_view){.alloc = alloc,
                          .doc = doc,
                          .everything = true,
                          .changed = changed,
                          .changed_ctx = ctx};
    atomic_init(&view->dirty, true);
    scene_name_set_init(&view->touched, alloc);
    worker_standing_init(&view->standing, alloc);
    crdt_err err = scene_snapshot_open(&view->snapshot, doc, alloc);
    if (err == CRDT_OK) {
        scene_snapshot_follow(view->snapshot,
                              &(scene_snapshot_follower){.ctx = view,
                                                         .everything = on_everything,
                                                         .object = on_object});
        err = crdt_document_listen(
            doc, &(crdt_listener){.ctx = view, .changed = on_changed});
        view->listening = err == CRDT_OK;
    }
    if (err != CRDT_OK) {
        worker_view_close(view);
        return err;
    }
    *out = view;
    return CRDT_OK;
}

void worker_view_close(worker_view *view)
{
    if (view == NULL) {
        return;
    }
    if (view->listening) {
        crdt_document_unlisten(view->doc, view);
    }
    scene_snapshot_close(view->snapshot);
    scene_name_set_deinit(&view->touched);
    worker_standing_deinit(&view->standing);
    crdt_free(view->alloc, view, sizeof *view);
}

bool worker_view_dirty(const worker_view *view)
{
    return atomic_load(&view->dirty);
}

void worker_view_again(worker_view *view)
{
    scene_name_set_clear(&view->touched);
    view->everything = true;
    atomic_store(&view->dirty, true);
}

const crdt_version *worker_view_version(const worker_view *view)
{
    return crdt_document_version(view->doc);
}

const crdt_document *worker_view_document(const worker_view *view)
{
    return view->doc;
}

scene_snapshot *worker_view_snapshot(worker_view *view)
{
    return view->snapshot;
}

worker_standing *worker_view_standing(worker_view *view)
{
    return &view->standing;
}

/* ---- reading one entity ---- */

static bool integer_field(const crdt_document *doc, crdt_part part, const char *name,
                          int64_t *number)
{
    crdt_entry entry;
    crdt_field field = {0};
    if (part.id != 0) {
        field = crdt_document_find_field(doc, part, crdt_span_of(name));
    }
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &entry)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(entry.value);
    crdt_value_token token = crdt_value_read(&reader);
    *number = token.integer;
    return token.type == CRDT_VALUE_NUMBER && token.integral;
}

/* The greatest stamp of what the component shows, and who wrote there. */
static void read_stamp(const crdt_document *doc, const scene_component *component,
                       crdt_stamp *stamp, crdt_span *author)
{
    crdt_entry entry;
    *stamp = (crdt_stamp){0};
    *author = (crdt_span){0};
    if (crdt_document_part_dot(doc, component->own, 0, &entry)) {
        *stamp = entry.stamp;
        *author = entry.who;
    }
    crdt_field field = {0};
    while (component->whole && crdt_document_next_field(doc, component->own, &field)) {
        if (crdt_document_field_value(doc, field, 0, &entry) &&
            crdt_stamp_compare(&entry.stamp, stamp) > 0) {
            *stamp = entry.stamp;
            *author = entry.who;
        }
    }
    scene_field shown;
    scene_field_cursor cursor = {0};
    while (scene_component_next_field(component, &cursor, &shown)) {
        if (crdt_stamp_compare(&shown.stamp, stamp) > 0) {
            *stamp = shown.stamp;
            *author = shown.who;
        }
    }
}

/* `map` without its member `parent`. */
static crdt_err write_without_parent(crdt_span map, crdt_buf *out)
{
    crdt_value_reader reader = crdt_value_read_open(map);
    crdt_value_token token = crdt_value_read(&reader);
    crdt_span unused;
    uint32_t less = crdt_value_map_find(map, "parent", &unused) ? 1 : 0;
    crdt_err err = crdt_value_write_map(out, token.count - less);
    for (uint32_t i = 0; i < token.count && err == CRDT_OK; i++) {
        crdt_span name = crdt_value_read(&reader).string;
        crdt_span value = crdt_value_read_span(&reader);
        if (crdt_span_equal(name, crdt_span_of("parent"))) {
            continue;
        }
        err = crdt_value_write_string(out, name);
        if (err == CRDT_OK) {
            err = crdt_buf_append_span(out, value);
        }
    }
    return err;
}

/* The value as a renderer shows it: the parent resolved, bytes as nothing. */
static crdt_err write_value(const scene_component *component, bool hide_parent,
                            crdt_buf *out)
{
    if (component->binary) {
        return crdt_value_write_null(out);
    }
    crdt_err err = scene_component_value(component, out);
    if (err != CRDT_OK || !hide_parent || component->whole) {
        return err;
    }
    crdt_buf shorter;
    crdt_buf_init(&shorter, out->alloc);
    err = write_without_parent(crdt_buf_span(out), &shorter);
    if (err == CRDT_OK) {
        crdt_buf_clear(out);
        err = crdt_buf_append_span(out, crdt_buf_span(&shorter));
    }
    crdt_buf_deinit(&shorter);
    return err;
}

static crdt_err read_part(worker_view *view, worker_news *news, crdt_part at,
                          bool repaired, crdt_buf *value, worker_news_part *part)
{
    scene_component component;
    crdt_span name = crdt_document_part_name(view->doc, at);
    scene_component_open(view->doc, at, &component);
    crdt_buf_clear(value);
    bool hide = repaired && scene_layout_class(name) == SCENE_CLASS_TRANSFORM;
    crdt_err err = write_value(&component, hide, value);
    if (err != CRDT_OK) {
        return err;
    }
    *part = (worker_news_part){.part = {0}};
    crdt_span author;
    read_stamp(view->doc, &component, &part->stamp, &author);
    bool copied = worker_news_copy(news, name, &part->part) &&
                  worker_news_copy(news, crdt_buf_span(value), &part->value) &&
                  worker_news_copy(news, author, &part->author);
    return copied ? CRDT_OK : CRDT_ENOMEM;
}

/* A component, with what its place depends on. */
typedef struct placed_part {
    crdt_part part;
    crdt_span name;
    bool ordered;
    int64_t order;
} placed_part;

static int compare_placed(const void *left, const void *right)
{
    const placed_part *a = left;
    const placed_part *b = right;
    if (a->ordered != b->ordered) {
        return a->ordered ? -1 : 1;
    }
    if (a->ordered && a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return scene_layout_component_compare(a->name, b->name);
}

/* The components of a live entity in their order; in the arena of the news. */
static placed_part *place_parts(const worker_view *view, worker_news *news,
                                crdt_object object, size_t *count)
{
    const crdt_document *doc = view->doc;
    size_t room = 0;
    crdt_part part = {0};
    while (crdt_document_next_part(doc, object, &part)) {
        room++;
    }
    placed_part *placed = crdt_arena_alloc(&news->arena, room * sizeof *placed);
    *count = 0;
    while (placed != NULL && crdt_document_next_part(doc, object, &part)) {
        crdt_span name = crdt_document_part_name(doc, part);
        if (!crdt_document_part_live(doc, part) ||
            !scene_layout_is_component(name, NULL)) {
            continue;
        }
        placed_part *at = &placed[(*count)++];
        *at = (placed_part){.part = part, .name = name};
        at->ordered = integer_field(doc, part, SCENE_NAME_ORDER, &at->order);
    }
    if (*count > 1) {
        qsort(placed, *count, sizeof *placed, compare_placed);
    }
    return placed;
}

/* The name that the entity's own part has, if it is text. False: no memory. */
static bool copy_name(const crdt_document *doc, crdt_part own, worker_news *news,
                      crdt_span *name)
{
    crdt_entry entry;
    crdt_span text;
    crdt_field field = {0};
    if (own.id != 0) {
        field = crdt_document_find_field(doc, own, crdt_span_of("name"));
    }
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &entry) ||
        !scene_value_text(entry.value, &text)) {
        return true;
    }
    return worker_news_copy(news, text, name);
}

static crdt_err read_entity(worker_view *view, worker_news *news, crdt_span id,
                            crdt_buf *value)
{
    worker_news_entity *entity = worker_news_add(news);
    if (entity == NULL || !worker_news_copy(news, id, &entity->id)) {
        return CRDT_ENOMEM;
    }
    crdt_object object = crdt_document_find_object(view->doc, id);
    scene_place place = {.repair = SCENE_REPAIR_NONE};
    const scene_tree *tree = scene_snapshot_tree(view->snapshot);
    entity->live = object.id != 0 && crdt_document_object_live(view->doc, object) &&
                   scene_tree_find(tree, id, &place);
    if (!entity->live) {
        return CRDT_OK;
    }
    crdt_part own = scene_part_find(view->doc, object, crdt_span_of(SCENE_NAME_ENTITY));
    entity->ordered = integer_field(view->doc, own, SCENE_NAME_ORDER, &entity->order);
    if (!copy_name(view->doc, own, news, &entity->name)) {
        return CRDT_ENOMEM;
    }
    size_t count = 0;
    placed_part *placed = place_parts(view, news, object, &count);
    entity->parts = crdt_arena_alloc(&news->arena, count * sizeof *entity->parts);
    if (placed == NULL || entity->parts == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        err = read_part(view, news, placed[i].part, place.repair != SCENE_REPAIR_NONE,
                        value, &entity->parts[i]);
        entity->part_count += err == CRDT_OK;
    }
    return err;
}

/* ---- taking ---- */

static crdt_err read_everything(worker_view *view, worker_news *news, crdt_buf *value)
{
    crdt_err err = CRDT_OK;
    crdt_object object = {0};
    while (err == CRDT_OK && scene_entity_next(view->doc, &object)) {
        err = read_entity(view, news, crdt_document_object_name(view->doc, object),
                          value);
    }
    return err;
}

/* What stands now, of all or of what was touched. */
static crdt_err follow_standing(worker_view *view)
{
    const scene_tree *tree = scene_snapshot_tree(view->snapshot);
    crdt_err err = CRDT_OK;
    if (view->everything) {
        return worker_standing_build(&view->standing, view->doc, tree);
    }
    for (size_t i = 0; err == CRDT_OK && i < view->touched.count; i++) {
        err = worker_standing_look(&view->standing, view->doc, tree,
                                   view->touched.names[i]);
    }
    return err;
}

crdt_err worker_view_take(worker_view *view, worker_news *news)
{
    atomic_store(&view->dirty, false);
    crdt_err err = scene_snapshot_update(view->snapshot);
    crdt_buf value;
    crdt_buf_init(&value, view->alloc);
    news->everything = view->everything;
    news->origin = scene_origin_of(view->doc);
    if (err == CRDT_OK && view->everything) {
        err = read_everything(view, news, &value);
    }
    for (size_t i = 0; err == CRDT_OK && i < view->touched.count; i++) {
        err = read_entity(view, news, view->touched.names[i], &value);
    }
    crdt_buf_deinit(&value);
    err = err == CRDT_OK ? follow_standing(view) : err;
    scene_name_set_clear(&view->touched);
    view->everything = err != CRDT_OK;
    if (err != CRDT_OK) {
        atomic_store(&view->dirty, true);
    }
    return err;
}
