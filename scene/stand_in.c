#include "scene/stand_in.h"

#include "crdt/mutant.h"
#include "scene/array.h"

/* `name` is a digest of the key and the stamp of what stands for `former`. */
typedef struct scene_stand_in {
    crdt_digest name;
    crdt_stamp former;
} stand_in;

/* One field that an undo or redo wrote, waiting for the records of its target: they tell
 * what was there before. `name` is a digest of the key and the target's stamp. */
typedef struct scene_restored {
    crdt_digest name;
    crdt_digest value;
    crdt_digest written; /* name of the stand-in to be */
    uint32_t number;     /* of that; SCENE_ID_NONE: there is none yet */
    crdt_stamp former;   /* of what was there, as far as was read; time 0: nothing */
    bool followed;       /* the record at hand wrote that */
} restored;

static crdt_span digest_span(const crdt_digest *digest)
{
    return (crdt_span){(const uint8_t *)digest, sizeof *digest};
}

static crdt_span stand_in_name(const void *ctx, uint32_t number)
{
    const scene_stand_ins *ins = ctx;
    return digest_span(&ins->items[number].name);
}

static crdt_span restored_name(const void *ctx, uint32_t number)
{
    const scene_stand_ins *ins = ctx;
    return digest_span(&ins->restored[number].name);
}

void scene_stand_ins_init(scene_stand_ins *ins, crdt_alloc alloc)
{
    *ins = (scene_stand_ins){.alloc = alloc};
    scene_id_map_init(&ins->map, alloc, stand_in_name);
    scene_id_map_init(&ins->restored_map, alloc, restored_name);
}

void scene_stand_ins_deinit(scene_stand_ins *ins)
{
    crdt_free(ins->alloc, ins->items, ins->capacity * sizeof(stand_in));
    crdt_free(ins->alloc, ins->restored, ins->restored_capacity * sizeof(restored));
    scene_id_map_deinit(&ins->map);
    scene_id_map_deinit(&ins->restored_map);
}

static crdt_digest name_of(const crdt_key *key, const crdt_stamp *stamp)
{
    return crdt_digest_entry(key, stamp, (crdt_span){0});
}

/* `*number` (SCENE_ID_NONE: there is none yet) stands for `former` from now on. */
static crdt_err stand_in_for(scene_stand_ins *ins, const crdt_digest *name,
                             const crdt_stamp *former, uint32_t *number)
{
    crdt_span id = digest_span(name);
    if (*number != SCENE_ID_NONE) {
        ins->items[*number].former = *former;
        return CRDT_OK;
    }
    if (scene_id_map_find(&ins->map, ins, id) != SCENE_ID_NONE) {
        return CRDT_OK;
    }
    stand_in *items = scene_array_grow(ins->alloc, ins->items, ins->count,
                                       &ins->capacity, sizeof *items);
    if (items == NULL) {
        return CRDT_ENOMEM;
    }
    ins->items = items;
    if (scene_id_map_reserve(&ins->map) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    items[ins->count] = (stand_in){*name, *former};
    *number = (uint32_t)ins->count++;
    scene_id_map_insert(&ins->map, id, *number);
    return CRDT_OK;
}

static crdt_err add_restored(scene_stand_ins *ins, const restored *r)
{
    if (scene_id_map_find(&ins->restored_map, ins, digest_span(&r->name)) !=
        SCENE_ID_NONE) {
        return CRDT_OK;
    }
    restored *grown = scene_array_grow(ins->alloc, ins->restored, ins->restored_count,
                                       &ins->restored_capacity, sizeof *grown);
    if (grown == NULL) {
        return CRDT_ENOMEM;
    }
    ins->restored = grown;
    if (scene_id_map_reserve(&ins->restored_map) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    grown[ins->restored_count] = *r;
    scene_id_map_insert(&ins->restored_map, digest_span(&r->name),
                        (uint32_t)ins->restored_count);
    ins->restored_count++;
    return CRDT_OK;
}

/* The record's writes, the last of each key, as made for `target`. */
static crdt_err add_writes(scene_stand_ins *ins, const crdt_history_record *record,
                           const crdt_stamp *target)
{
    crdt_err err = CRDT_OK;
    for (size_t i = record->op_count; i > 0 && err == CRDT_OK; i--) {
        const crdt_op *op = &record->ops[i - 1];
        crdt_stamp stamp = {record->first_time + i - 1, record->author};
        const restored r = {.name = name_of(&op->key, target),
                            .value = crdt_hash128(op->value),
                            .written = name_of(&op->key, &stamp),
                            .number = SCENE_ID_NONE};
        err = op->kind == CRDT_OP_SET ? add_restored(ins, &r) : CRDT_OK;
    }
    return err;
}

crdt_err scene_stand_ins_note(scene_stand_ins *ins, const crdt_history_record *record)
{
    return add_writes(ins, record, &record->target);
}

static restored *find_restored(scene_stand_ins *ins, const crdt_key *key,
                               const crdt_stamp *target)
{
    if (key->depth != CRDT_FIELD) {
        return NULL;
    }
    crdt_digest name = name_of(key, target);
    uint32_t number = scene_id_map_find(&ins->restored_map, ins, digest_span(&name));
    return number == SCENE_ID_NONE ? NULL : &ins->restored[number];
}

/* Mark those whose former value this record wrote. */
static void follow(scene_stand_ins *ins, const crdt_history_record *record,
                   const crdt_stamp *target)
{
    for (size_t i = 0; i < record->op_count; i++) {
        crdt_stamp stamp = {record->first_time + i, record->author};
        restored *r = find_restored(ins, &record->ops[i].key, target);
        if (r != NULL && crdt_stamp_compare(&r->former, &stamp) == 0) {
            r->followed = true;
        }
    }
}

/* Before what this record wrote, and dropped nothing for, there was nothing. */
static void end_follow(scene_stand_ins *ins, const crdt_history_record *record,
                       const crdt_stamp *target)
{
    for (size_t i = 0; i < record->op_count; i++) {
        restored *r = find_restored(ins, &record->ops[i].key, target);
        if (r != NULL && r->followed) {
            r->followed = false;
            r->former = (crdt_stamp){.time = 0};
        }
    }
}

crdt_err scene_stand_ins_settle(scene_stand_ins *ins, const crdt_history_record *record,
                                const crdt_stamp *target)
{
    static const crdt_stamp nothing = {.time = 0};
    if (MUTANT(408)) {
        return CRDT_OK;
    }
    /* What its undo did not write had come back to its former value already: there its own
     * write is still, and stands for that. */
    crdt_err err = MUTANT(427) ? CRDT_OK : add_writes(ins, record, target);
    if (err != CRDT_OK) {
        return err;
    }
    follow(ins, record, target);
    for (size_t i = 0; i < record->drop_count && err == CRDT_OK; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        restored *r = drop->was_live ? find_restored(ins, &drop->key, target) : NULL;
        if (r == NULL || (r->former.time != 0 && !r->followed)) {
            continue;
        }
        bool same = crdt_digest_equal(r->value, crdt_hash128(drop->entry.value));
        r->former = drop->entry.stamp;
        r->followed = false;
        if (same || r->number != SCENE_ID_NONE) {
            err = stand_in_for(ins, &r->written, same ? &r->former : &nothing,
                               &r->number);
        }
    }
    end_follow(ins, record, target);
    return err;
}

crdt_err scene_stand_ins_keep_house(scene_stand_ins *ins,
                                    const crdt_history_record *record)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < record->drop_count && err == CRDT_OK; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (drop->key.depth == CRDT_FIELD && drop->was_live &&
            drop->op_index < record->op_count &&
            record->ops[drop->op_index].kind == CRDT_OP_SET) {
            crdt_stamp stamp = {record->first_time + drop->op_index, record->author};
            crdt_digest name = name_of(&drop->key, &stamp);
            uint32_t number = SCENE_ID_NONE;
            err = stand_in_for(ins, &name, &drop->entry.stamp, &number);
        }
    }
    return err;
}

bool scene_stand_ins_same(const scene_stand_ins *ins, const crdt_key *key,
                          const crdt_stamp *held, const crdt_stamp *written)
{
    crdt_stamp at = *held;
    /* Each leads to an older write, so the chain is no longer than they are. */
    for (size_t steps = 0; steps <= ins->count; steps++) {
        if (crdt_stamp_compare(&at, written) == 0) {
            return true;
        }
        crdt_digest name = name_of(key, &at);
        uint32_t number = scene_id_map_find(&ins->map, ins, digest_span(&name));
        if (number == SCENE_ID_NONE) {
            return false;
        }
        at = ins->items[number].former;
    }
    return false;
}
