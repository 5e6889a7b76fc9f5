#include "scene/resolve.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT SCENE_RESOLVE_ROOT
#define MISSING SCENE_RESOLVE_MISSING

static scene_edge edge(uint32_t parent, uint64_t time)
{
    return (scene_edge){.parent = parent, .stamp = {.time = time}};
}

static size_t resolve(const scene_edge *edges, size_t count, scene_repair *repairs)
{
    uint32_t *mark = calloc(count + 1, sizeof *mark);
    size_t repair_count = scene_resolve(edges, count, repairs, mark);
    free(mark);
    return repair_count;
}

Test(resolve, nothing_to_resolve)
{
    scene_repair repairs[1];
    cr_assert_eq(resolve(NULL, 0, repairs), 0);
    scene_edge one[] = {edge(ROOT, 0)};
    cr_assert_eq(resolve(one, 1, repairs), 0);
    cr_assert_eq(repairs[0], SCENE_REPAIR_NONE);
}

Test(resolve, a_forest_stays_as_it_is)
{
    scene_edge edges[] = {edge(ROOT, 0), edge(0, 9), edge(0, 8), edge(2, 7)};
    scene_repair repairs[4];
    cr_assert_eq(resolve(edges, 4, repairs), 0);
}

Test(resolve, the_newest_edge_of_a_cycle_is_ignored)
{
    /* 0 -> 1 -> 2 -> 0, and 3 hangs on it. */
    scene_edge edges[] = {edge(1, 5), edge(2, 9), edge(0, 7), edge(0, 100)};
    scene_repair repairs[4];
    cr_assert_eq(resolve(edges, 4, repairs), 1);
    cr_assert_eq(repairs[1], SCENE_REPAIR_CYCLE);
    cr_assert_eq(repairs[0], SCENE_REPAIR_NONE);
    cr_assert_eq(repairs[2], SCENE_REPAIR_NONE);
    cr_assert_eq(repairs[3], SCENE_REPAIR_NONE, "not in the cycle, though newer");
}

Test(resolve, equal_times_are_settled_by_actor)
{
    scene_edge edges[] = {edge(1, 5), edge(0, 5)};
    edges[0].stamp.actor.bytes[0] = 2;
    edges[1].stamp.actor.bytes[0] = 1;
    scene_repair repairs[2];
    cr_assert_eq(resolve(edges, 2, repairs), 1);
    cr_assert_eq(repairs[0], SCENE_REPAIR_CYCLE);
}

Test(resolve, whoever_names_itself_hangs_under_the_root)
{
    scene_edge edges[] = {edge(0, 1), edge(0, 2)};
    scene_repair repairs[2];
    cr_assert_eq(resolve(edges, 2, repairs), 1);
    cr_assert_eq(repairs[0], SCENE_REPAIR_CYCLE);
    cr_assert_eq(repairs[1], SCENE_REPAIR_NONE);
}

Test(resolve, the_child_of_a_missing_parent_is_an_orphan)
{
    scene_edge edges[] = {edge(MISSING, 3), edge(0, 4)};
    scene_repair repairs[2];
    cr_assert_eq(resolve(edges, 2, repairs), 1);
    cr_assert_eq(repairs[0], SCENE_REPAIR_ORPHAN);
    cr_assert_eq(repairs[1], SCENE_REPAIR_NONE);
}

/* Two people drag frames into each other while apart: the merged tree was a -> b -> a, and
 * an editor that walked it overflowed its stack (tldraw, thread 6152). */
Test(resolve, moves_into_each_other_do_not_hang)
{
    enum { DEPTH = 200000 };
    scene_edge *edges = malloc(DEPTH * sizeof *edges);
    scene_repair *repairs = malloc(DEPTH * sizeof *repairs);
    for (uint32_t i = 0; i < DEPTH; i++) {
        edges[i] = edge(i == 0 ? DEPTH - 1 : i - 1, i == 777 ? DEPTH * 2 : i + 1);
    }
    cr_assert_eq(resolve(edges, DEPTH, repairs), 1);
    cr_assert_eq(repairs[777], SCENE_REPAIR_CYCLE);

    edges[0].parent = ROOT; /* now one chain, 200,000 deep */
    cr_assert_eq(resolve(edges, DEPTH, repairs), 0);
    free(edges);
    free(repairs);
}

/* ---- against a naive model ---- */

/* Straight from the definition: i is in a cycle iff following parents leads back to it;
 * it is the one to hide iff no other in that cycle is newer. */
static scene_repair model(const scene_edge *edges, size_t count, uint32_t i)
{
    if (edges[i].parent == MISSING) {
        return SCENE_REPAIR_ORPHAN;
    }
    bool newest = true;
    uint32_t at = edges[i].parent;
    for (size_t steps = 0; steps < count && at != ROOT && at != MISSING; steps++) {
        if (at == i) {
            return newest ? SCENE_REPAIR_CYCLE : SCENE_REPAIR_NONE;
        }
        newest = newest && crdt_stamp_compare(&edges[at].stamp, &edges[i].stamp) < 0;
        at = edges[at].parent;
    }
    return SCENE_REPAIR_NONE;
}

enum { COUNT_MAX = 40 };

static size_t random_graph(gen *g, scene_edge *edges)
{
    size_t count = 1 + gen_next(g) % COUNT_MAX;
    uint64_t root_share = gen_next(g) % 4;
    for (size_t i = 0; i < count; i++) {
        uint64_t kind = gen_next(g) % 10;
        uint32_t parent = (uint32_t)(gen_next(g) % count);
        parent = kind < root_share ? ROOT : kind == 9 ? MISSING : parent;
        edges[i] = edge(parent, 1 + gen_next(g) % 8);
        /* Few times, so that actors settle ties; no two stamps are equal. */
        memcpy(edges[i].stamp.actor.bytes, &(uint64_t){gen_next(g)}, 8);
    }
    return count;
}

/* Every entity must get out: following what is shown ends at the root. */
static void assert_forest(const scene_edge *edges, const scene_repair *repairs,
                          size_t count, uint64_t seed)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        size_t steps = 0;
        while (repairs[at] == SCENE_REPAIR_NONE && edges[at].parent != ROOT) {
            at = edges[at].parent;
            cr_assert_leq(++steps, count, "seed %llu: %u never ends",
                          (unsigned long long)seed, i);
        }
    }
}

Test(resolve, random_graphs_agree_with_the_model)
{
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        gen g = gen_open(seed, NULL);
        scene_edge edges[COUNT_MAX];
        scene_repair repairs[COUNT_MAX];
        size_t count = random_graph(&g, edges);
        size_t repair_count = resolve(edges, count, repairs);
        size_t expected = 0;
        for (uint32_t i = 0; i < count; i++) {
            scene_repair want = model(edges, count, i);
            expected += want != SCENE_REPAIR_NONE;
            cr_assert_eq(repairs[i], want, "seed %llu, entity %u of %zu: %s, not %s",
                         (unsigned long long)seed, i, count,
                         scene_repair_name(repairs[i]), scene_repair_name(want));
        }
        cr_assert_eq(repair_count, expected);
        assert_forest(edges, repairs, count, seed);
    }
}

/* Replicas hold their entities in different orders. */
Test(resolve, the_order_of_entities_does_not_matter)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        gen g = gen_open(seed * 7919, NULL);
        scene_edge edges[COUNT_MAX];
        scene_edge shuffled[COUNT_MAX];
        scene_repair repairs[COUNT_MAX];
        scene_repair shuffled_repairs[COUNT_MAX];
        uint32_t to[COUNT_MAX];
        size_t count = random_graph(&g, edges);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t k = (uint32_t)(gen_next(&g) % (i + 1));
            to[i] = k == i ? i : to[k];
            to[k] = i;
        }
        for (size_t i = 0; i < count; i++) {
            shuffled[to[i]] = edges[i];
            if (edges[i].parent < count) {
                shuffled[to[i]].parent = to[edges[i].parent];
            }
        }
        resolve(edges, count, repairs);
        resolve(shuffled, count, shuffled_repairs);
        for (size_t i = 0; i < count; i++) {
            cr_assert_eq(repairs[i], shuffled_repairs[to[i]], "seed %llu",
                         (unsigned long long)seed);
        }
    }
}

/* Names stand in snapshots: they do not change. */
Test(resolve, repairs_have_names)
{
    cr_expect_str_eq(scene_repair_name(SCENE_REPAIR_NONE), "none");
    cr_expect_str_eq(scene_repair_name(SCENE_REPAIR_CYCLE), "cycle");
    cr_expect_str_eq(scene_repair_name(SCENE_REPAIR_ORPHAN), "orphan");
}
