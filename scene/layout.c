#include "scene/layout.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "crdt/value.h"

static const char *const FORMAT_NAMES[] = {"none", "state", "builder", "composite"};

/* The one table of what the formats call the same thing. */
static const struct {
    scene_class kind;
    const char *spelling[4]; /* by scene_format */
} CLASSES[] = {
    {SCENE_CLASS_TRANSFORM, {NULL, "Transform", "Transform", "core::Transform"}},
    {SCENE_CLASS_NAME, {NULL, "Name", "Name", "core-schema::Name"}},
    {SCENE_CLASS_SHAPE, {NULL, "GLTFShape", "GLTFShape", "core::GltfContainer"}},
};
#define CLASS_COUNT (sizeof(CLASSES) / sizeof(CLASSES[0]))

const char *scene_format_name(scene_format format)
{
    assert((size_t)format < sizeof(FORMAT_NAMES) / sizeof(FORMAT_NAMES[0]));
    return FORMAT_NAMES[format];
}

scene_format scene_format_parse(crdt_span name)
{
    for (int i = SCENE_FORMAT_STATE; i <= SCENE_FORMAT_COMPOSITE; i++) {
        if (crdt_span_equal(name, crdt_span_of(FORMAT_NAMES[i]))) {
            return (scene_format)i;
        }
    }
    return SCENE_FORMAT_NONE;
}

scene_class scene_layout_class(crdt_span type)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        for (int f = SCENE_FORMAT_STATE; f <= SCENE_FORMAT_COMPOSITE; f++) {
            if (crdt_span_equal(type, crdt_span_of(CLASSES[i].spelling[f]))) {
                return CLASSES[i].kind;
            }
        }
    }
    return SCENE_CLASS_OTHER;
}

crdt_span scene_layout_spelling(scene_class kind, scene_format format)
{
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        if (CLASSES[i].kind == kind && format != SCENE_FORMAT_NONE) {
            return crdt_span_of(CLASSES[i].spelling[format]);
        }
    }
    return (crdt_span){NULL, 0};
}

crdt_span scene_layout_translate(crdt_span type, scene_format format)
{
    scene_class kind = scene_layout_class(type);
    if (kind == SCENE_CLASS_OTHER || format == SCENE_FORMAT_NONE) {
        return type;
    }
    return scene_layout_spelling(kind, format);
}

bool scene_layout_is_own(crdt_span name)
{
    return name.size > 0 && name.data[0] == 0xff;
}

bool scene_layout_is_entity(crdt_span object)
{
    return !scene_layout_is_own(object);
}

crdt_span scene_layout_base(crdt_span name, uint32_t *number)
{
    *number = 1;
    if (name.size < 4 || name.data[0] != 0xff || name.data[1] != 'r') {
        return name;
    }
    uint32_t count = 0;
    size_t i = 2;
    while (i < name.size && name.data[i] >= '0' && name.data[i] <= '9' && i < 11) {
        count = count * 10 + (uint32_t)(name.data[i] - '0');
        i++;
    }
    if (i == 2 || i >= name.size || name.data[i] != ':') {
        return name;
    }
    *number = count;
    return (crdt_span){name.data + i + 1, name.size - i - 1};
}

bool scene_layout_is_component(crdt_span part, crdt_span *type)
{
    uint32_t number;
    crdt_span base = scene_layout_base(part, &number);
    if (scene_layout_is_own(base)) {
        return false;
    }
    if (type != NULL) {
        *type = base;
    }
    return true;
}

int scene_layout_component_compare(crdt_span a, crdt_span b)
{
    uint32_t a_number;
    uint32_t b_number;
    crdt_span a_base = scene_layout_base(a, &a_number);
    crdt_span b_base = scene_layout_base(b, &b_number);
    crdt_span script = crdt_span_of("Script");
    bool a_script = crdt_span_equal(a_base, script);
    bool b_script = crdt_span_equal(b_base, script);
    if (a_script != b_script) {
        return a_script ? -1 : 1;
    }
    int order = crdt_span_compare(a_base, b_base);
    if (order == 0) {
        order = (a_number > b_number) - (a_number < b_number);
    }
    return order != 0 ? order : crdt_span_compare(a, b);
}

bool scene_layout_decimal(crdt_span text, uint64_t *number)
{
    if (text.size == 0 || text.size > 16 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value >= (UINT64_C(1) << 53)) {
        return false;
    }
    *number = value;
    return true;
}

int scene_layout_entity_compare(crdt_span a, crdt_span b)
{
    uint64_t a_number = 0;
    uint64_t b_number = 0;
    bool a_decimal = scene_layout_decimal(a, &a_number);
    bool b_decimal = scene_layout_decimal(b, &b_number);
    if (a_decimal && b_decimal) {
        return (a_number > b_number) - (a_number < b_number);
    }
    if (a_decimal != b_decimal) {
        return a_decimal ? -1 : 1;
    }
    return crdt_span_compare(a, b);
}

bool scene_layout_parent(crdt_span value, char text[SCENE_PARENT_TEXT_SIZE],
                         crdt_span *parent)
{
    crdt_value_reader reader = crdt_value_read_open(value);
    crdt_value_token token = crdt_value_read(&reader);
    if (token.type == CRDT_VALUE_STRING) {
        bool root =
            token.string.size == 0 || crdt_span_equal(token.string, crdt_span_of("0"));
        *parent = token.string;
        return !root;
    }
    if (token.type != CRDT_VALUE_NUMBER || !token.integral || token.integer <= 0) {
        return false;
    }
    int size = snprintf(text, SCENE_PARENT_TEXT_SIZE, "%lld", (long long)token.integer);
    *parent = (crdt_span){(const uint8_t *)text, (size_t)size};
    return true;
}
