#include "bench/anchors/drawing.h"

#include <stdio.h>
#include <string.h>

static uint32_t next(uint32_t *stream)
{
    uint32_t x = *stream;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *stream = x;
}

static void set_key(anchor_field *field, uint32_t index, unsigned component)
{
    field->key[0] = 'e';
    for (int i = 6; i >= 1; i--) {
        field->key[i] = (char)('0' + index % 10);
        index /= 10;
    }
    field->key[7] = (char)component;
}

static void draw_transform(uint32_t *stream, anchor_field *field)
{
    anchor_transform t;
    for (int i = 0; i < 3; i++) {
        t.numbers[i] = (float)((int32_t)(next(stream) % 200001) - 100000) / 64.0f;
    }
    for (int i = 3; i < 7; i++) {
        t.numbers[i] = (float)((int32_t)(next(stream) % 513) - 256) / 256.0f;
    }
    for (int i = 7; i < 10; i++) {
        t.numbers[i] = (float)(next(stream) % 256 + 1) / 64.0f;
    }
    memcpy(field->value, &t, sizeof t);
    field->value_size = sizeof t;
}

void anchor_draw_component(uint32_t *stream, uint32_t index, unsigned component,
                           anchor_field *field)
{
    int size = 1;
    set_key(field, index, component);
    if (component == 0) {
        draw_transform(stream, field);
        return;
    }
    if (component == 1) {
        size = snprintf(field->value, sizeof field->value, "models/m%04u.glb",
                        next(stream) % 500);
    } else if (component == 2) {
        size = snprintf(field->value, sizeof field->value, "Entity %u", index);
    } else {
        field->value[0] = (char)((next(stream) >> 16) & 1);
    }
    field->value_size = (uint8_t)size;
}

void anchor_draw_update(uint32_t *stream, uint32_t entity_count, anchor_field *field)
{
    set_key(field, next(stream) % entity_count, 0);
    draw_transform(stream, field);
}
