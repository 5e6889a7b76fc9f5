#include "scene/undo.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "scene/array.h"
#include "scene/id_map.h"
#include "scene/invert.h"

#include <string.h>

const char *scene_undo_reason_text(scene_undo_reason reason)
{
    switch (reason) {
    case SCENE_UNDO_OVERWRITTEN:
        return "somebody has written it since";
    case SCENE_UNDO_REMOVED:
        return "what it lies in is gone";
    case SCENE_UNDO_EXISTS:
        return "it is there again already";
    case SCENE_UNDO_EDITED_BELOW:
        return "others have edited what was created";
    case SCENE_UNDO_CYCLE:
        return "its former parent now hangs below it";
    case SCENE_UNDO_CUT:
        return "it was too large for the history to keep";
    }
    return "unknown reason";
}

/* An undo or redo restored a write: its own stands for the former one. `name` is a digest
 * of the key and the stamp. */
typedef struct alias {
    crdt_digest name;
    crdt_stamp former;
} alias;

/* One field that an undo or redo wrote, waiting for the record of its target: that tells
 * what was there before. `name` is a digest of the key and the target's stamp. */
typedef struct restored {
    crdt_digest name;
    crdt_digest value;
    crdt_digest written; /* name of the alias to be */
} restored;

typedef struct stamp_list {
    crdt_stamp *stamps;
    size_t count;
    size_t capacity;
} stamp_list;

struct scene_undo {
    crdt_alloc alloc;
    const crdt_document *doc;
    crdt_op_list *ops;
    bool redo;
    bool person;
    crdt_span who;

    crdt_arena kept;     /* what the skips point to, until close */
    crdt_arena scratch;  /* one record */
    stamp_list own;      /* actors (times of no meaning) */
    stamp_list consumed; /* targets of newer undos and redos: off the stacks */
    alias *aliases;
    size_t alias_count;
    size_t alias_capacity;
    scene_id_map alias_map;
    restored *restored;
    size_t restored_count;
    size_t restored_capacity;
    scene_id_map restored_map;
    scene_undo_skip *skips;
    size_t skip_count;
    size_t skip_capacity;

    crdt_stamp at; /* first stamp of the transaction being turned round */
    bool found;    /* `at` is it */
    bool ended;    /* no older record matters */
    crdt_err err;
    crdt_diag diag;
};

static crdt_span digest_span(const crdt_digest *digest)
{
    return (crdt_span){(const uint8_t *)digest, sizeof *digest};
}

static crdt_span alias_name(const void *ctx, uint32_t number)
{
    const scene_undo *undo = ctx;
    return digest_span(&undo->aliases[number].name);
}

static crdt_span restored_name(const void *ctx, uint32_t number)
{
    const scene_undo *undo = ctx;
    return digest_span(&undo->restored[number].name);
}

static crdt_err add_stamp(scene_undo *undo, stamp_list *list, const crdt_stamp *stamp)
{
    crdt_stamp *stamps = scene_array_grow(undo->alloc, list->stamps, list->count,
                                          &list->capacity, sizeof *stamps);
    if (stamps == NULL) {
        return CRDT_ENOMEM;
    }
    list->stamps = stamps;
    stamps[list->count++] = *stamp;
    return CRDT_OK;
}

static void free_stamps(scene_undo *undo, stamp_list *list)
{
    crdt_free(undo->alloc, list->stamps, list->capacity * sizeof *list->stamps);
}

static bool owns_actor(const scene_undo *undo, const crdt_actor *actor)
{
    for (size_t i = 0; i < undo->own.count; i++) {
        if (crdt_actor_equal(&undo->own.stamps[i].actor, actor)) {
            return true;
        }
    }
    return false;
}

static crdt_err own_actor(scene_undo *undo, const crdt_actor *actor)
{
    crdt_stamp stamp = {.actor = *actor};
    return owns_actor(undo, actor) ? CRDT_OK : add_stamp(undo, &undo->own, &stamp);
}

crdt_err scene_undo_open(scene_undo **out, crdt_alloc alloc, const crdt_document *doc,
                         const crdt_actor *actor, const scene_undo_options *options,
                         crdt_op_list *ops)
{
    scene_undo *undo = crdt_allocate(alloc, sizeof *undo);
    if (undo == NULL) {
        return CRDT_ENOMEM;
    }
    *undo = (scene_undo){.alloc = alloc,
                         .doc = doc,
                         .ops = ops,
                         .redo = options->redo,
                         .person = options->person};
    crdt_arena_init(&undo->kept, alloc);
    crdt_arena_init(&undo->scratch, alloc);
    scene_id_map_init(&undo->alias_map, alloc, alias_name);
    scene_id_map_init(&undo->restored_map, alloc, restored_name);
    crdt_err err = own_actor(undo, actor);
    uint8_t *who = crdt_arena_alloc(&undo->kept, options->who.size);
    if (err != CRDT_OK || who == NULL) {
        scene_undo_close(undo);
        return CRDT_ENOMEM;
    }
    if (options->who.size > 0) {
        memcpy(who, options->who.data, options->who.size);
    }
    undo->who = (crdt_span){who, options->who.size};
    *out = undo;
    return CRDT_OK;
}

void scene_undo_close(scene_undo *undo)
{
    if (undo == NULL) {
        return;
    }
    free_stamps(undo, &undo->own);
    free_stamps(undo, &undo->consumed);
    crdt_free(undo->alloc, undo->aliases, undo->alias_capacity * sizeof(alias));
    crdt_free(undo->alloc, undo->restored, undo->restored_capacity * sizeof(restored));
    crdt_free(undo->alloc, undo->skips, undo->skip_capacity * sizeof(scene_undo_skip));
    scene_id_map_deinit(&undo->alias_map);
    scene_id_map_deinit(&undo->restored_map);
    crdt_arena_deinit(&undo->kept);
    crdt_arena_deinit(&undo->scratch);
    crdt_free(undo->alloc, undo, sizeof *undo);
}

/* ---- what stands for what ---- */

static crdt_digest name_of(const crdt_key *key, const crdt_stamp *stamp)
{
    return crdt_digest_entry(key, stamp, (crdt_span){0});
}

static crdt_err add_alias(scene_undo *undo, const crdt_digest *name,
                          const crdt_stamp *former)
{
    crdt_span id = digest_span(name);
    if (scene_id_map_find(&undo->alias_map, undo, id) != SCENE_ID_NONE) {
        return CRDT_OK;
    }
    alias *aliases = scene_array_grow(undo->alloc, undo->aliases, undo->alias_count,
                                      &undo->alias_capacity, sizeof *aliases);
    if (aliases == NULL) {
        return CRDT_ENOMEM;
    }
    undo->aliases = aliases;
    if (scene_id_map_reserve(&undo->alias_map) != CRDT_OK) {
        return CRDT_ENOMEM;
    }
    aliases[undo->alias_count] = (alias){*name, *former};
    scene_id_map_insert(&undo->alias_map, id, (uint32_t)undo->alias_count);
    undo->alias_count++;
    return CRDT_OK;
}

/* An undo or redo is met before its target: remember what it wrote. */
static crdt_err note_restored(scene_undo *undo, const crdt_history_record *record)
{
    for (size_t i = 0; i < record->op_count; i++) {
        const crdt_op *op = &record->ops[i];
        crdt_stamp stamp = {record->first_time + i, record->author};
        restored r = {.name = name_of(&op->key, &record->target),
                      .value = crdt_hash128(op->value),
                      .written = name_of(&op->key, &stamp)};
        if (op->kind != CRDT_OP_SET ||
            scene_id_map_find(&undo->restored_map, undo, digest_span(&r.name)) !=
                SCENE_ID_NONE) {
            continue;
        }
        restored *grown =
            scene_array_grow(undo->alloc, undo->restored, undo->restored_count,
                             &undo->restored_capacity, sizeof *grown);
        if (grown == NULL) {
            return CRDT_ENOMEM;
        }
        undo->restored = grown;
        if (scene_id_map_reserve(&undo->restored_map) != CRDT_OK) {
            return CRDT_ENOMEM;
        }
        grown[undo->restored_count] = r;
        scene_id_map_insert(&undo->restored_map, digest_span(&r.name),
                            (uint32_t)undo->restored_count);
        undo->restored_count++;
    }
    return CRDT_OK;
}

/* The target is met: what was written for it stands for what it had dropped. */
static crdt_err settle_restored(scene_undo *undo, const crdt_history_record *record,
                                const crdt_stamp *first)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < record->drop_count && err == CRDT_OK; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (undo->restored_count == 0 || drop->key.depth != CRDT_FIELD ||
            !drop->was_live) {
            continue;
        }
        crdt_digest name = name_of(&drop->key, first);
        uint32_t number =
            scene_id_map_find(&undo->restored_map, undo, digest_span(&name));
        if (number != SCENE_ID_NONE &&
            crdt_digest_equal(undo->restored[number].value,
                              crdt_hash128(drop->entry.value))) {
            crdt_digest written = undo->restored[number].written;
            err = MUTANT(408) ? CRDT_OK : add_alias(undo, &written, &drop->entry.stamp);
        }
    }
    return err;
}

/* Housekeeping changes nothing that is seen: what it wrote stands for what it dropped. */
static crdt_err note_housekeeping(scene_undo *undo, const crdt_history_record *record)
{
    crdt_err err = CRDT_OK;
    for (size_t i = 0; i < record->drop_count && err == CRDT_OK; i++) {
        const crdt_history_drop *drop = &record->drops[i];
        if (drop->key.depth == CRDT_FIELD && drop->was_live &&
            drop->op_index < record->op_count &&
            record->ops[drop->op_index].kind == CRDT_OP_SET) {
            crdt_stamp stamp = {record->first_time + drop->op_index, record->author};
            crdt_digest name = name_of(&drop->key, &stamp);
            err = add_alias(undo, &name, &drop->entry.stamp);
        }
    }
    return err;
}

/* ---- whom scene_invert asks ---- */

static bool is_own(void *ctx, const crdt_stamp *stamp, crdt_span who)
{
    const scene_undo *undo = ctx;
    return (owns_actor(undo, &stamp->actor) || MUTANT(409)) &&
           (!undo->person || crdt_span_equal(who, undo->who));
}

static bool is_same(void *ctx, const crdt_key *key, const crdt_stamp *held,
                    const crdt_stamp *written)
{
    const scene_undo *undo = ctx;
    crdt_stamp at = *held;
    /* Each alias leads to an older write, so the chain is no longer than they are. */
    for (size_t steps = 0; steps <= undo->alias_count; steps++) {
        if (crdt_stamp_compare(&at, written) == 0) {
            return true;
        }
        crdt_digest name = name_of(key, &at);
        uint32_t number = scene_id_map_find(
            &undo->alias_map, undo, (crdt_span){(const uint8_t *)&name, sizeof name});
        if (number == SCENE_ID_NONE) {
            return false;
        }
        at = undo->aliases[number].former;
    }
    return false;
}

static crdt_err keep_span(scene_undo *undo, crdt_span *span)
{
    uint8_t *copy = crdt_arena_alloc(&undo->kept, span->size);
    if (copy == NULL) {
        return CRDT_ENOMEM;
    }
    if (span->size > 0) {
        memcpy(copy, span->data, span->size);
    }
    span->data = copy;
    return CRDT_OK;
}

static crdt_err note_skip(void *ctx, const crdt_key *key, scene_undo_reason reason)
{
    scene_undo *undo = ctx;
    scene_undo_skip *skips =
        scene_array_grow(undo->alloc, undo->skips, undo->skip_count,
                         &undo->skip_capacity, sizeof *skips);
    if (skips == NULL) {
        return CRDT_ENOMEM;
    }
    undo->skips = skips;
    scene_undo_skip skip = {.key = *key, .reason = reason, .transaction = undo->at};
    crdt_err err = keep_span(undo, &skip.key.object);
    if (err == CRDT_OK && key->depth >= CRDT_PART) {
        err = keep_span(undo, &skip.key.part);
    }
    if (err == CRDT_OK && key->depth == CRDT_FIELD) {
        err = keep_span(undo, &skip.key.field);
    }
    if (err == CRDT_OK) {
        skips[undo->skip_count++] = skip;
    }
    return err;
}

/* ---- the stacks ---- */

static bool take_consumed(scene_undo *undo, const crdt_stamp *first)
{
    stamp_list *list = &undo->consumed;
    for (size_t i = 0; i < list->count; i++) {
        if (crdt_stamp_compare(&list->stamps[i], first) == 0) {
            list->stamps[i] = list->stamps[--list->count];
            return true;
        }
    }
    return false;
}

static crdt_err turn_round(scene_undo *undo, const crdt_history_record *record)
{
    if (record->cut) {
        crdt_key key = record->ops[0].key;
        return note_skip(undo, &key, SCENE_UNDO_CUT);
    }
    const scene_invert_who who = {undo, is_own, is_same, note_skip};
    scene_edit edit;
    crdt_err err = scene_edit_open(&edit, undo->doc, undo->ops);
    if (err == CRDT_OK) {
        err = scene_invert(record, &who, &edit, &undo->scratch);
        scene_edit_close(&edit);
    }
    undo->found = err == CRDT_OK && undo->ops->op_count > 0;
    return err;
}

/* One of the person's own edits, undos and redos. */
static crdt_err visit_own(scene_undo *undo, const crdt_history_record *record)
{
    undo->at = (crdt_stamp){record->first_time, record->author};
    bool consumed = take_consumed(undo, &undo->at);
    crdt_err err = settle_restored(undo, record, &undo->at);
    if (err != CRDT_OK) {
        return err;
    }
    if (record->origin == CRDT_ORIGIN_EDIT) {
        undo->ended =
            undo->redo && !MUTANT(415); /* an edit clears what could be redone */
        return undo->redo || consumed ? CRDT_OK : turn_round(undo, record);
    }
    err = MUTANT(407) ? CRDT_OK : add_stamp(undo, &undo->consumed, &record->target);
    if (err == CRDT_OK) {
        err = note_restored(undo, record);
    }
    bool on_stack = (record->origin == CRDT_ORIGIN_UNDO) == undo->redo;
    return err == CRDT_OK && on_stack && !consumed ? turn_round(undo, record) : err;
}

static crdt_err visit(scene_undo *undo, crdt_span bytes)
{
    crdt_history_record record;
    crdt_arena_reset(&undo->scratch);
    crdt_err err = crdt_history_decode(bytes, &undo->scratch, &record, &undo->diag);
    if (err != CRDT_OK || record.origin == CRDT_ORIGIN_REMOTE ||
        record.origin == CRDT_ORIGIN_ANSWER) {
        return err;
    }
    err = own_actor(undo, &record.author);
    if (err == CRDT_OK && record.origin == CRDT_ORIGIN_HOUSEKEEPING) {
        return note_housekeeping(undo, &record);
    }
    if (err != CRDT_OK || record.origin == CRDT_ORIGIN_IMPORT || record.op_count == 0 ||
        (undo->person && !crdt_span_equal(record.who, undo->who))) {
        return err;
    }
    return visit_own(undo, &record);
}

bool scene_undo_visit(void *ctx, crdt_span record)
{
    scene_undo *undo = ctx;
    if (undo->err == CRDT_OK && !undo->found && !undo->ended) {
        undo->err = visit(undo, record);
    }
    return undo->err == CRDT_OK && !undo->found && !undo->ended;
}

crdt_err scene_undo_finish(scene_undo *undo, crdt_stamp *target, crdt_diag *diag)
{
    if (undo->err != CRDT_OK) {
        if (diag != NULL) {
            *diag = undo->diag;
        }
        return undo->err;
    }
    if (!undo->found) {
        const char *text = undo->skip_count > 0 ? "others have changed it all since"
                           : undo->redo         ? "there is nothing to redo"
                                                : "there is nothing to undo";
        return crdt_diag_set(diag, CRDT_ENOTHING, 0, "%s", text);
    }
    *target = undo->at;
    return CRDT_OK;
}

const scene_undo_skip *scene_undo_skips(const scene_undo *undo, size_t *count)
{
    *count = undo->skip_count;
    return undo->skips;
}
