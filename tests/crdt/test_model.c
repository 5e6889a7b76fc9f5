/* The document against its executable model (tests/model/document.py): whole state,
 * version, log, answers and batches after every event of random runs.
 *
 *     test_model [RUNS [FIRST_SEED]]      default 300 from seed 0
 *
 * The model prints what happens and what must come out of it; this program does the same
 * with documents and compares the texts. Batches, answers and copies go through their
 * bytes. Beyond the model it checks that equal versions have equal digests at every step
 * of a run, that the document's invariants hold, and that no memory is left behind.
 *
 * A failure names its seed and the line of the trace:
 *     python3 tests/model/document.py --trace 1 SEED | sed -n LINEp */

#include "crdt/answer.h"
#include "crdt/document.h"
#include "crdt/value.h"
#include "tests/support/fault_alloc.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8
#define THINGS_MAX 65536
#define RUNS_DEFAULT 300

typedef enum thing_kind { NOTHING, REPLICA, BATCH, ANSWER, COPY } thing_kind;

/* What a number of the trace stands for. */
typedef struct thing {
    thing_kind kind;
    crdt_document *doc; /* REPLICA */
    crdt_actor actor;
    crdt_buf bytes; /* others */
} thing;

typedef struct seen_state {
    crdt_digest version;
    crdt_digest digest;
} seen_state;

typedef struct world {
    fault_alloc fault;
    crdt_alloc alloc;
    crdt_arena arena;
    thing *things;
    size_t thing_count;
    crdt_op *ops;
    size_t op_count;
    seen_state *seen;
    size_t seen_count;
    size_t seen_capacity;
    crdt_buf batch_text;  /* of the last commit */
    crdt_buf answer_text; /* of the last answer */
    unsigned long seed;
    unsigned long line; /* of this run */
} world;

static world w;

static void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "seed %lu, line %lu: ", w.seed, w.line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\nto repeat: python3 tests/model/document.py --trace 1 %lu\n",
            w.seed);
    va_end(arguments);
    exit(1);
}

static void must(crdt_err err, const char *what)
{
    if (err != CRDT_OK) {
        fail("%s: %s", what, crdt_err_text(err));
    }
}

/* ---- texts ---- */

static void put(crdt_buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(crdt_buf *out, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof text) {
        fail("text too long");
    }
    must(crdt_buf_append(out, text, (size_t)size), "text");
}

static void put_span(crdt_buf *out, crdt_span span)
{
    must(crdt_buf_append_span(out, span), "text");
}

/* A list of words divided by ';', '-' if it is empty. */
typedef struct word_list {
    crdt_buf text;
    size_t count;
} word_list;

static word_list list_open(void)
{
    word_list list = {0};
    crdt_buf_init(&list.text, crdt_alloc_default());
    return list;
}

static void list_next(word_list *list)
{
    if (list->count++ > 0) {
        put(&list->text, ";");
    }
}

static void list_close(word_list *list, crdt_buf *out)
{
    if (list->count == 0) {
        put(out, "-");
    }
    put_span(out, crdt_buf_span(&list->text));
    crdt_buf_deinit(&list->text);
}

static crdt_actor actor_of(const char *text)
{
    crdt_actor actor = {{0}};
    size_t size = strlen(text);
    memcpy(actor.bytes, text, size < sizeof actor.bytes ? size : sizeof actor.bytes);
    return actor;
}

static void put_actor(crdt_buf *out, const crdt_actor *actor)
{
    put(out, "%.16s", (const char *)actor->bytes);
}

static void put_stamp(crdt_buf *out, const crdt_stamp *stamp)
{
    put(out, "%" PRIu64 "@", stamp->time);
    put_actor(out, &stamp->actor);
}

static void put_version(crdt_buf *out, const crdt_version *version)
{
    word_list list = list_open();
    for (size_t i = 0; i < version->stamp_count; i++) {
        list_next(&list);
        put_actor(&list.text, &version->stamps[i].actor);
        put(&list.text, ":%" PRIu64, version->stamps[i].time);
    }
    list_close(&list, out);
}

static void put_key(crdt_buf *out, const crdt_key *key)
{
    put_span(out, key->object);
    if (key->depth >= CRDT_PART) {
        put(out, ".");
        put_span(out, key->part);
    }
    if (key->depth == CRDT_FIELD) {
        put(out, ".");
        put_span(out, key->field);
    }
}

static void put_value(crdt_buf *out, crdt_span value)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    put(out, "%" PRId64, crdt_value_read(&reader).integer);
}

static void put_entry(word_list *list, size_t index, const crdt_key *key,
                      const crdt_entry *entry)
{
    if (index == 0) {
        list_next(list);
        put_key(&list->text, key);
        put(&list->text, "=");
    } else {
        put(&list->text, ",");
    }
    put_stamp(&list->text, &entry->stamp);
    if (key->depth == CRDT_FIELD) {
        put(&list->text, ":");
        put_value(&list->text, entry->value);
    }
}

/* ---- the state as the reading functions show it ---- */

static int compare_names(const void *a, const void *b)
{
    return crdt_span_compare(*(const crdt_span *)a, *(const crdt_span *)b);
}

static void put_part_state(const crdt_document *doc, crdt_span object_name,
                           crdt_part part, word_list *dots, word_list *values)
{
    crdt_span part_name = crdt_document_part_name(doc, part);
    crdt_key key = crdt_key_part(object_name, part_name);
    crdt_entry entry;
    for (size_t i = 0; crdt_document_part_dot(doc, part, i, &entry); i++) {
        put_entry(dots, i, &key, &entry);
    }
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        key = crdt_key_field(object_name, part_name,
                             crdt_document_field_name(doc, field));
        for (size_t i = 0; crdt_document_field_value(doc, field, i, &entry); i++) {
            put_entry(values, i, &key, &entry);
        }
    }
}

static void put_document(const crdt_document *doc, crdt_buf *out)
{
    crdt_span names[64];
    size_t count = 0;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        if (count == 64) {
            fail("more objects than the model has");
        }
        names[count++] = crdt_document_object_name(doc, object);
    }
    qsort(names, count, sizeof *names, compare_names);
    word_list dots = list_open();
    word_list values = list_open();
    for (size_t i = 0; i < count; i++) {
        object = crdt_document_find_object(doc, names[i]);
        const crdt_key key = crdt_key_object(names[i]);
        crdt_entry entry;
        for (size_t j = 0; crdt_document_object_dot(doc, object, j, &entry); j++) {
            put_entry(&dots, j, &key, &entry);
        }
        crdt_part part = {0};
        while (crdt_document_next_part(doc, object, &part)) {
            put_part_state(doc, names[i], part, &dots, &values);
        }
    }
    list_close(&dots, out);
    put(out, " ");
    list_close(&values, out);
}

/* ---- the content of an answer, read from its bytes ---- */

typedef struct answer_content {
    crdt_buf head; /* full or delta, version, floor */
    crdt_buf below;
    crdt_buf entries; /* dots, values */
    crdt_buf log;
    crdt_buf floor;
} answer_content;

typedef struct text_set {
    char *items[1024];
    size_t count;
} text_set;

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void texts_push(text_set *texts, const crdt_key *key)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    put_key(&text, key);
    must(crdt_buf_append(&text, "", 1), "text");
    if (texts->count == 1024) {
        fail("more prefixes than the model has");
    }
    texts->items[texts->count++] = (char *)text.data;
}

static void texts_close(text_set *texts, crdt_buf *out)
{
    qsort(texts->items, texts->count, sizeof *texts->items, compare_texts);
    word_list list = list_open();
    for (size_t i = 0; i < texts->count; i++) {
        if (i == 0 || strcmp(texts->items[i], texts->items[i - 1]) != 0) {
            list_next(&list);
            put(&list.text, "%s", texts->items[i]);
        }
    }
    list_close(&list, out);
    for (size_t i = 0; i < texts->count; i++) {
        free(texts->items[i]);
    }
}

static void content_init(answer_content *content)
{
    crdt_buf_init(&content->head, crdt_alloc_default());
    crdt_buf_init(&content->below, crdt_alloc_default());
    crdt_buf_init(&content->entries, crdt_alloc_default());
    crdt_buf_init(&content->log, crdt_alloc_default());
    crdt_buf_init(&content->floor, crdt_alloc_default());
}

static void content_deinit(answer_content *content)
{
    crdt_buf_deinit(&content->head);
    crdt_buf_deinit(&content->below);
    crdt_buf_deinit(&content->entries);
    crdt_buf_deinit(&content->log);
    crdt_buf_deinit(&content->floor);
}

static void read_items(crdt_answer_reader *reader, answer_content *content)
{
    word_list dots = list_open();
    word_list values = list_open();
    word_list log = list_open();
    text_set below = {.count = 0};
    crdt_answer_item item;
    size_t index = 0;
    for (;;) {
        if (crdt_answer_read_next(reader, &item) != CRDT_OK) {
            fail("item of an answer: %s", reader->in.diag->text);
        }
        if (item.type == CRDT_ANSWER_END) {
            break;
        }
        index = item.type == CRDT_ANSWER_ENTRY ? index : 0;
        if (item.fresh &&
            (item.type == CRDT_ANSWER_LOG ||
             (item.type == CRDT_ANSWER_ENTRY && item.key.depth != CRDT_FIELD))) {
            texts_push(&below, &item.key);
        }
        if (item.type == CRDT_ANSWER_LOG) {
            list_next(&log);
            put_stamp(&log.text, &item.stamp);
            put(&log.text, "=");
            put_key(&log.text, &item.key);
        } else if (item.type == CRDT_ANSWER_ENTRY) {
            const crdt_entry entry = {.stamp = item.stamp, .value = item.value};
            put_entry(item.key.depth == CRDT_FIELD ? &values : &dots, index++,
                      &item.key, &entry);
        }
    }
    texts_close(&below, &content->below);
    list_close(&dots, &content->entries);
    put(&content->entries, " ");
    list_close(&values, &content->entries);
    list_close(&log, &content->log);
}

static void content_read(answer_content *content, crdt_span bytes)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_answer_reader reader;
    crdt_diag diag;
    must(crdt_answer_read_open(&reader, bytes, &arena, &diag), "head of an answer");
    put(&content->head, "%s ", reader.full ? "full" : "delta");
    put_version(&content->head, &reader.version);
    put_version(&content->floor, &reader.floor);
    read_items(&reader, content);
    crdt_arena_deinit(&arena);
}

/* ---- things ---- */

static size_t number_of(const char *word)
{
    unsigned long number = strtoul(word, NULL, 10);
    if (number >= THINGS_MAX) {
        fail("number %s is too high", word);
    }
    return number;
}

static thing *find_thing(const char *word, thing_kind kind)
{
    thing *found = &w.things[number_of(word)];
    if (found->kind != kind) {
        fail("%s is not what it should be", word);
    }
    return found;
}

static thing *make_thing(const char *word, thing_kind kind)
{
    size_t number = number_of(word);
    thing *made = &w.things[number];
    if (made->kind != NOTHING) {
        fail("%s exists", word);
    }
    w.thing_count = number >= w.thing_count ? number + 1 : w.thing_count;
    made->kind = kind;
    crdt_buf_init(&made->bytes, w.alloc);
    return made;
}

static crdt_document *open_document(void)
{
    crdt_document_options options = crdt_document_options_default();
    options.alloc = w.alloc;
    options.hash_seed = w.seed * 31 + w.line; /* must not matter */
    crdt_document *doc;
    must(crdt_document_open(&doc, &options), "open");
    return doc;
}

static crdt_key key_of(char *word)
{
    crdt_key key = {.depth = CRDT_OBJECT};
    char *dot = strchr(word, '.');
    if (dot != NULL) {
        *dot = '\0';
        key.depth = CRDT_PART;
        char *second = strchr(dot + 1, '.');
        if (second != NULL) {
            *second = '\0';
            key.depth = CRDT_FIELD;
            key.field = crdt_span_of(second + 1);
        }
        key.part = crdt_span_of(dot + 1);
    }
    key.object = crdt_span_of(word);
    return key;
}

static char *keep_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = crdt_arena_alloc(&w.arena, size);
    if (copy == NULL) {
        fail("out of memory");
    }
    return memcpy(copy, text, size);
}

static crdt_version version_of(char *word)
{
    crdt_version version;
    crdt_version_init(&version, w.alloc);
    char *rest = NULL;
    for (char *part = strcmp(word, "-") == 0 ? NULL : strtok_r(word, ";", &rest);
         part != NULL; part = strtok_r(NULL, ";", &rest)) {
        char *colon = strrchr(part, ':');
        *colon = '\0';
        const crdt_stamp stamp = {.time = strtoull(colon + 1, NULL, 10),
                                  .actor = actor_of(part)};
        must(crdt_version_raise(&version, &stamp), "version");
    }
    return version;
}

/* ---- events ---- */

static void do_op(char **words, size_t count)
{
    static const char *const kinds[] = {"add", "remove", "set", "unset"};
    crdt_op *op = &w.ops[w.op_count++];
    *op = (crdt_op){.key = key_of(keep_text(words[2]))};
    while (strcmp(kinds[op->kind], words[1]) != 0) {
        op->kind++;
    }
    if (count > 3) {
        crdt_buf value;
        crdt_buf_init(&value, crdt_alloc_default());
        must(crdt_value_write_integer(&value, strtol(words[3], NULL, 10)), "value");
        uint8_t *copy = crdt_arena_alloc(&w.arena, value.size);
        memcpy(copy, value.data, value.size);
        op->value = (crdt_span){.data = copy, .size = value.size};
        crdt_buf_deinit(&value);
    }
}

static void put_batch(crdt_buf *out, const crdt_batch *batch)
{
    static const char *const kinds[] = {"add", "remove", "set", "unset"};
    const crdt_version deps = {.stamps = (crdt_stamp *)(uintptr_t)batch->deps,
                               .stamp_count = batch->dep_count};
    put_actor(out, &batch->actor);
    put(out, " ");
    put_version(out, &deps);
    put(out, " ");
    word_list list = list_open();
    crdt_stamp stamp = {.time = crdt_batch_first_time(batch), .actor = batch->actor};
    for (size_t i = 0; i < batch->op_count; i++, stamp.time++) {
        const crdt_op *op = &batch->ops[i];
        list_next(&list);
        put(&list.text, "%s:", kinds[op->kind]);
        put_key(&list.text, &op->key);
        put(&list.text, ":");
        if (op->kind == CRDT_OP_SET) {
            put_value(&list.text, op->value);
        } else {
            put(&list.text, "-");
        }
        put(&list.text, ":");
        put_stamp(&list.text, &stamp);
    }
    list_close(&list, out);
}

static void do_commit(char **words, bool housekeeping)
{
    thing *replica = find_thing(words[1], REPLICA);
    const crdt_edit edit = {.actor = replica->actor, .who = crdt_span_of("ann")};
    crdt_batch batch;
    crdt_diag diag = {0};
    crdt_err err = housekeeping
                       ? crdt_document_housekeep(replica->doc, &edit, NULL, &w.arena,
                                                 &batch, &diag)
                       : crdt_document_commit(replica->doc, &edit, w.ops, w.op_count,
                                              &w.arena, &batch, &diag);
    w.op_count = 0;
    if (strcmp(words[2], "-") == 0) {
        if (err != CRDT_ENOTHING) {
            fail("commit gave %s, should say nothing", crdt_err_name(err));
        }
        return;
    }
    must(err, "commit");
    crdt_buf_clear(&w.batch_text);
    put_batch(&w.batch_text, &batch);
    must(crdt_batch_encode(&batch, NULL, &make_thing(words[2], BATCH)->bytes),
         "encode");
}

static void expect(const crdt_buf *got, const char *wanted, const char *what)
{
    if (got->size != strlen(wanted) || memcmp(got->data, wanted, got->size) != 0) {
        fail("%s\n  is        %.*s\n  should be %s", what, (int)got->size,
             (const char *)got->data, wanted);
    }
}

static void do_apply(char **words)
{
    thing *replica = find_thing(words[1], REPLICA);
    thing *bytes = find_thing(words[2], BATCH);
    crdt_batch batch;
    crdt_diag diag;
    must(crdt_batch_decode(crdt_buf_span(&bytes->bytes), NULL, &w.arena, &batch, &diag),
         "decode");
    crdt_err err = crdt_document_apply(replica->doc, &batch, &diag);
    crdt_err wanted = strcmp(words[3], "ok") == 0    ? CRDT_OK
                      : strcmp(words[3], "dup") == 0 ? CRDT_EDUPLICATE
                                                     : CRDT_EGAP;
    if (err != wanted) {
        fail("apply gave %s, should be %s", crdt_err_name(err), words[3]);
    }
}

static void do_answer(char **words)
{
    thing *replica = find_thing(words[1], REPLICA);
    thing *answer = make_thing(words[2], ANSWER);
    crdt_version since = version_of(words[3]);
    must(crdt_document_answer(replica->doc, &since, NULL, &answer->bytes), "answer");
    crdt_version_deinit(&since);
    answer_content content;
    content_init(&content);
    content_read(&content, crdt_buf_span(&answer->bytes));
    crdt_buf_clear(&w.answer_text);
    const crdt_buf *parts[] = {&content.head, &content.floor, &content.below,
                               &content.entries, &content.log};
    for (size_t i = 0; i < 5; i++) {
        put(&w.answer_text, i > 0 ? " " : "");
        put_span(&w.answer_text, crdt_buf_span(parts[i]));
    }
    content_deinit(&content);
}

static void do_merge(char **words)
{
    thing *replica = find_thing(words[1], REPLICA);
    thing *answer = find_thing(words[2], ANSWER);
    crdt_diag diag;
    bool news = false;
    crdt_version before;
    crdt_version_init(&before, w.alloc);
    must(crdt_version_copy(&before, crdt_document_version(replica->doc)), "version");
    crdt_err err = crdt_document_merge(replica->doc, crdt_buf_span(&answer->bytes),
                                       NULL, &news, &diag);
    if (err != (strcmp(words[3], "ok") == 0 ? CRDT_OK : CRDT_ESTALE)) {
        fail("merge gave %s, should be %s", crdt_err_name(err), words[3]);
    }
    const crdt_version *after = crdt_document_version(replica->doc);
    crdt_order order = crdt_version_compare(&before, after);
    if (order != (news ? CRDT_BEFORE : CRDT_EQUAL)) {
        fail("the version did not grow, or news is wrong");
    }
    crdt_version_deinit(&before);
}

static void do_restore(char **words)
{
    thing *replica = find_thing(words[1], REPLICA);
    crdt_diag diag;
    crdt_document_close(replica->doc);
    replica->doc = open_document();
    replica->actor = actor_of(words[3]);
    must(crdt_document_merge(replica->doc,
                             crdt_buf_span(&find_thing(words[2], COPY)->bytes), NULL,
                             NULL, &diag),
         "restore");
}

/* Equal versions, equal digests: over all replicas and all steps of the run. */
static void check_digest(const crdt_document *doc)
{
    const crdt_version *version = crdt_document_version(doc);
    const crdt_digest key = crdt_digest_version(version);
    const crdt_digest digest = crdt_document_digest(doc);
    for (size_t i = 0; i < w.seen_count; i++) {
        if (crdt_digest_equal(w.seen[i].version, key)) {
            if (!crdt_digest_equal(w.seen[i].digest, digest)) {
                fail("equal versions, different digests");
            }
            return;
        }
    }
    if (w.seen_count == w.seen_capacity) {
        w.seen_capacity = w.seen_capacity == 0 ? 256 : w.seen_capacity * 2;
        w.seen = realloc(w.seen, w.seen_capacity * sizeof *w.seen);
    }
    w.seen[w.seen_count++] = (seen_state){.version = key, .digest = digest};
}

static void check_state(char **words)
{
    const crdt_document *doc = find_thing(words[1], REPLICA)->doc;
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    put_version(&text, crdt_document_version(doc));
    expect(&text, words[2], "version");
    crdt_buf_clear(&text);
    char wanted[16384];
    snprintf(wanted, sizeof wanted, "%s %s", words[3], words[4]);
    put_document(doc, &text);
    expect(&text, wanted, "state");

    crdt_buf full;
    crdt_buf_init(&full, w.alloc);
    must(crdt_document_answer_full(doc, NULL, &full), "full answer");
    answer_content content;
    content_init(&content);
    content_read(&content, crdt_buf_span(&full));
    expect(&content.entries, wanted, "saved state");
    expect(&content.log, words[5], "log");
    expect(&content.floor, words[6], "floor");
    content_deinit(&content);
    crdt_buf_deinit(&full);
    crdt_buf_deinit(&text);
    if (!crdt_document_check(doc)) {
        fail("an invariant of the document is broken");
    }
    check_digest(doc);
}

static void end_run(void)
{
    for (size_t i = 0; i < w.thing_count; i++) {
        if (w.things[i].kind != NOTHING) {
            crdt_document_close(w.things[i].doc);
            crdt_buf_deinit(&w.things[i].bytes);
        }
    }
    memset(w.things, 0, w.thing_count * sizeof *w.things);
    w.thing_count = 0;
    w.seen_count = 0;
    w.op_count = 0;
    crdt_arena_deinit(&w.arena);
    if (!fault_alloc_balanced(&w.fault)) {
        fail("%zu blocks of memory were not given back", w.fault.live_count);
    }
}

/* Those that say what must have come out: false if the line is an event. */
static bool check_outcome(char **words, char *rest)
{
    if (strcmp(words[0], "state") == 0) {
        check_state(words);
    } else if (strcmp(words[0], "batch") == 0) {
        expect(&w.batch_text, rest, "batch");
    } else if (strcmp(words[0], "content") == 0) {
        expect(&w.answer_text, rest, "answer");
    } else {
        return false;
    }
    return true;
}

static void do_store(char **words)
{
    if (strcmp(words[0], "save") == 0) {
        must(crdt_document_answer_full(find_thing(words[1], REPLICA)->doc, NULL,
                                       &make_thing(words[2], COPY)->bytes),
             "save");
    } else if (strcmp(words[0], "restore") == 0) {
        do_restore(words);
    } else if (strcmp(words[0], "trim") == 0) {
        crdt_document_trim_log(find_thing(words[1], REPLICA)->doc,
                               strtoul(words[2], NULL, 10));
    } else {
        fail("unknown word %s", words[0]);
    }
}

static void do_event(char **words, size_t count)
{
    if (strcmp(words[0], "replica") == 0) {
        thing *replica = make_thing(words[1], REPLICA);
        replica->actor = actor_of(words[2]);
        replica->doc = open_document();
    } else if (strcmp(words[0], "op") == 0) {
        do_op(words, count);
    } else if (strcmp(words[0], "commit") == 0) {
        do_commit(words, false);
    } else if (strcmp(words[0], "housekeep") == 0) {
        do_commit(words, true);
    } else if (strcmp(words[0], "apply") == 0) {
        do_apply(words);
    } else if (strcmp(words[0], "answer") == 0) {
        do_answer(words);
    } else if (strcmp(words[0], "merge") == 0) {
        do_merge(words);
    } else {
        do_store(words);
    }
}

static bool replay_line(char *line)
{
    w.line++;
    char whole[32768];
    snprintf(whole, sizeof whole, "%s", line);
    char *rest = strchr(whole, ' ');
    char *words[WORDS_MAX] = {0};
    size_t count = 0;
    char *next = NULL;
    for (char *word = strtok_r(line, " ", &next); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &next)) {
        words[count++] = word;
    }
    if (strcmp(words[0], "run") == 0) {
        w.seed = strtoul(words[1], NULL, 10);
        w.line = 1;
    } else if (strcmp(words[0], "end") == 0) {
        end_run();
        return true;
    } else if (strcmp(words[0], "failed") == 0) {
        fail("the model itself failed: %s", rest);
    } else if (!check_outcome(words, rest == NULL ? whole : rest + 1)) {
        do_event(words, count);
    }
    return false;
}

int main(int argc, char **argv)
{
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS_DEFAULT;
    unsigned long first = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (system("python3 -c '' 2>/dev/null") != 0) {
        puts("skipped: there is no python3 to run the model");
        return 77;
    }
    char command[128];
    snprintf(command, sizeof command, "python3 tests/model/document.py --trace %lu %lu",
             runs, first);
    FILE *trace = popen(command, "r");
    if (trace == NULL) {
        perror(command);
        return 1;
    }
    w.alloc = fault_alloc_init(&w.fault);
    crdt_arena_init(&w.arena, w.alloc);
    w.things = calloc(THINGS_MAX, sizeof *w.things);
    w.ops = calloc(THINGS_MAX, sizeof *w.ops);
    crdt_buf_init(&w.batch_text, crdt_alloc_default());
    crdt_buf_init(&w.answer_text, crdt_alloc_default());
    static char line[32768];
    unsigned long done = 0;
    while (fgets(line, sizeof line, trace) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        done += replay_line(line);
    }
    bool complete = pclose(trace) == 0 && done == runs;
    printf("%lu runs agree with the model%s\n", done,
           complete ? "" : ", but the trace ended early");
    crdt_buf_deinit(&w.batch_text);
    crdt_buf_deinit(&w.answer_text);
    free(w.things);
    free(w.ops);
    free(w.seen);
    return complete ? 0 : 1;
}
