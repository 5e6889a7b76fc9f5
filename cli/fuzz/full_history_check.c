#include "cli/fuzz/full_history_impl.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct check {
    fuzz_full_history *h;
    const crdt_document *doc;
    fuzz_finding *finding;
    size_t expected; /* entries */
    crdt_document_counts counts;
    uint64_t losers; /* conflicts to be listed */
    uint64_t hidden;
    uint64_t listed;
} check;

static bool is_covered(const check *c, uint32_t author, uint64_t time)
{
    return time <= c->h->seen.items[author];
}

static bool is_held(const check *c, const entry_node *entry)
{
    const fuzz_full_history *h = c->h;
    if (h->batches.items[entry->batch].lost ||
        !is_covered(c, entry->author, entry->time)) {
        return false;
    }
    for (uint32_t i = entry->remover; i != NONE; i = h->removers.items[i].next) {
        const remover_node *remover = &h->removers.items[i];
        if (!h->batches.items[remover->batch].lost &&
            is_covered(c, remover->author, remover->time)) {
            return false;
        }
    }
    return true;
}

/* Some part of a key's name for people. */
static void say_key(const crdt_key *key, char *out, size_t size)
{
    snprintf(out, size, "%.*s%s%.*s%s%.*s", (int)key->object.size, key->object.data,
             key->depth >= CRDT_PART ? "." : "", (int)key->part.size, key->part.data,
             key->depth == CRDT_FIELD ? "." : "", (int)key->field.size,
             key->field.data);
}

static bool fail(check *c, const char *oracle, const crdt_key *key, const char *what,
                 const crdt_stamp *stamp)
{
    char name[100] = "";
    char text[CRDT_STAMP_TEXT_SIZE] = "";
    if (key != NULL) {
        say_key(key, name, sizeof name);
    }
    if (stamp != NULL) {
        crdt_stamp_format(stamp, text);
    }
    c->finding->oracle = oracle;
    snprintf(c->finding->text, sizeof c->finding->text, "%s %s %s", name, text, what);
    return false;
}

/* Who has removed the key, though nobody who saw this dot did? Then an add lost. */
static bool was_removed_beside(const check *c, const entry_node *entry)
{
    const fuzz_full_history *h = c->h;
    uint32_t key = entry->key;
    for (uint32_t i = h->keys.items[key].entry; i != NONE;
         i = h->entries.items[i].next) {
        if (h->entries.items[i].remover != NONE) {
            return true;
        }
    }
    return false;
}

static bool missing(check *c, const entry_node *entry)
{
    crdt_stamp stamp = {entry->time, c->h->actors.items[entry->author]};
    const crdt_key *key = &c->h->keys.items[entry->key].key;
    if (entry->value == NULL && was_removed_beside(c, entry)) {
        return fail(c, "add wins", key,
                    "was added, none who removed it had seen that, and it is gone",
                    &stamp);
    }
    return fail(c, "lost write", key, "was written, and is gone", &stamp);
}

typedef struct handles {
    crdt_object object;
    crdt_part part;
    crdt_field field;
} handles;

/* Those of the key, given those of the key above it. */
static handles find_handles(const crdt_document *doc, const handles *above,
                            const crdt_key *key)
{
    handles at = *above;
    switch (key->depth) {
    case CRDT_OBJECT:
        at.object = crdt_document_find_object(doc, key->object);
        break;
    case CRDT_PART:
        at.part = at.object.id == 0
                      ? (crdt_part){0}
                      : crdt_document_find_part(doc, at.object, key->part);
        break;
    case CRDT_FIELD:
        at.field = at.part.id == 0 ? (crdt_field){0}
                                   : crdt_document_find_field(doc, at.part, key->field);
        break;
    }
    return at;
}

static bool entry_at(const crdt_document *doc, const handles *at, crdt_depth depth,
                     size_t index, crdt_entry *entry)
{
    return depth == CRDT_OBJECT
               ? at->object.id != 0 &&
                     crdt_document_object_dot(doc, at->object, index, entry)
           : depth == CRDT_PART
               ? at->part.id != 0 && crdt_document_part_dot(doc, at->part, index, entry)
               : at->field.id != 0 &&
                     crdt_document_field_value(doc, at->field, index, entry);
}

/* All that should be held at a key is there. `top`: the highest held; NULL: none. */
static bool check_entries(check *c, const key_node *node, const handles *found,
                          const entry_node **top, size_t *held_count)
{
    const handles at = *found;
    *top = NULL;
    *held_count = 0;
    for (uint32_t i = node->entry; i != NONE; i = c->h->entries.items[i].next) {
        entry_node *entry = &c->h->entries.items[i];
        if (!is_held(c, entry)) {
            continue;
        }
        ++*held_count;
        crdt_stamp stamp = {entry->time, c->h->actors.items[entry->author]};
        crdt_entry held;
        size_t index = 0;
        while (entry_at(c->doc, &at, node->key.depth, index, &held) &&
               crdt_stamp_compare(&held.stamp, &stamp) != 0) {
            index++;
        }
        if (!entry_at(c->doc, &at, node->key.depth, index, &held)) {
            return missing(c, entry);
        }
        if (!crdt_span_equal(held.value,
                             (crdt_span){entry->value, entry->value_size})) {
            return fail(c, "value", &node->key, "holds another value than was written",
                        &stamp);
        }
        const char *who = c->h->batches.items[entry->batch].who;
        if (held.who.size < sizeof c->h->batches.items->who &&
            !crdt_span_equal(held.who, crdt_span_of(who))) {
            return fail(c, "who", &node->key, "is put down to somebody else", &stamp);
        }
        crdt_stamp best = {0};
        if (*top != NULL) {
            best = (crdt_stamp){(*top)->time, c->h->actors.items[(*top)->author]};
        }
        *top = *top == NULL || crdt_stamp_compare(&stamp, &best) > 0 ? entry : *top;
    }
    c->expected += *held_count;
    return true;
}

static bool check_shown(check *c, const key_node *node, bool live,
                        const entry_node *top)
{
    crdt_span value = {0};
    if (node->key.depth < CRDT_FIELD) {
        return crdt_document_live(c->doc, &node->key) == live ||
               fail(c, "shown", &node->key,
                    live ? "should be there" : "should not be there", NULL);
    }
    bool shown = crdt_document_get(c->doc, &node->key, &value);
    if (shown != (live && top != NULL)) {
        return fail(c, "shown", &node->key,
                    shown ? "should not be seen" : "should be seen", NULL);
    }
    return !shown || crdt_span_equal(value, (crdt_span){top->value, top->value_size}) ||
           fail(c, "shown", &node->key, "shows another value than the last written",
                NULL);
}

static bool check_field(check *c, uint32_t key, const handles *part, bool live)
{
    const key_node *node = &c->h->keys.items[key];
    handles at = find_handles(c->doc, part, &node->key);
    const entry_node *top = NULL;
    size_t held = 0;
    if (!check_entries(c, node, &at, &top, &held) || !check_shown(c, node, live, top)) {
        return false;
    }
    c->counts.fields += live && held > 0;
    c->counts.conflicts += live ? held > 1 : held > 0;
    c->losers += live && held > 1 ? held - 1 : 0;
    c->hidden += live ? 0 : held;
    return true;
}

static bool check_object(check *c, uint32_t key)
{
    const fuzz_full_history *h = c->h;
    const entry_node *top = NULL;
    size_t held = 0;
    const handles none = {0};
    handles object = find_handles(c->doc, &none, &h->keys.items[key].key);
    if (!check_entries(c, &h->keys.items[key], &object, &top, &held) ||
        !check_shown(c, &h->keys.items[key], held > 0, top)) {
        return false;
    }
    bool object_live = held > 0;
    c->counts.objects += object_live;
    for (uint32_t part = h->keys.items[key].below; part != NONE;
         part = h->keys.items[part].beside) {
        handles at = find_handles(c->doc, &object, &h->keys.items[part].key);
        if (!check_entries(c, &h->keys.items[part], &at, &top, &held)) {
            return false;
        }
        bool live = object_live && held > 0;
        c->counts.parts += live;
        if (!check_shown(c, &h->keys.items[part], live, top)) {
            return false;
        }
        for (uint32_t field = h->keys.items[part].below; field != NONE;
             field = h->keys.items[field].beside) {
            if (!check_field(c, field, &at, live)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- nothing more than that ---- */

/* The document holds an entry; should it? */
static bool check_one(check *c, const crdt_key *key, const crdt_entry *entry)
{
    fuzz_full_history *h = c->h;
    uint32_t number = fuzz_full_history_key(h, key);
    for (uint32_t i = number == NONE ? NONE : h->keys.items[number].entry; i != NONE;
         i = h->entries.items[i].next) {
        const entry_node *node = &h->entries.items[i];
        if (node->time != entry->stamp.time ||
            !crdt_actor_equal(&h->actors.items[node->author], &entry->stamp.actor) ||
            h->batches.items[node->batch].lost) {
            continue;
        }
        return is_held(c, node) ||
               fail(c, "resurrection", key, "was removed, and is there", &entry->stamp);
    }
    return fail(c, "invention", key, "was never written, and is there", &entry->stamp);
}

static bool check_part_holds(check *c, crdt_part part, crdt_key *key)
{
    crdt_entry entry;
    crdt_field field = {0};
    key->depth = CRDT_PART;
    key->part = crdt_document_part_name(c->doc, part);
    for (size_t i = 0; crdt_document_part_dot(c->doc, part, i, &entry); i++) {
        if (!check_one(c, key, &entry)) {
            return false;
        }
    }
    key->depth = CRDT_FIELD;
    while (crdt_document_next_field(c->doc, part, &field)) {
        key->field = crdt_document_field_name(c->doc, field);
        for (size_t i = 0; crdt_document_field_value(c->doc, field, i, &entry); i++) {
            if (!check_one(c, key, &entry)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_holds(check *c)
{
    crdt_entry entry;
    crdt_object object = {0};
    while (crdt_document_next_object(c->doc, &object)) {
        crdt_key key = crdt_key_object(crdt_document_object_name(c->doc, object));
        for (size_t i = 0; crdt_document_object_dot(c->doc, object, i, &entry); i++) {
            if (!check_one(c, &key, &entry)) {
                return false;
            }
        }
        crdt_part part = {0};
        while (crdt_document_next_part(c->doc, object, &part)) {
            if (!check_part_holds(c, part, &key)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- conflicts ---- */

/* Each listed conflict must be one: a loser that the winner's author had not seen, or a
 * value below what is not there. */
static bool visit_conflict(void *ctx, const crdt_conflict *conflict)
{
    check *c = ctx;
    bool concurrent = conflict->kind == CRDT_CONFLICT_CONCURRENT;
    c->listed++;
    if (concurrent &&
        crdt_stamp_compare(&conflict->loser.stamp, &conflict->winner.stamp) >= 0) {
        return fail(c, "conflicts", &conflict->key, "lists a loser that came later",
                    &conflict->loser.stamp);
    }
    c->losers -= concurrent;
    c->hidden -= !concurrent;
    return check_one(c, &conflict->key, &conflict->loser);
}

static bool check_conflicts(check *c)
{
    uint64_t expected = c->losers + c->hidden;
    if (crdt_document_conflicts(c->doc, visit_conflict, c) != CRDT_OK) {
        abort(); /* out of memory */
    }
    if (c->finding->oracle != NULL) {
        c->finding->oracle = "conflicts";
        return false;
    }
    if (c->losers != 0 || c->hidden != 0) {
        char text[96];
        snprintf(text, sizeof text, "%llu conflicts are listed, %llu expected",
                 (unsigned long long)c->listed, (unsigned long long)expected);
        return fail(c, "conflicts", NULL, text, NULL);
    }
    return true;
}

static bool check_counts(check *c)
{
    crdt_document_counts counts = crdt_document_count(c->doc);
    return (counts.objects == c->counts.objects && counts.parts == c->counts.parts &&
            counts.fields == c->counts.fields &&
            counts.conflicts == c->counts.conflicts) ||
           fail(c, "counts", NULL,
                "objects, parts, fields or conflicts are counted wrong", NULL);
}

bool fuzz_full_history_check(fuzz_full_history *h, const crdt_document *doc,
                             fuzz_finding *finding)
{
    check c = {.h = h, .doc = doc, .finding = finding};
    const crdt_version *version = crdt_document_version(doc);
    finding->oracle = NULL;
    fuzz_full_history_spread(h, version->stamps, version->stamp_count);
    for (size_t i = 0; i < h->keys.count; i++) {
        if (h->keys.items[i].owner == NONE && !check_object(&c, (uint32_t)i)) {
            return false;
        }
    }
    return check_holds(&c) && check_counts(&c) && check_conflicts(&c);
}
