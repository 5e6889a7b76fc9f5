#include "scene/materialize.h"

#include "crdt/mutant.h"
#include "crdt/value.h"
#include "scene/array.h"
#include "scene/format_state.h"
#include "scene/fragment.h"
#include "scene/json.h"
#include "scene/name_set.h"
#include "scene/scene.h"
#include "scene/share_uses.h"
#include "scene/text_pages.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE SCENE_ID_NONE

/* What is kept of one object that has something to show: its place in the order, what is
 * wrong with it, what it shares. Its record is the text of its item in `pages`. */
typedef struct entry {
    crdt_span id;             /* owned; data NULL: free, `number` the next free one */
    scene_fragment *fragment; /* NULL: nothing is wrong */
    uint32_t number;          /* of itself */
    uint32_t first_use;       /* of what it shares */
    bool ordered;             /* it has a place of its own: */
    int64_t order;
} entry;

/* An object while all is read anew. */
typedef struct row {
    uint32_t entry;
    crdt_object object;
    bool live;
} row;

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

    scene_text_pages pages; /* items: numbers of entries; texts: their records */
    size_t fragment_held;   /* entries with which something is wrong */
    scene_fragment scratch;
    crdt_buf record; /* scratch */
    crdt_buf frame;  /* the text around the records, if it is still good: */
    bool framed;
    bool frame_conflicts; /* it has a list of conflicts */
    size_t frame_conflicts_at;
    size_t frame_entities_at;

    scene_share_uses uses;

    uint64_t fragment_count;
};

static crdt_span entry_id(const void *ctx, uint32_t number)
{
    const scene_snapshot *snapshot = ctx;
    return snapshot->entries[number].id;
}

/* The order of the records: by the place that was imported, then by id. */
static int compare_entries(const void *ctx, uint32_t left, uint32_t right)
{
    const scene_snapshot *snapshot = ctx;
    const entry *a = &snapshot->entries[left];
    const entry *b = &snapshot->entries[right];
    if (a->ordered != b->ordered && !MUTANT(418)) {
        return a->ordered ? -1 : 1;
    }
    if (a->ordered && a->order != b->order) {
        return a->order < b->order ? -1 : 1;
    }
    return scene_layout_entity_compare(a->id, b->id);
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
    if (!MUTANT(420) && scene_name_set_add(&snapshot->moved, entity) != CRDT_OK) {
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
    *snapshot =
        (scene_snapshot){.alloc = alloc, .everything = true, .free_entry = NONE};
    scene_name_set_init(&snapshot->changed, alloc);
    scene_name_set_init(&snapshot->moved, alloc);
    scene_id_map_init(&snapshot->entry_map, alloc, entry_id);
    scene_share_uses_init(&snapshot->uses, alloc);
    scene_text_pages_init(&snapshot->pages, alloc, compare_entries);
    scene_fragment_init(&snapshot->scratch, alloc);
    crdt_buf_init(&snapshot->record, alloc);
    crdt_buf_init(&snapshot->frame, alloc);
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

static void free_fragment(scene_snapshot *snapshot, entry *e)
{
    if (e->fragment != NULL) {
        scene_fragment_deinit(e->fragment);
        crdt_free(snapshot->alloc, e->fragment, sizeof *e->fragment);
        e->fragment = NULL;
        snapshot->fragment_held--;
    }
}

static void clear_entries(scene_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->entry_count; i++) {
        if (snapshot->entries[i].id.data != NULL) {
            scene_id_free(snapshot->alloc, &snapshot->entries[i].id);
            free_fragment(snapshot, &snapshot->entries[i]);
        }
    }
    scene_id_map_clear(&snapshot->entry_map);
    scene_share_uses_clear(&snapshot->uses);
    snapshot->entry_count = 0;
    snapshot->free_entry = NONE;
    scene_text_pages_clear(&snapshot->pages);
    snapshot->framed = false;
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
    scene_share_uses_deinit(&snapshot->uses);
    scene_name_set_deinit(&snapshot->changed);
    scene_name_set_deinit(&snapshot->moved);
    scene_tree_close(snapshot->tree);
    crdt_free(alloc, snapshot->entries, snapshot->entry_capacity * sizeof(entry));
    scene_text_pages_deinit(&snapshot->pages);
    scene_fragment_deinit(&snapshot->scratch);
    crdt_buf_deinit(&snapshot->record);
    crdt_buf_deinit(&snapshot->frame);
    crdt_free(alloc, snapshot, sizeof *snapshot);
}

/* ---- sharing ---- */

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
            err =
                scene_share_uses_add(&snapshot->uses, &e->first_use, e->number, shared);
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
        scene_id_copy(snapshot->alloc, id, &copy) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    if (snapshot->free_entry != NONE) {
        *number = snapshot->free_entry;
        snapshot->free_entry = entries[*number].number;
    } else {
        *number = (uint32_t)snapshot->entry_count++;
    }
    entries[*number] = (entry){.id = copy, .number = *number, .first_use = NONE};
    scene_id_map_insert(&snapshot->entry_map, copy, *number);
    return CRDT_OK;
}

static void free_entry(scene_snapshot *snapshot, uint32_t number)
{
    entry *e = &snapshot->entries[number];
    if (scene_text_pages_has(&snapshot->pages, number)) {
        scene_text_pages_remove(&snapshot->pages, number);
    }
    scene_share_uses_drop(&snapshot->uses, &e->first_use);
    free_fragment(snapshot, e);
    scene_id_map_remove(&snapshot->entry_map, snapshot, e->id);
    scene_id_free(snapshot->alloc, &e->id);
    e->number = snapshot->free_entry;
    snapshot->free_entry = number;
}

static bool read_order(const crdt_document *doc, crdt_object object, int64_t *order)
{
    crdt_part part = scene_part_find(doc, object, crdt_span_of(SCENE_NAME_ENTITY));
    if (part.id == 0) {
        return false;
    }
    crdt_field field =
        crdt_document_find_field(doc, part, crdt_span_of(SCENE_NAME_ORDER));
    crdt_entry value;
    if (field.id == 0 || !crdt_document_field_value(doc, field, 0, &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value.value);
    crdt_value_token token = crdt_value_read(&reader);
    *order = token.integer;
    return token.type == CRDT_VALUE_NUMBER && token.integral;
}

/* Keep what is in `scratch` with the entry. */
static crdt_err keep_fragment(scene_snapshot *snapshot, entry *e)
{
    scene_fragment *scratch = &snapshot->scratch;
    free_fragment(snapshot, e);
    if (scratch->text.size == 0) {
        return CRDT_OK;
    }
    e->fragment = crdt_allocate(snapshot->alloc, sizeof *e->fragment);
    if (e->fragment == NULL) {
        return CRDT_ENOMEM;
    }
    *e->fragment = *scratch;
    scene_fragment_init(scratch, snapshot->alloc);
    snapshot->fragment_held++;
    return CRDT_OK;
}

/* Make the record of an entry in `record`, and note what it shares. */
static crdt_err make_record(scene_snapshot *snapshot, scene_export *export, entry *e,
                            crdt_object object, bool under_root)
{
    crdt_buf_clear(&snapshot->record);
    crdt_err err =
        scene_format_state_entity(export, object, under_root, &snapshot->record);
    if (err == CRDT_OK && !export->plain) {
        err = note_uses(snapshot, export->doc, object, e);
    }
    return err;
}

/* Make what is kept of one object anew. */
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
    snapshot->fragment_count++;
    scene_place place;
    bool live = scene_tree_find(snapshot->tree, id, &place);
    crdt_err err = CRDT_OK;
    if (object.id != 0) {
        err =
            scene_fragment_make(&snapshot->scratch, doc, object, live ? &place : NULL);
    }
    if (err == CRDT_OK &&
        (live || (object.id != 0 && snapshot->scratch.text.size > 0))) {
        err = find_or_make_entry(snapshot, id, &number);
    } else if (err == CRDT_OK && number != NONE) {
        free_entry(snapshot, number);
        return CRDT_OK;
    }
    if (err != CRDT_OK || number == NONE) {
        return err;
    }
    entry *e = &snapshot->entries[number];
    scene_share_uses_drop(&snapshot->uses, &e->first_use);
    crdt_buf_clear(&snapshot->record);
    if (live) {
        err =
            make_record(snapshot, export, e, object, place.repair != SCENE_REPAIR_NONE);
    }
    if (err == CRDT_OK) {
        err = keep_fragment(snapshot, e);
    }
    int64_t order = 0;
    bool ordered = live && read_order(doc, object, &order);
    if ((ordered != e->ordered || order != e->order) && !MUTANT(419) &&
        scene_text_pages_has(&snapshot->pages, number)) {
        scene_text_pages_remove(&snapshot->pages, number);
    }
    e->ordered = ordered;
    e->order = order;
    return err != CRDT_OK ? err
                          : scene_text_pages_put(&snapshot->pages, snapshot, number,
                                                 crdt_buf_span(&snapshot->record));
}

/* ---- all anew ---- */

static int compare_rows(const void *a, const void *b, void *ctx)
{
    return compare_entries(ctx, ((const row *)a)->entry, ((const row *)b)->entry);
}

/* Make the entry of an object that has something to show, without its record. */
static crdt_err make_row(scene_snapshot *snapshot, const crdt_document *doc,
                         crdt_object object, bool quiet, row *made)
{
    crdt_span id = crdt_document_object_name(doc, object);
    scene_place place = {.repair = SCENE_REPAIR_NONE};
    bool live = crdt_document_object_live(doc, object) && scene_layout_is_entity(id);
    *made = (row){.entry = NONE, .object = object, .live = live};
    if (snapshot->follower.object != NULL) {
        snapshot->follower.object(snapshot->follower.ctx, id);
    }
    snapshot->fragment_count++;
    crdt_err err = CRDT_OK;
    if (!quiet) {
        live = scene_tree_find(snapshot->tree, id, &place);
        err =
            scene_fragment_make(&snapshot->scratch, doc, object, live ? &place : NULL);
    }
    if (err != CRDT_OK || (!live && snapshot->scratch.text.size == 0)) {
        return err;
    }
    err = find_or_make_entry(snapshot, id, &made->entry);
    if (err != CRDT_OK) {
        return err;
    }
    entry *e = &snapshot->entries[made->entry];
    e->ordered = live && read_order(doc, object, &e->order);
    return keep_fragment(snapshot, e);
}

/* Make an entry for each object that has something to show. */
static crdt_err make_rows(scene_snapshot *snapshot, const crdt_document *doc,
                          row **rows, size_t *count, size_t *capacity)
{
    /* Mostly nothing is wrong with anything. */
    bool quiet = scene_tree_repair_count(snapshot->tree) == 0 &&
                 crdt_document_count(doc).conflicts == 0;
    crdt_buf_clear(&snapshot->scratch.text);
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        row *grown =
            scene_array_grow(snapshot->alloc, *rows, *count, capacity, sizeof **rows);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        *rows = grown;
        crdt_err err = make_row(snapshot, doc, object, quiet, &grown[*count]);
        if (err != CRDT_OK) {
            return err;
        }
        *count += grown[*count].entry != NONE;
    }
    return CRDT_OK;
}

static crdt_err make_records(scene_snapshot *snapshot, scene_export *export,
                             const row *rows, size_t count)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        entry *e = &snapshot->entries[rows[i].entry];
        crdt_buf_clear(&snapshot->record);
        if (rows[i].live) {
            bool under_root = e->fragment != NULL && e->fragment->repair_size > 0;
            err = make_record(snapshot, export, e, rows[i].object, under_root);
        }
        if (err == CRDT_OK) {
            err = scene_text_pages_append(&snapshot->pages, rows[i].entry,
                                          crdt_buf_span(&snapshot->record));
        }
    }
    return err;
}

static crdt_err rebuild(scene_snapshot *snapshot, scene_export *export)
{
    clear_entries(snapshot);
    if (snapshot->follower.everything != NULL) {
        snapshot->follower.everything(snapshot->follower.ctx);
    }
    row *rows = NULL;
    size_t count = 0;
    size_t capacity = 0;
    crdt_err err = scene_tree_build(snapshot->tree, export->doc);
    if (err == CRDT_OK) {
        err = make_rows(snapshot, export->doc, &rows, &count, &capacity);
    }
    bool sorted = true; /* objects come in the order of their names: mostly this one */
    for (size_t i = 1; i < count && sorted; i++) {
        sorted = compare_entries(snapshot, rows[i - 1].entry, rows[i].entry) < 0;
    }
    if (!sorted) {
        qsort_r(rows, count, sizeof *rows, compare_rows, snapshot);
    }
    if (err == CRDT_OK) {
        err = make_records(snapshot, export, rows, count);
    }
    crdt_free(snapshot->alloc, rows, capacity * sizeof *rows);
    return err;
}

/* ---- what changed ---- */

/* Whoever shares with a changed object has changed too. */
static crdt_err add_users(scene_snapshot *snapshot)
{
    crdt_err err = CRDT_OK;
    size_t count = snapshot->changed.count;
    for (size_t i = 0; i < count && err == CRDT_OK; i++) {
        crdt_span name = snapshot->changed.names[i];
        uint32_t at = NONE;
        if (!scene_layout_is_entity(name)) {
            at = scene_share_uses_find(&snapshot->uses, name);
        }
        for (; at != NONE && err == CRDT_OK;
             at = scene_share_uses_next(&snapshot->uses, at)) {
            uint32_t user = snapshot->uses.uses[at].entity;
            err = scene_name_set_add(&snapshot->changed, snapshot->entries[user].id);
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

/* The frame is made of objects of ours. */
static void note_frame(scene_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->changed.count && snapshot->framed; i++) {
        snapshot->framed = scene_layout_is_entity(snapshot->changed.names[i]);
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
        note_frame(snapshot);
        err = follow(snapshot, &export);
    }
    if (snapshot->everything) {
        err = rebuild(snapshot, &export);
    }
    scene_export_deinit(&export);
    snapshot->everything = err != CRDT_OK;
    if (err == CRDT_OK) {
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

/* Only where something is wrong: O(entities). */
static crdt_err put_conflicts(const scene_snapshot *snapshot, crdt_buf *out)
{
    scene_fragment_list list = scene_fragment_list_open(out);
    for (int lost = 0; lost < 2; lost++) {
        scene_text_cursor cursor = {0};
        uint32_t number;
        while (scene_text_pages_next(&snapshot->pages, &cursor, &number)) {
            const scene_fragment *fragment = snapshot->entries[number].fragment;
            if (fragment != NULL) {
                scene_fragment_list_put(&list, fragment, lost != 0);
            }
        }
    }
    return scene_fragment_list_end(&list);
}

/* The text around the lists, kept until it changes. */
static crdt_err make_frame(scene_snapshot *snapshot, const crdt_document *doc)
{
    bool conflicts = snapshot->fragment_held > 0;
    if (snapshot->framed && snapshot->frame_conflicts == conflicts) {
        return CRDT_OK;
    }
    crdt_buf_clear(&snapshot->frame);
    crdt_err err = scene_format_state_frame(
        doc, NULL, conflicts, snapshot->alloc, &snapshot->frame,
        &snapshot->frame_conflicts_at, &snapshot->frame_entities_at);
    snapshot->framed = err == CRDT_OK;
    snapshot->frame_conflicts = conflicts;
    return err;
}

/* What stands before the records: the first part of the frame, with the conflicts. */
static crdt_err put_head(scene_snapshot *snapshot, const crdt_document *doc,
                         crdt_buf *out)
{
    crdt_err err = make_frame(snapshot, doc);
    const uint8_t *frame = snapshot->frame.data;
    size_t at = snapshot->fragment_held > 0 ? snapshot->frame_conflicts_at : 0;
    if (err == CRDT_OK) {
        err = crdt_buf_append(out, frame, at);
    }
    if (err == CRDT_OK && snapshot->fragment_held > 0) {
        err = put_conflicts(snapshot, out);
    }
    return err != CRDT_OK
               ? err
               : crdt_buf_append(out, frame + at, snapshot->frame_entities_at - at);
}

static crdt_span frame_tail(const scene_snapshot *snapshot)
{
    return (crdt_span){snapshot->frame.data + snapshot->frame_entities_at,
                       snapshot->frame.size - snapshot->frame_entities_at};
}

static crdt_err put_snapshot(scene_snapshot *snapshot, const crdt_document *doc,
                             crdt_buf *out)
{
    size_t before = out->size;
    crdt_err err = put_head(snapshot, doc, out);
    if (err == CRDT_OK) {
        err = crdt_buf_reserve(out, snapshot->pages.size + frame_tail(snapshot).size);
    }
    if (err != CRDT_OK) {
        out->size = before;
        return err;
    }
    size_t page = 0;
    crdt_span piece;
    while (scene_text_pages_piece(&snapshot->pages, &page, &piece)) {
        (void)crdt_buf_append_span(out, piece); /* has its room */
    }
    return crdt_buf_append_span(out, frame_tail(snapshot));
}

crdt_err scene_snapshot_visit(scene_snapshot *snapshot,
                              bool (*take)(void *ctx, crdt_span piece), void *ctx)
{
    crdt_err err = scene_snapshot_update(snapshot);
    crdt_buf_clear(&snapshot->record);
    if (err == CRDT_OK) {
        err = put_head(snapshot, snapshot->doc, &snapshot->record);
    }
    if (err != CRDT_OK) {
        return err;
    }
    bool more = take(ctx, crdt_buf_span(&snapshot->record));
    size_t page = 0;
    crdt_span piece;
    while (more && scene_text_pages_piece(&snapshot->pages, &page, &piece)) {
        more = take(ctx, piece);
    }
    if (more) {
        (void)take(ctx, frame_tail(snapshot));
    }
    return CRDT_OK;
}

crdt_err scene_snapshot_write(scene_snapshot *snapshot, crdt_buf *out)
{
    crdt_err err = scene_snapshot_update(snapshot);
    return err == CRDT_OK ? put_snapshot(snapshot, snapshot->doc, out) : err;
}

/* Is there nothing to list among the conflicts? Then the snapshot is what a file says. */
static crdt_err is_quiet(const crdt_document *doc, crdt_alloc alloc, bool *quiet)
{
    *quiet = crdt_document_count(doc).conflicts == 0;
    if (!*quiet || !scene_names_parents(doc)) {
        return CRDT_OK;
    }
    scene_tree *tree;
    crdt_err err = scene_tree_open(&tree, alloc);
    if (err == CRDT_OK) {
        err = scene_tree_build(tree, doc);
        *quiet = scene_tree_repair_count(tree) == 0;
        scene_tree_close(tree);
    }
    return err;
}

crdt_err scene_materialize(const crdt_document *doc, crdt_alloc alloc, crdt_buf *out)
{
    bool quiet;
    crdt_err err_quiet = is_quiet(doc, alloc, &quiet);
    if (err_quiet != CRDT_OK || quiet) {
        return err_quiet != CRDT_OK
                   ? err_quiet
                   : scene_format_state_write(doc, NULL, NULL, alloc, out);
    }
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
