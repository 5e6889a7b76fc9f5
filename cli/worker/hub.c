#include "cli/worker/hub.h"

#include "cli/worker/text.h"
#include "cli/worker/wording.h"
#include "scene/array.h"
#include "crdt/value.h"
#include "scene/class_id.h"
#include "scene/id_map.h"
#include "scene/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct worker_hub {
    crdt_alloc alloc;
    worker_blob *scene;
    scene_format origin;
    uint64_t revision;
    worker_entity *oldest; /* of those in the list */
    worker_entity *newest;

    worker_entity **slots; /* NULL: free */
    size_t slot_count;
    size_t slot_capacity;
    uint32_t *free_slots;
    size_t free_count;
    size_t free_capacity;
    scene_id_map map; /* id -> slot */
    size_t live_count;
    size_t gone_count;

    worker_entity **order; /* live entities as the snapshot has them */
    size_t order_count;
    size_t order_capacity;
    bool order_stale;

    worker_type *types;
    size_t type_count;
    size_t type_size; /* bytes of their names */
    size_t type_capacity;
    scene_id_map type_map; /* part name -> type */
};

static crdt_span slot_id(const void *ctx, uint32_t slot)
{
    const worker_hub *hub = ctx;
    return worker_blob_span(hub->slots[slot]->id);
}

static crdt_span type_part(const void *ctx, uint32_t type)
{
    const worker_hub *hub = ctx;
    return worker_blob_span(hub->types[type].part);
}

crdt_err worker_hub_open(worker_hub **out, crdt_alloc alloc, crdt_span scene)
{
    worker_hub *hub = crdt_allocate(alloc, sizeof *hub);
    if (hub == NULL) {
        return CRDT_ENOMEM;
    }
    *hub = (worker_hub){.alloc = alloc, .origin = SCENE_FORMAT_STATE};
    scene_id_map_init(&hub->map, alloc, slot_id);
    scene_id_map_init(&hub->type_map, alloc, type_part);
    hub->scene = worker_blob_make(alloc, scene);
    if (hub->scene == NULL) {
        worker_hub_close(hub);
        return CRDT_ENOMEM;
    }
    *out = hub;
    return CRDT_OK;
}

/* ---- parts ---- */

static void clear_part(worker_part *part)
{
    worker_blob_drop(part->value);
    worker_blob_drop(part->author);
    worker_blob_drop(part->event);
}

static void clear_parts(worker_entity *entity)
{
    for (size_t i = 0; i < entity->part_count; i++) {
        clear_part(&entity->parts[i]);
    }
    entity->part_count = 0;
}

worker_part *worker_entity_part(const worker_entity *entity, uint32_t type)
{
    for (size_t i = 0; i < entity->part_count; i++) {
        if (entity->parts[i].type == type) {
            return &entity->parts[i];
        }
    }
    return NULL;
}

/* ---- entities ---- */

static void unlist(worker_hub *hub, worker_entity *entity)
{
    if (!entity->listed) {
        return;
    }
    *(entity->older == NULL ? &hub->oldest : &entity->older->newer) = entity->newer;
    *(entity->newer == NULL ? &hub->newest : &entity->newer->older) = entity->older;
    entity->older = NULL;
    entity->newer = NULL;
    entity->listed = false;
}

/* It changed now: to the end of the list. */
static void touch(worker_hub *hub, worker_entity *entity)
{
    unlist(hub, entity);
    entity->revision = ++hub->revision;
    entity->older = hub->newest;
    *(hub->newest == NULL ? &hub->oldest : &hub->newest->newer) = entity;
    hub->newest = entity;
    entity->listed = true;
}

static void free_entity(worker_hub *hub, worker_entity *entity)
{
    unlist(hub, entity);
    clear_parts(entity);
    crdt_free(hub->alloc, entity->parts, entity->part_capacity * sizeof(worker_part));
    worker_blob_drop(entity->id);
    worker_blob_drop(entity->id_text);
    worker_blob_drop(entity->name);
    crdt_free(hub->alloc, entity, sizeof *entity);
}

void worker_hub_close(worker_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    for (size_t i = 0; i < hub->slot_count; i++) {
        if (hub->slots[i] != NULL) {
            free_entity(hub, hub->slots[i]);
        }
    }
    for (size_t i = 0; i < hub->type_count; i++) {
        worker_blob_drop(hub->types[i].part);
        worker_blob_drop(hub->types[i].name);
        worker_blob_drop(hub->types[i].id);
    }
    crdt_alloc alloc = hub->alloc;
    scene_id_map_deinit(&hub->map);
    scene_id_map_deinit(&hub->type_map);
    worker_blob_drop(hub->scene);
    crdt_free(alloc, hub->slots, hub->slot_capacity * sizeof *hub->slots);
    crdt_free(alloc, hub->free_slots, hub->free_capacity * sizeof *hub->free_slots);
    crdt_free(alloc, hub->order, hub->order_capacity * sizeof *hub->order);
    crdt_free(alloc, hub->types, hub->type_capacity * sizeof *hub->types);
    crdt_free(alloc, hub, sizeof *hub);
}

worker_entity *worker_hub_find(const worker_hub *hub, crdt_span id)
{
    uint32_t slot = scene_id_map_find(&hub->map, hub, id);
    return slot == SCENE_ID_NONE ? NULL : hub->slots[slot];
}

worker_entity *worker_hub_slot(const worker_hub *hub, uint32_t slot)
{
    return slot < hub->slot_count ? hub->slots[slot] : NULL;
}

/* Room for one more slot, here and in the list of free ones. */
static crdt_err reserve_slot(worker_hub *hub)
{
    worker_entity **slots = scene_array_grow(hub->alloc, hub->slots, hub->slot_count,
                                             &hub->slot_capacity, sizeof *hub->slots);
    if (slots == NULL) {
        return CRDT_ENOMEM;
    }
    hub->slots = slots;
    if (hub->free_capacity < hub->slot_capacity) {
        uint32_t *free_slots =
            crdt_resize_array(hub->alloc, hub->free_slots, hub->free_capacity,
                              hub->slot_capacity, sizeof *free_slots);
        if (free_slots == NULL) {
            return CRDT_ENOMEM;
        }
        hub->free_slots = free_slots;
        hub->free_capacity = hub->slot_capacity;
    }
    return scene_id_map_reserve(&hub->map);
}

static worker_blob *make_string(crdt_alloc alloc, crdt_span utf8)
{
    crdt_buf text;
    crdt_buf_init(&text, alloc);
    worker_text writer = worker_text_open(&text);
    worker_text_string(&writer, utf8);
    worker_blob *blob =
        writer.err == CRDT_OK ? worker_blob_make(alloc, crdt_buf_span(&text)) : NULL;
    crdt_buf_deinit(&text);
    return blob;
}

static worker_entity *make_entity(worker_hub *hub, crdt_span id)
{
    worker_entity *entity = NULL;
    if (reserve_slot(hub) == CRDT_OK) {
        entity = crdt_allocate(hub->alloc, sizeof *entity);
    }
    if (entity == NULL) {
        return NULL;
    }
    *entity = (worker_entity){.id = worker_blob_make(hub->alloc, id),
                              .id_text = make_string(hub->alloc, id)};
    if (entity->id == NULL || entity->id_text == NULL) {
        free_entity(hub, entity);
        return NULL;
    }
    entity->slot = hub->free_count > 0 ? hub->free_slots[--hub->free_count]
                                       : (uint32_t)hub->slot_count++;
    hub->slots[entity->slot] = entity;
    scene_id_map_insert(&hub->map, worker_blob_span(entity->id), entity->slot);
    hub->gone_count++;
    return entity;
}

/* Neither there nor held: away with it. */
static void release(worker_hub *hub, worker_entity *entity)
{
    if (entity->live || entity->holds > 0) {
        return;
    }
    hub->gone_count--;
    scene_id_map_remove(&hub->map, hub, worker_blob_span(entity->id));
    hub->slots[entity->slot] = NULL;
    hub->free_slots[hub->free_count++] = entity->slot;
    hub->order_stale = true; /* it may still name the entity */
    free_entity(hub, entity);
}

static worker_entity *find_or_make(worker_hub *hub, crdt_span id)
{
    worker_entity *entity = worker_hub_find(hub, id);
    return entity != NULL ? entity : make_entity(hub, id);
}

worker_entity *worker_hub_hold(worker_hub *hub, crdt_span id)
{
    worker_entity *entity = find_or_make(hub, id);
    if (entity != NULL) {
        entity->holds++;
    }
    return entity;
}

void worker_hub_drop(worker_hub *hub, worker_entity *entity)
{
    assert(entity->holds > 0);
    entity->holds--;
    release(hub, entity);
}

worker_entity *worker_hub_after(const worker_hub *hub, uint64_t revision)
{
    worker_entity *found = NULL;
    for (worker_entity *at = hub->newest; at != NULL && at->revision > revision;
         at = at->older) {
        found = at;
    }
    return found;
}

/* ---- the order of the snapshot ---- */

static int compare_entities(const worker_entity *a, const worker_entity *b)
{
    if (a->ordered != b->ordered) {
        return a->ordered ? -1 : 1;
    }
    if (a->ordered && a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return scene_layout_entity_compare(worker_blob_span(a->id),
                                       worker_blob_span(b->id));
}

static int compare_pointers(const void *left, const void *right)
{
    return compare_entities(*(worker_entity *const *)left,
                            *(worker_entity *const *)right);
}

static crdt_err sort_entities(worker_hub *hub)
{
    if (!hub->order_stale) {
        return CRDT_OK;
    }
    if (hub->order_capacity < hub->live_count) {
        worker_entity **order =
            crdt_resize_array(hub->alloc, hub->order, hub->order_capacity,
                              hub->slot_capacity, sizeof *order);
        if (order == NULL) {
            return CRDT_ENOMEM;
        }
        hub->order = order;
        hub->order_capacity = hub->slot_capacity;
    }
    hub->order_count = 0;
    for (size_t i = 0; i < hub->slot_count; i++) {
        if (hub->slots[i] != NULL && hub->slots[i]->live) {
            hub->order[hub->order_count++] = hub->slots[i];
        }
    }
    if (hub->order_count > 1) {
        qsort(hub->order, hub->order_count, sizeof *hub->order, compare_pointers);
    }
    hub->order_stale = false;
    return CRDT_OK;
}

worker_entity *worker_hub_next(worker_hub *hub, const worker_entity *last,
                               crdt_err *err)
{
    *err = sort_entities(hub);
    size_t low = 0;
    size_t high = *err == CRDT_OK ? hub->order_count : 0;
    while (last != NULL && low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_entities(hub->order[middle], last) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return *err == CRDT_OK && low < hub->order_count ? hub->order[low] : NULL;
}

/* ---- types ---- */

/* `"Script"`; of the n-th of its type `"Script#2"`. */
static worker_blob *type_name(worker_hub *hub, crdt_span part)
{
    uint32_t number;
    crdt_span base = scene_layout_base(part, &number);
    if (number < 2) {
        return make_string(hub->alloc, part);
    }
    char mark[16];
    snprintf(mark, sizeof mark, "#%" PRIu32, number);
    crdt_buf text;
    crdt_buf_init(&text, hub->alloc);
    worker_blob *blob = NULL;
    if (crdt_buf_append_span(&text, base) == CRDT_OK &&
        crdt_buf_append_span(&text, crdt_span_of(mark)) == CRDT_OK) {
        blob = make_string(hub->alloc, crdt_buf_span(&text));
    }
    crdt_buf_deinit(&text);
    return blob;
}

/* How the type is told: by its number where it has one. Depends on the origin. */
static crdt_err name_type(worker_hub *hub, worker_type *type)
{
    worker_blob *id = NULL;
    type->has_number =
        scene_class_id(worker_blob_span(type->part), hub->origin, &type->number);
    if (type->has_number) {
        char digits[16];
        snprintf(digits, sizeof digits, "%" PRIu32, type->number);
        id = worker_blob_make(hub->alloc, crdt_span_of(digits));
    } else {
        id = worker_blob_hold(type->name);
    }
    if (id == NULL) {
        return CRDT_ENOMEM;
    }
    worker_blob_drop(type->id);
    type->id = id;
    return CRDT_OK;
}

const worker_type *worker_hub_type(const worker_hub *hub, uint32_t type)
{
    return &hub->types[type];
}

/* Long names leave room for those of usual length. */
static bool types_are_full(const worker_hub *hub, crdt_span part)
{
    size_t kept = part.size > 64 ? WORKER_TYPES_SIZE_MAX / 4 : 0;
    return hub->type_count >= WORKER_TYPES_MAX ||
           hub->type_size + part.size + kept > WORKER_TYPES_SIZE_MAX;
}

bool worker_hub_type_known(const worker_hub *hub, crdt_span part)
{
    return scene_id_map_find(&hub->type_map, hub, part) != SCENE_ID_NONE;
}

uint32_t worker_hub_type_of(worker_hub *hub, crdt_span part)
{
    uint32_t found = scene_id_map_find(&hub->type_map, hub, part);
    if (found != SCENE_ID_NONE) {
        return found;
    }
    if (types_are_full(hub, part)) {
        return WORKER_NONE;
    }
    worker_type *types = scene_array_grow(hub->alloc, hub->types, hub->type_count,
                                          &hub->type_capacity, sizeof *types);
    if (types == NULL || scene_id_map_reserve(&hub->type_map) != CRDT_OK) {
        hub->types = types != NULL ? types : hub->types;
        return WORKER_NONE;
    }
    hub->types = types;
    worker_type *type = &types[hub->type_count];
    *type = (worker_type){.part = worker_blob_make(hub->alloc, part),
                          .name = type_name(hub, part)};
    if (type->part == NULL || type->name == NULL || name_type(hub, type) != CRDT_OK) {
        worker_blob_drop(type->part);
        worker_blob_drop(type->name);
        return WORKER_NONE;
    }
    scene_id_map_insert(&hub->type_map, worker_blob_span(type->part),
                        (uint32_t)hub->type_count);
    hub->type_size += part.size;
    return (uint32_t)hub->type_count++;
}

uint32_t worker_hub_type_by_number(worker_hub *hub, uint32_t number)
{
    crdt_span part;
    if (scene_class_id_type(number, hub->origin, &part)) {
        return worker_hub_type_of(hub, part);
    }
    for (size_t i = 0; i < hub->type_count; i++) {
        if (hub->types[i].has_number && hub->types[i].number == number) {
            return (uint32_t)i;
        }
    }
    return WORKER_NONE;
}

/* A name as it is shown of the n-th component of a type: one that is known. */
static uint32_t find_repeated(const worker_hub *hub, crdt_span name)
{
    char part[CRDT_NAME_SIZE_MAX];
    size_t mark = name.size;
    while (mark > 0 && name.data[mark - 1] != '#') {
        mark--;
    }
    if (mark < 2 || mark == name.size || name.size - mark > 9 ||
        name.size + 8 > sizeof part) {
        return WORKER_NONE;
    }
    int size = snprintf(part, sizeof part, "\377r%.*s:%.*s", (int)(name.size - mark),
                        (const char *)name.data + mark, (int)(mark - 1),
                        (const char *)name.data);
    if (size <= 0 || (size_t)size >= sizeof part) {
        return WORKER_NONE;
    }
    uint32_t found = scene_id_map_find(
        &hub->type_map, hub, (crdt_span){(const uint8_t *)part, (size_t)size});
    return found == SCENE_ID_NONE ? WORKER_NONE : found;
}

uint32_t worker_hub_type_by_name(worker_hub *hub, crdt_span name)
{
    uint64_t number;
    if (scene_layout_decimal(name, &number)) {
        return number <= UINT32_MAX ? worker_hub_type_by_number(hub, (uint32_t)number)
                                    : WORKER_NONE;
    }
    uint32_t repeated = find_repeated(hub, name);
    if (repeated != WORKER_NONE) {
        return repeated;
    }
    bool usable = name.size > 0 && name.size <= CRDT_NAME_SIZE_MAX &&
                  scene_layout_is_component(name, NULL);
    return usable ? worker_hub_type_of(hub, name) : WORKER_NONE;
}

/* The spellings of another format: all is told anew. */
static crdt_err change_origin(worker_hub *hub, scene_format origin)
{
    hub->origin = origin;
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < hub->type_count && err == CRDT_OK; i++) {
        err = name_type(hub, &hub->types[i]);
    }
    for (worker_entity *at = hub->oldest; at != NULL; at = at->newer) {
        for (size_t i = 0; i < at->part_count; i++) {
            worker_blob_drop(at->parts[i].event);
            at->parts[i].event = NULL;
        }
    }
    return err;
}

/* ---- taking news ---- */

/* Keep what is equal, with its text. */
static crdt_err take_part(worker_hub *hub, worker_part *part,
                          const worker_news_part *news, bool *changed)
{
    bool same_value = part->value != NULL &&
                      crdt_span_equal(worker_blob_span(part->value), news->value);
    bool same_author = part->author != NULL &&
                       crdt_span_equal(worker_blob_span(part->author), news->author);
    bool same_stamp = crdt_stamp_compare(&part->stamp, &news->stamp) == 0;
    if (same_value && same_author && same_stamp) {
        return CRDT_OK;
    }
    worker_blob *value =
        same_value ? part->value : worker_blob_make(hub->alloc, news->value);
    worker_blob *author =
        same_author ? part->author : worker_blob_make(hub->alloc, news->author);
    if (value == NULL || author == NULL) {
        worker_blob_drop(same_value ? NULL : value);
        worker_blob_drop(same_author ? NULL : author);
        return CRDT_ENOMEM;
    }
    worker_blob_drop(same_value ? NULL : part->value);
    worker_blob_drop(same_author ? NULL : part->author);
    worker_blob_drop(part->event);
    part->value = value;
    part->author = author;
    part->stamp = news->stamp;
    part->event = NULL;
    *changed = true;
    return CRDT_OK;
}

static crdt_err add_part(worker_hub *hub, worker_entity *entity, uint32_t type,
                         worker_part **part)
{
    worker_part *parts = scene_array_grow(hub->alloc, entity->parts, entity->part_count,
                                          &entity->part_capacity, sizeof *parts);
    if (parts == NULL) {
        return CRDT_ENOMEM;
    }
    entity->parts = parts;
    *part = &parts[entity->part_count++];
    **part = (worker_part){.type = type};
    return CRDT_OK;
}

/* Bring part `type` to place `index`: those before it are as the news have them. */
static crdt_err place_part(worker_hub *hub, worker_entity *entity, size_t index,
                           uint32_t type, bool *changed)
{
    worker_part *part = worker_entity_part(entity, type);
    if (part == NULL) {
        crdt_err err = add_part(hub, entity, type, &part);
        if (err != CRDT_OK) {
            return err;
        }
        *changed = true;
    }
    worker_part moved = *part;
    *part = entity->parts[index];
    entity->parts[index] = moved;
    return CRDT_OK;
}

static void set_live(worker_hub *hub, worker_entity *entity,
                     const worker_news_entity *news)
{
    if (entity->live != news->live) {
        hub->live_count += news->live ? 1 : (size_t)-1;
        hub->gone_count += news->live ? (size_t)-1 : 1;
        hub->order_stale = true;
    }
    if (entity->ordered != news->ordered || entity->order != news->order) {
        hub->order_stale = true;
    }
    entity->live = news->live;
    entity->ordered = news->ordered;
    entity->order = news->order;
}

/* A name comes with the entity, from the file that was loaded, and stays: it is told with
 * the entity, and no change by itself. */
static crdt_err take_name(worker_hub *hub, worker_entity *entity, crdt_span name)
{
    worker_blob *blob = NULL;
    if (name.size > 0) {
        blob = make_string(hub->alloc, name);
        if (blob == NULL) {
            return CRDT_ENOMEM;
        }
    }
    worker_blob_drop(entity->name);
    entity->name = blob;
    return CRDT_OK;
}

static crdt_err take_entity(worker_hub *hub, const worker_news_entity *news)
{
    worker_entity *entity = worker_hub_find(hub, news->id);
    if (entity == NULL && news->live) {
        entity = make_entity(hub, news->id);
        if (entity == NULL) {
            return CRDT_ENOMEM;
        }
    }
    if (entity == NULL) {
        return CRDT_OK;
    }
    bool changed = entity->live != news->live;
    set_live(hub, entity, news);
    crdt_err err = take_name(hub, entity, news->name);
    size_t count = 0;
    for (size_t i = 0; i < news->part_count && err == CRDT_OK; i++) {
        uint32_t type = worker_hub_type_of(hub, news->parts[i].part);
        if (type == WORKER_NONE && types_are_full(hub, news->parts[i].part)) {
            continue; /* not shown */
        }
        err = type == WORKER_NONE ? CRDT_ENOMEM
                                  : place_part(hub, entity, count, type, &changed);
        if (err == CRDT_OK) {
            err = take_part(hub, &entity->parts[count], &news->parts[i], &changed);
            count++;
        }
    }
    while (err == CRDT_OK && entity->part_count > count) {
        clear_part(&entity->parts[--entity->part_count]);
        changed = true;
    }
    entity->met = true;
    if (changed || err != CRDT_OK) {
        touch(hub, entity);
    }
    release(hub, entity);
    return err;
}

/* All was told: who was not met is gone. */
static void sweep(worker_hub *hub)
{
    const worker_news_entity gone = {.live = false};
    for (size_t i = 0; i < hub->slot_count; i++) {
        worker_entity *entity = hub->slots[i];
        if (entity == NULL) {
            continue;
        }
        if (!entity->met && entity->live) {
            set_live(hub, entity, &gone);
            clear_parts(entity);
            touch(hub, entity);
            release(hub, entity);
        }
    }
}

/* A part without a value is one that there was no memory for. */
static void drop_unfinished(worker_hub *hub)
{
    for (worker_entity *at = hub->oldest; at != NULL; at = at->newer) {
        for (size_t i = at->part_count; i > 0; i--) {
            if (at->parts[i - 1].value == NULL) {
                clear_part(&at->parts[i - 1]);
                at->parts[i - 1] = at->parts[--at->part_count];
            }
        }
    }
}

crdt_err worker_hub_take(worker_hub *hub, const worker_news *news)
{
    scene_format origin =
        news->origin == SCENE_FORMAT_NONE ? SCENE_FORMAT_STATE : news->origin;
    crdt_err err = origin != hub->origin ? change_origin(hub, origin) : CRDT_OK;
    for (size_t i = 0; news->everything && i < hub->slot_count; i++) {
        if (hub->slots[i] != NULL) {
            hub->slots[i]->met = false;
        }
    }
    for (size_t i = 0; i < news->entity_count && err == CRDT_OK; i++) {
        err = take_entity(hub, &news->entities[i]);
    }
    if (err != CRDT_OK) {
        drop_unfinished(hub);
    } else if (news->everything) {
        sweep(hub);
    }
    return err;
}

/* ---- looking ---- */

crdt_alloc worker_hub_alloc(const worker_hub *hub)
{
    return hub->alloc;
}

crdt_span worker_hub_scene(const worker_hub *hub)
{
    return worker_blob_span(hub->scene);
}

scene_format worker_hub_origin(const worker_hub *hub)
{
    return hub->origin;
}

uint64_t worker_hub_revision(const worker_hub *hub)
{
    return hub->revision;
}

size_t worker_hub_entity_count(const worker_hub *hub)
{
    return hub->live_count;
}

size_t worker_hub_slot_count(const worker_hub *hub)
{
    return hub->slot_count;
}

size_t worker_hub_gone_count(const worker_hub *hub)
{
    return hub->gone_count;
}

crdt_span worker_hub_event(worker_hub *hub, const worker_entity *entity,
                           worker_part *part)
{
    if (part->event == NULL) {
        crdt_buf text;
        crdt_buf_init(&text, hub->alloc);
        crdt_span json = worker_blob_json(part->value);
        if (json.data != NULL &&
            worker_word_set(hub, entity, part, json, &text) == CRDT_OK) {
            part->event = worker_blob_make(hub->alloc, crdt_buf_span(&text));
        }
        crdt_buf_deinit(&text);
    }
    return worker_blob_span(part->event);
}
