#include "tests/support/script.h"

#include "crdt/answer.h"
#include "crdt/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX 4096

static void must(crdt_err err, const char *what)
{
    if (err != CRDT_OK) {
        fprintf(stderr, "script: %s: %s\n", what, crdt_err_text(err));
        abort();
    }
}

crdt_document *script_open(void)
{
    return script_open_with(crdt_alloc_default());
}

crdt_document *script_open_with(crdt_alloc alloc)
{
    crdt_document_options options = crdt_document_options_default();
    options.alloc = alloc;
    crdt_document *doc;
    must(crdt_document_open(&doc, &options), "open");
    return doc;
}

crdt_actor script_actor(unsigned number)
{
    crdt_actor actor = {{0}};
    actor.bytes[15] = (uint8_t)number;
    return actor;
}

static crdt_span span_between(const char *from, const char *to)
{
    return (crdt_span){.data = (const uint8_t *)from, .size = (size_t)(to - from)};
}

static crdt_key key_between(const char *from, const char *to)
{
    crdt_key key = {.depth = CRDT_OBJECT};
    const char *dot = memchr(from, '.', (size_t)(to - from));
    key.object = span_between(from, dot == NULL ? to : dot);
    if (dot != NULL) {
        const char *second = memchr(dot + 1, '.', (size_t)(to - dot - 1));
        key.depth = second == NULL ? CRDT_PART : CRDT_FIELD;
        key.part = span_between(dot + 1, second == NULL ? to : second);
        key.field = second == NULL ? (crdt_span){0} : span_between(second + 1, to);
    }
    return key;
}

crdt_key script_key(const char *text)
{
    return key_between(text, text + strlen(text));
}

static void write_value(crdt_buf *out, crdt_span word)
{
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)word.size, (const char *)word.data);
    char *end;
    long number = strtol(text, &end, 10);
    must(*end == '\0' && end != text ? crdt_value_write_integer(out, number)
                                     : crdt_value_write_string(out, word),
         "value");
}

/* The next word of a script; its end is at a blank, a semicolon or the end. */
static crdt_span next_word(const char **at)
{
    while (**at == ' ') {
        (*at)++;
    }
    const char *from = *at;
    while (**at != ' ' && **at != ';' && **at != '\0') {
        (*at)++;
    }
    return span_between(from, *at);
}

static crdt_op parse_op(const char **at, crdt_arena *arena)
{
    static const char *const kinds[] = {"add", "remove", "set", "unset"};
    crdt_op op = {.kind = CRDT_OP_ADD};
    crdt_span word = next_word(at);
    for (size_t i = 0; i < 4; i++) {
        if (crdt_span_equal(word, crdt_span_of(kinds[i]))) {
            op.kind = (crdt_op_kind)i;
        }
    }
    word = next_word(at);
    op.key = key_between((const char *)word.data, (const char *)word.data + word.size);
    if (op.kind == CRDT_OP_SET) {
        crdt_buf value = script_buf();
        write_value(&value, next_word(at));
        uint8_t *copy = crdt_arena_alloc(arena, value.size);
        memcpy(copy, value.data, value.size);
        op.value = (crdt_span){.data = copy, .size = value.size};
        crdt_buf_deinit(&value);
    }
    while (**at == ' ' || **at == ';') {
        (*at)++;
    }
    return op;
}

static void encode(const crdt_batch *batch, crdt_buf *out)
{
    if (out != NULL) {
        crdt_buf_clear(out);
        must(crdt_batch_encode(batch, NULL, out), "encode");
    }
}

crdt_err script_commit(crdt_document *doc, const crdt_edit *edit, const char *text,
                       crdt_buf *out)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    static crdt_op ops[OPS_MAX];
    size_t count = 0;
    while (*text != '\0' && count < OPS_MAX) {
        ops[count++] = parse_op(&text, &arena);
    }
    crdt_batch batch;
    crdt_err err = crdt_document_commit(doc, edit, ops, count, &arena, &batch, NULL);
    if (err == CRDT_OK) {
        encode(&batch, out);
    }
    crdt_arena_deinit(&arena);
    return err;
}

crdt_err script_edit(crdt_document *doc, unsigned actor, const char *text,
                     crdt_buf *out)
{
    char who[16];
    snprintf(who, sizeof who, "person %u", actor);
    const crdt_edit edit = {
        .actor = script_actor(actor), .who = crdt_span_of(who), .wall_ms = 1};
    return script_commit(doc, &edit, text, out);
}

crdt_err script_housekeep(crdt_document *doc, unsigned actor, const crdt_version *shown,
                          crdt_buf *out)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    const crdt_edit edit = {.actor = script_actor(actor)};
    crdt_batch batch;
    crdt_err err = crdt_document_housekeep(doc, &edit, shown, &arena, &batch, NULL);
    if (err == CRDT_OK) {
        encode(&batch, out);
    }
    crdt_arena_deinit(&arena);
    return err;
}

crdt_err script_apply(crdt_document *doc, const crdt_buf *bytes)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    must(crdt_batch_decode(crdt_buf_span(bytes), NULL, &arena, &batch, NULL), "decode");
    crdt_err err = crdt_document_apply(doc, &batch, NULL);
    crdt_arena_deinit(&arena);
    return err;
}

crdt_err script_pull(crdt_document *to, const crdt_document *from)
{
    crdt_buf answer = script_buf();
    must(crdt_document_answer(from, crdt_document_version(to), NULL, &answer),
         "answer");
    crdt_err err = crdt_document_merge(to, crdt_buf_span(&answer), NULL, NULL, NULL);
    crdt_buf_deinit(&answer);
    return err;
}

bool script_shows(const crdt_document *doc, const char *key, const char *value)
{
    const crdt_key field = script_key(key);
    crdt_span shown;
    bool some = crdt_document_get(doc, &field, &shown);
    if (!some || strcmp(value, "-") == 0) {
        return !some && strcmp(value, "-") == 0;
    }
    crdt_buf wanted = script_buf();
    write_value(&wanted, crdt_span_of(value));
    bool equal = crdt_span_equal(shown, crdt_buf_span(&wanted));
    crdt_buf_deinit(&wanted);
    return equal;
}

bool script_live(const crdt_document *doc, const char *key)
{
    const crdt_key element = script_key(key);
    return crdt_document_live(doc, &element);
}

size_t script_count(const crdt_document *doc, const char *text)
{
    const crdt_key key = script_key(text);
    crdt_object object = crdt_document_find_object(doc, key.object);
    crdt_part part = crdt_document_find_part(doc, object, key.part);
    crdt_field field = crdt_document_find_field(doc, part, key.field);
    crdt_entry entry;
    size_t count = 0;
    while (key.depth == CRDT_OBJECT
               ? crdt_document_object_dot(doc, object, count, &entry)
           : key.depth == CRDT_PART
               ? crdt_document_part_dot(doc, part, count, &entry)
               : crdt_document_field_value(doc, field, count, &entry)) {
        count++;
    }
    return count;
}

bool script_equal(const crdt_document *a, const crdt_document *b)
{
    crdt_buf x = script_buf();
    crdt_buf y = script_buf();
    must(crdt_document_answer_full(a, NULL, &x), "answer");
    must(crdt_document_answer_full(b, NULL, &y), "answer");
    bool equal = crdt_span_equal(crdt_buf_span(&x), crdt_buf_span(&y)) &&
                 crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(b)) &&
                 crdt_document_check(a) && crdt_document_check(b);
    crdt_buf_deinit(&x);
    crdt_buf_deinit(&y);
    return equal;
}

/* A copy without a log: its state written out again is the same for equal states. */
static crdt_document *copy_state(const crdt_document *doc)
{
    crdt_buf bytes = script_buf();
    must(crdt_document_answer_full(doc, NULL, &bytes), "answer");
    crdt_document *copy = script_open();
    must(crdt_document_merge(copy, crdt_buf_span(&bytes), NULL, NULL, NULL), "merge");
    crdt_buf_deinit(&bytes);
    return copy;
}

static bool next_item(crdt_answer_reader *reader, crdt_answer_item *item)
{
    do {
        must(crdt_answer_read_next(reader, item), "item");
    } while (item->type == CRDT_ANSWER_LOG);
    return item->type != CRDT_ANSWER_END;
}

static bool same_items(crdt_span a, crdt_span b)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_answer_reader x;
    crdt_answer_reader y;
    must(crdt_answer_read_open(&x, a, &arena, NULL), "read");
    must(crdt_answer_read_open(&y, b, &arena, NULL), "read");
    bool same = true;
    crdt_answer_item i;
    crdt_answer_item j;
    while (same && next_item(&x, &i)) {
        same = next_item(&y, &j) && i.type == j.type &&
               crdt_key_equal(&i.key, &j.key) &&
               (i.type != CRDT_ANSWER_ENTRY ||
                (crdt_stamp_compare(&i.stamp, &j.stamp) == 0 &&
                 crdt_span_equal(i.who, j.who) && crdt_span_equal(i.value, j.value)));
    }
    same = same && !next_item(&y, &j);
    crdt_arena_deinit(&arena);
    return same;
}

bool script_same_state(const crdt_document *a, const crdt_document *b)
{
    if (crdt_version_compare(crdt_document_version(a), crdt_document_version(b)) !=
        CRDT_EQUAL) {
        return false;
    }
    crdt_document *copy = copy_state(a);
    crdt_buf x = script_buf();
    crdt_buf y = script_buf();
    must(crdt_document_answer_full(copy, NULL, &x), "answer");
    must(crdt_document_answer_full(b, NULL, &y), "answer");
    bool same =
        same_items(crdt_buf_span(&x), crdt_buf_span(&y)) &&
        crdt_digest_equal(crdt_document_digest(copy), crdt_document_digest(b)) &&
        crdt_digest_equal(crdt_document_digest(a), crdt_document_digest(b)) &&
        crdt_document_check(a) && crdt_document_check(b);
    crdt_buf_deinit(&x);
    crdt_buf_deinit(&y);
    crdt_document_close(copy);
    return same;
}

script_pair script_meet(const char *base, const char *at_a, const char *at_b)
{
    script_pair pair = {script_open(), script_open()};
    crdt_buf x = script_buf();
    crdt_buf y = script_buf();
    must(script_edit(pair.a, 9, base, NULL), "base");
    must(script_pull(pair.b, pair.a), "pull");
    must(script_edit(pair.a, 1, at_a, &x), at_a);
    must(script_edit(pair.b, 2, at_b, &y), at_b);
    must(script_apply(pair.a, &y), "apply");
    must(script_apply(pair.b, &x), "apply");
    must(script_same_state(pair.a, pair.b) ? CRDT_OK : CRDT_EFORK, "two states");
    crdt_buf_deinit(&x);
    crdt_buf_deinit(&y);
    return pair;
}

void script_pair_close(script_pair pair)
{
    crdt_document_close(pair.a);
    crdt_document_close(pair.b);
}

crdt_buf script_buf(void)
{
    crdt_buf buf;
    crdt_buf_init(&buf, crdt_alloc_default());
    return buf;
}
