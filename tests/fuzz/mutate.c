#include "tests/fuzz/mutate.h"
#include "tests/support/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- dictionaries ---- */

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c | 32);
    return at == NULL ? -1 : (int)(at - digits);
}

/* The text between the first and the last quote of `line`, unescaped in place. */
static bool unquote(char *line, crdt_span *word)
{
    char *from = strchr(line, '"');
    char *end = strrchr(line, '"');
    if (from == NULL || end == from) {
        return false;
    }
    char *to = ++from;
    word->data = (const uint8_t *)to;
    while (from < end) {
        if (*from != '\\') {
            *to++ = *from++;
        } else if (from[1] == 'x' && hex_value(from[2]) >= 0 &&
                   hex_value(from[3]) >= 0) {
            *to++ = (char)(hex_value(from[2]) << 4 | hex_value(from[3]));
            from += 4;
        } else {
            *to++ = from[1];
            from += 2;
        }
    }
    word->size = (size_t)(to - (const char *)word->data);
    return word->size > 0;
}

static void keep(mutate_words *words, crdt_span word)
{
    uint8_t *copy = malloc(word.size);
    crdt_span *grown = realloc(words->words, (words->count + 1) * sizeof *words->words);
    if (copy == NULL || grown == NULL) {
        abort();
    }
    memcpy(copy, word.data, word.size);
    words->words = grown;
    words->words[words->count++] = (crdt_span){copy, word.size};
}

bool mutate_words_open(mutate_words *words, const char *path)
{
    *words = (mutate_words){.count = 0};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return false;
    }
    char line[4096];
    bool good = true;
    while (good && fgets(line, sizeof line, file) != NULL) {
        crdt_span word;
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        good = unquote(line, &word);
        if (good) {
            keep(words, word);
        } else {
            fprintf(stderr, "%s: no word: %s", path, line);
        }
    }
    fclose(file);
    return good;
}

void mutate_words_close(mutate_words *words)
{
    for (size_t i = 0; i < words->count; i++) {
        free((void *)(uintptr_t)words->words[i].data);
    }
    free(words->words);
    *words = (mutate_words){.count = 0};
}

/* ---- a run of bytes replaced by another ---- */

/* Where a change takes place: `size` bytes at `at`. */
typedef struct run {
    size_t at;
    size_t size;
} run;

static void need(crdt_err err)
{
    if (err != CRDT_OK) {
        abort();
    }
}

/* Put `bytes`, which do not lie in `out`, in place of the run. */
static void replace(crdt_buf *out, run where, crdt_span bytes)
{
    size_t rest = out->size - where.at - where.size;
    need(crdt_buf_reserve(out, bytes.size));
    memmove(out->data + where.at + bytes.size, out->data + where.at + where.size, rest);
    if (bytes.size > 0) {
        memcpy(out->data + where.at, bytes.data, bytes.size);
    }
    out->size = where.at + bytes.size + rest;
}

/* Any run: mostly short. */
static run pick_run(gen *g, size_t size)
{
    size_t at = gen_below(g, size + 1);
    size_t left = size - at;
    size_t longest = gen_chance(g, 80) ? 16 : 4096;
    return (run){at, left == 0 ? 0 : 1 + gen_below(g, left < longest ? left : longest)};
}

static crdt_span copy_of(gen *g, const uint8_t *data, size_t size)
{
    uint8_t *copy = crdt_arena_alloc(g->arena, size);
    if (copy == NULL) {
        abort();
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return (crdt_span){copy, size};
}

/* ---- items ---- */

/* From `at` to the bracket or quote that ends what begins there. */
static size_t text_item(crdt_span text, size_t at)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = at; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return i - at;
            }
            depth--;
        } else if (depth == 0 && (c == ',' || c == ':' || c == '\n' || c == '&')) {
            return i == at ? 1 : i - at;
        }
        if (depth == 0 && !quoted && (c == '"' || c == '}' || c == ']')) {
            return i + 1 - at;
        }
    }
    return text.size - at;
}

static uint64_t big_end(const uint8_t *data, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | data[i];
    }
    return number;
}

/* Bytes of the token at `at` with its body; *below: how many items it holds. */
static size_t token_size(crdt_span bytes, size_t at, uint64_t *below)
{
    /* c0 .. df: bytes of a number or of a size that follow; and what they are */
    static const uint8_t follow[32] = {0, 0, 0, 0, 1, 2, 4, 0, 0, 0, 4, 8, 1, 2, 4, 8,
                                       1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
    uint8_t tag = bytes.data[at];
    size_t left = bytes.size - at - 1;
    *below = 0;
    if (tag < 0x80 || tag >= 0xe0) {
        return 1;
    }
    if (tag < 0xc0) {
        *below = tag < 0x90 ? 2u * (tag & 15u) : tag < 0xa0 ? tag & 15u : 0;
        return 1 + (tag >= 0xa0 ? tag & 31u : 0);
    }
    size_t size = follow[tag - 0xc0];
    if (size > left) {
        return 1;
    }
    uint64_t number = big_end(bytes.data + at + 1, size);
    bool sized = (tag >= 0xc4 && tag <= 0xc6) || (tag >= 0xd9 && tag <= 0xdb);
    *below = tag >= 0xde ? 2 * number : tag >= 0xdc ? number : 0;
    return 1 + size + (sized && number <= left ? (size_t)number : 0);
}

static size_t byte_item(crdt_span bytes, size_t at)
{
    size_t from = at;
    uint64_t open = 1;
    while (open > 0 && at < bytes.size && at - from < 4096) {
        uint64_t below;
        at += token_size(bytes, at, &below);
        open += (below < 4096 ? below : 4096) - 1;
    }
    return (at < bytes.size ? at : bytes.size) - from;
}

static bool is_text(crdt_span bytes)
{
    size_t control = 0;
    for (size_t i = 0; i < bytes.size && i < 64; i++) {
        control += bytes.data[i] < 9 || (bytes.data[i] > 13 && bytes.data[i] < 32) ||
                   bytes.data[i] > 126;
    }
    return control <= 2;
}

static run pick_item(gen *g, crdt_span bytes)
{
    if (bytes.size == 0) {
        return (run){0, 0};
    }
    size_t at = gen_below(g, bytes.size);
    if (is_text(bytes)) {
        /* Begin where something begins: after a bracket, a comma, a colon. */
        for (size_t i = 0; i < 64 && at > 0; i++) {
            if (strchr("{[,:\n&", bytes.data[at - 1]) != NULL && bytes.data[at - 1]) {
                break;
            }
            at--;
        }
        return (run){at, text_item(bytes, at)};
    }
    return (run){at, byte_item(bytes, at)};
}

/* ---- the changes ---- */

typedef void (*change)(gen *g, const mutate_source *source, crdt_buf *out);

static crdt_span pick_input(gen *g, const mutate_source *source)
{
    bool good = source->good_count > 0 && gen_chance(g, 50);
    return source
        ->inputs[gen_below(g, good ? source->good_count : source->input_count)];
}

static void flip_bit(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    if (out->size > 0) {
        out->data[gen_below(g, out->size)] ^= (uint8_t)(1u << gen_below(g, 8));
    }
}

static void set_byte(gen *g, const mutate_source *source, crdt_buf *out)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                      0xbf, 0xc0, 0xc2, 0xc3, 0xc4, 0xc6, 0xca, 0xcb,
                                      0xcc, 0xcd, 0xce, 0xcf, 0xd3, 0xd9, 0xda, 0xdb,
                                      0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, ' ',  '\n',
                                      '"',  '\\', '/',  ':',  ',',  '{',  '[',  '-'};
    (void)source;
    if (out->size > 0) {
        out->data[gen_below(g, out->size)] = gen_chance(g, 50)
                                                 ? telling[gen_below(g, sizeof telling)]
                                                 : (uint8_t)gen_next(g);
    }
}

static void step_byte(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    if (out->size > 0) {
        size_t at = gen_below(g, out->size);
        uint8_t step = (uint8_t)(1 + gen_below(g, 4));
        out->data[at] =
            (uint8_t)(gen_chance(g, 50) ? out->data[at] + step : out->data[at] - step);
    }
}

/* A number of 2, 4 or 8 bytes that somebody may trip over, either end first. */
static void set_number(gen *g, const mutate_source *source, crdt_buf *out)
{
    static const uint64_t telling[] = {0,
                                       1,
                                       0x7f,
                                       0x80,
                                       0xff,
                                       0x100,
                                       0x7fff,
                                       0xffff,
                                       0x7fffffff,
                                       0xffffffff,
                                       UINT64_C(0xffffffffffff),
                                       UINT64_C(0x1000000000000),
                                       UINT64_C(1) << 53,
                                       UINT64_MAX / 2,
                                       UINT64_MAX};
    (void)source;
    size_t size = (size_t)2 << gen_below(g, 3);
    if (out->size < size) {
        return;
    }
    uint64_t number =
        telling[gen_below(g, sizeof telling / sizeof telling[0])] - gen_below(g, 3);
    size_t at = gen_below(g, out->size - size + 1);
    bool big = gen_chance(g, 60);
    for (size_t i = 0; i < size; i++) {
        out->data[at + (big ? size - 1 - i : i)] = (uint8_t)(number >> 8 * i);
    }
}

static void erase_run(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    replace(out, pick_run(g, out->size), (crdt_span){NULL, 0});
}

static void insert_noise(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    uint8_t noise[16];
    size_t size = 1 + gen_below(g, sizeof noise);
    for (size_t i = 0; i < size; i++) {
        noise[i] = (uint8_t)gen_next(g);
    }
    replace(out, (run){gen_below(g, out->size + 1), 0}, (crdt_span){noise, size});
}

/* A run again and again: deep nesting, long lists. */
static void repeat_run(gen *g, const mutate_source *source, crdt_buf *out)
{
    run from =
        gen_chance(g, 50) ? pick_run(g, out->size) : pick_item(g, crdt_buf_span(out));
    size_t times = gen_chance(g, 90) ? 1 + gen_below(g, 3) : 1 + gen_below(g, 300);
    crdt_span copy = copy_of(g, out->data + from.at, from.size);
    for (size_t i = 0; i < times && out->size + copy.size <= source->size_max; i++) {
        replace(out, (run){from.at, 0}, copy);
    }
}

static void copy_run(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    run from = pick_run(g, out->size);
    run to = pick_run(g, out->size);
    replace(out, to, copy_of(g, out->data + from.at, from.size));
}

static void put_word(gen *g, const mutate_source *source, crdt_buf *out)
{
    if (source->words == NULL || source->words->count == 0) {
        set_number(g, source, out);
        return;
    }
    crdt_span word = source->words->words[gen_below(g, source->words->count)];
    size_t at = gen_below(g, out->size + 1);
    size_t left = out->size - at;
    size_t over = gen_chance(g, 50) ? 0 : word.size < left ? word.size : left;
    run where = {at, over};
    if (gen_chance(g, 50)) {
        where = pick_item(g, crdt_buf_span(out));
    }
    replace(out, where, word);
}

/* The beginning of this, the end of another. */
static void splice(gen *g, const mutate_source *source, crdt_buf *out)
{
    crdt_span other = pick_input(g, source);
    size_t at = gen_below(g, out->size + 1);
    size_t from =
        gen_chance(g, 50) && at <= other.size ? at : gen_below(g, other.size + 1);
    replace(out, (run){at, out->size - at},
            (crdt_span){other.data + from, other.size - from});
}

static void drop_item(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    replace(out, pick_item(g, crdt_buf_span(out)), (crdt_span){NULL, 0});
}

/* An item by one of this or of another input. */
static void replace_item(gen *g, const mutate_source *source, crdt_buf *out)
{
    crdt_span other = gen_chance(g, 50) ? pick_input(g, source) : crdt_buf_span(out);
    run from = pick_item(g, other);
    crdt_span item = copy_of(g, other.data + from.at, from.size);
    replace(out, pick_item(g, crdt_buf_span(out)), item);
}

/* The digits at some place by another number. */
static void replace_digits(gen *g, const mutate_source *source, crdt_buf *out)
{
    static const char *const numbers[] = {"0",          "-1",
                                          "-0",         "1",
                                          "255",        "65536",
                                          "1e9",        "0.1",
                                          "1e-7",       "4294967295",
                                          "4294967296", "9007199254740993",
                                          "1e308",      "1e400",
                                          "5e-324",     "18446744073709551616",
                                          "2147483648", "-2147483649",
                                          "00",         "1.",
                                          "512",        "0.30000000000000004"};
    size_t at = out->size == 0 ? 0 : gen_below(g, out->size);
    for (size_t i = 0; i < out->size; i++, at = (at + 1) % out->size) {
        if (out->data[at] >= '0' && out->data[at] <= '9') {
            size_t end = at;
            while (end < out->size && out->data[end] >= '0' && out->data[end] <= '9') {
                end++;
            }
            const char *text =
                numbers[gen_below(g, sizeof numbers / sizeof numbers[0])];
            replace(out, (run){at, end - at}, crdt_span_of(text));
            return;
        }
    }
    set_number(g, source, out);
}

static void cut(gen *g, const mutate_source *source, crdt_buf *out)
{
    (void)source;
    out->size = gen_below(g, out->size + 1);
}

void mutate_make(const mutate_source *source, uint64_t seed, uint64_t number,
                 crdt_buf *out)
{
    static const change changes[] = {
        flip_bit,  flip_bit,   set_byte,     set_byte,     step_byte,     set_number,
        erase_run, copy_run,   put_word,     put_word,     insert_noise,  splice,
        drop_item, repeat_run, replace_item, replace_item, replace_digits};
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    gen g = gen_open(seed * UINT64_C(0x9e3779b97f4a7c15) + number, &arena);
    g.state = gen_next(&g); /* neighbours are not shifts of one another */
    crdt_buf_clear(out);
    need(crdt_buf_append_span(out, pick_input(&g, source)));
    uint64_t count = gen_chance(&g, 60) ? 1 : 1 + gen_below(&g, 6);
    for (uint64_t i = 0; i < count; i++) {
        changes[gen_below(&g, sizeof changes / sizeof changes[0])](&g, source, out);
    }
    if (gen_chance(&g, 3)) {
        cut(&g, source, out);
    }
    out->size = out->size < source->size_max ? out->size : source->size_max;
    crdt_arena_deinit(&arena);
}
