#include "cli/fuzz/execute_impl.h"

#include "crdt/history.h"
#include "scene/layout.h"
#include "scene/undo.h"

#include <assert.h>
#include <stdlib.h>

/* Undo restores what it says, and takes nothing from others. Each place keeps history records as a store does, and beside
 * them, naively, all that was shown before and after each of its own edits. After an undo of
 * edit E (a redo undoes an undo):
 *
 * Some edits are of steps, two of them now and then in turn: E is then all of them.
 *
 *   always        what somebody else wrote shows as before the undo
 *   alone         where no word from elsewhere came since E, all that E changed shows as it
 *                 was before E, unless it is named among what was left alone, and all else
 *                 as before the undo */

#define RECORDS_MAX 256u
#define EDITS_MAX 128u
#define SHOWN_MAX 300u /* fields of a document that is watched */

/* One thing that shows: an object or a part that is there, or a field and its value. */
typedef struct shown_item {
    crdt_key key;
    crdt_span value;
    crdt_stamp stamp; /* of what shows */
} shown_item;

/* All that shows at one time; never changed, so who sees the same twice keeps it twice. The
 * items and their bytes lie behind it, in one block. */
typedef struct shown {
    size_t holders;
    bool whole;  /* false: too much to look at */
    bool sorted; /* once something was looked up */
    size_t count;
    shown_item items[];
} shown;

/* What a look at a document comes across: the spans lie there. */
typedef struct walk {
    shown_item *items;
    size_t count;
    size_t capacity;
    size_t bytes; /* of all names and values */
} walk;

typedef struct own_edit {
    crdt_stamp first; /* of a step: of its newest batch */
    crdt_origin origin;
    unsigned step;      /* 0: it is of none */
    bool mixed;         /* other edits of the place lie between its batches */
    uint64_t lowest_ms; /* clock that any batch of the place told since, its own too */
    uint64_t foreign;   /* how many words from elsewhere had come */
    bool open;          /* it can be undone; an undo: redone */
    shown *before;
    shown *after;
} own_edit;

struct fuzz_person {
    crdt_history *recorder; /* NULL: the place does not run */
    crdt_buf *records;      /* oldest first */
    size_t record_count;
    own_edit *edits; /* oldest first */
    size_t edit_count;
    uint64_t foreign; /* changes from elsewhere */
    crdt_origin origin;
    crdt_stamp target;
    bool own_changed; /* the edit at hand made a batch, */
    crdt_stamp first; /* which begins here */
    uint64_t wall_ms;
    uint64_t batch_count; /* of edits */
    unsigned step;        /* of the edit at hand */
    shown *before;
    shown *seen;           /* last; it shows still, unless there was */
    uint64_t changes;      /* another word since, */
    uint64_t seen_changes; /* or the document tells another sum */
    crdt_digest seen_digest;
    walk walk; /* scratch */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
    return memory;
}

/* ---- what shows ---- */

static shown *hold(shown *s)
{
    s->holders++;
    return s;
}

static void forget_shown(shown **s)
{
    if (*s != NULL && --(*s)->holders == 0) {
        free(*s);
    }
    *s = NULL;
}

static void note_item(walk *w, const crdt_key *key, const crdt_entry *entry)
{
    if (w->count == w->capacity) {
        w->capacity = w->capacity == 0 ? 64 : w->capacity * 2;
        w->items = must(realloc(w->items, w->capacity * sizeof *w->items));
    }
    w->items[w->count++] =
        (shown_item){.key = *key, .value = entry->value, .stamp = entry->stamp};
    w->bytes += key->object.size + key->part.size + key->field.size + entry->value.size;
}

static void look_at_part(walk *w, const crdt_document *doc, crdt_part part,
                         crdt_key *key)
{
    crdt_field field = {0};
    crdt_entry entry;
    key->depth = CRDT_PART;
    key->part = crdt_document_part_name(doc, part);
    key->field = (crdt_span){0};
    if (crdt_document_part_dot(doc, part, 0, &entry)) {
        note_item(w, key, &entry);
    }
    key->depth = CRDT_FIELD;
    while (crdt_document_next_field(doc, part, &field)) {
        key->field = crdt_document_field_name(doc, field);
        if (crdt_document_field_value(doc, field, 0, &entry)) {
            note_item(w, key, &entry);
        }
    }
}

static void look_at_all(walk *w, const crdt_document *doc)
{
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        crdt_entry entry;
        if (!crdt_document_object_dot(doc, object, 0, &entry)) {
            continue;
        }
        crdt_key key = crdt_key_object(crdt_document_object_name(doc, object));
        crdt_part part = {0};
        note_item(w, &key, &entry);
        while (crdt_document_next_part(doc, object, &part)) {
            if (crdt_document_part_live(doc, part)) {
                look_at_part(w, doc, part, &key);
            }
        }
    }
}

static void put_bytes(uint8_t **at, crdt_span *bytes)
{
    if (bytes->size > 0) {
        memcpy(*at, bytes->data, bytes->size);
    }
    bytes->data = *at;
    *at += bytes->size;
}

static shown *look(walk *w, const crdt_document *doc)
{
    w->count = 0;
    w->bytes = 0;
    bool whole = crdt_document_count(doc).fields <= SHOWN_MAX;
    if (whole) {
        look_at_all(w, doc);
    }
    size_t size = sizeof(shown) + w->count * sizeof(shown_item);
    shown *s = must(malloc(size + w->bytes));
    *s = (shown){.holders = 1, .whole = whole, .count = w->count};
    uint8_t *at = (uint8_t *)s + size;
    for (size_t i = 0; i < w->count; i++) {
        shown_item *item = &s->items[i];
        *item = w->items[i];
        put_bytes(&at, &item->key.object);
        put_bytes(&at, &item->key.part);
        put_bytes(&at, &item->key.field);
        put_bytes(&at, &item->value);
    }
    return s;
}

static int compare_items(const void *a, const void *b)
{
    return crdt_key_compare(&((const shown_item *)a)->key,
                            &((const shown_item *)b)->key);
}

/* Few are ever looked into: so they are sorted by who does, before anything else. */
static void sort_shown(shown *s)
{
    if (!s->sorted && s->count > 1) {
        qsort(s->items, s->count, sizeof *s->items, compare_items);
    }
    s->sorted = true;
}

static const shown_item *find_shown(const shown *s, const crdt_key *key)
{
    shown_item wanted = {.key = *key};
    assert(s->sorted);
    return s->count == 0
               ? NULL
               : bsearch(&wanted, s->items, s->count, sizeof wanted, compare_items);
}

/* Does the key show the same in both? */
static bool is_same(const shown *a, const shown *b, const crdt_key *key)
{
    const shown_item *x = find_shown(a, key);
    const shown_item *y = find_shown(b, key);
    return x == NULL || y == NULL ? x == y : crdt_span_equal(x->value, y->value);
}

/* What shows at a person's place now. */
static shown *look_again(fuzz_person *person, const crdt_document *doc)
{
    crdt_digest digest = crdt_document_digest(doc);
    if (person->seen == NULL || person->seen_changes != person->changes ||
        !crdt_digest_equal(person->seen_digest, digest)) {
        forget_shown(&person->seen);
        person->seen = look(&person->walk, doc);
        person->seen_changes = person->changes;
        person->seen_digest = digest;
    }
    return hold(person->seen);
}

/* ---- what the world tells ---- */

static fuzz_person *person_of(fuzz_run *run, uint32_t place)
{
    if (run->people[place] == NULL) {
        fuzz_person *person = must(calloc(1, sizeof *person));
        person->records = must(calloc(RECORDS_MAX, sizeof *person->records));
        person->edits = must(calloc(EDITS_MAX, sizeof *person->edits));
        run->people[place] = person;
    }
    return run->people[place];
}

static void forget_edit(fuzz_person *person, size_t index)
{
    own_edit *edit = &person->edits[index];
    forget_shown(&edit->before);
    forget_shown(&edit->after);
    person->edit_count--;
    memmove(edit, edit + 1, (person->edit_count - index) * sizeof *edit);
}

/* A place that starts again has the history that its store kept: here, none. */
static void forget(fuzz_person *person)
{
    for (size_t i = 0; i < person->record_count; i++) {
        crdt_buf_deinit(&person->records[i]);
    }
    person->record_count = 0;
    while (person->edit_count > 0) {
        forget_edit(person, person->edit_count - 1);
    }
    forget_shown(&person->seen); /* of another document */
}

void fuzz_run_opened(void *ctx, uint32_t place, crdt_document *doc)
{
    fuzz_run *run = ctx;
    run->presence[place][0] = '\0';
    if (scene_snapshot_open(&run->snapshots[place], doc, crdt_alloc_default()) !=
        CRDT_OK) {
        must(NULL);
    }
    if (!run->undoes || run->forked) {
        return;
    }
    fuzz_person *person = person_of(run, place);
    forget(person);
    if (crdt_history_open(&person->recorder, crdt_alloc_default(), 0) != CRDT_OK) {
        must(NULL);
    }
    crdt_listener listener = crdt_history_listener(person->recorder);
    if (crdt_document_listen(doc, &listener) != CRDT_OK) {
        must(NULL);
    }
    crdt_history_begin(person->recorder);
}

void fuzz_run_closing(void *ctx, uint32_t place, crdt_document *doc)
{
    fuzz_run *run = ctx;
    fuzz_person *person = run->people[place];
    run->presence[place][0] = '\0';
    scene_snapshot_close(run->snapshots[place]);
    run->snapshots[place] = NULL;
    if (run->lies) {
        fuzz_run_excuse(run, place);
    }
    if (person != NULL && person->recorder != NULL) {
        crdt_document_unlisten(doc, person->recorder);
        crdt_history_close(person->recorder);
        person->recorder = NULL;
    }
}

/* Who told what later is what is known: presence never goes back, but of who had left. */
void fuzz_run_noticed(void *ctx, uint32_t place, const sync_notice *notice)
{
    fuzz_run *run = ctx;
    uint32_t number = 0;
    bool left = notice->kind == SYNC_NOTICE_LEFT;
    if (run->sim == NULL || run->forked ||
        (!left && (notice->kind != SYNC_NOTICE_PRESENCE || notice->bytes.size < 4))) {
        return;
    }
    if (!left) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)notice->bytes.size,
                 (const char *)notice->bytes.data);
        number = (uint32_t)strtoul(text + 3, NULL, 10);
    }
    for (uint32_t i = 0; i < run->plan->place_count; i++) {
        crdt_actor actor = sync_sim_actor(run->sim, i);
        if (!crdt_actor_equal(&actor, &notice->actor)) {
            continue;
        }
        if (!left && number < run->told[place][i]) {
            fuzz_run_fail(run, "presence", "place %u forgets what place %u told last",
                          place, i);
        }
        run->told[place][i] = number;
    }
}

/* Of each four edits in a row: none of a step, all of one, or of two in turn. */
static unsigned choose_step(const fuzz_run *run, fuzz_person *person)
{
    uint64_t number = person->batch_count++;
    uint64_t four = number / 4;
    uint64_t draw = (run->plan->seed ^ four) * UINT64_C(0x9e3779b97f4a7c15) >> 60;
    unsigned first = (unsigned)(four * 2 + 1);
    return draw < 6 ? 0 : draw < 12 ? first : first + (unsigned)(number % 2);
}

static crdt_span name_of_step(unsigned step, char name[16])
{
    int size = step == 0 ? 0 : snprintf(name, 16, "%u", step);
    return (crdt_span){(const uint8_t *)name, (size_t)size};
}

void fuzz_run_changed(void *ctx, uint32_t place, const crdt_batch *batch, bool own)
{
    fuzz_run *run = ctx;
    fuzz_person *person = run->people[place];
    if (person == NULL || person->recorder == NULL) {
        return;
    }
    person->changes++;
    crdt_origin origin = own             ? person->origin
                         : batch == NULL ? CRDT_ORIGIN_ANSWER
                                         : CRDT_ORIGIN_REMOTE;
    if (person->record_count == RECORDS_MAX) {
        crdt_buf_deinit(&person->records[0]);
        person->record_count--;
        memmove(person->records, person->records + 1,
                person->record_count * sizeof *person->records);
    }
    crdt_buf *record = &person->records[person->record_count++];
    crdt_buf_init(record, crdt_alloc_default());
    crdt_history_note note = {.origin = origin};
    char name[16];
    if (own) {
        note.target = person->target;
        person->step = origin == CRDT_ORIGIN_EDIT ? choose_step(run, person) : 0;
        note.step = name_of_step(person->step, name);
    }
    if (crdt_history_finish(person->recorder, batch, &note, record) != CRDT_OK) {
        must(NULL);
    }
    crdt_history_begin(person->recorder);
    if (own && origin <= CRDT_ORIGIN_REDO) {
        person->own_changed = true;
        person->wall_ms = batch->wall_ms;
        person->first = (crdt_stamp){crdt_batch_first_time(batch), batch->actor};
    } else {
        person->foreign++;
    }
}

void fuzz_run_before(fuzz_run *run, uint32_t place)
{
    fuzz_person *person = run->people[place];
    if (person != NULL && person->recorder != NULL) {
        person->own_changed = false;
        forget_shown(&person->before);
        person->before = look_again(person, sync_sim_document(run->sim, place));
    }
}

/* Undo takes its target off the one stack and lies on the other; an edit clears what could
 * be redone. */
static void settle_stacks(fuzz_person *person, const own_edit *now)
{
    for (size_t i = 0; i + 1 < person->edit_count; i++) {
        own_edit *edit = &person->edits[i];
        edit->lowest_ms =
            edit->lowest_ms < now->lowest_ms ? edit->lowest_ms : now->lowest_ms;
        if (now->origin == CRDT_ORIGIN_EDIT && edit->origin == CRDT_ORIGIN_UNDO) {
            edit->open = false;
        } else if (now->origin != CRDT_ORIGIN_EDIT &&
                   crdt_stamp_compare(&edit->first, &person->target) == 0) {
            edit->open = false;
        }
    }
}

/* What is to be undone (redone) next; NULL: nothing. */
static const own_edit *next_to_undo(const fuzz_person *person, bool redo)
{
    for (size_t i = person->edit_count; i > 0; i--) {
        const own_edit *edit = &person->edits[i - 1];
        if (edit->open && (edit->origin == CRDT_ORIGIN_UNDO) == redo) {
            return edit;
        }
    }
    return NULL;
}

/* The edit whose step the one at hand goes on with, now the newest; NULL: it is new. */
static own_edit *continue_step(fuzz_person *person)
{
    size_t last = person->edit_count;
    for (size_t i = last; i > 0 && person->step != 0; i--) {
        own_edit found = person->edits[i - 1];
        if (found.step != person->step || !found.open ||
            person->wall_ms > found.lowest_ms + SCENE_UNDO_PAUSE_MS) {
            continue;
        }
        for (size_t j = i; j < last; j++) {
            person->edits[j].mixed = true;
            found.mixed = true;
            person->edits[j - 1] = person->edits[j];
        }
        person->edits[last - 1] = found;
        return &person->edits[last - 1];
    }
    return NULL;
}

void fuzz_run_after(fuzz_run *run, uint32_t place)
{
    if (scene_snapshot_update(run->snapshots[place]) != CRDT_OK) {
        must(NULL);
    }
    fuzz_person *person = run->people[place];
    if (person == NULL || person->recorder == NULL || !person->own_changed) {
        return;
    }
    if (person->edit_count == EDITS_MAX) {
        forget_edit(person, 0);
    }
    own_edit *edit = continue_step(person);
    if (edit == NULL) {
        edit = &person->edits[person->edit_count++];
        *edit = (own_edit){.origin = person->origin,
                           .step = person->step,
                           .foreign = person->foreign,
                           .open = true,
                           .before = person->before};
        person->before = NULL;
    }
    edit->first = person->first;
    edit->lowest_ms = person->wall_ms;
    settle_stacks(person, edit);
    forget_shown(&edit->after);
    edit->after = look_again(person, sync_sim_document(run->sim, place));
}

void fuzz_run_set_origin(fuzz_run *run, uint32_t place, crdt_origin origin)
{
    if (run->people[place] != NULL) {
        run->people[place]->origin = origin;
    }
}

void fuzz_run_close_people(fuzz_run *run)
{
    for (uint32_t i = 0; i < FUZZ_PLACES_MAX; i++) {
        fuzz_person *person = run->people[i];
        if (person != NULL) {
            forget(person);
            forget_shown(&person->before);
            forget_shown(&person->seen);
            free(person->walk.items);
            free(person->records);
            free(person->edits);
            free(person);
        }
    }
}

/* ---- undo ---- */

static bool is_skipped(const scene_undo *undo, const crdt_key *key)
{
    size_t count = 0;
    const scene_undo_skip *skips = scene_undo_skips(undo, &count);
    for (size_t i = 0; i < count; i++) {
        crdt_key above = *key;
        above.depth = skips[i].key.depth;
        if (skips[i].key.depth <= key->depth && crdt_key_equal(&skips[i].key, &above)) {
            return true;
        }
    }
    return false;
}

/* A name that may not be there, for %.*s. */
static const char *text_of(crdt_span name)
{
    return name.size > 0 ? (const char *)name.data : "";
}

static bool fail_at(fuzz_run *run, const crdt_key *key, const char *what)
{
    return fuzz_run_fail(run, "undo", "%.*s.%.*s.%.*s %s", (int)key->object.size,
                         text_of(key->object), (int)key->part.size, text_of(key->part),
                         (int)key->field.size, text_of(key->field), what);
}

/* A move, so an undo of one, first writes the shown parent of whom it would let go from a
 * cycle: that one stays where it is shown. */
static bool is_parent(const crdt_key *key)
{
    return key->depth == CRDT_FIELD &&
           crdt_span_equal(key->field, crdt_span_of("parent"));
}

/* `undone` was undone; `now` is the undo as an edit. */
static void check_undone(fuzz_run *run, const own_edit *undone, const own_edit *now,
                         bool alone, const scene_undo *undo)
{
    const shown *const all[] = {now->before, now->after, undone->before, undone->after};
    bool whole = now->before->whole && now->after->whole && undone->before->whole &&
                 undone->after->whole;
    for (size_t i = 0; i < 4 && whole; i++) {
        for (size_t j = 0; j < all[i]->count; j++) {
            const crdt_key *key = &all[i]->items[j].key;
            bool touched = !is_same(undone->before, undone->after, key);
            /* What was hidden then may be what it wrote; what lies below may go along. */
            bool known = find_shown(undone->after, key) != NULL;
            crdt_key object = crdt_key_object(key->object);
            bool below =
                key->depth > CRDT_OBJECT && find_shown(now->after, &object) == NULL;
            if (!touched && alone && known && !below && !is_parent(key) &&
                find_shown(now->before, key) != NULL &&
                !is_same(now->before, now->after, key)) {
                fail_at(run, key, "was changed by an undo of something else");
                return;
            }
            if (touched && alone && !is_skipped(undo, key) &&
                !is_same(undone->before, now->after, key)) {
                fail_at(run, key, "does not show what it showed before");
                return;
            }
        }
    }
}

/* What showed and was written by others shows still. (A value written over by another of
 * the same place that came back is that place's own.) */
static void check_others(fuzz_run *run, const own_edit *now)
{
    for (size_t i = 0; i < now->before->count && now->after->whole; i++) {
        const shown_item *item = &now->before->items[i];
        if (!is_parent(&item->key) &&
            !crdt_actor_equal(&item->stamp.actor, &now->first.actor) &&
            !is_same(now->before, now->after, &item->key)) {
            fail_at(run, &item->key, "of somebody else was changed by an undo");
            return;
        }
    }
}

/* Of a whole value and the fields of one component, written at once, the later shows. Does
 * this field not show for that reason? Then it hangs its entity nowhere. */
static bool is_behind_whole(const shown *s, const shown_item *field)
{
    crdt_key key = field->key;
    key.field = crdt_span_of(SCENE_NAME_VALUE);
    const shown_item *whole = find_shown(s, &key);
    for (size_t i = 0; i < s->count && whole != NULL; i++) {
        const shown_item *item = &s->items[i];
        if (item->key.depth == CRDT_FIELD &&
            crdt_span_equal(item->key.object, key.object) &&
            crdt_span_equal(item->key.part, key.part) &&
            !scene_layout_is_own(item->key.field) &&
            crdt_stamp_compare(&item->stamp, &whole->stamp) > 0) {
            return false;
        }
    }
    return whole != NULL;
}

/* What others have hung below an entity since the edit still has it; "since" goes by Lamport
 * time, so a concurrent move of a lesser time does not count. */
static void check_hung(fuzz_run *run, const own_edit *undone, const own_edit *now)
{
    for (size_t i = 0; i < now->before->count && now->after->whole; i++) {
        const shown_item *item = &now->before->items[i];
        char text[SCENE_PARENT_TEXT_SIZE];
        crdt_span id;
        if (!is_parent(&item->key) ||
            crdt_actor_equal(&item->stamp.actor, &now->first.actor) ||
            item->stamp.time <= undone->first.time ||
            is_same(undone->before, now->before, &item->key) ||
            is_behind_whole(now->before, item) ||
            !scene_layout_parent(item->value, text, &id)) {
            continue;
        }
        crdt_key parent = crdt_key_object(id);
        if (find_shown(now->before, &parent) != NULL &&
            find_shown(now->after, &parent) == NULL) {
            fail_at(run, &parent,
                    "goes by an undo, though others hung something below");
        }
    }
}

static void check(fuzz_run *run, fuzz_person *person, const scene_undo *undo)
{

    const own_edit *now = &person->edits[person->edit_count - 1];
    sort_shown(now->before);
    sort_shown(now->after);
    check_others(run, now);
    for (size_t i = person->edit_count - 1; i > 0; i--) {
        const own_edit *edit = &person->edits[i - 1];
        if (crdt_stamp_compare(&edit->first, &person->target) == 0) {
            sort_shown(edit->before);
            sort_shown(edit->after);
            check_hung(run, edit, now);
            bool alone = edit->foreign == person->foreign && !edit->mixed &&
                         person->record_count < RECORDS_MAX;
            check_undone(run, edit, now, alone, undo);
            return;
        }
    }
}

static void feed(const fuzz_person *person, scene_undo *undo)
{
    size_t i = person->record_count;
    while (i > 0 && scene_undo_visit(undo, crdt_buf_span(&person->records[i - 1]))) {
        i--;
    }
}

/* Did the edit change what shows? Operations past the editor may not. */
static bool shows(const own_edit *edit)
{
    sort_shown(edit->before);
    sort_shown(edit->after);
    bool changed = edit->before->count != edit->after->count;
    for (size_t i = 0; i < edit->after->count && !changed; i++) {
        changed = !is_same(edit->before, edit->after, &edit->after->items[i].key);
    }
    return changed && edit->before->whole && edit->after->whole;
}

/* What nobody else has touched is the first to be undone. */
static void check_target(fuzz_run *run, const fuzz_person *person, bool redo,
                         const scene_undo *undo, crdt_err err)
{
    size_t skipped = 0;
    const own_edit *next = next_to_undo(person, redo);
    scene_undo_skips(undo, &skipped); /* a former parent may be below the entity now */
    if (next == NULL || skipped > 0 || next->mixed || !shows(next) ||
        next->foreign != person->foreign || person->record_count == RECORDS_MAX ||
        person->edit_count == EDITS_MAX) {
        return;
    }
    if (err != CRDT_OK || crdt_stamp_compare(&next->first, &person->target) != 0) {
        fuzz_run_fail(run, "undo", "it is not the last edit that is %s",
                      redo ? "redone" : "undone");
    }
}

void fuzz_run_undo(fuzz_run *run, uint32_t place, bool redo)
{
    fuzz_person *person = run->people[place];
    if (person == NULL || person->recorder == NULL) {
        return;
    }
    scene_undo *undo = NULL;
    scene_undo_options options = {.redo = redo};
    crdt_actor actor = sync_replica_actor(sync_sim_replica(run->sim, place));
    crdt_op_list ops;
    crdt_diag diag = {.text = ""};
    crdt_op_list_init(&ops, crdt_alloc_default());
    if (scene_undo_open(&undo, crdt_alloc_default(), sync_sim_document(run->sim, place),
                        &actor, &options, &ops) != CRDT_OK) {
        must(NULL);
    }
    feed(person, undo);
    crdt_err err = scene_undo_finish(undo, &person->target, &diag);
    check_target(run, person, redo, undo, err);
    person->origin = redo ? CRDT_ORIGIN_REDO : CRDT_ORIGIN_UNDO;
    if (err != CRDT_OK && err != CRDT_ENOTHING) {
        fuzz_run_fail(run, "undo", "it fails: %s %s", crdt_err_name(err), diag.text);
    } else if (err == CRDT_OK &&
               fuzz_run_commit_ops(run, place, ops.ops, ops.op_count)) {
        run->counts->undone++;
        check(run, person, undo);
    }
    person->origin = CRDT_ORIGIN_EDIT;
    person->target = (crdt_stamp){0};
    scene_undo_close(undo);
    crdt_op_list_deinit(&ops);
}
