#include "cli/worker/clashes.h"

#include "scene/array.h"
#include "scene/scene.h"

#define DRAG_MS 1500u /* longest pause within one doing */

void worker_clashes_init(worker_clashes *clashes, crdt_alloc alloc)
{
    *clashes = (worker_clashes){.alloc = alloc};
}

static void remove_at(worker_clashes *clashes, size_t index)
{
    worker_kept_clash *item = &clashes->items[index];
    clashes->size -= item->bytes.size;
    crdt_buf_deinit(&item->bytes);
    clashes->count--;
    memmove(item, item + 1, (clashes->count - index) * sizeof *item);
}

void worker_clashes_clear(worker_clashes *clashes)
{
    while (clashes->count > 0) {
        remove_at(clashes, clashes->count - 1);
    }
}

void worker_clashes_deinit(worker_clashes *clashes)
{
    worker_clashes_clear(clashes);
    crdt_free(clashes->alloc, clashes->items,
              clashes->capacity * sizeof *clashes->items);
    clashes->items = NULL;
    clashes->capacity = 0;
}

/* The span's copy lies at the end of `bytes`, which does not move any more. */
static crdt_span copy(crdt_buf *bytes, crdt_span span)
{
    crdt_span at = {bytes->data + bytes->size, span.size};
    if (span.size > 0) {
        memcpy(bytes->data + bytes->size, span.data, span.size);
        bytes->size += span.size;
    }
    return at;
}

static bool same_place(const worker_clash *a, const worker_clash *b)
{
    return crdt_span_equal(a->entity, b->entity) && crdt_span_equal(a->part, b->part) &&
           crdt_span_equal(a->field, b->field);
}

crdt_err worker_clashes_add(worker_clashes *clashes, const worker_clash *clash,
                            crdt_span by, const crdt_stamp *until, uint64_t now_ms)
{
    worker_kept_clash added = {.told = *clash, .by = by, .written_ms = now_ms};
    size_t size = clash->entity.size + clash->part.size + clash->field.size +
                  clash->value.size + clash->author.size + by.size;
    worker_kept_clash *items =
        scene_array_grow(clashes->alloc, clashes->items, clashes->count,
                         &clashes->capacity, sizeof *items);
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    clashes->items = items;
    crdt_buf_init(&added.bytes, clashes->alloc);
    if (crdt_buf_reserve(&added.bytes, size + 1) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    added.told.entity = copy(&added.bytes, clash->entity);
    added.told.part = copy(&added.bytes, clash->part);
    added.told.field = copy(&added.bytes, clash->field);
    added.told.value = copy(&added.bytes, clash->value);
    added.told.author = copy(&added.bytes, clash->author);
    added.by = copy(&added.bytes, by);
    if (until != NULL) {
        added.until = *until;
    }
    for (size_t i = clashes->count; i > 0; i--) {
        if (same_place(&clashes->items[i - 1].told, clash)) {
            remove_at(clashes, i - 1);
        }
    }
    while (clashes->count > 0 && (clashes->count == WORKER_CLASHES_KEPT_MAX ||
                                  clashes->size + size > WORKER_CLASHES_SIZE_MAX)) {
        remove_at(clashes, 0);
    }
    clashes->items[clashes->count++] = added;
    clashes->size += size;
    return CRDT_OK;
}

/* ---- letting go ---- */

/* A value that was replaced: does it still stand? */
static bool replaced_stands(worker_kept_clash *item, const crdt_document *doc,
                            uint64_t now_ms)
{
    scene_component component;
    scene_field shown;
    if (!scene_component_find(doc, item->told.entity, item->told.part, &component) ||
        !scene_component_field(&component, item->told.field, &shown) ||
        crdt_span_equal(shown.value, item->told.value)) {
        return false;
    }
    if (item->until.time == 0) {
        item->until = shown.stamp;
    }
    if (crdt_stamp_compare(&shown.stamp, &item->until) <= 0) {
        return true;
    }
    bool drag =
        crdt_span_equal(shown.who, item->by) && now_ms - item->written_ms <= DRAG_MS;
    item->until = shown.stamp;
    item->written_ms = now_ms;
    return drag;
}

static bool removed_stands(const worker_kept_clash *item, const crdt_document *doc)
{
    crdt_key key = crdt_key_object(item->told.entity);
    if (item->told.part.size > 0) {
        key = crdt_key_part(item->told.entity, item->told.part);
    }
    return !crdt_document_live(doc, &key);
}

bool worker_clashes_check(worker_clashes *clashes, const crdt_document *doc,
                          uint64_t now_ms)
{
    size_t before = clashes->count;
    for (size_t i = clashes->count; i > 0; i--) {
        worker_kept_clash *item = &clashes->items[i - 1];
        if (item->told.removed ? !removed_stands(item, doc)
                               : !replaced_stands(item, doc, now_ms)) {
            remove_at(clashes, i - 1);
        }
    }
    return clashes->count < before;
}

worker_clash_choice worker_clash_choice_of(const worker_intent *intent)
{
    return (worker_clash_choice){.entity = intent->entity,
                                 .part = intent->part,
                                 .field = intent->field,
                                 .has_stamp = intent->has_stamp,
                                 .stamp = intent->stamp};
}

static bool is_meant(const worker_clash *clash, const worker_clash_choice *choice)
{
    return crdt_span_equal(clash->entity, choice->entity) &&
           (choice->part.size == 0 || crdt_span_equal(clash->part, choice->part)) &&
           (choice->field.size == 0 || crdt_span_equal(clash->field, choice->field)) &&
           (!choice->has_stamp ||
            crdt_stamp_compare(&clash->stamp, &choice->stamp) == 0);
}

size_t worker_clashes_dismiss(worker_clashes *clashes,
                              const worker_clash_choice *choice)
{
    size_t before = clashes->count;
    for (size_t i = clashes->count; i > 0; i--) {
        if (is_meant(&clashes->items[i - 1].told, choice)) {
            remove_at(clashes, i - 1);
        }
    }
    return before - clashes->count;
}
