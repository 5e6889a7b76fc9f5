/* The one file that meets simdjson and double-conversion. Errors are codes throughout:
 * simdjson is built without exceptions, and nothing here throws. */

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <double-conversion/double-to-string.h>
#include <double-conversion/string-to-double.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <stdbool.h>

extern "C" {
#include "crdt/value.h"
#include "scene/json.h"
#include "scene/json_fault.h"
}

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

struct scene_json {
    crdt_alloc alloc;
    ondemand::parser parser; /* owns the unescaped strings */
    crdt_span text;          /* as given; valid while opening only */
    char *padded;            /* our copy: [ if scalar, the text, ] if scalar, padding */
    size_t padded_size;
    size_t shift; /* 1 if a scalar was wrapped, else 0 */
    scene_json_node *nodes;
    size_t node_count;
    size_t node_capacity;
    const scene_json_node **scratch; /* keys of one object, to find duplicates */
    size_t scratch_capacity;
    uint32_t depth_max;
    uint32_t depth; /* of the deepest container */
    crdt_err err;   /* the failure that is no fault of the JSON itself */
    const scene_json_node *duplicate;
};

scene_json_limits scene_json_limits_default(void)
{
    return scene_json_limits{99999999, CRDT_VALUE_DEPTH_MAX};
}

/* ---- numbers ---- */

double scene_json_number_parse(crdt_span text)
{
    using double_conversion::StringToDoubleConverter;
    static const StringToDoubleConverter converter(StringToDoubleConverter::NO_FLAGS,
                                                   NAN, NAN, nullptr, nullptr);
    int used = 0;
    return converter.StringToDouble(reinterpret_cast<const char *>(text.data),
                                    static_cast<int>(text.size), &used);
}

size_t scene_json_number_format(double number, char text[SCENE_JSON_NUMBER_SIZE])
{
    size_t short_size = scene_json_number_short(number, text);
    if (short_size > 0) {
        return short_size;
    }
    double_conversion::StringBuilder builder(text, SCENE_JSON_NUMBER_SIZE);
    double_conversion::DoubleToStringConverter::EcmaScriptConverter().ToShortest(
        number, &builder);
    int size = builder.position();
    builder.Finalize();
    return static_cast<size_t>(size);
}

/* ---- reading ---- */

static bool reserve_nodes(scene_json *json)
{
    if (json->node_count < json->node_capacity) {
        return true;
    }
    size_t capacity = json->node_capacity + json->node_capacity / 2 + 16;
    void *grown = crdt_resize_array(json->alloc, json->nodes, json->node_capacity,
                                    capacity, sizeof(scene_json_node));
    if (grown == nullptr) {
        json->err = CRDT_ENOMEM;
        return false;
    }
    json->nodes = static_cast<scene_json_node *>(grown);
    json->node_capacity = capacity;
    return true;
}

/* Append a node that begins at `at` in the padded text; SIZE_MAX without memory. */
static size_t push_node(scene_json *json, scene_json_type type, const char *at)
{
    if (!reserve_nodes(json)) {
        return SIZE_MAX;
    }
    size_t offset = static_cast<size_t>(at - json->padded) - json->shift;
    scene_json_node node = {};
    node.type = static_cast<uint8_t>(type);
    node.offset = static_cast<uint32_t>(offset);
    node.span = 1;
    json->nodes[json->node_count] = node;
    return json->node_count++;
}

static error_code push_string(scene_json *json, const char *at, std::string_view text)
{
    size_t index = push_node(json, SCENE_JSON_STRING, at);
    if (index == SIZE_MAX) {
        return simdjson::MEMALLOC;
    }
    json->nodes[index].count = static_cast<uint32_t>(text.size());
    json->nodes[index].as.text = reinterpret_cast<const uint8_t *>(text.data());
    return simdjson::SUCCESS;
}

/* The string after an opening quote, if it is free of escapes: no copy is needed then.
 */
static bool plain_string(const scene_json *json, const char *raw, std::string_view *out)
{
    size_t left = static_cast<size_t>(json->padded + json->padded_size - raw);
    const void *quote = std::memchr(raw, '"', left);
    if (quote == nullptr) {
        return false;
    }
    size_t size = static_cast<size_t>(static_cast<const char *>(quote) - raw);
    if (std::memchr(raw, '\\', size) != nullptr) {
        return false;
    }
    *out = std::string_view(raw, size);
    return true;
}

static error_code append_string(scene_json *json, ondemand::value &value,
                                const char *at)
{
    std::string_view text;
    if (plain_string(json, at + 1, &text)) {
        ondemand::raw_json_string raw;
        error_code error = value.get_raw_json_string().get(raw); /* steps over it */
        return error != simdjson::SUCCESS ? error : push_string(json, at, text);
    }
    error_code error = value.get_string().get(text);
    if (error != simdjson::SUCCESS) {
        return error;
    }
    crdt_span utf8 = {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
    if (!crdt_utf8_valid(utf8, nullptr)) { /* an escaped half of a surrogate pair */
        return simdjson::STRING_ERROR;
    }
    return push_string(json, at, text);
}

static error_code append_number(scene_json *json, ondemand::value &value,
                                const char *at)
{
    double number = 0;
    error_code error = value.get_double().get(number);
    if (error != simdjson::SUCCESS) {
        return error;
    }
    if (!std::isfinite(number)) {
        return simdjson::NUMBER_ERROR;
    }
    size_t index = push_node(json, SCENE_JSON_NUMBER, at);
    if (index == SIZE_MAX) {
        return simdjson::MEMALLOC;
    }
    json->nodes[index].as.number = number;
    return simdjson::SUCCESS;
}

static bool key_before(const scene_json_node *a, const scene_json_node *b)
{
    if (a->count != b->count) {
        return a->count < b->count;
    }
    int order = std::memcmp(a->as.text, b->as.text, a->count);
    return order != 0 ? order < 0 : a->offset < b->offset;
}

static bool key_equal(const scene_json_node *a, const scene_json_node *b)
{
    return a->count == b->count && std::memcmp(a->as.text, b->as.text, a->count) == 0;
}

static error_code found_duplicate(scene_json *json, const scene_json_node *key)
{
    json->err = CRDT_ECORRUPT;
    json->duplicate = key;
    return simdjson::TAPE_ERROR;
}

static error_code check_many_keys(scene_json *json, const scene_json_node *object)
{
    if (json->scratch_capacity < object->count) {
        void *grown =
            crdt_resize_array(json->alloc, json->scratch, json->scratch_capacity,
                              object->count, sizeof(const scene_json_node *));
        if (grown == nullptr) {
            json->err = CRDT_ENOMEM;
            return simdjson::MEMALLOC;
        }
        json->scratch = static_cast<const scene_json_node **>(grown);
        json->scratch_capacity = object->count;
    }
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        json->scratch[i] = key;
        key = scene_json_next(key + 1);
    }
    std::sort(json->scratch, json->scratch + object->count, key_before);
    for (uint32_t i = 1; i < object->count; i++) {
        if (key_equal(json->scratch[i - 1], json->scratch[i])) {
            return found_duplicate(json, json->scratch[i]);
        }
    }
    return simdjson::SUCCESS;
}

static error_code check_keys(scene_json *json, size_t index)
{
    const scene_json_node *object = json->nodes + index;
    if (object->count > 8) {
        return check_many_keys(json, object);
    }
    const scene_json_node *key = object + 1;
    for (uint32_t i = 0; i < object->count; i++) {
        const scene_json_node *other = object + 1;
        for (uint32_t j = 0; j < i; j++) {
            if (key_equal(key, other)) {
                return found_duplicate(json, key);
            }
            other = scene_json_next(other + 1);
        }
        key = scene_json_next(key + 1);
    }
    return simdjson::SUCCESS;
}

static error_code append_value(scene_json *json, ondemand::value value, uint32_t depth);

static error_code append_array(scene_json *json, ondemand::value &value, const char *at,
                               uint32_t depth)
{
    size_t index = push_node(json, SCENE_JSON_ARRAY, at);
    ondemand::array array;
    error_code error =
        index == SIZE_MAX ? simdjson::MEMALLOC : value.get_array().get(array);
    if (error != simdjson::SUCCESS) {
        return error;
    }
    uint32_t count = 0;
    for (auto item : array) {
        ondemand::value element;
        error = item.get(element);
        if (error == simdjson::SUCCESS) {
            error = append_value(json, element, depth + 1);
        }
        if (error != simdjson::SUCCESS) {
            return error;
        }
        count++;
    }
    json->nodes[index].count = count;
    json->nodes[index].span = static_cast<uint32_t>(json->node_count - index);
    return simdjson::SUCCESS;
}

static error_code append_key(scene_json *json, ondemand::field &field)
{
    const char *raw = field.key().raw();
    std::string_view text;
    if (!plain_string(json, raw, &text)) {
        error_code error = field.unescaped_key().get(text);
        if (error != simdjson::SUCCESS) {
            return error;
        }
        crdt_span utf8 = {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
        if (!crdt_utf8_valid(utf8, nullptr)) {
            return simdjson::STRING_ERROR;
        }
    }
    return push_string(json, raw - 1, text);
}

static error_code append_object(scene_json *json, ondemand::value &value,
                                const char *at, uint32_t depth)
{
    size_t index = push_node(json, SCENE_JSON_OBJECT, at);
    ondemand::object object;
    error_code error =
        index == SIZE_MAX ? simdjson::MEMALLOC : value.get_object().get(object);
    if (error != simdjson::SUCCESS) {
        return error;
    }
    uint32_t count = 0;
    for (auto item : object) {
        ondemand::field field;
        error = std::move(item).get(field);
        if (error == simdjson::SUCCESS) {
            error = append_key(json, field);
        }
        if (error == simdjson::SUCCESS) {
            error = append_value(json, field.value(), depth + 1);
        }
        if (error != simdjson::SUCCESS) {
            return error;
        }
        count++;
    }
    json->nodes[index].count = count;
    json->nodes[index].span = static_cast<uint32_t>(json->node_count - index);
    return check_keys(json, index);
}

static error_code append_word(scene_json *json, ondemand::value &value, const char *at)
{
    bool boolean = false;
    bool null = *at == 'n';
    error_code error = simdjson::SUCCESS;
    if (null) {
        bool is_null = false;
        error = value.is_null().get(is_null);
        if (error == simdjson::SUCCESS && !is_null) {
            error = simdjson::N_ATOM_ERROR;
        }
    } else {
        error = value.get_bool().get(boolean);
    }
    if (error != simdjson::SUCCESS) {
        return error;
    }
    size_t index = push_node(json, null ? SCENE_JSON_NULL : SCENE_JSON_BOOL, at);
    if (index == SIZE_MAX) {
        return simdjson::MEMALLOC;
    }
    json->nodes[index].boolean = boolean;
    return simdjson::SUCCESS;
}

/* Recursion is bounded by depth_max (at most SCENE_JSON_DEPTH_MAX). */
static error_code append_value(scene_json *json, ondemand::value value, uint32_t depth)
{
    std::string_view token = value.raw_json_token();
    switch (token.empty() ? '\0' : token[0]) {
    case '{':
    case '[':
        if (depth >= json->depth_max) {
            return simdjson::DEPTH_ERROR;
        }
        json->depth = std::max(json->depth, depth + 1);
        return token[0] == '{' ? append_object(json, value, token.data(), depth)
                               : append_array(json, value, token.data(), depth);
    case '"':
        return append_string(json, value, token.data());
    case 't':
    case 'f':
    case 'n':
        return append_word(json, value, token.data());
    default:
        return append_number(json, value, token.data());
    }
}

/* Is the first character one that opens an array or object? */
static bool is_container(crdt_span text)
{
    size_t i = 0;
    while (i < text.size && (text.data[i] == ' ' || text.data[i] == '\n' ||
                             text.data[i] == '\t' || text.data[i] == '\r')) {
        i++;
    }
    return i < text.size && (text.data[i] == '{' || text.data[i] == '[');
}

/* Copy the text with the padding that simdjson reads into; On-Demand has no documents
 * that are scalars among arrays and objects, so those are wrapped into an array. */
static bool copy_text(scene_json *json)
{
    json->shift = is_container(json->text) ? 0 : 1;
    size_t size = json->text.size + 2 * json->shift;
    json->padded = static_cast<char *>(
        crdt_allocate(json->alloc, size + simdjson::SIMDJSON_PADDING));
    if (json->padded == nullptr) {
        return false;
    }
    json->padded_size = size;
    if (json->text.size > 0) {
        std::memcpy(json->padded + json->shift, json->text.data, json->text.size);
    }
    if (json->shift > 0) {
        json->padded[0] = '[';
        json->padded[size - 1] = ']';
    }
    std::memset(json->padded + size, ' ', simdjson::SIMDJSON_PADDING);
    return true;
}

static error_code parse_text(scene_json *json)
{
    simdjson::padded_string_view view(json->padded, json->padded_size,
                                      json->padded_size + simdjson::SIMDJSON_PADDING);
    ondemand::document document;
    error_code error = json->parser.iterate(view).get(document);
    ondemand::value root;
    if (error == simdjson::SUCCESS) {
        error = document.get_value().get(root);
    }
    if (error == simdjson::SUCCESS) {
        json->depth_max += static_cast<uint32_t>(json->shift);
        error = append_value(json, root, 0);
        json->depth_max -= static_cast<uint32_t>(json->shift);
    }
    if (error == simdjson::SUCCESS &&
        document.current_location().error() == simdjson::SUCCESS) {
        error = simdjson::TRAILING_CONTENT;
    }
    if (error == simdjson::SUCCESS && json->shift > 0 && json->nodes[0].count != 1) {
        error = simdjson::TRAILING_CONTENT;
    }
    return error;
}

/* Say what is wrong: simdjson knows that, the fault finder knows where and why. */
static crdt_err explain(scene_json *json, error_code error, crdt_diag *diag)
{
    if (error == simdjson::MEMALLOC || json->err == CRDT_ENOMEM) {
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "no memory to read the JSON");
    }
    if (json->duplicate != nullptr) {
        crdt_span key = scene_json_text(json->duplicate);
        int shown = static_cast<int>(key.size < 60 ? key.size : 60);
        return scene_json_refuse(json, json->duplicate, diag, CRDT_ECORRUPT,
                                 "the key \"%.*s\" stands twice in one object", shown,
                                 reinterpret_cast<const char *>(key.data));
    }
    crdt_err err = scene_json_fault_find(json->text, json->depth_max, diag);
    if (err != CRDT_OK) {
        return err;
    }
    err = crdt_diag_set(diag, CRDT_ECORRUPT, 0, "%s", simdjson::error_message(error));
    scene_json_fault_locate(json->text, diag);
    return err;
}

static crdt_err refuse_size(crdt_span text, size_t size_max, crdt_diag *diag)
{
    crdt_err err = crdt_diag_set(diag, CRDT_ELIMIT, size_max,
                                 "the text has %zu bytes; at most %zu are read",
                                 text.size, size_max);
    scene_json_fault_locate(text, diag);
    return err;
}

crdt_err scene_json_open(scene_json **out, crdt_alloc alloc, crdt_span text,
                         const scene_json_limits *limits, crdt_diag *diag)
{
    scene_json_limits limit = limits != nullptr ? *limits : scene_json_limits_default();
    size_t size_max = std::min(limit.size_max, static_cast<size_t>(1) << 30);
    if (text.size > size_max) {
        return refuse_size(text, size_max, diag);
    }
    void *memory = crdt_allocate(alloc, sizeof(scene_json));
    if (memory == nullptr) {
        return crdt_diag_set(diag, CRDT_ENOMEM, 0, "no memory to read the JSON");
    }
    scene_json *json = new (memory) scene_json();
    json->alloc = alloc;
    json->text = text;
    json->depth_max = std::min(limit.depth_max, SCENE_JSON_DEPTH_MAX);
    error_code error = copy_text(json) ? parse_text(json) : simdjson::MEMALLOC;
    if (error != simdjson::SUCCESS) {
        crdt_err err = explain(json, error, diag);
        scene_json_close(json);
        return err;
    }
    *out = json;
    return CRDT_OK;
}

void scene_json_close(scene_json *json)
{
    if (json == nullptr) {
        return;
    }
    crdt_alloc alloc = json->alloc;
    crdt_free(alloc, json->padded, json->padded_size + simdjson::SIMDJSON_PADDING);
    crdt_free(alloc, json->nodes, json->node_capacity * sizeof(scene_json_node));
    crdt_free(alloc, json->scratch,
              json->scratch_capacity * sizeof(const scene_json_node *));
    json->~scene_json();
    crdt_free(alloc, json, sizeof(scene_json));
}

uint32_t scene_json_depth(const scene_json *json)
{
    return json->depth - static_cast<uint32_t>(json->shift);
}

const scene_json_node *scene_json_root(const scene_json *json)
{
    return json->nodes + json->shift;
}

crdt_err scene_json_refuse(const scene_json *json, const scene_json_node *node,
                           crdt_diag *diag, crdt_err err, const char *format, ...)
{
    char text[sizeof(diag->text)];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err = crdt_diag_set(diag, err, node->offset, "%s", text);
    crdt_span copy = {reinterpret_cast<const uint8_t *>(json->padded) + json->shift,
                      json->padded_size - 2 * json->shift};
    scene_json_fault_locate(copy, diag);
    return err;
}
