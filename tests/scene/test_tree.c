#include "tests/scene/world.h"

#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* The tree of replica 0 is kept by hand here, entity by entity. */
static void move_raw(world *w, const char *entity, const char *parent)
{
    char json[32];
    snprintf(json, sizeof json, "\"%s\"", parent);
    world_raw(w, 0, CRDT_OP_ADD, entity, NULL, NULL, NULL);
    world_raw(w, 0, CRDT_OP_ADD, entity, "Transform", NULL, NULL);
    world_raw(w, 0, CRDT_OP_SET, entity, "Transform", "parent", json);
}

static void count_moved(void *ctx, crdt_span entity)
{
    (void)entity;
    (*(size_t *)ctx)++;
}

static void update(scene_tree *tree, const world *w, const char *entity, size_t *moved)
{
    crdt_span id = crdt_span_of(entity);
    cr_assert_eq(
        scene_tree_update(tree, w->replicas[0].doc, &id, 1, count_moved, moved),
        CRDT_OK);
    cr_assert(scene_tree_check(tree, w->replicas[0].doc), "after %s", entity);
}

/* Cycles and orphans come and go by every kind of change; after each one the tree is what
 * it would be if built anew. */
Test(tree, follows_every_change)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        gen g = gen_open(seed, NULL);
        world w;
        world_open(&w, 1);
        scene_tree *tree;
        cr_assert_eq(scene_tree_open(&tree, crdt_alloc_default()), CRDT_OK);
        for (size_t i = 0; i < 150; i++) {
            char id[8];
            char parent[8];
            size_t moved = 0;
            snprintf(id, sizeof id, "e%d", (int)gen_below(&g, 8));
            snprintf(parent, sizeof parent, "e%d", (int)gen_below(&g, 10));
            if (gen_chance(&g, 20)) {
                world_raw(&w, 0, CRDT_OP_REMOVE, id, NULL, NULL, NULL);
            } else if (gen_chance(&g, 10)) {
                world_raw(&w, 0, CRDT_OP_REMOVE, id, "Transform", NULL, NULL);
            } else {
                move_raw(&w, id, parent);
            }
            update(tree, &w, id, &moved);
        }
        scene_tree_close(tree);
        world_close(&w);
    }
}

/* Changes come in groups too, in any order and more than once. */
Test(tree, follows_groups_of_changes)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        gen g = gen_open(seed * 101, NULL);
        world w;
        world_open(&w, 1);
        scene_tree *tree;
        cr_assert_eq(scene_tree_open(&tree, crdt_alloc_default()), CRDT_OK);
        for (size_t round = 0; round < 15; round++) {
            char ids[16][8];
            crdt_span names[17];
            for (size_t i = 0; i < 16; i++) {
                char parent[8];
                snprintf(ids[i], sizeof ids[i], "e%d", (int)gen_below(&g, 12));
                snprintf(parent, sizeof parent, "e%d", (int)gen_below(&g, 14));
                names[i] = crdt_span_of(ids[i]);
                if (gen_chance(&g, 20)) {
                    world_raw(&w, 0, CRDT_OP_REMOVE, ids[i], NULL, NULL, NULL);
                } else {
                    move_raw(&w, ids[i], parent);
                }
            }
            names[16] = crdt_span_of("\xff"
                                     "scene");
            cr_assert_eq(
                scene_tree_update(tree, w.replicas[0].doc, names, 17, NULL, NULL),
                CRDT_OK);
            cr_assert(scene_tree_check(tree, w.replicas[0].doc), "seed %llu",
                      (unsigned long long)seed);
        }
        scene_tree_close(tree);
        world_close(&w);
    }
}

/* An edit that touches no parent moves nothing; a move tells those it concerns. */
Test(tree, tells_who_moved)
{
    world w;
    world_open(&w, 1);
    scene_tree *tree;
    cr_assert_eq(scene_tree_open(&tree, crdt_alloc_default()), CRDT_OK);
    size_t moved = 0;
    world_add(&w, 0, "a", NULL);
    update(tree, &w, "a", &moved);
    world_add(&w, 0, "b", "a");
    update(tree, &w, "b", &moved);
    world_add(&w, 0, "c", "a");
    update(tree, &w, "c", &moved);
    moved = 0;
    world_set(&w, 0, "b", "C", "{\"x\":1}");
    update(tree, &w, "b", &moved);
    cr_assert_eq(moved, 0);
    world_remove(&w, 0, "a");
    update(tree, &w, "a", &moved);
    cr_assert_geq(moved, 3, "a, b and c");
    cr_assert_eq(scene_tree_repair_count(tree), 2);
    cr_assert_eq(scene_tree_count(tree), 2);
    scene_tree_close(tree);
    world_close(&w);
}

/* A chain 3,000 deep whose every link is moved at once: too many steps to walk, so all is
 * resolved in one pass. */
Test(tree, a_burst_of_deep_moves)
{
    enum { DEPTH = 3000 };
    world w;
    world_open(&w, 1);
    scene_tree *tree;
    cr_assert_eq(scene_tree_open(&tree, crdt_alloc_default()), CRDT_OK);
    static char ids[DEPTH][8];
    static crdt_span names[DEPTH];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < DEPTH; i++) {
            snprintf(ids[i], sizeof ids[i], "e%d", i);
            names[i] = crdt_span_of(ids[i]);
        }
        crdt_op_list *ops = &w.replicas[0].ops;
        for (int i = 0; i < DEPTH; i++) {
            /* Round 0: a chain. 1: a ring the other way round. 2: a chain again. */
            int parent = round == 1 ? (i + 1) % DEPTH : i - 1;
            uint8_t value[8];
            int size = snprintf((char *)value + 1, sizeof value - 1, "e%d", parent);
            value[0] = (uint8_t)(0xa0 + size);
            crdt_key transform = crdt_key_part(names[i], crdt_span_of("Transform"));
            crdt_key field = crdt_key_field(names[i], crdt_span_of("Transform"),
                                            crdt_span_of("parent"));
            crdt_op_list_add(ops, crdt_key_object(names[i]));
            crdt_op_list_add(ops, transform);
            if (parent >= 0) {
                crdt_op_list_set(ops, field, (crdt_span){value, (size_t)size + 1});
            } else {
                crdt_op_list_unset(ops, field);
            }
        }
        cr_assert_eq(world_commit(&w, 0, CRDT_ORIGIN_EDIT, NULL), CRDT_OK);
        cr_assert_eq(
            scene_tree_update(tree, w.replicas[0].doc, names, DEPTH, NULL, NULL),
            CRDT_OK);
        cr_assert_eq(scene_tree_repair_count(tree), round == 1 ? 1 : 0);
        cr_assert(scene_tree_check(tree, w.replicas[0].doc));
    }
    scene_tree_close(tree);
    world_close(&w);
}

Test(tree, without_memory)
{
    world w;
    world_open(&w, 1);
    static const char *const IDS[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        move_raw(&w, IDS[i], IDS[(i * 2 + 1) % 5]);
    }
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        scene_tree *tree = NULL;
        fault_alloc_fail_at(&fault, n);
        err = scene_tree_open(&tree, alloc);
        if (err == CRDT_OK) {
            err = scene_tree_build(tree, w.replicas[0].doc);
            fault_alloc_heal(&fault);
            cr_assert(err == CRDT_OK ? scene_tree_check(tree, w.replicas[0].doc)
                                     : scene_tree_count(tree) == 0);
            scene_tree_close(tree);
        }
        fault_alloc_heal(&fault);
        cr_assert(fault_alloc_balanced(&fault));
    }
    world_close(&w);
}
