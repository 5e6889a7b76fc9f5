#include "cli/fuzz/execute_impl.h"

#include "crdt/batch.h"
#include "crdt/value.h"

#include <stdlib.h>

#define COMPARE_KEYS_MAX 400u /* entries of a document that is compared at each edit */
#define TRIAL_OBJECTS 5u

bool fuzz_verb_edits(fuzz_verb verb)
{
    return verb >= FUZZ_PUT && verb <= FUZZ_STRIP;
}

static void must(bool ok)
{
    if (!ok) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
}

/* ---- the model's side ---- */

static void note_batch(fuzz_run *run, const sync_sim_batch *item)
{
    crdt_arena arena;
    crdt_batch batch;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_diag diag = {.text = ""};
    if (crdt_batch_decode(crdt_buf_span(&item->bytes), NULL, &arena, &batch, &diag) !=
        CRDT_OK) {
        fuzz_run_fail(run, "codec", "a batch made here cannot be read: %s", diag.text);
    } else {
        fuzz_full_history_add(run->history, &batch);
    }
    crdt_arena_deinit(&arena);
}

void fuzz_run_note_batches(fuzz_run *run)
{
    size_t count = 0;
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &count);
    while (run->batches_known < count && !run->forked && !fuzz_run_failed(run)) {
        note_batch(run, &batches[run->batches_known++]);
        run->counts->batches++;
    }
    run->counts->batches += run->forked ? count - run->batches_known : 0;
    run->batches_known = count;
}

/* ---- what the author sees ---- */

/* All stamps that are held where an operation acts, and whether it was live. */
typedef struct sight {
    crdt_stamp *stamps;
    size_t count;
    size_t capacity;
} sight;

static void see(sight *s, const crdt_entry *entry)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        s->stamps = realloc(s->stamps, s->capacity * sizeof *s->stamps);
        must(s->stamps != NULL);
    }
    s->stamps[s->count++] = entry->stamp;
}

static void look(sight *s, const crdt_document *doc, const crdt_key *key)
{
    crdt_entry entry;
    crdt_object object = crdt_document_find_object(doc, key->object);
    if (object.id == 0) {
        return;
    }
    for (size_t i = 0; crdt_document_object_dot(doc, object, i, &entry); i++) {
        see(s, &entry);
    }
    crdt_part part = {0};
    if (key->depth >= CRDT_PART) {
        part = crdt_document_find_part(doc, object, key->part);
    }
    for (size_t i = 0; part.id != 0 && crdt_document_part_dot(doc, part, i, &entry);
         i++) {
        see(s, &entry);
    }
    crdt_field field = {0};
    if (part.id != 0 && key->depth == CRDT_FIELD) {
        field = crdt_document_find_field(doc, part, key->field);
    }
    for (size_t i = 0;
         field.id != 0 && crdt_document_field_value(doc, field, i, &entry); i++) {
        see(s, &entry);
    }
}

static bool has_seen(const crdt_batch *batch, const crdt_stamp *stamp)
{
    for (size_t i = 0; i < batch->dep_count; i++) {
        if (crdt_actor_equal(&batch->deps[i].actor, &stamp->actor)) {
            return stamp->time <= batch->deps[i].time;
        }
    }
    return false;
}

/* The rule of Lamport, and honesty: an edit comes after all that its author was shown, and
 * says that it has seen it. */
static void check_sight(fuzz_run *run, const sight *s, const crdt_batch *batch)
{
    uint64_t time = crdt_batch_first_time(batch);
    for (size_t i = 0; i < s->count; i++) {
        if (s->stamps[i].time >= time) {
            fuzz_run_fail(run, "author saw",
                          "an edit at time %llu was made on a value of time %llu",
                          (unsigned long long)time,
                          (unsigned long long)s->stamps[i].time);
        } else if (!has_seen(batch, &s->stamps[i])) {
            fuzz_run_fail(run, "author saw",
                          "an edit does not say that it had seen what it replaces");
        }
    }
}

/* What was done last shows at once where it was done. */
static void check_effect(fuzz_run *run, uint32_t place, const crdt_op *op)
{
    const crdt_document *doc = sync_sim_document(run->sim, place);
    crdt_span value;
    bool ok = true;
    switch (op->kind) {
    case CRDT_OP_ADD:
        ok = op->key.depth != CRDT_OBJECT || crdt_document_live(doc, &op->key);
        break;
    case CRDT_OP_REMOVE:
        ok = !crdt_document_live(doc, &op->key);
        break;
    case CRDT_OP_SET:
        ok = crdt_document_get(doc, &op->key, &value) &&
             crdt_span_equal(value, op->value);
        break;
    case CRDT_OP_UNSET:
        ok = !crdt_document_get(doc, &op->key, &value);
        break;
    }
    if (!ok) {
        fuzz_run_fail(run, "author shown", "an edit does not show where it was made");
    }
}

/* What the batch says of its author is true, and it shows. */
static void check_batch(fuzz_run *run, uint32_t place, const sight *s,
                        const sync_sim_batch *item)
{
    crdt_arena arena;
    crdt_batch batch;
    crdt_arena_init(&arena, crdt_alloc_default());
    if (crdt_batch_decode(crdt_buf_span(&item->bytes), NULL, &arena, &batch, NULL) ==
        CRDT_OK) {
        check_sight(run, s, &batch);
        check_effect(run, place, &batch.ops[batch.op_count - 1]);
    }
    crdt_arena_deinit(&arena);
}

bool fuzz_run_commit_ops(fuzz_run *run, uint32_t place, const crdt_op *ops,
                         size_t op_count)
{
    sight s = {0};
    for (size_t i = 0; i < op_count && !run->forked; i++) {
        look(&s, sync_sim_document(run->sim, place), &ops[i].key);
    }
    fuzz_run_before(run, place);
    size_t before = 0;
    size_t after = 0;
    sync_sim_batches(run->sim, &before);
    char who[16];
    snprintf(who, sizeof who, "person %u", place);
    crdt_edit edit = {.who = crdt_span_of(who)};
    crdt_err err = sync_sim_commit_as(run->sim, place, &edit, ops, op_count);
    const sync_sim_batch *batches = sync_sim_batches(run->sim, &after);
    bool running = sync_sim_running(run->sim, place); /* its disk may have failed */
    if (err != CRDT_OK && err != CRDT_ENOTHING) {
        fuzz_run_fail(run, "commit", "an edit is refused: %s", crdt_err_name(err));
    } else if (err == CRDT_OK && after != before + 1) {
        fuzz_run_fail(run, "commit", "an edit made no batch");
    } else if (err == CRDT_OK && !run->forked && running) {
        check_batch(run, place, &s, &batches[before]);
        fuzz_run_after(run, place);
    }
    free(s.stamps);
    fuzz_run_note_batches(run);
    if (running && err == CRDT_OK) {
        crdt_document_counts counts =
            crdt_document_count(sync_sim_document(run->sim, place));
        if (counts.fields + counts.conflicts <= COMPARE_KEYS_MAX) {
            fuzz_run_compare(run, place);
        }
    }
    return err == CRDT_OK && running;
}

void fuzz_run_commit(fuzz_run *run)
{
    if (!run->pending) {
        return;
    }
    run->pending = false;
    if (run->pending_scene) {
        scene_edit_close(&run->edit);
    }
    if (sync_sim_running(run->sim, run->pending_place) && run->ops.op_count > 0) {
        fuzz_run_commit_ops(run, run->pending_place, run->ops.ops, run->ops.op_count);
    }
    crdt_op_list_clear(&run->ops);
}

static void begin(fuzz_run *run, uint32_t place, bool scene)
{
    if (run->pending && (run->pending_place != place || run->pending_scene != scene)) {
        fuzz_run_commit(run);
    }
    if (!run->pending) {
        run->pending = true;
        run->pending_place = place;
        run->pending_scene = scene;
        must(!scene || scene_edit_open(&run->edit, sync_sim_document(run->sim, place),
                                       &run->ops) == CRDT_OK);
    }
}

/* ---- steps ---- */

static void write_value(uint32_t value, crdt_buf *out)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    if (value < FUZZ_VALUE_LONG) {
        must(crdt_value_write_integer(out, value) == CRDT_OK);
        return;
    }
    size_t size = value - FUZZ_VALUE_LONG;
    uint8_t *text = malloc(size + 1);
    must(text != NULL);
    uint64_t z = value;
    for (size_t i = 0; i < size; i++) { /* no text that packs well */
        z = z * UINT64_C(6364136223846793005) + 1442695040888963407u;
        text[i] = (uint8_t)letters[z >> 59];
    }
    must(crdt_value_write_string(out, (crdt_span){text, size}) == CRDT_OK);
    free(text);
}

/* The names that a step means. */
typedef struct names {
    char texts[2][8];
    crdt_span entity;
    crdt_span parent;
    crdt_span component;
    crdt_span field;
} names;

static crdt_span name_entity(const fuzz_run *run, uint32_t number, char text[8])
{
    if (run->beginning != NULL && number < run->beginning->entity_count) {
        return run->beginning->entities[number];
    }
    snprintf(text, 8, "e%u", number);
    return crdt_span_of(text);
}

static void name(const fuzz_run *run, const fuzz_step *step, names *n)
{
    n->entity = name_entity(run, step->entity, n->texts[0]);
    n->parent = name_entity(run, step->parent, n->texts[1]);
    n->component = crdt_span_of(fuzz_component_names[step->component]);
    n->field = crdt_span_of(fuzz_field_names[step->field]);
}

/* Operations as they are, past the editor. */
static void push_ops(fuzz_run *run, const fuzz_step *step, const names *n,
                     crdt_span value)
{
    crdt_op_list *ops = &run->ops;
    crdt_key object = crdt_key_object(n->entity);
    crdt_key part = crdt_key_part(n->entity, n->component);
    crdt_key field = crdt_key_field(n->entity, n->component, n->field);
    switch (step->verb) {
    case FUZZ_PUT:
        must(crdt_op_list_add(ops, object) == CRDT_OK &&
             crdt_op_list_add(ops, part) == CRDT_OK &&
             crdt_op_list_set(ops, field, value) == CRDT_OK);
        break;
    case FUZZ_SET:
        must(crdt_op_list_set(ops, field, value) == CRDT_OK);
        break;
    case FUZZ_UNSET:
        must(crdt_op_list_unset(ops, field) == CRDT_OK);
        break;
    case FUZZ_ADD:
        must(crdt_op_list_add(ops, object) == CRDT_OK);
        break;
    case FUZZ_ADD_PART:
        must(crdt_op_list_add(ops, part) == CRDT_OK);
        break;
    case FUZZ_REMOVE:
        must(crdt_op_list_remove(ops, object) == CRDT_OK);
        break;
    case FUZZ_DROP:
        must(crdt_op_list_remove(ops, part) == CRDT_OK);
        break;
    default: {
        crdt_span transform = crdt_span_of(fuzz_component_names[0]);
        crdt_key edge = crdt_key_field(n->entity, transform, crdt_span_of("parent"));
        must(crdt_op_list_add(ops, object) == CRDT_OK &&
             crdt_op_list_add(ops, crdt_key_part(n->entity, transform)) == CRDT_OK &&
             (step->parent == FUZZ_ROOT
                  ? crdt_op_list_unset(ops, edge)
                  : crdt_op_list_set(ops, edge, value)) == CRDT_OK);
        break;
    }
    }
}

/* Intentions, as the editor takes them; what makes no sense is refused there. */
static void push_intention(fuzz_run *run, const fuzz_step *step, const names *n,
                           crdt_span value)
{
    scene_edit *edit = &run->edit;
    const crdt_span *parent = step->parent == FUZZ_ROOT ? NULL : &n->parent;
    crdt_diag diag;
    crdt_err err = CRDT_OK;
    switch (step->verb) {
    case FUZZ_CREATE:
        err = scene_edit_add(edit, n->entity, parent, &diag);
        break;
    case FUZZ_DELETE:
        err = scene_edit_remove(edit, n->entity, &diag);
        break;
    case FUZZ_MOVE:
        err = scene_edit_move(edit, n->entity, parent, &diag);
        break;
    case FUZZ_EDIT:
        err =
            scene_edit_set_field(edit, n->entity, n->component, n->field, value, &diag);
        break;
    case FUZZ_CLEAR:
        err = scene_edit_unset_field(edit, n->entity, n->component, n->field, &diag);
        break;
    case FUZZ_WHOLE:
        err = scene_edit_set(edit, n->entity, n->component, value, &diag);
        break;
    default:
        err = scene_edit_remove_component(edit, n->entity, n->component, &diag);
        break;
    }
    must(err != CRDT_ENOMEM);
}

static void write_step_value(const fuzz_step *step, const names *n, crdt_buf *value)
{
    if (step->verb == FUZZ_HANG) {
        must(crdt_value_write_string(value, n->parent) == CRDT_OK);
    } else if (step->verb == FUZZ_WHOLE && step->value % 3 != 0) {
        must(crdt_value_write_map(value, 2) == CRDT_OK);
        must(crdt_value_write_string(value, crdt_span_of("other")) == CRDT_OK);
        must(crdt_value_write_integer(value, step->value) == CRDT_OK);
        must(crdt_value_write_string(value, crdt_span_of("value")) == CRDT_OK);
        must(crdt_value_write_integer(value, step->value % 2) == CRDT_OK);
    } else {
        write_value(step->value, value);
    }
}

void fuzz_run_edit(fuzz_run *run, const fuzz_step *step)
{
    if (!sync_sim_running(run->sim, step->place)) {
        return;
    }
    bool scene = step->verb >= FUZZ_CREATE;
    names n;
    crdt_buf value;
    name(run, step, &n);
    crdt_buf_init(&value, crdt_alloc_default());
    write_step_value(step, &n, &value);
    begin(run, step->place, scene);
    if (scene) {
        push_intention(run, step, &n, crdt_buf_span(&value));
    } else {
        push_ops(run, step, &n, crdt_buf_span(&value));
    }
    crdt_buf_deinit(&value);
    if (!step->joined) {
        fuzz_run_commit(run);
    }
}

/* ---- edits to be found again ---- */

static void name_trial(uint32_t number, char object[16], char field[16])
{
    snprintf(object, 16, "b%u", number % TRIAL_OBJECTS);
    snprintf(field, 16, "f%u", number);
}

void fuzz_run_burst(fuzz_run *run, const fuzz_step *step)
{
    if (!sync_sim_running(run->sim, step->place)) {
        return;
    }
    for (uint32_t i = 0; i < step->n[0] && sync_sim_running(run->sim, step->place);
         i++) {
        size_t before = 0;
        size_t after = 0;
        char object[16];
        char field[16];
        uint32_t number = (uint32_t)run->trial_count;
        name_trial(number, object, field);
        sync_sim_batches(run->sim, &before);
        fuzz_run_set_origin(run, step->place,
                            CRDT_ORIGIN_IMPORT); /* not to be undone */
        sync_sim_set(run->sim, step->place, object, field, number);
        fuzz_run_set_origin(run, step->place, CRDT_ORIGIN_EDIT);
        sync_sim_batches(run->sim, &after);
        if (after != before + 1) {
            fuzz_run_fail(run, "commit", "an edit made no batch");
            return;
        }
        if (run->trial_count == run->trial_capacity) {
            run->trial_capacity =
                run->trial_capacity == 0 ? 64 : run->trial_capacity * 2;
            run->trials =
                realloc(run->trials, run->trial_capacity * sizeof *run->trials);
            must(run->trials != NULL);
        }
        run->trials[run->trial_count++] =
            (fuzz_trial){.place = step->place, .number = number, .batch = before};
    }
    fuzz_run_note_batches(run);
}

bool fuzz_run_has_trial(const fuzz_run *run, uint32_t place, const fuzz_trial *trial)
{
    char object[16];
    char field[16];
    crdt_span value;
    name_trial(trial->number, object, field);
    crdt_key key =
        crdt_key_field(crdt_span_of(object), crdt_span_of("part"), crdt_span_of(field));
    if (!crdt_document_get(sync_sim_document(run->sim, place), &key, &value)) {
        return false;
    }
    crdt_value_reader reader = crdt_value_read_open(value);
    return crdt_value_read(&reader).integer == (int64_t)trial->number;
}
