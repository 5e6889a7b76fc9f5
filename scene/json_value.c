#include "scene/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/value.h"

#define SORT_ON_STACK 32

const scene_json_node *scene_json_find_text(const scene_json_node *node, crdt_span key)
{
    if (node == NULL || node->type != SCENE_JSON_OBJECT) {
        return NULL;
    }
    const scene_json_node *member = node + 1;
    for (uint32_t i = 0; i < node->count; i++) {
        if (crdt_span_equal(scene_json_text(member), key)) {
            return member + 1;
        }
        member = scene_json_next(member + 1);
    }
    return NULL;
}

const scene_json_node *scene_json_find(const scene_json_node *node, const char *key)
{
    return node == NULL ? NULL : scene_json_find_text(node, crdt_span_of(key));
}

/* ---- nodes -> canonical values ---- */

static int compare_keys(const scene_json_node *a, const scene_json_node *b)
{
    return crdt_value_key_compare(scene_json_text(a), scene_json_text(b));
}

static int compare_key_pointers(const void *a, const void *b)
{
    return compare_keys(*(const scene_json_node *const *)a,
                        *(const scene_json_node *const *)b);
}

static crdt_err encode_member(const scene_json_node *key, crdt_alloc alloc,
                              crdt_buf *out)
{
    crdt_err err = crdt_value_write_string(out, scene_json_text(key));
    return err != CRDT_OK ? err : scene_json_encode(key + 1, alloc, out);
}

static crdt_err encode_sorted(const scene_json_node *object, crdt_alloc alloc,
                              const scene_json_node **keys, crdt_buf *out)
{
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        keys[i] = key;
        key = scene_json_next(key + 1);
    }
    qsort(keys, object->count, sizeof(keys[0]), compare_key_pointers);
    for (uint32_t i = 0; i < object->count; i++) {
        crdt_err err = encode_member(keys[i], alloc, out);
        if (err != CRDT_OK) {
            return err;
        }
    }
    return CRDT_OK;
}

static bool keys_ascend(const scene_json_node *object)
{
    const scene_json_node *key = object + 1;
    for (uint32_t i = 1; i < object->count; i++) {
        const scene_json_node *next = scene_json_next(key + 1);
        if (compare_keys(key, next) >= 0) {
            return false;
        }
        key = next;
    }
    return true;
}

static crdt_err encode_object(const scene_json_node *object, crdt_alloc alloc,
                              crdt_buf *out)
{
    crdt_err err = crdt_value_write_map(out, object->count);
    if (err != CRDT_OK) {
        return err;
    }
    if (keys_ascend(object)) {
        const scene_json_node *key = object + 1;
        for (uint32_t i = 0; i < object->count && err == CRDT_OK; i++) {
            err = encode_member(key, alloc, out);
            key = scene_json_next(key + 1);
        }
        return err;
    }
    const scene_json_node *few[SORT_ON_STACK];
    if (object->count <= SORT_ON_STACK) {
        return encode_sorted(object, alloc, few, out);
    }
    size_t size = object->count * sizeof(const scene_json_node *);
    const scene_json_node **keys = crdt_allocate(alloc, size);
    if (keys == NULL) {
        return CRDT_ENOMEM;
    }
    err = encode_sorted(object, alloc, keys, out);
    crdt_free(alloc, keys, size);
    return err;
}

/* Recursion is bounded by the depth the parser allowed. */
crdt_err scene_json_encode(const scene_json_node *node, crdt_alloc alloc, crdt_buf *out)
{
    switch ((scene_json_type)node->type) {
    case SCENE_JSON_NULL:
        return crdt_value_write_null(out);
    case SCENE_JSON_BOOL:
        return crdt_value_write_bool(out, node->boolean);
    case SCENE_JSON_NUMBER:
        return crdt_value_write_number(out, node->as.number);
    case SCENE_JSON_STRING:
        return crdt_value_write_string(out, scene_json_text(node));
    case SCENE_JSON_OBJECT:
        return encode_object(node, alloc, out);
    case SCENE_JSON_ARRAY:
        break;
    }
    crdt_err err = crdt_value_write_array(out, node->count);
    const scene_json_node *element = node + 1;
    for (uint32_t i = 0; i < node->count && err == CRDT_OK; i++) {
        err = scene_json_encode(element, alloc, out);
        element = scene_json_next(element);
    }
    return err;
}

crdt_err scene_json_to_value(crdt_span text, crdt_alloc alloc, crdt_buf *out,
                             crdt_diag *diag)
{
    scene_json *json = NULL;
    crdt_err err = scene_json_open(&json, alloc, text, NULL, diag);
    if (err != CRDT_OK) {
        return err;
    }
    size_t before = out->size;
    err = scene_json_encode(scene_json_root(json), alloc, out);
    if (err == CRDT_OK && out->size - before > CRDT_VALUE_SIZE_MAX) {
        out->size = before;
        err =
            scene_json_refuse(json, scene_json_root(json), diag, CRDT_ELIMIT,
                              "the value is larger than %u bytes", CRDT_VALUE_SIZE_MAX);
    }
    scene_json_close(json);
    return err;
}

/* ---- canonical values -> text ---- */

static const char *escape_of(uint8_t c, char buffer[7])
{
    static const char HEX[] = "0123456789abcdef";
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\t':
        return "\\t";
    case '\n':
        return "\\n";
    case '\f':
        return "\\f";
    case '\r':
        return "\\r";
    default:
        memcpy(buffer, "\\u00", 4);
        buffer[4] = HEX[c >> 4];
        buffer[5] = HEX[c & 15];
        buffer[6] = 0;
        return buffer;
    }
}

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte != '"' && byte != '\\';
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* The high bit of each byte that is `byte`, or else only of bytes above such a one. */
static uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
    uint64_t differs = word ^ (EACH_BYTE * byte);
    return (differs - EACH_BYTE) & ~differs;
}

/* Are eight bytes free of what must be escaped? */
static bool are_plain(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t low = (word - EACH_BYTE * 0x20) & ~word;
    return ((low | bytes_equal(word, '"') | bytes_equal(word, '\\')) &
            (EACH_BYTE << 7)) == 0;
}

/* How many bytes from `from` on need no escape. */
static size_t plain_prefix(crdt_span utf8, size_t from)
{
    size_t i = from;
    while (utf8.size - i >= 8 && are_plain(utf8.data + i)) {
        i += 8;
    }
    while (i < utf8.size && is_plain(utf8.data[i])) {
        i++;
    }
    return i - from;
}

static crdt_err write_escaped(crdt_span utf8, crdt_buf *out)
{
    size_t at = 0;
    while (at < utf8.size) {
        size_t plain = plain_prefix(utf8, at);
        crdt_err err = crdt_buf_append(out, utf8.data + at, plain);
        at += plain;
        if (err == CRDT_OK && at < utf8.size) {
            char buffer[7];
            const char *escape = escape_of(utf8.data[at++], buffer);
            err = crdt_buf_append(out, escape, strlen(escape));
        }
        if (err != CRDT_OK) {
            return err;
        }
    }
    return crdt_buf_append(out, "\"", 1);
}

crdt_err scene_json_write_string(crdt_span utf8, crdt_buf *out)
{
    crdt_err err = crdt_buf_reserve(out, utf8.size + 2);
    if (err != CRDT_OK) {
        return err;
    }
    out->data[out->size++] = '"';
    /* Copied as it is looked through: mostly there is nothing to escape. */
    uint8_t *to = out->data + out->size;
    size_t i = 0;
    for (; utf8.size - i >= 8 && are_plain(utf8.data + i); i += 8) {
        memcpy(to + i, utf8.data + i, 8);
    }
    for (; i < utf8.size && is_plain(utf8.data[i]); i++) {
        to[i] = utf8.data[i];
    }
    out->size += i;
    if (i < utf8.size) {
        return write_escaped((crdt_span){utf8.data + i, utf8.size - i}, out);
    }
    out->data[out->size++] = '"';
    return CRDT_OK;
}

/* A container that is being written. */
typedef struct open_container {
    uint32_t left; /* values (and keys) still to come */
    bool map;
    bool first;
} open_container;

/* The bytes that `put` has room for are there. */
static void put(crdt_buf *out, const char *text, size_t size)
{
    memcpy(out->data + out->size, text, size);
    out->size += size;
}

static void put_number(crdt_buf *out, double number)
{
    char *at = (char *)out->data + out->size;
    size_t size = scene_json_number_short(number, at);
    out->size += size > 0 ? size : scene_json_number_format(number, at);
}

static crdt_err write_token(const crdt_value_token *token, crdt_buf *out)
{
    switch (token->type) {
    case CRDT_VALUE_BOOL:
        put(out, token->boolean ? "true" : "false", token->boolean ? 4 : 5);
        return CRDT_OK;
    case CRDT_VALUE_NUMBER:
        put_number(out, token->number);
        return CRDT_OK;
    case CRDT_VALUE_STRING:
        return scene_json_write_string(token->string, out);
    case CRDT_VALUE_ARRAY:
        put(out, "[", 1);
        return CRDT_OK;
    case CRDT_VALUE_MAP:
        put(out, "{", 1);
        return CRDT_OK;
    case CRDT_VALUE_NULL:
        break;
    }
    put(out, "null", 4);
    return CRDT_OK;
}

/* The comma or colon before the next token of a container. */
static void put_separator(open_container *container, crdt_buf *out)
{
    bool after_key = container->map && container->left % 2 == 1;
    if (!container->first) {
        put(out, after_key ? ":" : ",", 1);
    }
    container->first = false;
    container->left--;
}

/* Write the elements that come next in an array and are small integers or float32s: what
 * scenes are mostly made of. Any other is left where it is. */
static crdt_err write_numbers(crdt_value_reader *reader, open_container *array,
                              crdt_buf *out)
{
    for (; array->left > 0; array->left--) {
        const uint8_t *at = reader->at;
        double number = (int8_t)*at;
        bool single = *at == 0xca;
        if (single) {
            uint32_t bits = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 |
                            (uint32_t)at[3] << 8 | at[4];
            float value;
            memcpy(&value, &bits, sizeof value);
            number = (double)value;
        } else if (*at >= 0x80 && *at < 0xe0) {
            return CRDT_OK;
        }
        crdt_err err = crdt_buf_reserve(out, SCENE_JSON_NUMBER_SIZE + 1);
        if (err != CRDT_OK) {
            return err;
        }
        if (!array->first) {
            put(out, ",", 1);
        }
        put_number(out, number);
        array->first = false;
        reader->at = at + (single ? 5 : 1);
    }
    return CRDT_OK;
}

crdt_err scene_json_write_value(crdt_span value, crdt_buf *out)
{
    open_container stack[CRDT_VALUE_DEPTH_MAX];
    size_t depth = 0;
    crdt_value_reader reader = crdt_value_read_open(value);
    do {
        /* Of each token but strings, with what stands before it. */
        crdt_err err = crdt_buf_reserve(out, SCENE_JSON_NUMBER_SIZE + 1);
        if (err != CRDT_OK) {
            return err;
        }
        if (depth > 0 && stack[depth - 1].left == 0) {
            depth--;
            put(out, stack[depth].map ? "}" : "]", 1);
            continue;
        }
        if (depth > 0) {
            put_separator(&stack[depth - 1], out);
        }
        crdt_value_token token = crdt_value_read(&reader);
        err = write_token(&token, out);
        bool map = token.type == CRDT_VALUE_MAP;
        if (err == CRDT_OK && (map || token.type == CRDT_VALUE_ARRAY)) {
            assert(depth < CRDT_VALUE_DEPTH_MAX);
            uint32_t left = map ? token.count * 2 : token.count;
            stack[depth] = (open_container){.left = left, .map = map, .first = true};
            err = map ? CRDT_OK : write_numbers(&reader, &stack[depth], out);
            depth++;
        }
        if (err != CRDT_OK) {
            return err;
        }
    } while (depth > 0);
    return CRDT_OK;
}
