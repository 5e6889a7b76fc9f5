#include "cli/fuzz/full_history.h"

#include <stdio.h>
#include <stdlib.h>

#define NONE UINT32_MAX

/* A list that grows: items, count, capacity. */
#define LIST(type)                                                                     \
    struct {                                                                           \
        type *items;                                                                   \
        size_t count;                                                                  \
        size_t capacity;                                                               \
    }

typedef struct key_node {
    crdt_key key;    /* owned */
    uint64_t hash;   /* of the key */
    uint32_t owner;  /* the key above; NONE: an object */
    uint32_t below;  /* first key below it */
    uint32_t beside; /* next below the same owner */
    uint32_t entry;  /* newest entry */
} key_node;

typedef struct entry_node {
    uint32_t next; /* older, of the same key */
    uint32_t key;
    uint32_t batch;
    uint32_t author;
    uint64_t time;
    uint32_t remover;
    uint8_t *value; /* owned; NULL: a dot */
    size_t value_size;
} entry_node;

typedef struct remover_node {
    uint32_t next;
    uint32_t batch;
    uint32_t author;
    uint64_t time;
} remover_node;

typedef struct batch_node {
    uint32_t author;
    bool lost;
} batch_node;

struct fuzz_full_history {
    LIST(crdt_actor) actors;
    LIST(key_node) keys;
    LIST(entry_node) entries;
    LIST(remover_node) removers;
    LIST(batch_node) batches;
    LIST(uint64_t) seen; /* scratch: actor -> time */
    uint32_t *buckets;   /* open addressing: key number + 1 */
    size_t bucket_count;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("fuzz: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void *grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        items = must(realloc(items, *capacity * item_size));
    }
    return items;
}

#define PUSH(list, item)                                                               \
    ((list).items =                                                                    \
         grow((list).items, (list).count, &(list).capacity, sizeof *(list).items),     \
     (list).items[(list).count++] = (item), (uint32_t)((list).count - 1))

fuzz_full_history *fuzz_full_history_open(void)
{
    return must(calloc(1, sizeof(fuzz_full_history)));
}

static void free_key(crdt_key *key)
{
    free((void *)(uintptr_t)key->object.data);
}

void fuzz_full_history_close(fuzz_full_history *h)
{
    if (h == NULL) {
        return;
    }
    for (size_t i = 0; i < h->keys.count; i++) {
        free_key(&h->keys.items[i].key);
    }
    for (size_t i = 0; i < h->entries.count; i++) {
        free(h->entries.items[i].value);
    }
    free(h->actors.items);
    free(h->keys.items);
    free(h->entries.items);
    free(h->removers.items);
    free(h->batches.items);
    free(h->seen.items);
    free(h->buckets);
    free(h);
}

/* ---- names and numbers ---- */

static uint32_t number_of_actor(fuzz_full_history *h, const crdt_actor *actor)
{
    for (size_t i = h->actors.count; i > 0; i--) {
        if (crdt_actor_equal(&h->actors.items[i - 1], actor)) {
            return (uint32_t)(i - 1);
        }
    }
    (void)PUSH(h->seen, 0);
    return PUSH(h->actors, *actor);
}

/* Fill `seen`: for each known actor the time in `stamps`. */
static void spread_version(fuzz_full_history *h, const crdt_stamp *stamps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        number_of_actor(h, &stamps[i].actor);
    }
    if (h->seen.count > 0) {
        memset(h->seen.items, 0, h->seen.count * sizeof *h->seen.items);
    }
    for (size_t i = 0; i < count; i++) {
        h->seen.items[number_of_actor(h, &stamps[i].actor)] = stamps[i].time;
    }
}

static uint64_t hash_bytes(uint64_t hash, crdt_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    }
    return (hash ^ bytes.size) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_key(const crdt_key *key)
{
    uint64_t hash = hash_bytes(key->depth, key->object);
    hash = key->depth >= CRDT_PART ? hash_bytes(hash, key->part) : hash;
    hash = key->depth == CRDT_FIELD ? hash_bytes(hash, key->field) : hash;
    return hash ^ hash >> 29;
}

static crdt_key copy_key(const crdt_key *key)
{
    size_t part_size = key->depth >= CRDT_PART ? key->part.size : 0;
    size_t field_size = key->depth == CRDT_FIELD ? key->field.size : 0;
    uint8_t *bytes = must(malloc(key->object.size + part_size + field_size + 1));
    crdt_key copy = {.depth = key->depth,
                     .object = {bytes, key->object.size},
                     .part = {bytes + key->object.size, part_size},
                     .field = {bytes + key->object.size + part_size, field_size}};
    if (key->object.size > 0) {
        memcpy(bytes, key->object.data, key->object.size);
    }
    if (part_size > 0) {
        memcpy(bytes + key->object.size, key->part.data, part_size);
    }
    if (field_size > 0) {
        memcpy(bytes + key->object.size + part_size, key->field.data, field_size);
    }
    return copy;
}

static uint32_t *bucket_of(fuzz_full_history *h, const crdt_key *key, uint64_t hash)
{
    size_t at = hash & (h->bucket_count - 1);
    while (h->buckets[at] != 0) {
        const key_node *node = &h->keys.items[h->buckets[at] - 1];
        if (node->hash == hash && crdt_key_equal(&node->key, key)) {
            break;
        }
        at = (at + 1) & (h->bucket_count - 1);
    }
    return &h->buckets[at];
}

static void grow_buckets(fuzz_full_history *h)
{
    if (2 * (h->keys.count + 1) < h->bucket_count) {
        return;
    }
    free(h->buckets);
    h->bucket_count = h->bucket_count == 0 ? 64 : h->bucket_count * 2;
    h->buckets = must(calloc(h->bucket_count, sizeof *h->buckets));
    for (size_t i = 0; i < h->keys.count; i++) {
        *bucket_of(h, &h->keys.items[i].key, h->keys.items[i].hash) = (uint32_t)i + 1;
    }
}

/* The number of a key that is known; NONE: it is not. */
static uint32_t find_key(fuzz_full_history *h, const crdt_key *key)
{
    if (h->bucket_count == 0) {
        return NONE;
    }
    uint32_t found = *bucket_of(h, key, hash_key(key));
    return found == 0 ? NONE : found - 1;
}

static uint32_t number_of_key(fuzz_full_history *h, const crdt_key *key)
{
    uint32_t owner = NONE;
    for (crdt_depth depth = CRDT_OBJECT; depth <= key->depth; depth++) {
        crdt_key part = *key;
        part.depth = depth;
        uint32_t number = find_key(h, &part);
        if (number == NONE) {
            grow_buckets(h);
            key_node node = {.key = copy_key(&part),
                             .hash = hash_key(&part),
                             .owner = owner,
                             .below = NONE,
                             .beside = NONE,
                             .entry = NONE};
            if (owner != NONE) {
                node.beside = h->keys.items[owner].below;
            }
            number = PUSH(h->keys, node);
            if (owner != NONE) {
                h->keys.items[owner].below = number;
            }
            *bucket_of(h, &h->keys.items[number].key, node.hash) = number + 1;
        }
        owner = number;
    }
    return owner;
}

/* ---- taking batches in ---- */

/* The operation at `remover` drops what it has seen of one key. */
static void drop_seen(fuzz_full_history *h, uint32_t key, const remover_node *remover)
{
    for (uint32_t i = h->keys.items[key].entry; i != NONE;) {
        entry_node *entry = &h->entries.items[i];
        bool seen = entry->author == remover->author
                        ? entry->time < remover->time
                        : entry->time <= h->seen.items[entry->author];
        if (seen && !h->batches.items[entry->batch].lost) {
            remover_node node = *remover;
            node.next = entry->remover;
            uint32_t number = PUSH(h->removers, node);
            h->entries.items[i].remover = number;
        }
        i = h->entries.items[i].next;
    }
}

static void drop_below(fuzz_full_history *h, uint32_t key, const remover_node *remover)
{
    drop_seen(h, key, remover);
    for (uint32_t part = h->keys.items[key].below; part != NONE;
         part = h->keys.items[part].beside) {
        drop_seen(h, part, remover);
        for (uint32_t field = h->keys.items[part].below; field != NONE;
             field = h->keys.items[field].beside) {
            drop_seen(h, field, remover);
        }
    }
}

static void put_entry(fuzz_full_history *h, uint32_t key, const remover_node *by,
                      crdt_span value, bool is_value)
{
    entry_node entry = {.next = h->keys.items[key].entry,
                        .key = key,
                        .batch = by->batch,
                        .author = by->author,
                        .time = by->time,
                        .remover = NONE};
    if (is_value) {
        entry.value = must(malloc(value.size + 1));
        memcpy(entry.value, value.data, value.size); /* a value has a byte at least */
        entry.value_size = value.size;
    }
    h->keys.items[key].entry = PUSH(h->entries, entry);
}

void fuzz_full_history_add(fuzz_full_history *h, const crdt_batch *batch)
{
    uint32_t author = number_of_actor(h, &batch->actor);
    batch_node node = {.author = author};
    uint32_t number = PUSH(h->batches, node);
    uint64_t time = crdt_batch_first_time(batch);
    spread_version(h, batch->deps, batch->dep_count);
    for (size_t i = 0; i < batch->op_count; i++) {
        const crdt_op *op = &batch->ops[i];
        remover_node remover = {.batch = number, .author = author, .time = time + i};
        uint32_t key = number_of_key(h, &op->key);
        drop_below(h, key, &remover);
        if (op->kind == CRDT_OP_ADD || op->kind == CRDT_OP_SET) {
            put_entry(h, key, &remover, op->value, op->kind == CRDT_OP_SET);
        }
    }
}

void fuzz_full_history_lose(fuzz_full_history *h, size_t index)
{
    if (index < h->batches.count) {
        h->batches.items[index].lost = true;
    }
}

/* ---- checking ---- */

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

static handles find_handles(const crdt_document *doc, const crdt_key *key)
{
    handles at = {.object = crdt_document_find_object(doc, key->object)};
    if (at.object.id != 0 && key->depth >= CRDT_PART) {
        at.part = crdt_document_find_part(doc, at.object, key->part);
    }
    if (at.part.id != 0 && key->depth == CRDT_FIELD) {
        at.field = crdt_document_find_field(doc, at.part, key->field);
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
static bool check_entries(check *c, const key_node *node, const entry_node **top,
                          size_t *held_count)
{
    handles at = {0};
    *top = NULL;
    *held_count = 0;
    for (uint32_t i = node->entry; i != NONE; i = c->h->entries.items[i].next) {
        entry_node *entry = &c->h->entries.items[i];
        if (!is_held(c, entry)) {
            continue;
        }
        if (*held_count == 0) {
            at = find_handles(c->doc, &node->key);
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

static bool check_field(check *c, uint32_t key, bool live)
{
    const key_node *node = &c->h->keys.items[key];
    const entry_node *top = NULL;
    size_t held = 0;
    if (!check_entries(c, node, &top, &held) || !check_shown(c, node, live, top)) {
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
    if (!check_entries(c, &h->keys.items[key], &top, &held) ||
        !check_shown(c, &h->keys.items[key], held > 0, top)) {
        return false;
    }
    bool object_live = held > 0;
    c->counts.objects += object_live;
    for (uint32_t part = h->keys.items[key].below; part != NONE;
         part = h->keys.items[part].beside) {
        if (!check_entries(c, &h->keys.items[part], &top, &held)) {
            return false;
        }
        bool live = object_live && held > 0;
        c->counts.parts += live;
        if (!check_shown(c, &h->keys.items[part], live, top)) {
            return false;
        }
        for (uint32_t field = h->keys.items[part].below; field != NONE;
             field = h->keys.items[field].beside) {
            if (!check_field(c, field, live)) {
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
    uint32_t number = find_key(h, key);
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
        must(NULL);
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
    spread_version(h, version->stamps, version->stamp_count);
    for (size_t i = 0; i < h->keys.count; i++) {
        if (h->keys.items[i].owner == NONE && !check_object(&c, (uint32_t)i)) {
            return false;
        }
    }
    return check_holds(&c) && check_counts(&c) && check_conflicts(&c);
}
