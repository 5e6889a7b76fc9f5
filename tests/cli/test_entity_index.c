#include "cli/servers/entity_index.h"
#include "tests/support/gen.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define POINTERS 6
#define ENTITIES 8

/* An entity of a random story. */
typedef struct story_entity {
    char id[8];
    uint64_t timestamp_ms;
    unsigned pointers; /* bits */
} story_entity;

static const char *const names[POINTERS] = {"0,0", "0,1", "1,0", "1,1", "2,0", "2,1"};

static void add(servers_entity_index *index, const story_entity *given)
{
    crdt_span pointers[POINTERS];
    servers_entity entity = {.timestamp_ms = given->timestamp_ms, .pointers = pointers};
    for (size_t i = 0; i < POINTERS; i++) {
        if ((given->pointers >> i & 1) != 0) {
            pointers[entity.pointer_count++] = crdt_span_of(names[i]);
        }
    }
    servers_entity_entry *entry =
        servers_entity_index_prepare(index, crdt_span_of(given->id), &entity, 1);
    cr_assert_not_null(entry);
    servers_entity_index_add(index, entry);
}

static const char *active(const servers_entity_index *index, const char *pointer)
{
    const servers_entity_entry *entry =
        servers_entity_index_active(index, crdt_span_of(pointer));
    return entry == NULL ? "" : entry->id;
}

Test(entity_index, a_newer_one_takes_over)
{
    servers_entity_index index;
    servers_entity_index_init(&index, crdt_alloc_default());
    cr_assert_null(servers_entity_index_active(&index, crdt_span_of("0,0")));
    add(&index, &(story_entity){"a", 1, 3}); /* 0,0 0,1 */
    cr_assert_str_eq(active(&index, "0,0"), "a");
    add(&index, &(story_entity){"b", 2, 2}); /* 0,1 */
    cr_assert_str_eq(active(&index, "0,1"), "b");
    cr_assert_str_eq(active(&index, "0,0"), "", "a lost one pointer");
    cr_assert_str_eq(servers_entity_index_newest(&index, crdt_span_of("0,0"))->id, "a");
    cr_assert_gt(servers_entity_index_find(&index, crdt_span_of("a"))->lost, 0);
    add(&index, &(story_entity){"c", 2, 2}); /* as late: the greater id */
    cr_assert_str_eq(active(&index, "0,1"), "c");
    servers_entity_index_deinit(&index);
}

Test(entity_index, what_was_dropped_is_not_there)
{
    servers_entity_index index;
    servers_entity_index_init(&index, crdt_alloc_default());
    crdt_span pointer = crdt_span_of("0,0");
    servers_entity entity = {
        .timestamp_ms = 5, .pointers = &pointer, .pointer_count = 1};
    servers_entity_index_drop(
        &index, servers_entity_index_prepare(&index, crdt_span_of("a"), &entity, 1));
    cr_assert_null(servers_entity_index_find(&index, crdt_span_of("a")));
    cr_assert_null(servers_entity_index_newest(&index, pointer));
    add(&index, &(story_entity){"b", 1, 1});
    add(&index, &(story_entity){"a", 5, 1});
    cr_assert_str_eq(active(&index, "0,0"), "a");
    cr_assert_eq(servers_entity_index_find(&index, crdt_span_of("b"))->timestamp_ms, 1);
    servers_entity_index_deinit(&index);
}

static const char *model(const story_entity *story, size_t pointer)
{
    const story_entity *newest[POINTERS] = {NULL};
    for (size_t i = 0; i < ENTITIES; i++) {
        for (size_t p = 0; p < POINTERS; p++) {
            const story_entity *other = newest[p];
            if ((story[i].pointers >> p & 1) != 0 &&
                (other == NULL || story[i].timestamp_ms > other->timestamp_ms ||
                 (story[i].timestamp_ms == other->timestamp_ms &&
                  strcmp(story[i].id, other->id) > 0))) {
                newest[p] = &story[i];
            }
        }
    }
    const story_entity *found = newest[pointer];
    for (size_t p = 0; found != NULL && p < POINTERS; p++) {
        if ((found->pointers >> p & 1) != 0 && newest[p] != found) {
            return "";
        }
    }
    return found == NULL ? "" : found->id;
}

/* Whatever the order of adding: what is active is what the entities say. */
Test(entity_index, order_does_not_matter)
{
    for (uint64_t seed = 1; seed <= 500; seed++) {
        crdt_arena arena;
        crdt_arena_init(&arena, crdt_alloc_default());
        gen random = gen_open(seed, &arena);
        story_entity story[ENTITIES];
        for (size_t i = 0; i < ENTITIES; i++) {
            snprintf(story[i].id, sizeof story[i].id, "e%zu", i);
            story[i].timestamp_ms = 1 + gen_below(&random, 5);
            story[i].pointers = 1 + (unsigned)gen_below(&random, (1u << POINTERS) - 1);
        }
        for (size_t round = 0; round < 3; round++) {
            size_t order[ENTITIES];
            for (size_t i = 0; i < ENTITIES; i++) {
                size_t j = (size_t)gen_below(&random, i + 1);
                order[i] = order[j];
                order[j] = i;
            }
            servers_entity_index index;
            servers_entity_index_init(&index, crdt_alloc_default());
            for (size_t i = 0; i < ENTITIES; i++) {
                add(&index, &story[order[i]]);
            }
            for (size_t p = 0; p < POINTERS; p++) {
                cr_assert_str_eq(active(&index, names[p]), model(story, p),
                                 "seed %d, round %zu, %s", (int)seed, round, names[p]);
            }
            servers_entity_index_deinit(&index);
        }
        crdt_arena_deinit(&arena);
    }
}
