#include "tests/scene/world.h"

#include "scene/json.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void list_add(world_list *list, const crdt_buf *bytes)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        cr_assert_not_null(list->items);
    }
    world_bytes copy = {malloc(bytes->size + 1), bytes->size};
    cr_assert_not_null(copy.data);
    memcpy(copy.data, bytes->data, bytes->size);
    list->items[list->count++] = copy;
}

static void list_free(world_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].data);
    }
    free(list->items);
}

static crdt_span list_span(const world_list *list, size_t index)
{
    return (crdt_span){list->items[index].data, list->items[index].size};
}

void world_open(world *w, size_t count)
{
    static const char *const NAMES[] = {"ann", "bob", "cem", "dee"};
    *w = (world){.count = count};
    crdt_alloc alloc = crdt_alloc_default();
    for (size_t i = 0; i < count; i++) {
        world_replica *r = &w->replicas[i];
        crdt_document_options options = crdt_document_options_default();
        r->actor = gen_actor((unsigned)i + 1);
        r->who = NAMES[i];
        cr_assert_eq(crdt_document_open(&r->doc, &options), CRDT_OK);
        cr_assert_eq(crdt_history_open(&r->history, alloc, 0), CRDT_OK);
        crdt_listener listener = crdt_history_listener(r->history);
        cr_assert_eq(crdt_document_listen(r->doc, &listener), CRDT_OK);
        cr_assert_eq(scene_snapshot_open(&r->snapshot, r->doc, alloc), CRDT_OK);
        crdt_op_list_init(&r->ops, alloc);
        crdt_arena_init(&r->skip_names, alloc);
    }
}

void world_close(world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        world_replica *r = &w->replicas[i];
        scene_snapshot_close(r->snapshot);
        crdt_document_close(r->doc);
        crdt_history_close(r->history);
        crdt_op_list_deinit(&r->ops);
        crdt_arena_deinit(&r->skip_names);
        list_free(&r->records);
        free(r->received);
    }
    list_free(&w->batches);
    for (size_t i = 0; i < sizeof w->texts / sizeof w->texts[0]; i++) {
        free(w->texts[i]);
    }
}

/* ---- batches ---- */

static void mark_received(world *w, size_t to, size_t index)
{
    world_replica *r = &w->replicas[to];
    if (index >= r->received_capacity) {
        size_t capacity = (index + 1) * 2;
        r->received = realloc(r->received, capacity);
        cr_assert_not_null(r->received);
        memset(r->received + r->received_capacity, 0, capacity - r->received_capacity);
        r->received_capacity = capacity;
    }
    r->received[index] = true;
}

static bool has_received(const world *w, size_t to, size_t index)
{
    const world_replica *r = &w->replicas[to];
    return index < r->received_capacity && r->received[index];
}

static void record(world *w, size_t r, const crdt_batch *batch,
                   const crdt_history_note *note)
{
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(crdt_history_finish(w->replicas[r].history, batch, note, &bytes),
                 CRDT_OK);
    list_add(&w->replicas[r].records, &bytes);
    crdt_buf_deinit(&bytes);
}

bool world_deliver(world *w, size_t to, size_t index)
{
    if (has_received(w, to, index)) {
        return true;
    }
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_diag diag;
    cr_assert_eq(
        crdt_batch_decode(list_span(&w->batches, index), NULL, &arena, &batch, &diag),
        CRDT_OK, "%s", diag.text);
    crdt_history_begin(w->replicas[to].history);
    crdt_err err = crdt_document_apply(w->replicas[to].doc, &batch, &diag);
    if (err == CRDT_OK) {
        record(w, to, &batch, &(crdt_history_note){.origin = CRDT_ORIGIN_REMOTE});
    }
    cr_assert(err == CRDT_OK || err == CRDT_EGAP || err == CRDT_EDUPLICATE, "%s: %s",
              crdt_err_name(err), diag.text);
    if (err != CRDT_EGAP) {
        mark_received(w, to, index);
    }
    crdt_arena_deinit(&arena);
    return err != CRDT_EGAP;
}

void world_sync(world *w)
{
    for (size_t i = 0; i < w->batches.count; i++) {
        for (size_t r = 0; r < w->count; r++) {
            cr_assert(world_deliver(w, r, i));
        }
    }
}

void world_answer(world *w, size_t from, size_t to)
{
    crdt_buf answer;
    crdt_buf_init(&answer, crdt_alloc_default());
    crdt_document *doc = w->replicas[to].doc;
    cr_assert_eq(crdt_document_answer(w->replicas[from].doc, crdt_document_version(doc),
                                      NULL, &answer),
                 CRDT_OK);
    crdt_diag diag;
    crdt_history_begin(w->replicas[to].history);
    cr_assert_eq(crdt_document_merge(doc, crdt_buf_span(&answer), NULL, NULL, &diag),
                 CRDT_OK, "%s", diag.text);
    record(w, to, NULL, &(crdt_history_note){.origin = CRDT_ORIGIN_ANSWER});
    crdt_buf_deinit(&answer);
}

crdt_err world_commit(world *w, size_t r, crdt_origin origin, const crdt_stamp *target)
{
    world_replica *replica = &w->replicas[r];
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_edit edit = {.actor = replica->actor,
                      .who = crdt_span_of(replica->who),
                      .wall_ms = replica->wall_ms};
    crdt_batch batch;
    crdt_diag diag = {.text = ""};
    crdt_history_begin(replica->history);
    crdt_err err = crdt_document_commit(replica->doc, &edit, replica->ops.ops,
                                        replica->ops.op_count, &arena, &batch, &diag);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING, "%s: %s", crdt_err_name(err),
              diag.text);
    if (err == CRDT_OK) {
        crdt_history_note note = {.origin = origin};
        if (target != NULL) {
            note.target = *target;
            note.step = crdt_span_of(replica->undone_step);
        } else if (origin == CRDT_ORIGIN_EDIT && replica->step != NULL) {
            note.step = crdt_span_of(replica->step);
        }
        record(w, r, &batch, &note);
        crdt_buf bytes;
        crdt_buf_init(&bytes, crdt_alloc_default());
        cr_assert_eq(crdt_batch_encode(&batch, NULL, &bytes), CRDT_OK);
        list_add(&w->batches, &bytes);
        crdt_buf_deinit(&bytes);
        mark_received(w, r, w->batches.count - 1);
    }
    crdt_op_list_clear(&replica->ops);
    crdt_arena_deinit(&arena);
    return err;
}

/* ---- edits ---- */

void world_begin(world *w, size_t r)
{
    world_replica *replica = &w->replicas[r];
    cr_assert_not(replica->in_group);
    cr_assert_eq(scene_edit_open(&replica->edit, replica->doc, &replica->ops), CRDT_OK);
    replica->in_group = true;
}

crdt_err world_end(world *w, size_t r)
{
    world_replica *replica = &w->replicas[r];
    cr_assert(replica->in_group);
    scene_edit_close(&replica->edit);
    replica->in_group = false;
    return world_commit(w, r, CRDT_ORIGIN_EDIT, NULL);
}

static bool begin_one(world *w, size_t r)
{
    bool alone = !w->replicas[r].in_group;
    if (alone) {
        world_begin(w, r);
    }
    return alone;
}

static crdt_err end_one(world *w, size_t r, bool alone, crdt_err err)
{
    if (!alone) {
        return err;
    }
    crdt_err committed = world_end(w, r);
    return err != CRDT_OK ? err : committed;
}

static void to_value(const char *json, crdt_buf *value)
{
    crdt_buf_init(value, crdt_alloc_default());
    crdt_diag diag = {.text = ""};
    cr_assert_eq(
        scene_json_to_value(crdt_span_of(json), crdt_alloc_default(), value, &diag),
        CRDT_OK, "%s: %s", json, diag.text);
}

crdt_err world_add(world *w, size_t r, const char *entity, const char *parent)
{
    bool alone = begin_one(w, r);
    crdt_span id = crdt_span_of(parent == NULL ? "" : parent);
    return end_one(w, r, alone,
                   scene_edit_add(&w->replicas[r].edit, crdt_span_of(entity),
                                  parent == NULL ? NULL : &id, NULL));
}

crdt_err world_remove(world *w, size_t r, const char *entity)
{
    bool alone = begin_one(w, r);
    return end_one(w, r, alone,
                   scene_edit_remove(&w->replicas[r].edit, crdt_span_of(entity), NULL));
}

crdt_err world_move(world *w, size_t r, const char *entity, const char *parent)
{
    bool alone = begin_one(w, r);
    crdt_span id = crdt_span_of(parent == NULL ? "" : parent);
    return end_one(w, r, alone,
                   scene_edit_move(&w->replicas[r].edit, crdt_span_of(entity),
                                   parent == NULL ? NULL : &id, NULL));
}

crdt_err world_set(world *w, size_t r, const char *entity, const char *component,
                   const char *json)
{
    crdt_buf value;
    to_value(json, &value);
    bool alone = begin_one(w, r);
    crdt_err err = scene_edit_set(&w->replicas[r].edit, crdt_span_of(entity),
                                  crdt_span_of(component), crdt_buf_span(&value), NULL);
    crdt_buf_deinit(&value);
    return end_one(w, r, alone, err);
}

crdt_err world_set_field(world *w, size_t r, const char *entity, const char *component,
                         const char *field, const char *json)
{
    crdt_buf value;
    to_value(json, &value);
    bool alone = begin_one(w, r);
    crdt_err err = scene_edit_set_field(&w->replicas[r].edit, crdt_span_of(entity),
                                        crdt_span_of(component), crdt_span_of(field),
                                        crdt_buf_span(&value), NULL);
    crdt_buf_deinit(&value);
    return end_one(w, r, alone, err);
}

crdt_err world_unset(world *w, size_t r, const char *entity, const char *component,
                     const char *field)
{
    bool alone = begin_one(w, r);
    return end_one(w, r, alone,
                   scene_edit_unset_field(&w->replicas[r].edit, crdt_span_of(entity),
                                          crdt_span_of(component), crdt_span_of(field),
                                          NULL));
}

crdt_err world_remove_component(world *w, size_t r, const char *entity,
                                const char *component)
{
    bool alone = begin_one(w, r);
    return end_one(w, r, alone,
                   scene_edit_remove_component(&w->replicas[r].edit,
                                               crdt_span_of(entity),
                                               crdt_span_of(component), NULL));
}

static crdt_key key_of(const char *object, const char *part, const char *field)
{
    if (part == NULL) {
        return crdt_key_object(crdt_span_of(object));
    }
    if (field == NULL) {
        return crdt_key_part(crdt_span_of(object), crdt_span_of(part));
    }
    return crdt_key_field(crdt_span_of(object), crdt_span_of(part),
                          crdt_span_of(field));
}

void world_raw(world *w, size_t r, crdt_op_kind kind, const char *object,
               const char *part, const char *field, const char *json)
{
    crdt_op op = {.kind = kind, .key = key_of(object, part, field)};
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    if (json != NULL) {
        to_value(json, &value);
        op.value = crdt_buf_span(&value);
    }
    cr_assert_eq(crdt_op_list_push(&w->replicas[r].ops, &op), CRDT_OK);
    crdt_buf_deinit(&value);
    world_commit(w, r, CRDT_ORIGIN_EDIT, NULL);
}

/* ---- undo ---- */

static crdt_span copy_span(crdt_arena *arena, crdt_span span)
{
    uint8_t *copy = crdt_arena_alloc(arena, span.size);
    cr_assert_not_null(copy);
    if (span.size > 0) {
        memcpy(copy, span.data, span.size);
    }
    return (crdt_span){copy, span.size};
}

static void keep_skips(world_replica *replica, const scene_undo *undo)
{
    size_t count;
    const scene_undo_skip *skips = scene_undo_skips(undo, &count);
    crdt_arena_reset(&replica->skip_names);
    replica->skip_count = count < 32 ? count : 32;
    for (size_t i = 0; i < replica->skip_count; i++) {
        replica->skips[i] = skips[i];
        crdt_key *key = &replica->skips[i].key;
        key->object = copy_span(&replica->skip_names, key->object);
        key->part = copy_span(&replica->skip_names, key->part);
        key->field = copy_span(&replica->skip_names, key->field);
    }
}

static crdt_err undo_or_redo(world *w, size_t r, bool redo)
{
    world_replica *replica = &w->replicas[r];
    scene_undo_options options = {
        .redo = redo, .person = true, .who = crdt_span_of(replica->who)};
    scene_undo *undo;
    cr_assert_eq(scene_undo_open(&undo, crdt_alloc_default(), replica->doc,
                                 &replica->actor, &options, &replica->ops),
                 CRDT_OK);
    for (size_t i = replica->records.count; i > 0; i--) {
        if (!scene_undo_visit(undo, list_span(&replica->records, i - 1))) {
            break;
        }
    }
    crdt_stamp target;
    crdt_diag diag = {.text = ""};
    crdt_err err = scene_undo_finish(undo, &target, &diag);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING, "%s: %s", crdt_err_name(err),
              diag.text);
    keep_skips(replica, undo);
    crdt_span step = scene_undo_step(undo);
    snprintf(replica->undone_step, sizeof replica->undone_step, "%.*s", (int)step.size,
             step.size > 0 ? (const char *)step.data : "");
    scene_undo_close(undo);
    if (err == CRDT_OK) {
        err = world_commit(w, r, redo ? CRDT_ORIGIN_REDO : CRDT_ORIGIN_UNDO, &target);
        cr_assert_eq(err, CRDT_OK, "an undo that says nothing");
    }
    crdt_op_list_clear(&replica->ops);
    return err;
}

crdt_err world_undo(world *w, size_t r)
{
    return undo_or_redo(w, r, false);
}

crdt_err world_redo(world *w, size_t r)
{
    return undo_or_redo(w, r, true);
}

const char *world_step(const world *w, size_t r)
{
    return w->replicas[r].undone_step;
}

bool world_skipped(const world *w, size_t r, const char *object, const char *part,
                   const char *field, scene_undo_reason reason)
{
    crdt_key key = key_of(object, part, field);
    for (size_t i = 0; i < w->replicas[r].skip_count; i++) {
        const scene_undo_skip *skip = &w->replicas[r].skips[i];
        if (crdt_key_equal(&skip->key, &key)) {
            return skip->reason == reason;
        }
    }
    return false;
}

/* ---- looking ---- */

static const char *keep_text(world *w, const void *bytes, size_t size)
{
    char **text = &w->texts[w->next_text++ % (sizeof w->texts / sizeof w->texts[0])];
    free(*text);
    *text = malloc(size + 1);
    cr_assert_not_null(*text);
    if (size > 0) {
        memcpy(*text, bytes, size);
    }
    (*text)[size] = '\0';
    return *text;
}

static const char *keep_json(world *w, crdt_span value)
{
    crdt_buf json;
    crdt_buf_init(&json, crdt_alloc_default());
    cr_assert_eq(scene_json_write_value(value, &json), CRDT_OK);
    const char *text = keep_text(w, json.data, json.size);
    crdt_buf_deinit(&json);
    return text;
}

const char *world_get(world *w, size_t r, const char *entity, const char *component,
                      const char *field)
{
    scene_component found;
    scene_field shown;
    if (!scene_component_find(w->replicas[r].doc, crdt_span_of(entity),
                              crdt_span_of(component), &found) ||
        !scene_component_field(&found, crdt_span_of(field), &shown)) {
        return "-";
    }
    return keep_json(w, shown.value);
}

const char *world_component(world *w, size_t r, const char *entity,
                            const char *component)
{
    scene_component found;
    if (!scene_component_find(w->replicas[r].doc, crdt_span_of(entity),
                              crdt_span_of(component), &found)) {
        return "-";
    }
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    cr_assert_eq(scene_component_value(&found, &value), CRDT_OK);
    crdt_diag diag = {.text = ""};
    cr_assert_eq(crdt_value_check(crdt_buf_span(&value), &diag), CRDT_OK, "%s",
                 diag.text);
    const char *text = keep_json(w, crdt_buf_span(&value));
    crdt_buf_deinit(&value);
    return text;
}

static bool take_piece(void *ctx, crdt_span piece)
{
    return crdt_buf_append_span(ctx, piece) == CRDT_OK;
}

/* What is handed out in pieces is what is written. */
const char *world_json(world *w, size_t r)
{
    crdt_buf text;
    crdt_buf pieces;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_buf_init(&pieces, crdt_alloc_default());
    cr_assert_eq(scene_snapshot_visit(w->replicas[r].snapshot, take_piece, &pieces),
                 CRDT_OK);
    cr_assert_eq(scene_snapshot_write(w->replicas[r].snapshot, &text), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&text), crdt_buf_span(&pieces)));
    crdt_buf_deinit(&pieces);
    const char *kept = keep_text(w, text.data, text.size);
    crdt_buf_deinit(&text);
    return kept;
}

const char *world_place(world *w, size_t r, const char *entity)
{
    cr_assert_eq(scene_snapshot_update(w->replicas[r].snapshot), CRDT_OK);
    scene_place place;
    if (!scene_tree_find(scene_snapshot_tree(w->replicas[r].snapshot),
                         crdt_span_of(entity), &place)) {
        return "-";
    }
    char text[200];
    if (place.repair != SCENE_REPAIR_NONE) {
        snprintf(text, sizeof text, "(%s %.*s)", scene_repair_name(place.repair),
                 (int)place.wanted.size, (const char *)place.wanted.data);
    } else if (place.under_root) {
        return "(root)";
    } else {
        snprintf(text, sizeof text, "%.*s", (int)place.parent.size,
                 (const char *)place.parent.data);
    }
    return keep_text(w, text, strlen(text));
}

void world_assert_equal(world *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const crdt_document *doc = w->replicas[i].doc;
        cr_assert_eq(crdt_version_compare(crdt_document_version(doc),
                                          crdt_document_version(w->replicas[0].doc)),
                     CRDT_EQUAL);
        cr_assert(crdt_digest_equal(crdt_document_digest(doc),
                                    crdt_document_digest(w->replicas[0].doc)));
        cr_assert_str_eq(world_json(w, i), world_json(w, 0));
        crdt_buf fresh;
        crdt_buf_init(&fresh, crdt_alloc_default());
        cr_assert_eq(scene_materialize(doc, crdt_alloc_default(), &fresh), CRDT_OK);
        cr_assert_str_eq(world_json(w, i), keep_text(w, fresh.data, fresh.size));
        crdt_buf_deinit(&fresh);
        cr_assert(scene_tree_check(scene_snapshot_tree(w->replicas[i].snapshot), doc));
    }
}
