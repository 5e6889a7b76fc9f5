#include "crdt/document_state.h"

#include "crdt/mutant.h"

#include <stdlib.h>
#include <string.h>

typedef struct sweeping {
    const crdt_document *doc;
    const crdt_version *shown;
    crdt_arena *arena;
    crdt_op *ops; /* grows in the arena */
    size_t count;
    size_t capacity;
} sweeping;

static bool is_shown(const sweeping *sweep, const crdt_dot_store *store, uint32_t slot)
{
    if (sweep->shown == NULL || crdt_dot_store_at(store, slot)->dot == 0) {
        return true;
    }
    for (uint32_t id = slot; id != 0;
         id = crdt_slot_lower(crdt_dot_store_at(store, id))) {
        crdt_stamp stamp = crdt_actors_stamp(&sweep->doc->context.actors,
                                             crdt_dot_store_at(store, id)->dot);
        if (!crdt_version_covers(sweep->shown, &stamp) && !MUTANT(27)) {
            return false;
        }
    }
    return true;
}

static crdt_err copy_span(crdt_arena *arena, crdt_span *span)
{
    uint8_t *copy = crdt_arena_alloc(arena, span->size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    if (span->size > 0) {
        memcpy(copy, span->data, span->size);
    }
    span->data = copy;
    return CRDT_OK;
}

/* Names and values are copied: the operations free those that they lie in. */
static crdt_err push_op(sweeping *sweep, crdt_op op)
{
    if (sweep->count == sweep->capacity) {
        size_t capacity = sweep->capacity == 0 ? 16 : sweep->capacity * 2;
        crdt_op *ops = crdt_arena_alloc(sweep->arena, capacity * sizeof *ops);
        if (ops == NULL) {
            return CRDT_ENOMEM;
        }
        if (sweep->count > 0) {
            memcpy(ops, sweep->ops, sweep->count * sizeof *ops);
        }
        sweep->ops = ops;
        sweep->capacity = capacity;
    }
    crdt_err err = copy_span(sweep->arena, &op.key.object);
    err = err != CRDT_OK ? err : copy_span(sweep->arena, &op.key.part);
    err = err != CRDT_OK ? err : copy_span(sweep->arena, &op.key.field);
    err = err != CRDT_OK ? err : copy_span(sweep->arena, &op.value);
    if (err == CRDT_OK) {
        sweep->ops[sweep->count++] = op;
    }
    return err;
}

/* A part that is not live, with dots or values: all of it, if all was shown. */
static crdt_err sweep_dead_part(sweeping *sweep, uint32_t part)
{
    const crdt_document *doc = sweep->doc;
    bool is_held = crdt_state_element(doc, part)->dot != 0;
    bool all_shown = is_shown(sweep, &doc->keys.store, part);
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0;
         field = crdt_state_next_field(doc, field)) {
        is_held = is_held || crdt_state_field(doc, field)->dot != 0;
        all_shown =
            (all_shown || MUTANT(165)) && is_shown(sweep, &doc->fields.store, field);
    }
    if (!is_held || !all_shown) {
        return CRDT_OK;
    }
    return push_op(sweep, (crdt_op){.kind = CRDT_OP_REMOVE,
                                    .key = crdt_state_part_key(doc, part)});
}

static crdt_err sweep_live_part(sweeping *sweep, uint32_t part)
{
    const crdt_document *doc = sweep->doc;
    crdt_err err = CRDT_OK;
    for (uint32_t field = crdt_state_any_field(doc, part); field != 0 && err == CRDT_OK;
         field = crdt_state_next_field(doc, field)) {
        const crdt_slot *slot = crdt_state_field(doc, field);
        if (crdt_slot_lower(slot) != 0 && is_shown(sweep, &doc->fields.store, field)) {
            err = push_op(
                sweep,
                (crdt_op){.kind = CRDT_OP_SET,
                          .key = crdt_state_field_key(doc, field),
                          .value = crdt_lww_map_value(
                              MUTANT(166) ? crdt_state_field(doc, crdt_slot_lower(slot))
                                          : slot)});
        }
    }
    return err;
}

/* Removes before sets, both in key order. */
static int compare_ops(const void *a, const void *b)
{
    const crdt_op *x = a;
    const crdt_op *y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return crdt_key_compare(&x->key, &y->key);
}

crdt_err crdt_document_housekeep(crdt_document *doc, const crdt_edit *edit,
                                 const crdt_version *shown, crdt_arena *arena,
                                 crdt_batch *batch, crdt_diag *diag)
{
    sweeping sweep = {.doc = doc, .shown = shown, .arena = arena};
    crdt_err err = CRDT_OK;
    for (uint32_t object = crdt_state_any_object(doc); object != 0 && err == CRDT_OK;
         object = crdt_state_next_object(doc, object)) {
        for (uint32_t part = crdt_state_any_part(doc, object);
             part != 0 && err == CRDT_OK; part = crdt_state_next_part(doc, part)) {
            err = crdt_state_part_live(doc, part) ? sweep_live_part(&sweep, part)
                                                  : sweep_dead_part(&sweep, part);
        }
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (sweep.count > 1) {
        qsort(sweep.ops, sweep.count, sizeof *sweep.ops, compare_ops);
    }
    crdt_edit edit_all = *edit;
    edit_all.sweep = !MUTANT(167);
    edit_all.seen = NULL;
    return crdt_document_commit(doc, &edit_all, sweep.ops, sweep.count, arena, batch,
                                diag);
}
