#include "tests/support/gen.h"
#include "crdt/value.h"
#include "crdt/well_known.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t gen_seed(uint64_t fallback)
{
    const char *text = getenv("SCENESYNC_SEED");
    return text == NULL ? fallback : strtoull(text, NULL, 0);
}

gen gen_open(uint64_t seed, crdt_arena *arena)
{
    return (gen){.state = seed, .arena = arena};
}

static void *take(gen *g, size_t size)
{
    void *ptr = crdt_arena_alloc(g->arena, size);
    if (ptr == NULL) {
        abort();
    }
    return ptr;
}

/* splitmix64, Vigna (public domain): https://prng.di.unimi.it/splitmix64.c */
uint64_t gen_next(gen *g)
{
    g->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = g->state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t gen_below(gen *g, uint64_t bound)
{
    return gen_next(g) % bound;
}

bool gen_chance(gen *g, unsigned percent)
{
    return gen_below(g, 100) < percent;
}

double gen_unit(gen *g)
{
    return (double)(gen_next(g) >> 11) * 0x1p-53;
}

crdt_actor gen_actor(unsigned index)
{
    gen g = {.state = UINT64_C(0xac70) + index};
    crdt_actor actor;
    for (size_t i = 0; i < sizeof actor.bytes; i += 8) {
        uint64_t bits = gen_next(&g);
        for (size_t j = 0; j < 8; j++) {
            actor.bytes[i + j] = (uint8_t)(bits >> 8 * j);
        }
    }
    return actor;
}

crdt_stamp gen_stamp(gen *g, unsigned actor_count, uint64_t time_max)
{
    return (crdt_stamp){.time = 1 + gen_below(g, time_max),
                        .actor = gen_actor((unsigned)gen_below(g, actor_count))};
}

static uint32_t random_code_point(gen *g)
{
    static const uint32_t edges[] = {0,      0x7f,   0x80,   0x7ff,   0x800,   0xd7ff,
                                     0xe000, 0xfffd, 0xffff, 0x10000, 0x10ffff};
    switch (gen_below(g, 8)) {
    case 0:
        return edges[gen_below(g, sizeof edges / sizeof *edges)];
    case 1:
        return (uint32_t)gen_below(g, 0xd800);
    case 2:
        return 0xe000 + (uint32_t)gen_below(g, 0x10fffe - 0xe000);
    default:
        return 0x20 + (uint32_t)gen_below(g, 0x5f);
    }
}

static size_t put_code_point(uint8_t *at, uint32_t code)
{
    if (code < 0x80) {
        at[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        at[0] = (uint8_t)(0xc0 | code >> 6);
        at[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        at[0] = (uint8_t)(0xe0 | code >> 12);
        at[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        at[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    at[0] = (uint8_t)(0xf0 | code >> 18);
    at[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    at[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    at[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

crdt_span gen_text(gen *g, size_t size_max)
{
    size_t wanted = (size_t)gen_below(g, size_max + 1);
    uint8_t *bytes = take(g, wanted + 4);
    size_t size = 0;
    for (;;) {
        uint8_t sequence[4];
        size_t more = put_code_point(sequence, random_code_point(g));
        if (size + more > wanted) {
            break;
        }
        memcpy(bytes + size, sequence, more);
        size += more;
    }
    return (crdt_span){.data = bytes, .size = size};
}

crdt_span gen_name(gen *g, char prefix, unsigned world)
{
    uint64_t x = gen_below(g, 100);
    if (x < 1) {
        return (crdt_span){0};
    }
    if (x < 4) {
        return gen_text(g, 40);
    }
    if (x < 17 && prefix != 'o') { /* what real scenes have */
        return crdt_well_known_names[(prefix == 'p' ? 0 : 1) + gen_below(g, 3)];
    }
    char *text = take(g, 16);
    int size = snprintf(text, 16, "%s%c%u", x < 7 ? "\xff" : "", prefix,
                        (unsigned)gen_below(g, world));
    return (crdt_span){.data = (const uint8_t *)text, .size = (size_t)size};
}

static double random_number(gen *g)
{
    static const double edges[] = {0,
                                   1,
                                   127,
                                   128,
                                   255,
                                   256,
                                   65535,
                                   65536,
                                   4294967295.0,
                                   4294967296.0,
                                   9007199254740992.0,
                                   9007199254740994.0,
                                   32,
                                   33,
                                   129,
                                   32768,
                                   32769,
                                   2147483648.0,
                                   2147483649.0,
                                   0.1,
                                   0.5,
                                   1e300,
                                   5e-324,
                                   3.4028234663852886e38,
                                   1.1754943508222875e-38};
    double sign = gen_chance(g, 30) ? -1 : 1;
    switch (gen_below(g, 4)) {
    case 0:
        return sign * edges[gen_below(g, sizeof edges / sizeof *edges)];
    case 1:
        return sign * (double)gen_below(g, 1000);
    case 2:
        return sign * (double)gen_below(g, 200001) / 64;
    default:
        return sign * ldexp(gen_unit(g), (int)gen_below(g, 200) - 100);
    }
}

static int compare_keys(const void *a, const void *b)
{
    return crdt_value_key_compare(*(const crdt_span *)a, *(const crdt_span *)b);
}

static void write_value(gen *g, crdt_buf *out, unsigned depth_left);

static void write_map(gen *g, crdt_buf *out, unsigned depth_left)
{
    crdt_span keys[20];
    size_t count = (size_t)gen_below(g, gen_chance(g, 10) ? 20 : 5);
    for (size_t i = 0; i < count; i++) {
        keys[i] = gen_text(g, 8);
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !crdt_span_equal(keys[kept - 1], keys[i])) {
            keys[kept++] = keys[i];
        }
    }
    crdt_value_write_map(out, (uint32_t)kept);
    for (size_t i = 0; i < kept; i++) {
        crdt_value_write_string(out, keys[i]);
        write_value(g, out, depth_left - 1);
    }
}

/* Numbers as positions, rotations and colors have them: mostly exact in float32. */
static void write_vector(gen *g, crdt_buf *out)
{
    static const char *const keys[] = {"xyz", "wxyz", "abgr"};
    const char *names = gen_chance(g, 30) ? keys[gen_below(g, 3)] : NULL;
    uint32_t count =
        names == NULL ? 3 + (uint32_t)gen_below(g, 2) : (uint32_t)strlen(names);
    if (names == NULL) {
        crdt_value_write_array(out, count);
    } else {
        crdt_value_write_map(out, count);
    }
    int shift = -(int)gen_below(g, 20);
    for (uint32_t i = 0; i < count; i++) {
        if (names != NULL) {
            crdt_span key = {.data = (const uint8_t *)names + i, .size = 1};
            crdt_value_write_string(out, key);
        }
        crdt_value_write_number(out, ldexp((double)gen_below(g, 1 << 18), shift));
    }
}

static void write_value(gen *g, crdt_buf *out, unsigned depth_left)
{
    if (gen_chance(g, 15)) {
        write_vector(g, out);
        return;
    }
    uint64_t kind = gen_below(g, depth_left > 0 ? 10 : 7);
    if (kind == 0) {
        crdt_value_write_null(out);
    } else if (kind == 1) {
        crdt_value_write_bool(out, gen_chance(g, 50));
    } else if (kind < 5) {
        crdt_value_write_number(out, random_number(g));
    } else if (kind < 7) {
        crdt_value_write_string(out, gen_text(g, gen_chance(g, 5) ? 300 : 12));
    } else if (kind < 9) {
        uint32_t count = (uint32_t)gen_below(g, gen_chance(g, 10) ? 20 : 5);
        crdt_value_write_array(out, count);
        for (uint32_t i = 0; i < count; i++) {
            write_value(g, out, depth_left - 1);
        }
    } else {
        write_map(g, out, depth_left);
    }
}

crdt_span gen_value(gen *g, unsigned depth_max)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    write_value(g, &out, depth_max);
    uint8_t *bytes = take(g, out.size);
    memcpy(bytes, out.data, out.size);
    crdt_span value = {.data = bytes, .size = out.size};
    crdt_buf_deinit(&out);
    return value;
}

crdt_op gen_op(gen *g, unsigned world)
{
    crdt_op op = {.kind = CRDT_OP_SET};
    crdt_span object = gen_name(g, 'o', world);
    crdt_span part = gen_name(g, 'p', world);
    uint64_t x = gen_below(g, 100);
    if (x < 50) {
        op.key = crdt_key_field(object, part, gen_name(g, 'f', world));
        op.value = gen_value(g, 2);
    } else if (x < 60) {
        op.kind = CRDT_OP_UNSET;
        op.key = crdt_key_field(object, part, gen_name(g, 'f', world));
    } else {
        op.kind = x < 85 ? CRDT_OP_ADD : CRDT_OP_REMOVE;
        op.key =
            gen_chance(g, 40) ? crdt_key_object(object) : crdt_key_part(object, part);
    }
    return op;
}

static int compare_actors(const void *a, const void *b)
{
    return crdt_actor_compare(&((const crdt_stamp *)a)->actor,
                              &((const crdt_stamp *)b)->actor);
}

crdt_batch gen_batch(gen *g, unsigned actor_count, unsigned world, size_t op_max)
{
    crdt_stamp *deps = take(g, actor_count * sizeof *deps);
    size_t dep_count = 0;
    for (unsigned i = 0; i < actor_count; i++) {
        if (gen_chance(g, 70)) {
            deps[dep_count++] = (crdt_stamp){
                .time = 1 + gen_below(g, gen_chance(g, 10) ? CRDT_TIME_MAX / 2 : 1000),
                .actor = gen_actor(i)};
        }
    }
    qsort(deps, dep_count, sizeof *deps, compare_actors);
    size_t op_count = 1 + (size_t)gen_below(g, op_max);
    crdt_op *ops = take(g, op_count * sizeof *ops);
    for (size_t i = 0; i < op_count; i++) {
        ops[i] = gen_op(g, world);
        if (i > 0 && gen_chance(g, 60)) { /* stay on the object, often on the part */
            ops[i].key.object = ops[i - 1].key.object;
            if (ops[i].key.depth > CRDT_OBJECT && ops[i - 1].key.depth > CRDT_OBJECT &&
                gen_chance(g, 60)) {
                ops[i].key.part = ops[i - 1].key.part;
            }
        }
    }
    return (crdt_batch){.actor = gen_actor((unsigned)gen_below(g, actor_count)),
                        .deps = deps,
                        .dep_count = dep_count,
                        .ops = ops,
                        .op_count = op_count,
                        .who = gen_text(g, 12),
                        .wall_ms = gen_chance(g, 20) ? 0 : gen_below(g, 1ull << 42)};
}

bool gen_op_equal(const crdt_op *a, const crdt_op *b)
{
    return a->kind == b->kind && crdt_key_equal(&a->key, &b->key) &&
           (a->kind != CRDT_OP_SET || crdt_span_equal(a->value, b->value));
}

bool gen_batch_equal(const crdt_batch *a, const crdt_batch *b)
{
    if (!crdt_actor_equal(&a->actor, &b->actor) || a->dep_count != b->dep_count ||
        a->op_count != b->op_count || !crdt_span_equal(a->who, b->who) ||
        a->wall_ms != b->wall_ms) {
        return false;
    }
    for (size_t i = 0; i < a->dep_count; i++) {
        if (crdt_stamp_compare(&a->deps[i], &b->deps[i]) != 0) {
            return false;
        }
    }
    for (size_t i = 0; i < a->op_count; i++) {
        if (!gen_op_equal(&a->ops[i], &b->ops[i])) {
            return false;
        }
    }
    return true;
}
