#include "scene/undo.h"

#include "crdt/mutant.h"
#include "crdt/digest.h"
#include "scene/array.h"
#include "scene/invert.h"
#include "scene/stand_in.h"

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

/* A step that a newer undo took off the stack, as far as it was read. */
typedef struct taken_step {
    crdt_span who;
    crdt_span step;
    crdt_stamp target;
    uint64_t wall_ms; /* of its oldest batch so far */
    bool whole;       /* no more will come */
} taken_step;

/* A transaction on the stack, while batches of its step may still come, or those of one
 * before it. */
typedef struct entry {
    crdt_digest name;   /* of whose it is and its step */
    uint64_t wall_ms;   /* of its oldest batch so far */
    bool whole;         /* no more will come */
    crdt_span *records; /* newest first */
    size_t record_count;
    size_t record_capacity;
} entry;

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

    crdt_arena kept;     /* what skips, steps and entries point to, until close */
    crdt_arena scratch;  /* one record, or those of one transaction */
    stamp_list own;      /* actors (times of no meaning) */
    stamp_list consumed; /* targets of newer undos and redos: off the stacks */
    taken_step *taken;
    size_t taken_count;
    size_t taken_capacity;
    entry *entries; /* on the stack, newest first */
    size_t entry_count;
    size_t entry_capacity;
    size_t entry_first;     /* those before were tried */
    scene_id_map entry_map; /* of the last one of each name */
    uint64_t open_ms;       /* no batch of what is not whole yet is newer */
    scene_stand_ins stand_ins;
    scene_undo_skip *skips;
    size_t skip_count;
    size_t skip_capacity;

    crdt_stamp at;  /* first stamp of the transaction being turned round */
    crdt_span step; /* of it */
    bool found;     /* `at` is it */
    bool ended;     /* no older record matters */
    crdt_err err;
    crdt_diag diag;
};

static crdt_span name_span(const crdt_digest *name)
{
    return (crdt_span){(const uint8_t *)name, sizeof *name};
}

static crdt_span entry_name(const void *ctx, uint32_t number)
{
    const scene_undo *undo = ctx;
    return name_span(&undo->entries[number].name);
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
    scene_stand_ins_init(&undo->stand_ins, alloc);
    scene_id_map_init(&undo->entry_map, alloc, entry_name);
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
    for (size_t i = 0; i < undo->entry_count; i++) {
        crdt_free(undo->alloc, undo->entries[i].records,
                  undo->entries[i].record_capacity * sizeof(crdt_span));
    }
    crdt_free(undo->alloc, undo->entries, undo->entry_capacity * sizeof(entry));
    crdt_free(undo->alloc, undo->taken, undo->taken_capacity * sizeof(taken_step));
    crdt_free(undo->alloc, undo->skips, undo->skip_capacity * sizeof(scene_undo_skip));
    scene_stand_ins_deinit(&undo->stand_ins);
    scene_id_map_deinit(&undo->entry_map);
    crdt_arena_deinit(&undo->kept);
    crdt_arena_deinit(&undo->scratch);
    crdt_free(undo->alloc, undo, sizeof *undo);
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
    return scene_stand_ins_same(&undo->stand_ins, key, held, written);
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

/* ---- one transaction turned round ---- */

static crdt_err turn_round(scene_undo *undo, const crdt_history_record *const *records,
                           size_t count)
{
    undo->at = (crdt_stamp){records[0]->first_time, records[0]->author};
    undo->step = records[0]->step;
    for (size_t i = 0; i < count; i++) {
        if (records[i]->cut) {
            crdt_key key = records[i]->ops[0].key;
            return note_skip(undo, &key, SCENE_UNDO_CUT);
        }
    }
    const scene_invert_who who = {undo, is_own, is_same, note_skip};
    scene_edit edit;
    crdt_err err = scene_edit_open(&edit, undo->doc, undo->ops);
    if (err == CRDT_OK) {
        err = scene_invert(records, count, &who, &edit, &undo->scratch);
        scene_edit_close(&edit);
    }
    undo->found = err == CRDT_OK && undo->ops->op_count > 0;
    return err == CRDT_OK && undo->found ? keep_span(undo, &undo->step) : err;
}

/* ---- the stacks ---- */

/* Too far apart for one step? Of what has no time nobody knows. */
static bool apart(uint64_t newer_ms, uint64_t older_ms)
{
    return newer_ms != 0 && older_ms != 0 && newer_ms > older_ms &&
           newer_ms - older_ms > SCENE_UNDO_PAUSE_MS && !MUTANT(424);
}

static crdt_err take_step(scene_undo *undo, const crdt_history_record *record,
                          const crdt_stamp *first)
{
    taken_step *taken = scene_array_grow(undo->alloc, undo->taken, undo->taken_count,
                                         &undo->taken_capacity, sizeof *taken);
    if (taken == NULL) {
        return CRDT_ENOMEM;
    }
    undo->taken = taken;
    taken_step *one = &taken[undo->taken_count];
    *one = (taken_step){record->who, record->step, *first, record->wall_ms, false};
    undo->open_ms = undo->open_ms > one->wall_ms ? undo->open_ms : one->wall_ms;
    crdt_err err = keep_span(undo, &one->who);
    err = err == CRDT_OK ? keep_span(undo, &one->step) : err;
    undo->taken_count += err == CRDT_OK;
    return err;
}

/* Is the record off the stacks? Then *target is what the undo of it names. */
static crdt_err take_consumed(scene_undo *undo, const crdt_history_record *record,
                              bool *consumed, crdt_stamp *target)
{
    stamp_list *list = &undo->consumed;
    bool stepped = record->origin == CRDT_ORIGIN_EDIT && record->step.size > 0;
    *target = (crdt_stamp){record->first_time, record->author};
    *consumed = false;
    for (size_t i = 0; i < list->count; i++) {
        if (crdt_stamp_compare(&list->stamps[i], target) == 0) {
            list->stamps[i] = list->stamps[--list->count];
            *consumed = true;
            return stepped ? take_step(undo, record, target) : CRDT_OK;
        }
    }
    for (size_t i = undo->taken_count; stepped && i > 0 && !MUTANT(425); i--) {
        taken_step *taken = &undo->taken[i - 1];
        if (!taken->whole && crdt_span_equal(taken->step, record->step) &&
            crdt_span_equal(taken->who, record->who)) {
            taken->wall_ms = record->wall_ms;
            *target = taken->target;
            *consumed = true;
            break;
        }
    }
    return CRDT_OK;
}

/* The entry whose step the record continues, NULL: it begins one. */
static entry *find_entry(scene_undo *undo, const crdt_digest *name)
{
    uint32_t number = scene_id_map_find(&undo->entry_map, undo, name_span(name));
    if (number == SCENE_ID_NONE || undo->entries[number].whole) {
        return NULL;
    }
    return &undo->entries[number];
}

static entry *add_entry(scene_undo *undo, const crdt_digest *name, bool stepped)
{
    entry *entries = scene_array_grow(undo->alloc, undo->entries, undo->entry_count,
                                      &undo->entry_capacity, sizeof *entries);
    if (entries == NULL) {
        return NULL;
    }
    undo->entries = entries;
    if (scene_id_map_reserve(&undo->entry_map) != CRDT_OK) {
        return NULL;
    }
    crdt_span id = name_span(name);
    if (stepped && scene_id_map_find(&undo->entry_map, undo, id) != SCENE_ID_NONE) {
        scene_id_map_remove(&undo->entry_map, undo, id); /* it is whole */
    }
    uint32_t number = (uint32_t)undo->entry_count++;
    entries[number] = (entry){.name = *name, .whole = !stepped};
    if (stepped) {
        scene_id_map_insert(&undo->entry_map, id, number);
    }
    return &entries[number];
}

/* Whose it is, and of which step. */
static crdt_digest name_of(const crdt_history_record *record)
{
    uint8_t bytes[1 + CRDT_STEP_SIZE_MAX + CRDT_NAME_SIZE_MAX];
    crdt_span who = MUTANT(426) ? (crdt_span){0} : record->who;
    bytes[0] = (uint8_t)record->step.size;
    if (record->step.size > 0) {
        memcpy(bytes + 1, record->step.data, record->step.size);
    }
    if (who.size > 0) {
        memcpy(bytes + 1 + record->step.size, who.data, who.size);
    }
    return crdt_hash128((crdt_span){bytes, 1 + record->step.size + who.size});
}

/* It waits until the batches before it, and those of its step, are read. */
static crdt_err push(scene_undo *undo, const crdt_history_record *record,
                     crdt_span bytes)
{
    bool stepped = record->origin == CRDT_ORIGIN_EDIT && record->step.size > 0;
    crdt_digest name = name_of(record);
    entry *into = stepped ? find_entry(undo, &name) : NULL;
    into = into != NULL ? into : add_entry(undo, &name, stepped);
    if (into == NULL) {
        return CRDT_ENOMEM;
    }
    crdt_span *records =
        scene_array_grow(undo->alloc, into->records, into->record_count,
                         &into->record_capacity, sizeof *records);
    if (records == NULL) {
        return CRDT_ENOMEM;
    }
    into->records = records;
    into->wall_ms = record->wall_ms;
    undo->open_ms = undo->open_ms > into->wall_ms ? undo->open_ms : into->wall_ms;
    records[into->record_count] = bytes;
    crdt_err err = keep_span(undo, &records[into->record_count]);
    into->record_count += err == CRDT_OK;
    return err;
}

/* Steps that a record of this time is too old for are whole. */
static void end_steps(scene_undo *undo, uint64_t wall_ms, bool all)
{
    if (!all && !apart(undo->open_ms, wall_ms)) {
        return;
    }
    uint64_t open_ms = 0;
    for (size_t i = undo->entry_first; i < undo->entry_count; i++) {
        entry *at = &undo->entries[i];
        at->whole = at->whole || all || apart(at->wall_ms, wall_ms);
        open_ms = at->whole || at->wall_ms < open_ms ? open_ms : at->wall_ms;
    }
    for (size_t i = 0; i < undo->taken_count; i++) {
        taken_step *taken = &undo->taken[i];
        taken->whole = taken->whole || apart(taken->wall_ms, wall_ms);
        open_ms = taken->whole || taken->wall_ms < open_ms ? open_ms : taken->wall_ms;
    }
    undo->open_ms = open_ms;
}

static crdt_err turn_entry(scene_undo *undo, const entry *at)
{
    crdt_arena_reset(&undo->scratch);
    crdt_history_record *records =
        crdt_arena_alloc(&undo->scratch, at->record_count * sizeof *records);
    const crdt_history_record **list =
        crdt_arena_alloc(&undo->scratch, at->record_count * sizeof *list);
    if (records == NULL || list == NULL) {
        return CRDT_ENOMEM;
    }
    for (size_t i = 0; i < at->record_count; i++) {
        list[i] = &records[i];
        crdt_err err = crdt_history_decode(at->records[i], &undo->scratch, &records[i],
                                           &undo->diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return turn_round(undo, list, at->record_count);
}

/* Try what is whole, newest first, until something can be undone. */
static crdt_err try_entries(scene_undo *undo)
{
    crdt_err err = CRDT_OK;
    while (err == CRDT_OK && !undo->found && undo->entry_first < undo->entry_count &&
           undo->entries[undo->entry_first].whole) {
        err = turn_entry(undo, &undo->entries[undo->entry_first]);
        undo->entry_first++;
    }
    return err;
}

/* The whole record, where its head is not enough. */
static crdt_err decode(scene_undo *undo, crdt_span bytes, crdt_history_record *record)
{
    crdt_arena_reset(&undo->scratch);
    return crdt_history_decode(bytes, &undo->scratch, record, &undo->diag);
}

/* It is on the stack that is asked for. */
static crdt_err meet(scene_undo *undo, const crdt_history_record *head, crdt_span bytes)
{
    bool stepped = head->origin == CRDT_ORIGIN_EDIT && head->step.size > 0;
    if (stepped || undo->entry_first < undo->entry_count) {
        return push(undo, head, bytes);
    }
    crdt_history_record record;
    const crdt_history_record *one = &record;
    crdt_err err = decode(undo, bytes, &record);
    return err == CRDT_OK ? turn_round(undo, &one, 1) : err;
}

/* One of the person's own edits, undos and redos. */
static crdt_err visit_own(scene_undo *undo, const crdt_history_record *head,
                          crdt_span bytes)
{
    bool consumed;
    crdt_stamp target;
    crdt_history_record record;
    crdt_err err = take_consumed(undo, head, &consumed, &target);
    if (err == CRDT_OK && (consumed || head->origin != CRDT_ORIGIN_EDIT)) {
        err = decode(undo, bytes, &record);
    }
    if (err == CRDT_OK && consumed) {
        err = scene_stand_ins_settle(&undo->stand_ins, &record, &target);
    }
    if (err != CRDT_OK) {
        return err;
    }
    if (head->origin == CRDT_ORIGIN_EDIT) {
        undo->ended =
            undo->redo && !MUTANT(415); /* an edit clears what could be redone */
        return undo->redo || consumed ? CRDT_OK : meet(undo, head, bytes);
    }
    err = MUTANT(407) ? CRDT_OK : add_stamp(undo, &undo->consumed, &head->target);
    if (err == CRDT_OK) {
        err = scene_stand_ins_note(&undo->stand_ins, &record);
    }
    bool on_stack = (head->origin == CRDT_ORIGIN_UNDO) == undo->redo;
    return err == CRDT_OK && on_stack && !consumed ? meet(undo, head, bytes) : err;
}

static crdt_err visit(scene_undo *undo, crdt_span bytes)
{
    crdt_history_record head;
    crdt_err err = crdt_history_decode_head(bytes, &head, &undo->diag);
    if (err != CRDT_OK || head.origin == CRDT_ORIGIN_REMOTE ||
        head.origin == CRDT_ORIGIN_ANSWER) {
        return err;
    }
    err = own_actor(undo, &head.author);
    if (err == CRDT_OK && head.origin == CRDT_ORIGIN_HOUSEKEEPING) {
        crdt_history_record record;
        err = decode(undo, bytes, &record);
        return err == CRDT_OK ? scene_stand_ins_keep_house(&undo->stand_ins, &record)
                              : err;
    }
    if (err == CRDT_OK) {
        end_steps(undo, head.wall_ms, false);
    }
    if (err == CRDT_OK && head.origin != CRDT_ORIGIN_IMPORT &&
        (!undo->person || crdt_span_equal(head.who, undo->who))) {
        err = visit_own(undo, &head, bytes);
    }
    return err == CRDT_OK ? try_entries(undo) : err;
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
    if (undo->err == CRDT_OK) {
        end_steps(undo, 0, true);
        undo->err = try_entries(undo);
    }
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

crdt_span scene_undo_step(const scene_undo *undo)
{
    return undo->found ? undo->step : (crdt_span){0};
}

const scene_undo_skip *scene_undo_skips(const scene_undo *undo, size_t *count)
{
    *count = undo->skip_count;
    return undo->skips;
}
