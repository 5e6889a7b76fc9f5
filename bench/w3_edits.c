#include "bench/w3_edits.h"

#include "bench/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 0xc0ffee01u
#define SEED_STEP 0x9e3779b1u

const char *const bench_w3_components[BENCH_W3_COMPONENTS] = {
    "Transform", "GLTFShape", "Name", "Visible", "Audio", "Collider", "Script", "Tag",
};

/* What is drawn from, and what the drawing keeps of the scene. */
typedef struct drawing {
    bench_stream stream;
    uint32_t replica;
    uint32_t added;
    bool live[BENCH_W3_BASE];
    uint8_t mask[BENCH_W3_BASE]; /* bit c: component c is there */
} drawing;

static uint32_t draw_target(drawing *d)
{
    uint32_t target = bench_stream_next(&d->stream) % BENCH_W3_BASE;
    while (!d->live[target]) {
        target = (target + 1) % BENCH_W3_BASE;
    }
    return target;
}

static void set_transform(drawing *d, uint32_t target, bench_w3_edit *edit)
{
    edit->kind = BENCH_W3_SET_TRANSFORM;
    edit->component = BENCH_W3_TRANSFORM;
    edit->fresh = (d->mask[target] & 1) == 0;
    edit->entity.transform = bench_transform_draw(&d->stream);
    d->mask[target] |= 1;
}

static void set_value(drawing *d, uint32_t target, bench_w3_edit *edit)
{
    edit->kind = BENCH_W3_SET_VALUE;
    edit->component = 4 + bench_stream_next(&d->stream) % 4;
    edit->value = bench_stream_next(&d->stream) % 1000;
    edit->fresh = (d->mask[target] >> edit->component & 1) == 0;
    d->mask[target] |= (uint8_t)(1u << edit->component);
}

static void remove_component(drawing *d, uint32_t target, bench_w3_edit *edit)
{
    uint32_t c = bench_stream_next(&d->stream) % BENCH_W3_COMPONENTS;
    if (d->mask[target] == 0) {
        set_transform(d, target, edit);
        return;
    }
    while ((d->mask[target] >> c & 1) == 0) {
        c = (c + 1) % BENCH_W3_COMPONENTS;
    }
    d->mask[target] &= (uint8_t) ~(1u << c);
    edit->kind = BENCH_W3_REMOVE_COMPONENT;
    edit->component = c;
}

static void add_entity(drawing *d, bench_w3_edit *edit)
{
    edit->kind = BENCH_W3_ADD;
    edit->entity = bench_entity_draw_unnamed(&d->stream);
    snprintf(edit->entity.id, sizeof edit->entity.id, "n%02u_%05u", d->replica,
             d->added);
    snprintf(edit->entity.name, sizeof edit->entity.name, "New %u %u", d->replica,
             d->added);
    d->added++;
}

static void draw_edit(drawing *d, bench_w3_edit *edit)
{
    uint32_t k = bench_stream_next(&d->stream) % 100;
    if (k >= 70 && k < 80) {
        add_entity(d, edit);
        return;
    }
    uint32_t target = draw_target(d);
    snprintf(edit->entity.id, sizeof edit->entity.id, "e%06u", (unsigned)target);
    if (k < 70) {
        set_transform(d, target, edit);
    } else if (k < 85) {
        edit->kind = BENCH_W3_REMOVE;
        d->live[target] = false;
    } else if (k < 95) {
        set_value(d, target, edit);
    } else {
        remove_component(d, target, edit);
    }
}

bench_w3_edit *bench_w3_edits_draw(uint32_t replica)
{
    bench_w3_edit *edits = calloc(BENCH_W3_EDITS, sizeof *edits);
    drawing *d = calloc(1, sizeof *d);
    bench_must_bytes(edits, "edits");
    bench_must_bytes(d, "edits");
    d->stream.x = SEED + SEED_STEP * replica;
    d->replica = replica;
    memset(d->live, 1, sizeof d->live);
    memset(d->mask, 15, sizeof d->mask);
    for (size_t i = 0; i < BENCH_W3_EDITS; i++) {
        draw_edit(d, &edits[i]);
    }
    free(d);
    return edits;
}

/* ---- as JSON ---- */

static void put(crdt_buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(crdt_buf *out, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bench_must(crdt_buf_append(out, text, (size_t)size), "edits");
}

/* All numbers here are dyadic with few digits: %.10g is what ECMAScript writes. */
static void put_array(crdt_buf *out, const char *name, const double *numbers,
                      size_t count)
{
    put(out, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        put(out, "%s%.10g", i == 0 ? "" : ",", numbers[i]);
    }
    put(out, "]");
}

static void put_transform(crdt_buf *out, const bench_transform *transform)
{
    put(out, "{");
    put_array(out, "position", transform->numbers, 3);
    put(out, ",");
    put_array(out, "rotation", transform->numbers + 3, 4);
    put(out, ",");
    put_array(out, "scale", transform->numbers + 7, 3);
    put(out, "}");
}

static void put_edit(crdt_buf *out, const bench_w3_edit *edit)
{
    static const char *const kinds[] = {"set", "set", "add", "del", "rmc"};
    put(out, "{\"k\":\"%s\",\"id\":\"%s\"", kinds[edit->kind], edit->entity.id);
    if (edit->kind == BENCH_W3_ADD) {
        put(out, ",\"comps\":{\"Transform\":");
        put_transform(out, &edit->entity.transform);
        put(out,
            ",\"GLTFShape\":{\"src\":\"%s\"},\"Name\":{\"value\":\"%s\"},"
            "\"Visible\":{\"value\":%s}}",
            edit->entity.src, edit->entity.name,
            edit->entity.visible ? "true" : "false");
    } else if (edit->kind != BENCH_W3_REMOVE) {
        put(out, ",\"comp\":\"%s\"", bench_w3_components[edit->component]);
    }
    if (edit->kind == BENCH_W3_SET_TRANSFORM) {
        put(out, ",\"value\":");
        put_transform(out, &edit->entity.transform);
    } else if (edit->kind == BENCH_W3_SET_VALUE) {
        put(out, ",\"value\":{\"value\":%u}", (unsigned)edit->value);
    }
    put(out, "}");
}

void bench_w3_edits_json(const bench_w3_edit *edits, crdt_buf *out)
{
    put(out, "[");
    for (size_t i = 0; i < BENCH_W3_EDITS; i++) {
        put(out, "%s", i == 0 ? "" : ",");
        put_edit(out, &edits[i]);
    }
    put(out, "]");
}
