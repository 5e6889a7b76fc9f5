#include "cli/worker/undone.h"

#include "cli/worker/text.h"

#include <string.h>

static crdt_err copy(crdt_span from, crdt_arena *arena, crdt_span *to)
{
    uint8_t *data = crdt_arena_alloc(arena, from.size);
    if (data == NULL) {
        return CRDT_ENOMEM;
    }
    if (from.size > 0) {
        memcpy(data, from.data, from.size);
    }
    *to = (crdt_span){data, from.size};
    return CRDT_OK;
}

/* Of the key, what renderers know of: no names of our own. */
static crdt_err copy_key(const crdt_key *key, crdt_arena *arena, worker_skip *skip)
{
    if (!scene_layout_is_entity(key->object)) {
        return CRDT_OK;
    }
    crdt_err err = copy(key->object, arena, &skip->entity);
    if (err != CRDT_OK || key->depth < CRDT_PART ||
        !scene_layout_is_component(key->part, NULL)) {
        return err;
    }
    err = copy(key->part, arena, &skip->part);
    return err == CRDT_OK && key->depth == CRDT_FIELD &&
                   !scene_layout_is_own(key->field)
               ? copy(key->field, arena, &skip->field)
               : err;
}

crdt_err worker_undone_take(worker_undone *undone, const scene_undo *undo,
                            const crdt_stamp *target, crdt_arena *arena)
{
    size_t count = 0;
    const scene_undo_skip *skips = scene_undo_skips(undo, &count);
    size_t told = count < WORKER_SKIPS_MAX ? count : WORKER_SKIPS_MAX;
    *undone =
        (worker_undone){.skip_total = count,
                        .skips = crdt_arena_alloc(arena, told * sizeof *undone->skips)};
    crdt_err err = undone->skips == NULL ? CRDT_ENOMEM : CRDT_OK;
    for (size_t i = 0; i < told && err == CRDT_OK; i++) {
        undone->skips[i] = (worker_skip){.reason = skips[i].reason};
        err = copy_key(&skips[i].key, arena, &undone->skips[i]);
        undone->skip_count = i + 1;
    }
    if (err == CRDT_OK && target != NULL) {
        undone->target = *target;
        err = copy(scene_undo_step(undo), arena, &undone->step);
    }
    return err;
}

static void put_skip(worker_text *text, const worker_skip *skip, worker_hub *hub)
{
    worker_text_put(text, "{");
    if (skip->entity.size > 0) {
        worker_text_put(text, "\"entityId\":");
        worker_text_string(text, skip->entity);
        worker_text_put(text, ",");
    }
    uint32_t type =
        skip->part.size > 0 ? worker_hub_type_of(hub, skip->part) : WORKER_NONE;
    if (type != WORKER_NONE) {
        worker_text_put(text, "\"component\":");
        worker_text_raw(text, worker_blob_span(worker_hub_type(hub, type)->name));
        worker_text_put(text, ",");
    }
    if (skip->field.size > 0) {
        worker_text_put(text, "\"field\":");
        worker_text_string(text, skip->field);
        worker_text_put(text, ",");
    }
    worker_text_put(text, "\"reason\":");
    worker_text_string(text, crdt_span_of(scene_undo_reason_text(skip->reason)));
    worker_text_put(text, "}");
}

crdt_err worker_undone_write(const worker_undone *undone, bool redo, worker_hub *hub,
                             crdt_buf *out)
{
    worker_text text = worker_text_open(out);
    if (undone->target.time != 0) {
        worker_text_put(&text, redo ? ",\"redone\":" : ",\"undone\":");
        if (undone->step.size > 0) {
            worker_text_string(&text, undone->step);
        } else {
            worker_text_stamp(&text, &undone->target);
        }
    }
    worker_text_put(&text, ",\"skips\":[");
    for (size_t i = 0; i < undone->skip_count; i++) {
        worker_text_put(&text, i > 0 ? "," : "");
        put_skip(&text, &undone->skips[i], hub);
    }
    worker_text_put(&text, "]");
    if (undone->skip_total > undone->skip_count) {
        worker_text_put(&text, ",\"more\":");
        worker_text_number(&text, undone->skip_total - undone->skip_count);
    }
    return text.err;
}
