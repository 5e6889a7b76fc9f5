#include "scene/materialize.h"

#include "crdt/value.h"
#include "scene/array.h"
#include "scene/format_state.h"
#include "scene/fragment.h"
#include "scene/json.h"
#include "scene/name_set.h"
#include "scene/scene.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE SCENE_ID_NONE

/* What is kept of one object: its fragment, its place in the order, what it shares. */
typedef struct entry {
    crdt_span id; /* owned; data NULL: free, `number` the next free one */
    scene_fragment fragment;
    uint32_t number;    /* of itself */
    uint32_t first_use; /* of what it shares */
    bool ordered;       /* it has a place of its own: */
    int64_t order;
    bool listed; /* it is in `order` */
    bool placed; /* it shall be in `order`, at its new place */
} entry;

/* One entity shares one component: links in the lists of both. */
typedef struct use {
    uint32_t entry;
    uint32_t share;
    uint32_t next_of_entry;
    uint32_t previous_of_share;
    uint32_t next_of_share;
} use;

/* The name of a shared object, and who shows fields of it. */
typedef struct share {
    crdt_span object; /* owned; data NULL: free, first_use the next free one */
    uint32_t first_use;
} share;

struct scene_snapshot {
    crdt_alloc alloc;
    crdt_document *doc;
    scene_tree *tree;
    scene_snapshot_follower follower;

    /* What changed since the last update. */
    bool everything;
    scene_format origin; /* as of it: every fragment depends on it */
    scene_name_set changed;
    scene_name_set moved; /* told by the tree */

    entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    uint32_t free_entry;
    scene_id_map entry_map;

    uint32_t *order; /* entries, as they are written */
    size_t order_count;
    size_t order_capacity;
    bool order_stale;

    use *uses;
    size_t use_count;
    size_t use_capacity;
    uint32_t free_use;
    share *shares;
    size_t share_count;
    size_t share_capacity;
    uint32_t free_share;
    scene_id_map share_map;

    uint64_t fragment_count;
};

static crdt_span entry_id(const void *ctx, uint32_t number)
{
    const scene_snapshot *snapshot = ctx;
    return snapshot->entries[number].id;
}

static crdt_span share_object(const void *ctx, uint32_t number)
{
    const scene_snapshot *snapshot = ctx;
    return snapshot->shares[number].object;
}

/* ---- opening and closing ---- */

static void on_changed(void *ctx, crdt_span object)
{
    scene_snapshot *snapshot = ctx;
    if (!snapshot->everything &&
        scene_name_set_add(&snapshot->changed, object) != CRDT_OK) {
        snapshot->everything = true;
    }
}

static void on_moved(void *ctx, crdt_span entity)
{
    scene_snapshot *snapshot = ctx;
    if (scene_name_set_add(&snapshot->moved, entity) != CRDT_OK) {
        snapshot->everything = true;
    }
}

/* All but the listening. The document is only read. */
static crdt_err open_on(scene_snapshot **out, crdt_alloc alloc)
{
    scene_snapshot *snapshot = crdt_allocate(alloc, sizeof *snapshot);
    if (snapshot == NULL) {
        return CRDT_ENOMEM;
    }
    *snapshot = (scene_snapshot){.alloc = alloc,
                                 .everything = true,
                                 .free_entry = NONE,
                                 .free_use = NONE,
                                 .free_share = NONE};
    scene_name_set_init(&snapshot->changed, alloc);
    scene_name_set_init(&snapshot->moved, alloc);
    scene_id_map_init(&snapshot->entry_map, alloc, entry_id);
    scene_id_map_init(&snapshot->share_map, alloc, share_object);
    crdt_err err = scene_tree_open(&snapshot->tree, alloc);
    if (err != CRDT_OK) {
        scene_snapshot_close(snapshot);
        return err;
    }
    *out = snapshot;
    return CRDT_OK;
}

crdt_err scene_snapshot_open(scene_snapshot **out, crdt_document *doc, crdt_alloc alloc)
{
    scene_snapshot *snapshot;
    crdt_err err = open_on(&snapshot, alloc);
    if (err != CRDT_OK) {
        return err;
    }
    crdt_listener listener = {.ctx = snapshot, .changed = on_changed};
    err = crdt_document_listen(doc, &listener);
    if (err != CRDT_OK) {
        scene_snapshot_close(snapshot);
        return err;
    }
    snapshot->doc = doc;
    *out = snapshot;
    return CRDT_OK;
}

void scene_snapshot_follow(scene_snapshot *snapshot,
                           const scene_snapshot_follower *follower)
{
    snapshot->follower = *follower;
}

/* Names are kept with one byte more, so that the empty one too has memory of its own. */
static crdt_err copy_name(crdt_alloc alloc, crdt_span name, crdt_span *copy)
{
    uint8_t *data = crdt_allocate(alloc, name.size + 1);
    if (data == NULL) {
        return CRDT_ENOMEM;
    }
    if (name.size > 0) {
        memcpy(data, name.data, name.size);
    }
    *copy = (crdt_span){data, name.size};
    return CRDT_OK;
}

static void free_name(crdt_alloc alloc, crdt_span *name)
{
    union {
        const uint8_t *kept;
        void *freed;
    } data = {.kept = name->data};
    crdt_free(alloc, data.freed, name->size + 1);
    *name = (crdt_span){0};
}

/* Forget the fragments; free ones keep their buffers until `deinit`. */
static void clear_entries(scene_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->entry_count; i++) {
        if (snapshot->entries[i].id.data != NULL) {
            free_name(snapshot->alloc, &snapshot->entries[i].id);
            scene_fragment_deinit(&snapshot->entries[i].fragment);
        }
    }
    for (size_t i = 0; i < snapshot->share_count; i++) {
        if (snapshot->shares[i].object.data != NULL) {
            free_name(snapshot->alloc, &snapshot->shares[i].object);
        }
    }
    scene_id_map_clear(&snapshot->entry_map);
    scene_id_map_clear(&snapshot->share_map);
    snapshot->entry_count = 0;
    snapshot->free_entry = NONE;
    snapshot->order_count = 0;
    snapshot->order_stale = false;
    snapshot->use_count = 0;
    snapshot->free_use = NONE;
    snapshot->share_count = 0;
    snapshot->free_share = NONE;
}

void scene_snapshot_close(scene_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    if (snapshot->doc != NULL) {
        crdt_document_unlisten(snapshot->doc, snapshot);
    }
    crdt_alloc alloc = snapshot->alloc;
    clear_entries(snapshot);
    scene_id_map_deinit(&snapshot->entry_map);
    scene_id_map_deinit(&snapshot->share_map);
    scene_name_set_deinit(&snapshot->changed);
    scene_name_set_deinit(&snapshot->moved);
    scene_tree_close(snapshot->tree);
    crdt_free(alloc, snapshot->entries, snapshot->entry_capacity * sizeof(entry));
    crdt_free(alloc, snapshot->order, snapshot->order_capacity * sizeof(uint32_t));
    crdt_free(alloc, snapshot->uses, snapshot->use_capacity * sizeof(use));
    crdt_free(alloc, snapshot->shares, snapshot->share_capacity * sizeof(share));
    crdt_free(alloc, snapshot, sizeof *snapshot);
}

/* ---- sharing ---- */

static void drop_unused_share(scene_snapshot *snapshot, uint32_t number)
{
    share *s = &snapshot->shares[number];
    if (s->first_use == NONE) {
        scene_id_map_remove(&snapshot->share_map, snapshot, s->object);
        free_name(snapshot->alloc, &s->object);
        s->first_use = snapshot->free_share;
        snapshot->free_share = number;
    }
}

static void drop_uses(scene_snapshot *snapshot, entry *e)
{
    uint32_t at = e->first_use;
    while (at != NONE) {
        use *u = &snapshot->uses[at];
        uint32_t next = u->next_of_entry;
        if (u->previous_of_share == NONE) {
            snapshot->shares[u->share].first_use = u->next_of_share;
        } else {
            snapshot->uses[u->previous_of_share].next_of_share = u->next_of_share;
        }
        if (u->next_of_share != NONE) {
            snapshot->uses[u->next_of_share].previous_of_share = u->previous_of_share;
        }
        drop_unused_share(snapshot, u->share);
        u->next_of_entry = snapshot->free_use;
        snapshot->free_use = at;
        at = next;
    }
    e->first_use = NONE;
}

static crdt_err find_or_make_share(scene_snapshot *snapshot, crdt_span object,
                                   uint32_t *number)
{
    *number = scene_id_map_find(&snapshot->share_map, snapshot, object);
    if (*number != NONE) {
        return CRDT_OK;
    }
    share *shares =
        scene_array_grow(snapshot->alloc, snapshot->shares, snapshot->share_count,
                         &snapshot->share_capacity, sizeof(share));
    if (shares == NULL) {
        return CRDT_ENOMEM;
    }
    snapshot->shares = shares;
    crdt_span copy;
    if (scene_id_map_reserve(&snapshot->share_map) != CRDT_OK ||
        copy_name(snapshot->alloc, object, &copy) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (snapshot->free_share != NONE) {
        *number = snapshot->free_share;
        snapshot->free_share = shares[*number].first_use;
    } else {
        *number = (uint32_t)snapshot->share_count++;
    }
    shares[*number] = (share){.object = copy, .first_use = NONE};
    scene_id_map_insert(&snapshot->share_map, copy, *number);
    return CRDT_OK;
}

static crdt_err add_use(scene_snapshot *snapshot, entry *e, crdt_span object)
{
    use *uses = scene_array_grow(snapshot->alloc, snapshot->uses, snapshot->use_count,
                                 &snapshot->use_capacity, sizeof(use));
    if (uses == NULL) {
        return CRDT_ENOMEM;
    }
    snapshot->uses = uses;
    uint32_t share_number;
    crdt_err err = find_or_make_share(snapshot, object, &share_number);
    if (err != CRDT_OK) {
        return err;
    }
    uint32_t number = snapshot->free_use;
    if (number != NONE) {
        snapshot->free_use = uses[number].next_of_entry;
    } else {
        number = (uint32_t)snapshot->use_count++;
    }
    share *s = &snapshot->shares[share_number];
    uses[number] = (use){.entry = e->number,
                         .share = share_number,
                         .next_of_entry = e->first_use,
                         .previous_of_share = NONE,
                         .next_of_share = s->first_use};
    if (s->first_use != NONE) {
        uses[s->first_use].previous_of_share = number;
    }
    s->first_use = number;
    e->first_use = number;
    return CRDT_OK;
}

/* Note which shared objects the entity's parts refer to, there or not. */
static crdt_err note_uses(scene_snapshot *snapshot, const crdt_document *doc,
                          crdt_object object, entry *e)
{
    crdt_err err = CRDT_OK;
    crdt_part part = {0};
    while (err == CRDT_OK && crdt_document_next_part(doc, object, &part)) {
        uint8_t name[CRDT_NAME_SIZE_MAX];
        crdt_span shared;
        if (crdt_document_part_live(doc, part) &&
            scene_part_shares(doc, part, name, &shared)) {
            err = add_use(snapshot, e, shared);
        }
    }
    return err;
}

/* ---- entries ---- */

static crdt_err find_or_make_entry(scene_snapshot *snapshot, crdt_span id,
                                   uint32_t *number)
{
    *number = scene_id_map_find(&snapshot->entry_map, snapshot, id);
    if (*number != NONE) {
        return CRDT_OK;
    }
    entry *entries =
        scene_array_grow(snapshot->alloc, snapshot->entries, snapshot->entry_count,
                         &snapshot->entry_capacity, sizeof(entry));
    if (entries == NULL) {
        return CRDT_ENOMEM;
    }
    snapshot->entries = entries;
    crdt_span copy;
    if (scene_id_map_reserve(&snapshot->entry_map) != CRDT_OK ||
        copy_name(snapshot->alloc, id, &copy) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (snapshot->free_entry != NONE) {
        *number = snapshot->free_entry;
        snapshot->free_entry = entries[*number].number;
    } else {
        *number = (uint32_t)snapshot->entry_count++;
    }
    entries[*number] = (entry){.id = copy, .number = *number, .first_use = NONE};
    scene_fragment_init(&entries[*number].fragment, snapshot->alloc);
    scene_id_map_insert(&snapshot->entry_map, copy, *number);
    return CRDT_OK;
}

/* It must be out of `order` already. */
static void free_entry(scene_snapshot *snapshot, uint32_t number)
{
    entry *e = &snapshot->entries[number];
    assert(!e->listed && !e->placed && e->first_use == NONE);
    scene_id_map_remove(&snapshot->entry_map, snapshot, e->id);
    free_name(snapshot->alloc, &e->id);
    scene_fragment_deinit(&e->fragment);
    e->number = snapshot->free_entry;
    snapshot->free_entry = number;
}

static bool read_order(const crdt_document *doc, crdt_span id, int64_t *order)
{
    crdt_key key = crdt_key_field(id, crdt_span_of(SCENE_NAME_ENTITY),
                                  crdt_span_of(SCENE_NAME_ORDER));
    crdt_span value;
    if (!crdt_document_get(doc, &key, &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    *order = token.integer;
    return token.type == CRDT_VALUE_NUMBER && token.integral;
}

/* Make the fragment of one object anew. */
static crdt_err remake_entry(scene_snapshot *snapshot, scene_export *export,
                             crdt_span id)
{
    const crdt_document *doc = export->doc;
    if (snapshot->follower.object != NULL) {
        snapshot->follower.object(snapshot->follower.ctx, id);
    }
    crdt_object object = crdt_document_find_object(doc, id);
    uint32_t number = scene_id_map_find(&snapshot->entry_map, snapshot, id);
    if (number == NONE && object.id == 0) {
        return CRDT_OK;
    }
    crdt_err err = find_or_make_entry(snapshot, id, &number);
    if (err != CRDT_OK) {
        return err;
    }
    entry *e = &snapshot->entries[number];
    drop_uses(snapshot, e);
    scene_place place;
    bool live = scene_tree_find(snapshot->tree, id, &place);
    if (object.id != 0) {
        err = scene_fragment_make(&e->fragment, export, object, live ? &place : NULL);
        snapshot->fragment_count++;
    } else {
        scene_fragment_deinit(&e->fragment);
        scene_fragment_init(&e->fragment, snapshot->alloc);
    }
    if (err == CRDT_OK && live) {
        err = note_uses(snapshot, doc, object, e);
    }
    if (err != CRDT_OK) {
        return err;
    }
    int64_t order = 0;
    bool ordered = live && read_order(doc, id, &order);
    bool wanted = e->fragment.text.size > 0;
    if (wanted != e->listed || ordered != e->ordered || order != e->order) {
        snapshot->order_stale = true;
        e->placed = wanted;
        if (e->listed) {
            e->listed = false; /* where it is now */
        }
    }
    e->ordered = ordered;
    e->order = order;
    return CRDT_OK;
}

/* ---- the order ---- */

static int compare_entries(const entry *a, const entry *b)
{
    if (a->ordered != b->ordered) {
        return a->ordered ? -1 : 1;
    }
    if (a->ordered && a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return scene_layout_entity_compare(a->id, b->id);
}

static int compare_numbers(const void *a, const void *b, void *ctx)
{
    const scene_snapshot *snapshot = ctx;
    return compare_entries(&snapshot->entries[*(const uint32_t *)a],
                           &snapshot->entries[*(const uint32_t *)b]);
}

/* Take those out that go or move, and merge those in that come: k log k + n. */
static crdt_err update_order(scene_snapshot *snapshot)
{
    if (!snapshot->order_stale) {
        return CRDT_OK;
    }
    size_t capacity = snapshot->entry_count;
    uint32_t *merged =
        crdt_resize_array(snapshot->alloc, NULL, 0, capacity * 2, sizeof *merged);
    if (merged == NULL) {
        return CRDT_ENOMEM;
    }
    uint32_t *coming = merged + capacity;
    size_t coming_count = 0;
    for (size_t i = 0; i < snapshot->entry_count; i++) {
        if (snapshot->entries[i].id.data != NULL && snapshot->entries[i].placed) {
            coming[coming_count++] = (uint32_t)i;
        }
    }
    qsort_r(coming, coming_count, sizeof *coming, compare_numbers, snapshot);
    size_t count = 0;
    size_t next = 0;
    for (size_t i = 0; i < snapshot->order_count; i++) {
        const entry *stays = &snapshot->entries[snapshot->order[i]];
        if (!stays->listed) {
            continue;
        }
        while (next < coming_count &&
               compare_entries(&snapshot->entries[coming[next]], stays) < 0) {
            merged[count++] = coming[next++];
        }
        merged[count++] = snapshot->order[i];
    }
    while (next < coming_count) {
        merged[count++] = coming[next++];
    }
    for (size_t i = 0; i < coming_count; i++) {
        snapshot->entries[coming[i]].placed = false;
        snapshot->entries[coming[i]].listed = true;
    }
    crdt_free(snapshot->alloc, snapshot->order,
              snapshot->order_capacity * sizeof *snapshot->order);
    snapshot->order = merged;
    snapshot->order_count = count;
    snapshot->order_capacity = capacity * 2;
    snapshot->order_stale = false;
    return CRDT_OK;
}

/* ---- updating ---- */

static crdt_err rebuild(scene_snapshot *snapshot, scene_export *export)
{
    const crdt_document *doc = export->doc;
    clear_entries(snapshot);
    if (snapshot->follower.everything != NULL) {
        snapshot->follower.everything(snapshot->follower.ctx);
    }
    crdt_err err = scene_tree_build(snapshot->tree, doc);
    crdt_object object = {0};
    while (err == CRDT_OK && crdt_document_next_object(doc, &object)) {
        err = remake_entry(snapshot, export, crdt_document_object_name(doc, object));
    }
    return err;
}

/* Whoever shares with a changed object has changed too. */
static crdt_err add_users(scene_snapshot *snapshot)
{
    crdt_err err = CRDT_OK;
    size_t count = snapshot->changed.count;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        crdt_span name = snapshot->changed.names[i];
        uint32_t number = NONE;
        if (!scene_layout_is_entity(name)) {
            number = scene_id_map_find(&snapshot->share_map, snapshot, name);
        }
        uint32_t at = number == NONE ? NONE : snapshot->shares[number].first_use;
        for (; at != NONE && err == CRDT_OK; at = snapshot->uses[at].next_of_share) {
            err = scene_name_set_add(&snapshot->changed,
                                     snapshot->entries[snapshot->uses[at].entry].id);
        }
    }
    return err;
}

static crdt_err follow(scene_snapshot *snapshot, scene_export *export)
{
    const crdt_document *doc = export->doc;
    crdt_err err = add_users(snapshot);
    if (err == CRDT_OK) {
        err = scene_tree_update(snapshot->tree, doc, snapshot->changed.names,
                                snapshot->changed.count, on_moved, snapshot);
    }
    for (size_t i = 0; i < snapshot->moved.count && err == CRDT_OK; i++) {
        err = scene_name_set_add(&snapshot->changed, snapshot->moved.names[i]);
    }
    for (size_t i = 0; i < snapshot->changed.count && err == CRDT_OK; i++) {
        err = remake_entry(snapshot, export, snapshot->changed.names[i]);
    }
    return err;
}

/* Free the entries that came to nothing; they are in no order any more. */
static void sweep(scene_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->changed.count; i++) {
        uint32_t number = scene_id_map_find(&snapshot->entry_map, snapshot,
                                            snapshot->changed.names[i]);
        if (number != NONE && !snapshot->entries[number].listed) {
            drop_uses(snapshot, &snapshot->entries[number]);
            free_entry(snapshot, number);
        }
    }
}

static crdt_err update(scene_snapshot *snapshot, const crdt_document *doc)
{
    crdt_err err = CRDT_OK;
    scene_format origin = scene_origin_of(doc);
    if (origin != snapshot->origin) {
        snapshot->everything = true;
        snapshot->origin = origin;
    }
    scene_export export;
    scene_export_init(&export, doc, SCENE_FORMAT_STATE, NULL, snapshot->alloc, NULL);
    if (!snapshot->everything) {
        err = follow(snapshot, &export);
    }
    if (snapshot->everything) {
        err = rebuild(snapshot, &export);
    }
    scene_export_deinit(&export);
    if (err == CRDT_OK) {
        err = update_order(snapshot);
    }
    snapshot->everything = err != CRDT_OK;
    if (err == CRDT_OK) {
        sweep(snapshot);
        scene_name_set_clear(&snapshot->changed);
        scene_name_set_clear(&snapshot->moved);
    }
    return err;
}

crdt_err scene_snapshot_update(scene_snapshot *snapshot)
{
    if (!snapshot->everything && snapshot->changed.count == 0) {
        return CRDT_OK;
    }
    return update(snapshot, snapshot->doc);
}

const scene_tree *scene_snapshot_tree(const scene_snapshot *snapshot)
{
    return snapshot->tree;
}

uint64_t scene_snapshot_fragment_count(const scene_snapshot *snapshot)
{
    return snapshot->fragment_count;
}

/* ---- writing ---- */

static crdt_err put(crdt_buf *out, const char *text)
{
    return crdt_buf_append(out, text, strlen(text));
}

/* Append one more element to a list; *count is how many there are. */
static crdt_err put_element(crdt_buf *out, crdt_span text, uint64_t *count)
{
    crdt_err err = (*count)++ > 0 ? put(out, ",") : CRDT_OK;
    return err == CRDT_OK ? crdt_buf_append_span(out, text) : err;
}

static crdt_err put_conflicts(const scene_snapshot *snapshot, crdt_buf *out)
{
    crdt_err err = CRDT_OK;
    uint64_t elements = 0; /* texts, to know where commas go */
    uint64_t listed = 0;
    uint64_t left_out = 0;
    for (size_t i = 0; i < snapshot->order_count && err == CRDT_OK; i++) {
        const scene_fragment *f = &snapshot->entries[snapshot->order[i]].fragment;
        if (f->repair_size > 0 && listed < SCENE_SNAPSHOT_CONFLICTS_MAX) {
            err = put_element(out, scene_fragment_repair(f), &elements);
            listed++;
        } else if (f->repair_size > 0) {
            left_out++;
        }
    }
    for (size_t i = 0; i < snapshot->order_count && err == CRDT_OK; i++) {
        const scene_fragment *f = &snapshot->entries[snapshot->order[i]].fragment;
        if (f->conflict_count > 0 &&
            listed + f->conflict_count <= SCENE_SNAPSHOT_CONFLICTS_MAX) {
            err = put_element(out, scene_fragment_conflicts(f), &elements);
            listed += f->conflict_count;
            left_out += f->conflict_left_out;
        } else {
            left_out += f->conflict_count + f->conflict_left_out;
        }
    }
    if (err == CRDT_OK && left_out > 0) {
        char more[64];
        snprintf(more, sizeof more, "{\"count\":%llu,\"kind\":\"more\"}",
                 (unsigned long long)left_out);
        err = put_element(out, crdt_span_of(more), &elements);
    }
    return err;
}

static crdt_err put_entities(const scene_snapshot *snapshot, crdt_buf *out)
{
    crdt_err err = CRDT_OK;
    uint64_t count = 0;
    for (size_t i = 0; i < snapshot->order_count && err == CRDT_OK; i++) {
        const scene_fragment *f = &snapshot->entries[snapshot->order[i]].fragment;
        crdt_span entity = scene_fragment_entity(f);
        if (entity.size > 0) {
            err = put_element(out, entity, &count);
        }
    }
    return err;
}

static bool has_conflicts(const scene_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->order_count; i++) {
        const scene_fragment *f = &snapshot->entries[snapshot->order[i]].fragment;
        if (f->repair_size > 0 || f->conflict_count > 0) {
            return true;
        }
    }
    return false;
}

/* The frame of the scene's own fields, with the lists at their places. */
static crdt_err put_scene(const scene_snapshot *snapshot, const crdt_buf *frame,
                          bool conflicts, size_t conflicts_at, size_t entities_at,
                          crdt_buf *out)
{
    size_t at = conflicts ? conflicts_at : 0;
    crdt_err err = crdt_buf_append(out, frame->data, at);
    if (err == CRDT_OK && conflicts) {
        err = put_conflicts(snapshot, out);
    }
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, frame->data + at, entities_at - at);
    }
    if (err == CRDT_OK) {
        err = put_entities(snapshot, out);
    }
    if (err == CRDT_OK) {
        err =
            crdt_buf_append(out, frame->data + entities_at, frame->size - entities_at);
    }
    return err;
}

static crdt_err put_snapshot(const scene_snapshot *snapshot, const crdt_document *doc,
                             crdt_buf *out)
{
    crdt_buf frame;
    crdt_buf_init(&frame, snapshot->alloc);
    size_t size = out->size;
    bool conflicts = has_conflicts(snapshot);
    size_t conflicts_at = 0;
    size_t entities_at = 0;
    crdt_err err = scene_format_state_frame(doc, NULL, conflicts, snapshot->alloc,
                                            &frame, &conflicts_at, &entities_at);
    if (err == CRDT_OK) {
        err = put_scene(snapshot, &frame, conflicts, conflicts_at, entities_at, out);
    }
    if (err != CRDT_OK) {
        out->size = size;
    }
    crdt_buf_deinit(&frame);
    return err;
}

crdt_err scene_snapshot_write(scene_snapshot *snapshot, crdt_buf *out)
{
    crdt_err err = scene_snapshot_update(snapshot);
    return err == CRDT_OK ? put_snapshot(snapshot, snapshot->doc, out) : err;
}

crdt_err scene_materialize(const crdt_document *doc, crdt_alloc alloc, crdt_buf *out)
{
    scene_snapshot *snapshot;
    crdt_err err = open_on(&snapshot, alloc);
    if (err == CRDT_OK) {
        err = update(snapshot, doc);
        if (err == CRDT_OK) {
            err = put_snapshot(snapshot, doc, out);
        }
        scene_snapshot_close(snapshot);
    }
    return err;
}
