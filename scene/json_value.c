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

static size_t plain_prefix(crdt_span utf8, size_t from)
{
    size_t i = from;
    while (i < utf8.size && utf8.data[i] >= 0x20 && utf8.data[i] != '"' &&
           utf8.data[i] != '\\') {
        i++;
    }
    return i - from;
}

crdt_err scene_json_write_string(crdt_span utf8, crdt_buf *out)
{
    crdt_err err = crdt_buf_reserve(out, utf8.size + 2);
    if (err != CRDT_OK) {
        return err;
    }
    out->data[out->size++] = '"';
    size_t at = 0;
    for (;;) {
        size_t plain = plain_prefix(utf8, at);
        err = crdt_buf_reserve(out, plain + 8);
        if (err != CRDT_OK) {
            return err;
        }
        if (plain > 0) {
            memcpy(out->data + out->size, utf8.data + at, plain);
            out->size += plain;
            at += plain;
        }
        if (at == utf8.size) {
            out->data[out->size++] = '"';
            return CRDT_OK;
        }
        char buffer[7];
        const char *escape = escape_of(utf8.data[at++], buffer);
        size_t size = strlen(escape);
        memcpy(out->data + out->size, escape, size);
        out->size += size;
    }
}

/* A container that is being written. */
typedef struct open_container {
    uint32_t left; /* values (and keys) still to come */
    bool map;
    bool first;
} open_container;

static crdt_err write_scalar(const crdt_value_token *token, crdt_buf *out)
{
    char text[SCENE_JSON_NUMBER_SIZE];
    switch (token->type) {
    case CRDT_VALUE_BOOL:
        return token->boolean ? crdt_buf_append(out, "true", 4)
                              : crdt_buf_append(out, "false", 5);
    case CRDT_VALUE_NUMBER:
        return crdt_buf_append(out, text,
                               scene_json_number_format(token->number, text));
    case CRDT_VALUE_STRING:
        return scene_json_write_string(token->string, out);
    default:
        return crdt_buf_append(out, "null", 4);
    }
}

/* The comma or colon before the next token of a container. */
static crdt_err write_separator(open_container *container, crdt_buf *out)
{
    bool after_key = container->map && container->left % 2 == 1;
    bool first = container->first;
    container->first = false;
    container->left--;
    if (after_key) {
        return crdt_buf_append(out, ":", 1);
    }
    return first ? CRDT_OK : crdt_buf_append(out, ",", 1);
}

crdt_err scene_json_write_value(crdt_span value, crdt_buf *out)
{
    open_container stack[CRDT_VALUE_DEPTH_MAX];
    size_t depth = 0;
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_err err = CRDT_OK;
    do {
        if (depth > 0 && stack[depth - 1].left == 0) {
            depth--;
            err = crdt_buf_append(out, stack[depth].map ? "}" : "]", 1);
            continue;
        }
        if (depth > 0) {
            err = write_separator(&stack[depth - 1], out);
        }
        crdt_value_token token = crdt_value_read(&reader);
        bool map = token.type == CRDT_VALUE_MAP;
        if (err == CRDT_OK && (map || token.type == CRDT_VALUE_ARRAY)) {
            assert(depth < CRDT_VALUE_DEPTH_MAX);
            uint32_t left = map ? token.count * 2 : token.count;
            stack[depth++] = (open_container){.left = left, .map = map, .first = true};
            err = crdt_buf_append(out, map ? "{" : "[", 1);
        } else if (err == CRDT_OK) {
            err = write_scalar(&token, out);
        }
    } while (depth > 0 && err == CRDT_OK);
    return err;
}
