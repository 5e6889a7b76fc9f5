#include "tests/scene/world.h"

#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_text(actual, expected) cr_assert_str_eq(actual, expected, "%s", actual)

/* A world of `count` replicas with a map `m` to edit: component M of entity m. */
static void open_map(world *w, size_t count)
{
    world_open(w, count);
    world_add(w, count - 1, "m", NULL);
    world_set(w, count - 1, "m", "M", "{}");
    world_sync(w);
}

static crdt_err put(world *w, size_t r, const char *key, const char *json)
{
    return world_set_field(w, r, "m", "M", key, json);
}

static const char *map(world *w, size_t r)
{
    return world_component(w, r, "m", "M");
}

/* ---- the stacks ---- */

Test(undo, one_step_back_and_forth)
{
    world w;
    open_map(&w, 2);
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    put(&w, 0, "x", "1");
    put(&w, 0, "x", "2");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":1}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":1}");
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":2}");
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

Test(undo, a_new_edit_clears_what_could_be_redone)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    put(&w, 0, "x", "2");
    world_undo(&w, 0);
    put(&w, 0, "y", "7");
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    world_undo(&w, 0);
    assert_text(map(&w, 0), "{\"x\":1}");
    world_undo(&w, 0);
    assert_text(map(&w, 0), "{}");
    world_redo(&w, 0);
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"x\":1,\"y\":7}");
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    world_close(&w);
}

static crdt_err one_of_many(world *w, gen *g, size_t value_number)
{
    char id[8];
    char other[8];
    char value[16];
    snprintf(id, sizeof id, "e%d", (int)gen_below(g, 4));
    snprintf(other, sizeof other, "e%d", (int)gen_below(g, 4));
    snprintf(value, sizeof value, "%zu", value_number + 10);
    switch (gen_below(g, 7)) {
    case 0:
        return world_remove(w, 0, id);
    case 1:
        return world_set(w, 0, id, "C", gen_chance(g, 50) ? value : "{}");
    case 2:
        return world_remove_component(w, 0, id, gen_chance(g, 50) ? "C" : "Transform");
    case 3:
    case 4:
        return world_move(w, 0, id, gen_chance(g, 70) ? other : NULL);
    default:
        return world_set_field(w, 0, id, "C", gen_chance(g, 50) ? "x" : "y", value);
    }
}

/* Makes the edits of one step of undo, the `i`th. false: none was made. */
typedef bool edit_one_step(world *w, gen *g, size_t i);

/* Any walk over the stacks shows what the state was at that point. */
static void walk_stacks(uint64_t seed, edit_one_step *edit)
{
    enum { STEPS = 60 };
    gen g = gen_open(seed, NULL);
    world w;
    open_map(&w, 2);
    char *states[STEPS + 1];
    size_t top = 0; /* where we are */
    size_t end = 0; /* what could be redone */
    states[0] = strdup(world_json(&w, 0));
    for (size_t i = 0; i < STEPS; i++) {
        uint64_t kind = gen_below(&g, 3);
        if (kind == 0) {
            if (edit(&w, &g, i)) {
                if (strcmp(world_json(&w, 0), states[top]) == 0) {
                    break; /* it cancels out: undo may pass over it, or not */
                }
                while (end > top) {
                    free(states[end--]);
                }
                states[++top] = strdup(world_json(&w, 0));
                end = top;
            }
        } else if (kind == 1) {
            cr_assert_eq(world_undo(&w, 0), top > 0 ? CRDT_OK : CRDT_ENOTHING,
                         "seed %llu step %zu", (unsigned long long)seed, i);
            top -= top > 0;
        } else {
            cr_assert_eq(world_redo(&w, 0), top < end ? CRDT_OK : CRDT_ENOTHING,
                         "seed %llu step %zu", (unsigned long long)seed, i);
            top += top < end;
        }
        cr_assert_str_eq(world_json(&w, 0), states[top], "seed %llu step %zu",
                         (unsigned long long)seed, i);
    }
    for (size_t i = 0; i <= end; i++) {
        free(states[i]);
    }
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* A transaction of one to four edits. */
static bool edit_one_batch(world *w, gen *g, size_t i)
{
    world_begin(w, 0);
    for (uint64_t n = gen_below(g, 4) + 1; n > 0; n--) {
        one_of_many(w, g, i);
    }
    return world_end(w, 0) == CRDT_OK;
}

Test(undo, chains_of_undo_and_redo_against_a_model)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        walk_stacks(seed, edit_one_batch);
    }
}

Test(undo, persons_behind_one_worker_have_stacks_of_their_own)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    w.replicas[0].who = "eve";
    put(&w, 0, "y", "2");
    w.replicas[0].who = "ann";
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"y\":2}");
    w.replicas[0].who = "eve";
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING, "that is ann's");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    w.replicas[0].who = "ann";
    cr_assert_eq(world_redo(&w, 0), CRDT_OK, "eve's edit does not clear it");
    assert_text(map(&w, 0), "{\"x\":1}");
    world_close(&w);
}

Test(undo, a_former_actor_of_the_store_is_oneself)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    put(&w, 0, "x", "2");
    w.replicas[0].actor = gen_actor(9); /* the store was copied, and goes on afresh */
    put(&w, 0, "y", "3");
    world_undo(&w, 0);
    world_undo(&w, 0);
    assert_text(map(&w, 0), "{\"x\":1}");
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"x\":2}");
    world_close(&w);
}

/* ---- deletes ---- */

Test(undo, a_deleted_entity_comes_back_as_it_was)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":3,\"on\":true}");
    world_set(&w, 1, "a", "Tag", "[1,2]");
    world_set(&w, 1, "a", "Empty", "{}");
    world_add(&w, 1, "child", "a");
    world_sync(&w);
    char *before = strdup(world_json(&w, 0));
    world_remove(&w, 0, "a");
    assert_text(world_place(&w, 0, "child"), "(orphan a)");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    cr_assert_str_eq(world_json(&w, 0), before);
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Tag"), "-");
    world_undo(&w, 0);
    world_sync(&w);
    cr_assert_str_eq(world_json(&w, 1), before);
    world_assert_equal(&w);
    free(before);
    world_close(&w);
}

Test(undo, a_deleted_component_comes_back_as_it_was)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":3,\"on\":true}");
    world_sync(&w);
    world_remove_component(&w, 0, "a", "Light");
    world_undo(&w, 0);
    assert_text(world_component(&w, 0, "a", "Light"), "{\"lux\":3,\"on\":true}");
    world_close(&w);
}

/* What others wrote into it meanwhile is hidden, and comes back with it. */
Test(undo, of_a_delete_shows_what_others_wrote_meanwhile)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":3,\"on\":true}");
    world_sync(&w);
    world_remove(&w, 0, "a");
    world_set_field(&w, 1, "a", "Light", "lux", "9");   /* changed */
    world_set_field(&w, 1, "a", "Light", "hue", "120"); /* new */
    world_set(&w, 1, "a", "Sound", "{\"on\":1}");       /* a component of their own */
    world_sync(&w);
    assert_text(world_component(&w, 1, "a", "Light"), "-");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Light"),
                "{\"hue\":120,\"lux\":9,\"on\":true}");
    assert_text(world_component(&w, 0, "a", "Sound"), "{\"on\":1}");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

Test(undo, of_a_delete_leaves_what_lives_again)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":3}");
    world_sync(&w);
    world_remove(&w, 0, "a");
    world_sync(&w);
    world_set(&w, 1, "a", "Light", "{\"hue\":5}");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    cr_assert(world_skipped(&w, 0, "a", NULL, NULL, SCENE_UNDO_EXISTS));
    assert_text(world_component(&w, 0, "a", "Light"), "{\"hue\":5}");
    world_close(&w);
}

/* ---- creations ---- */

/* A creates a note, B colours it, A undoes: the colour of a note that does not exist
 * remained, an element without a type (cocalc, thread 5990). */
Test(undo, of_create_while_others_edited_leaves_no_half_object)
{
    world w;
    open_map(&w, 2);
    world_begin(&w, 0);
    world_add(&w, 0, "note", NULL);
    world_set(&w, 0, "note", "Text", "{\"text\":\"hello\",\"type\":\"note\"}");
    put(&w, 0, "notes", "1");
    world_end(&w, 0);
    world_sync(&w);
    world_set_field(&w, 1, "note", "Text", "color", "\"red\"");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK, "the rest of the transaction goes");
    cr_assert(world_skipped(&w, 0, "note", NULL, NULL, SCENE_UNDO_EDITED_BELOW));
    assert_text(map(&w, 0), "{}");
    assert_text(world_component(&w, 0, "note", "Text"),
                "{\"color\":\"red\",\"text\":\"hello\",\"type\":\"note\"}");
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"notes\":1}");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* The same person, at another machine: not what was done here. */
Test(undo, of_create_spares_what_one_wrote_elsewhere)
{
    world w;
    open_map(&w, 2);
    w.replicas[1].who = w.replicas[0].who;
    world_add(&w, 0, "note", NULL);
    world_set(&w, 0, "note", "Text", "{\"text\":\"hello\"}");
    world_sync(&w);
    world_set_field(&w, 1, "note", "Text", "color", "\"red\"");
    world_sync(&w);
    world_undo(&w, 0);
    world_undo(&w, 0);
    world_sync(&w);
    assert_text(world_component(&w, 0, "note", "Text"),
                "{\"color\":\"red\",\"text\":\"hello\"}");
    world_assert_equal(&w);
    world_close(&w);
}

Test(undo, of_create_spares_what_others_hung_below_it)
{
    world w;
    open_map(&w, 2);
    world_add(&w, 0, "group", NULL);
    world_sync(&w);
    world_add(&w, 1, "theirs", "group");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    cr_assert(world_skipped(&w, 0, "group", NULL, NULL, SCENE_UNDO_EDITED_BELOW));
    assert_text(world_place(&w, 0, "theirs"), "group");
    world_close(&w);
}

Test(undo, of_a_component_that_others_edited)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 0, "m", "Light", "{\"lux\":1}");
    world_sync(&w);
    world_set_field(&w, 1, "m", "Light", "hue", "2");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    cr_assert(world_skipped(&w, 0, "m", "Light", NULL, SCENE_UNDO_EDITED_BELOW));
    assert_text(world_component(&w, 0, "m", "Light"), "{\"hue\":2,\"lux\":1}");
    world_close(&w);
}

Test(undo, of_a_replacement_brings_the_former_entity_back)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":1}");
    world_set(&w, 1, "a", "Tag", "7");
    world_sync(&w);
    char *before = strdup(world_json(&w, 0));
    world_begin(&w, 0);
    world_remove(&w, 0, "a");
    world_set(&w, 0, "a", "Light", "{\"hue\":2}");
    world_end(&w, 0);
    char *after = strdup(world_json(&w, 0));
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    cr_assert_str_eq(world_json(&w, 0), before);
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    cr_assert_str_eq(world_json(&w, 0), after);
    free(before);
    free(after);
    world_close(&w);
}

/* ---- what others did since ---- */

Test(undo, skips_what_is_gone)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":1}");
    world_sync(&w);
    world_begin(&w, 0);
    world_set_field(&w, 0, "a", "Light", "lux", "2");
    world_set(&w, 0, "a", "Tag", "1");
    put(&w, 0, "x", "1");
    world_end(&w, 0);
    world_sync(&w);
    world_remove(&w, 1, "a");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    cr_assert(world_skipped(&w, 0, "a", "Light", "lux", SCENE_UNDO_REMOVED));
    cr_assert(world_skipped(&w, 0, "a", "Tag", NULL, SCENE_UNDO_REMOVED));
    assert_text(map(&w, 0), "{}");
    assert_text(world_place(&w, 0, "a"), "-");
    world_close(&w);
}

Test(undo, never_hangs_an_entity_below_itself)
{
    world w;
    open_map(&w, 2);
    world_add(&w, 0, "a", NULL);
    world_add(&w, 0, "b", NULL);
    world_move(&w, 0, "a", "b");
    world_move(&w, 0, "a", NULL); /* this will be undone */
    world_sync(&w);
    world_move(&w, 1, "b", "a");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK, "an older one can be undone");
    cr_assert(world_skipped(&w, 0, "a", "Transform", "parent", SCENE_UNDO_CYCLE));
    assert_text(world_place(&w, 0, "b"), "a");
    assert_text(world_place(&w, 0, "a"), "(root)");
    world_close(&w);
}

/* Two entities change places in one step. On the way back, the first of them would for a
 * moment hang below itself. */
Test(undo, of_a_swap_of_parent_and_child)
{
    world w;
    open_map(&w, 2);
    world_add(&w, 1, "p", NULL);
    world_add(&w, 1, "a", "p");
    world_add(&w, 1, "b", "a");
    world_add(&w, 1, "c", "b");
    world_sync(&w);
    char *before = strdup(world_json(&w, 0));
    world_begin(&w, 0);
    cr_assert_eq(world_move(&w, 0, "b", "p"), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "a", "c"), CRDT_OK);
    cr_assert_eq(world_end(&w, 0), CRDT_OK);
    char *after = strdup(world_json(&w, 0));
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    cr_assert_eq(w.replicas[0].skip_count, 0);
    cr_assert_str_eq(world_json(&w, 0), before);
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    cr_assert_str_eq(world_json(&w, 0), after);
    free(before);
    free(after);
    world_close(&w);
}

/* Undo too pins what it would free. */
Test(undo, moves_nobody_else)
{
    world w;
    open_map(&w, 2);
    world_add(&w, 1, "a", NULL);
    world_add(&w, 1, "b", NULL);
    world_add(&w, 1, "c", NULL);
    world_move(&w, 1, "a", "c");
    world_sync(&w);
    world_move(&w, 0, "a", "b");
    put(&w, 1, "later", "1");
    world_move(&w, 1, "b", "a");
    world_sync(&w);
    assert_text(world_place(&w, 0, "b"), "(cycle a)");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(world_place(&w, 0, "a"), "c");
    assert_text(world_place(&w, 0, "b"), "(root)");
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    cr_assert(world_skipped(&w, 0, "b", "Transform", "parent", SCENE_UNDO_CYCLE));
    assert_text(world_place(&w, 0, "a"), "b");
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_close(&w);
}

/* A conflict was cleared up meanwhile: the value that stands is still one's own. */
Test(undo, housekeeping_does_not_take_over)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    world_sync(&w);
    put(&w, 1, "x", "2");
    put(&w, 0, "y", "0");
    put(&w, 0, "x", "3"); /* later, wins */
    world_sync(&w);
    assert_text(map(&w, 1), "{\"x\":3,\"y\":0}");
    world_replica *r = &w.replicas[0];
    crdt_op_list_set(
        &r->ops,
        crdt_key_field(crdt_span_of("m"), crdt_span_of("M"), crdt_span_of("x")),
        (crdt_span){(const uint8_t *)"\x03", 1});
    cr_assert_eq(world_commit(&w, 0, CRDT_ORIGIN_HOUSEKEEPING, NULL), CRDT_OK);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":1,\"y\":0}");
    world_close(&w);
}

/* ---- ten stories of yjs ---- */

/* Thread 165: several values within one undo step; undo went back to the first of them
 * instead of the value before the step. */
Test(undo, yjs_165_several_writes_of_a_key_in_one_step)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "width", "20");
    world_begin(&w, 0);
    put(&w, 0, "width", "30");
    put(&w, 0, "width", "34");
    world_end(&w, 0);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"width\":20}");
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"width\":34}");
    world_close(&w);
}

/* Thread 236: A sets and updates a key; undo by B, who wrote nothing, deleted it. */
Test(undo, yjs_236_another_user_has_nothing_to_undo)
{
    world w;
    open_map(&w, 3);
    put(&w, 0, "my-key", "\"my-value\"");
    put(&w, 0, "my-key", "\"my-updated-value\"");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 1), CRDT_ENOTHING);
    assert_text(map(&w, 1), "{\"my-key\":\"my-updated-value\"}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"my-key\":\"my-value\"}");
    world_close(&w);
}

/* Thread 355: a map and two of its keys, updated three times; undone until the map is
 * gone; redone until the end: the keys were lost. */
Test(undo, yjs_355_redo_to_the_end_after_undo_to_the_beginning)
{
    world w;
    world_open(&w, 2);
    static const char *const STATES[] = {
        "-", "{\"x\":0,\"y\":0}", "{\"x\":100,\"y\":100}", "{\"x\":200,\"y\":200}",
        "{\"x\":300,\"y\":300}"};
    for (size_t i = 1; i < 5; i++) {
        world_set(&w, 0, "a", "Point", STATES[i]);
    }
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 4; i > 0; i--) {
            cr_assert_eq(world_undo(&w, 0), CRDT_OK);
            assert_text(world_component(&w, 0, "a", "Point"), STATES[i - 1]);
        }
        cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
        for (size_t i = 1; i < 5; i++) {
            cr_assert_eq(world_redo(&w, 0), CRDT_OK);
            assert_text(world_component(&w, 0, "a", "Point"), STATES[i]);
        }
        cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    }
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* Thread 390: two users drag one element in turn; neither could undo anything. Who wrote
 * last can; who was overwritten is told so, and is not stuck there. */
Test(undo, yjs_390_two_users_drag_one_element_in_turn)
{
    world w;
    open_map(&w, 3);
    put(&w, 0, "other", "1");
    put(&w, 0, "left", "0");
    world_sync(&w);
    put(&w, 1, "left", "100");
    world_sync(&w);
    put(&w, 0, "left", "200");
    world_sync(&w);
    put(&w, 1, "left", "300");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 1), CRDT_OK);
    assert_text(map(&w, 1), "{\"left\":200,\"other\":1}");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    cr_assert(world_skipped(&w, 0, "m", "M", "left", SCENE_UNDO_OVERWRITTEN));
    assert_text(map(&w, 0), "{\"left\":200}"); /* what was ann's alone */
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* Thread 443: a key is set and its map deleted in one step; after undo the map was there,
 * the key had no value. */
Test(undo, yjs_443_set_and_delete_in_one_step)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "foo", "C", "{\"bar\":\"value1\",\"baz\":\"value2\"}");
    world_begin(&w, 0);
    world_set_field(&w, 0, "foo", "C", "bar", "\"value3\"");
    world_remove(&w, 0, "foo");
    world_end(&w, 0);
    assert_text(world_component(&w, 0, "foo", "C"), "-");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(world_component(&w, 0, "foo", "C"),
                "{\"bar\":\"value1\",\"baz\":\"value2\"}");
    world_redo(&w, 0);
    assert_text(world_component(&w, 0, "foo", "C"), "-");
    world_close(&w);
}

/* Thread 472: A undoes the creation of a map, B writes into it meanwhile, A redoes: the
 * key was undefined, neither A's value nor B's. */
Test(undo, yjs_472_written_while_deleted)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 0, "nested", "C", "{\"foo\":10,\"too\":1}");
    world_sync(&w);
    world_undo(&w, 0);
    world_set_field(&w, 1, "nested", "C", "foo", "11"); /* has not heard of it */
    world_sync(&w);
    assert_text(world_component(&w, 1, "nested", "C"), "-");
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    world_sync(&w);
    assert_text(world_component(&w, 0, "nested", "C"), "{\"foo\":11,\"too\":1}");
    world_assert_equal(&w);
    world_close(&w);

    /* And where B had heard of it: then B made it anew, and it stays B's. */
    open_map(&w, 2);
    world_set(&w, 0, "nested", "C", "{\"foo\":10}");
    world_undo(&w, 0);
    world_sync(&w);
    world_set_field(&w, 1, "nested", "C", "foo", "11");
    world_sync(&w);
    cr_assert_eq(world_redo(&w, 0), CRDT_ENOTHING);
    cr_assert(world_skipped(&w, 0, "nested", NULL, NULL, SCENE_UNDO_EXISTS));
    assert_text(world_component(&w, 0, "nested", "C"), "{\"foo\":11}");
    world_assert_equal(&w);
    world_close(&w);
}

/* Thread 500: two keys are set and deleted in turn; undo of the second turn brought
 * nothing back. */
Test(undo, yjs_500_keys_that_come_and_go)
{
    world w;
    open_map(&w, 2);
    static const char *const STATES[] = {"{}",
                                         "{\"a\":\"a\"}",
                                         "{\"b\":\"a\"}",
                                         "{\"a\":\"a\"}",
                                         "{\"b\":\"a\"}",
                                         "{\"a\":\"a\"}"};
    put(&w, 0, "a", "\"a\"");
    for (size_t i = 2; i < 6; i++) {
        world_begin(&w, 0);
        world_unset(&w, 0, "m", "M", i % 2 == 0 ? "a" : "b");
        put(&w, 0, i % 2 == 0 ? "b" : "a", "\"a\"");
        world_end(&w, 0);
        assert_text(map(&w, 0), STATES[i]);
    }
    for (size_t i = 5; i > 0; i--) {
        cr_assert_eq(world_undo(&w, 0), CRDT_OK);
        assert_text(map(&w, 0), STATES[i - 1]);
    }
    for (size_t i = 1; i < 6; i++) {
        cr_assert_eq(world_redo(&w, 0), CRDT_OK);
        assert_text(map(&w, 0), STATES[i]);
    }
    world_close(&w);
}

/* Thread 514: both write one key at once; the winner undoes, and the key was gone. Had
 * the winner not written, the other's value would show: so it does. */
Test(undo, yjs_514_the_winner_of_a_conflict_undoes)
{
    world w;
    open_map(&w, 3);
    put(&w, 0, "x", "1");
    world_sync(&w);
    put(&w, 0, "x", "2");
    put(&w, 1, "x", "3"); /* equal time, greater actor: wins */
    world_sync(&w);
    assert_text(map(&w, 0), "{\"x\":3}");
    cr_assert_eq(world_undo(&w, 1), CRDT_OK);
    assert_text(map(&w, 1), "{\"x\":2}");
    world_sync(&w);
    assert_text(map(&w, 0), "{\"x\":2}");
    world_assert_equal(&w);
    world_redo(&w, 1);
    assert_text(map(&w, 1), "{\"x\":3}");

    /* The loser has nothing that shows: it is told, and the next older one goes. */
    put(&w, 0, "z", "1");
    world_sync(&w);
    put(&w, 0, "z", "2");
    put(&w, 1, "z", "3");
    world_sync(&w);
    world_undo(&w, 0);
    cr_assert(world_skipped(&w, 0, "m", "M", "z", SCENE_UNDO_OVERWRITTEN));
    assert_text(world_get(&w, 0, "m", "M", "z"), "3");
    world_close(&w);
}

/* Thread 642: a key changed and its map deleted in one step; after undo and sync the
 * other client lacked the key. */
Test(undo, yjs_642_the_other_client_gets_the_same)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "item", "C", "{\"p\":\"old\",\"q\":\"kept\"}");
    world_sync(&w);
    world_begin(&w, 0);
    world_set_field(&w, 0, "item", "C", "p", "\"new\"");
    world_remove(&w, 0, "item");
    world_end(&w, 0);
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    world_sync(&w);
    assert_text(world_component(&w, 1, "item", "C"), "{\"p\":\"old\",\"q\":\"kept\"}");
    world_assert_equal(&w);
    world_close(&w);
}

/* Thread 724: a change that is on no stack (here: an import) touched what an older step
 * had; undo of that step restored a mixture. It leaves that key, and restores the rest
 * exactly. */
Test(undo, yjs_724_changes_that_are_on_no_stack)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "src", "\"initial\"");
    put(&w, 0, "alt", "\"before\"");
    world_begin(&w, 0);
    put(&w, 0, "src", "\"modified\"");
    put(&w, 0, "alt", "\"after\"");
    world_end(&w, 0);
    world_replica *r = &w.replicas[0];
    crdt_op_list_set(
        &r->ops,
        crdt_key_field(crdt_span_of("m"), crdt_span_of("M"), crdt_span_of("src")),
        (crdt_span){(const uint8_t *)"\xa6upload", 7});
    cr_assert_eq(world_commit(&w, 0, CRDT_ORIGIN_IMPORT, NULL), CRDT_OK);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"alt\":\"before\",\"src\":\"upload\"}");
    cr_assert(world_skipped(&w, 0, "m", "M", "src", SCENE_UNDO_OVERWRITTEN));
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"alt\":\"after\",\"src\":\"upload\"}");
    world_close(&w);
}

/* ---- and all together ---- */

static void random_edit(world *w, gen *g, size_t r)
{
    char id[8];
    char value[16];
    snprintf(id, sizeof id, "e%d", (int)gen_below(g, 4));
    snprintf(value, sizeof value, "%d", (int)gen_below(g, 5));
    switch (gen_below(g, 8)) {
    case 0:
        world_remove(w, r, id);
        break;
    case 1:
        world_set(w, r, id, "C", value);
        break;
    case 2:
        world_move(w, r, id, gen_chance(g, 70) ? "e1" : NULL);
        break;
    case 3:
        world_remove_component(w, r, id, "C");
        break;
    default:
        world_set_field(w, r, id, "C", gen_chance(g, 50) ? "x" : "y", value);
        break;
    }
}

/* Replicas edit, undo and redo at random; all end equal, and what nobody but oneself
 * touched is as it was. */
Test(undo, random_undo_among_others_converges)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        gen g = gen_open(seed * 31, NULL);
        world w;
        world_open(&w, 3);
        for (size_t i = 0; i < 60; i++) {
            size_t r = gen_below(&g, 3);
            uint64_t kind = gen_below(&g, 6);
            if (kind == 0) {
                world_undo(&w, r);
            } else if (kind == 1) {
                world_redo(&w, r);
            } else {
                random_edit(&w, &g, r);
            }
            if (gen_chance(&g, 30)) {
                world_sync(&w);
            }
        }
        world_sync(&w);
        world_assert_equal(&w);
        world_close(&w);
    }
}

/* Undo everything of one person: others' writes all stand. */
Test(undo, undoing_all_of_ones_own_leaves_what_others_wrote)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        gen g = gen_open(seed * 77, NULL);
        world w;
        open_map(&w, 3);
        char expected[8][16];
        memset(expected, 0, sizeof expected);
        for (size_t i = 0; i < 40; i++) {
            size_t r = gen_below(&g, 2);
            size_t key = gen_below(&g, 8);
            char name[4] = {(char)('a' + (char)key), '\0'};
            char value[16];
            snprintf(value, sizeof value, "%zu", i);
            put(&w, r, name, value);
            world_sync(&w);
            if (r == 1) {
                memcpy(expected[key], value, sizeof value);
            }
        }
        while (world_undo(&w, 0) == CRDT_OK) {
            world_sync(&w);
        }
        for (size_t key = 0; key < 8; key++) {
            char name[4] = {(char)('a' + (char)key), '\0'};
            const char *now = world_get(&w, 0, "m", "M", name);
            cr_assert_str_eq(now, expected[key][0] == '\0' ? "-" : expected[key],
                             "seed %llu key %s", (unsigned long long)seed, name);
        }
        world_close(&w);
    }
}

/* ---- records and memory ---- */

static crdt_err feed(const world *w, crdt_alloc alloc, bool redo, crdt_span damaged,
                     size_t *op_count)
{
    const world_replica *r = &w->replicas[0];
    scene_undo_options options = {.redo = redo};
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    scene_undo *undo = NULL;
    crdt_err err = scene_undo_open(&undo, alloc, r->doc, &r->actor, &options, &ops);
    if (err == CRDT_OK) {
        bool more = damaged.size == 0 || scene_undo_visit(undo, damaged);
        for (size_t i = r->records.count; i > 0 && more; i--) {
            const world_bytes *record = &r->records.items[i - 1];
            more = scene_undo_visit(undo, (crdt_span){record->data, record->size});
        }
        crdt_stamp target;
        err = scene_undo_finish(undo, &target, NULL);
    }
    *op_count = ops.op_count;
    scene_undo_close(undo);
    crdt_op_list_deinit(&ops);
    return err;
}

Test(undo, without_memory)
{
    world w;
    open_map(&w, 2);
    world_set(&w, 1, "a", "Light", "{\"lux\":3,\"on\":true}");
    world_add(&w, 1, "b", "a");
    world_sync(&w);
    world_begin(&w, 0);
    put(&w, 0, "x", "1");
    world_remove(&w, 0, "a");
    world_add(&w, 0, "c", "b");
    world_end(&w, 0);
    put(&w, 0, "x", "2");
    world_set_field(&w, 1, "a", "Light", "lux", "4");
    put(&w, 1, "y", "2");
    world_sync(&w);
    world_undo(&w, 0);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    size_t failures = 0;
    crdt_err err = CRDT_ENOMEM;
    size_t op_count = 0;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        fault_alloc_fail_at(&fault, n);
        err = feed(&w, alloc, false, (crdt_span){0}, &op_count);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM, "%s", crdt_err_name(err));
        cr_assert(fault_alloc_balanced(&fault));
        failures += err != CRDT_OK;
    }
    cr_assert_gt(failures, 20);
    cr_assert_geq(op_count, 5, "a, Light, its fields, x, c");
    world_close(&w);
}

Test(undo, a_damaged_record_is_said_to_be_one)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    size_t op_count;
    const world_list *records = &w.replicas[0].records;
    const world_bytes *last = &records->items[records->count - 1];
    for (size_t size = 1; size < last->size; size++) {
        cr_assert_eq(feed(&w, crdt_alloc_default(), false,
                          (crdt_span){last->data, size}, &op_count),
                     CRDT_ECORRUPT);
        cr_assert_eq(op_count, 0);
    }
    world_close(&w);
}

/* What the history did not keep whole is left alone, and said. */
Test(undo, of_what_was_too_large)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "1");
    put(&w, 0, "y", "1");
    world_list *records = &w.replicas[0].records;
    world_bytes *last = &records->items[records->count - 1];
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_history_record record;
    cr_assert_eq(
        crdt_history_decode((crdt_span){last->data, last->size}, &arena, &record, NULL),
        CRDT_OK);
    record.cut = true;
    crdt_buf bytes;
    crdt_buf_init(&bytes, crdt_alloc_default());
    cr_assert_eq(crdt_history_encode(&record, &bytes), CRDT_OK);
    free(last->data);
    *last = (world_bytes){malloc(bytes.size), bytes.size};
    memcpy(last->data, bytes.data, bytes.size);
    crdt_buf_deinit(&bytes);
    crdt_arena_deinit(&arena);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK, "the one before it");
    cr_assert(world_skipped(&w, 0, "m", "M", "y", SCENE_UNDO_CUT));
    assert_text(map(&w, 0), "{\"y\":1}");
    world_close(&w);
}

/* Each reason is a sentence of its own. */
Test(undo, every_reason_is_told_in_words)
{
    const char *unknown = scene_undo_reason_text((scene_undo_reason)77);
    for (int i = SCENE_UNDO_OVERWRITTEN; i <= SCENE_UNDO_CUT; i++) {
        const char *text = scene_undo_reason_text((scene_undo_reason)i);
        cr_expect_str_neq(text, unknown);
        for (int j = SCENE_UNDO_OVERWRITTEN; j < i; j++) {
            cr_expect_str_neq(text, scene_undo_reason_text((scene_undo_reason)j));
        }
    }
}

/* ---- steps ---- */

/* A drag sends a batch for every twentieth of a second; it is undone at once. */
Test(undo, a_step_of_many_batches_is_one)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "0");
    w.replicas[0].step = "drag";
    for (int i = 1; i <= 20; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        put(&w, 0, "x", value);
        put(&w, 0, i % 2 == 0 ? "even" : "odd", value);
    }
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":0}");
    cr_assert_str_eq(world_step(&w, 0), "drag");
    cr_assert_eq(world_redo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"even\":20,\"odd\":19,\"x\":20}");
    cr_assert_str_eq(world_step(&w, 0), "drag", "an undo is named as what it undid");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":0}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK, "what was before the step");
    assert_text(map(&w, 0), "{}");
    cr_assert_str_eq(world_step(&w, 0), "");
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    world_redo(&w, 0);
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"even\":20,\"odd\":19,\"x\":20}");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* A value that the step came by on its way is not the one from before it. */
Test(undo, of_a_step_that_came_by_where_it_began)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "x", "0");
    put(&w, 0, "x", "5");
    w.replicas[0].step = "drag";
    put(&w, 0, "x", "6");
    put(&w, 0, "x", "5");
    put(&w, 0, "x", "7");
    w.replicas[0].step = NULL;
    for (int round = 0; round < 2; round++) {
        cr_assert_eq(world_undo(&w, 0), CRDT_OK);
        assert_text(map(&w, 0), "{\"x\":5}");
        cr_assert_eq(world_undo(&w, 0), CRDT_OK, "the 5 is that of the edit before");
        assert_text(map(&w, 0), "{\"x\":0}");
        world_redo(&w, 0);
        world_redo(&w, 0);
        assert_text(map(&w, 0), "{\"x\":7}");
    }
    world_close(&w);
}

/* Two tabs of one person: steps may be interleaved, the one with the newest batch is the
 * first to go, whole. */
Test(undo, interleaved_steps_go_one_by_one)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "plain", "1");
    for (int i = 1; i <= 4; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        w.replicas[0].step = "left";
        put(&w, 0, "a", value);
        w.replicas[0].step = i == 3 ? NULL : "right";
        put(&w, 0, i == 3 ? "c" : "b", value);
    }
    assert_text(map(&w, 0), "{\"a\":4,\"b\":4,\"c\":3,\"plain\":1}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"a\":4,\"c\":3,\"plain\":1}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"c\":3,\"plain\":1}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"plain\":1}");
    world_redo(&w, 0);
    world_redo(&w, 0);
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"a\":4,\"b\":4,\"c\":3,\"plain\":1}");
    world_close(&w);
}

/* What goes on under the name of a step that was undone meanwhile is another one. */
Test(undo, a_step_that_goes_on_after_its_undo)
{
    world w;
    open_map(&w, 2);
    w.replicas[0].step = "drag";
    put(&w, 0, "x", "1");
    put(&w, 0, "x", "2");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    put(&w, 0, "x", "3");
    put(&w, 0, "y", "4");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"x\":3,\"y\":4}");
    world_close(&w);
}

/* The step of one person is not that of another with the same name for it; nor is it the
 * same after a long pause. */
Test(undo, whose_step_and_when)
{
    world w;
    open_map(&w, 2);
    w.replicas[0].step = "1";
    put(&w, 0, "x", "1");
    w.replicas[0].who = "eve";
    put(&w, 0, "y", "2");
    w.replicas[0].who = "ann";
    put(&w, 0, "z", "3");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"y\":2}");
    world_close(&w);

    open_map(&w, 2);
    w.replicas[0].step = "drag";
    w.replicas[0].wall_ms = 1000000;
    put(&w, 0, "a", "1");
    w.replicas[0].wall_ms += SCENE_UNDO_PAUSE_MS + 1;
    put(&w, 0, "b", "2");
    w.replicas[0].wall_ms += SCENE_UNDO_PAUSE_MS;
    put(&w, 0, "c", "3");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"a\":1}");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    cr_assert_eq(world_undo(&w, 0), CRDT_ENOTHING);
    world_redo(&w, 0);
    world_redo(&w, 0);
    assert_text(map(&w, 0), "{\"a\":1,\"b\":2,\"c\":3}");
    world_close(&w);
}

/* Where no person is asked for, everybody's edits here are undone: each step still by
 * itself. */
Test(undo, steps_of_everybody)
{
    world w;
    open_map(&w, 2);
    w.replicas[0].step = "1";
    put(&w, 0, "x", "1");
    w.replicas[0].who = "eve";
    put(&w, 0, "y", "2");
    size_t op_count = 0;
    cr_assert_eq(feed(&w, crdt_alloc_default(), false, (crdt_span){0}, &op_count),
                 CRDT_OK);
    cr_assert_eq(op_count, 1, "eve's");
    world_close(&w);
}

/* Somebody else writes between two batches of a drag: what was theirs comes back. */
Test(undo, of_a_step_brings_back_what_others_wrote_between)
{
    world w;
    open_map(&w, 3);
    put(&w, 0, "x", "0");
    w.replicas[0].step = "drag";
    put(&w, 0, "x", "1");
    put(&w, 0, "y", "1");
    world_sync(&w);
    put(&w, 1, "x", "77");
    world_sync(&w);
    put(&w, 0, "x", "2");
    put(&w, 0, "y", "2");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":77}");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* A concurrent write loses against the step, and a later batch of it clears it away: without
 * the step it would show. */
Test(undo, of_a_step_shows_what_had_lost_against_it)
{
    world w;
    open_map(&w, 3);
    put(&w, 1, "x", "0");
    world_sync(&w);
    w.replicas[1].step = "drag";
    put(&w, 0, "x", "50");
    put(&w, 1, "x", "1"); /* equal time, greater actor: wins */
    world_sync(&w);
    assert_text(map(&w, 1), "{\"x\":1}");
    put(&w, 1, "x", "2");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 1), CRDT_OK);
    assert_text(map(&w, 1), "{\"x\":50}");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

/* A step makes a thing and takes it away again; meanwhile somebody has coloured it. Undone,
 * it is there with its colour: to take it back to nothing would take the colour too. */
Test(undo, of_a_step_that_made_and_took_what_others_edited)
{
    world w;
    open_map(&w, 2);
    w.replicas[0].step = "paste";
    world_set(&w, 0, "note", "Text", "{\"text\":\"hello\"}");
    world_sync(&w);
    world_set_field(&w, 1, "note", "Text", "color", "\"red\"");
    world_sync(&w);
    world_remove(&w, 0, "note");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(world_component(&w, 0, "note", "Text"),
                "{\"color\":\"red\",\"text\":\"hello\"}");
    world_close(&w);

    open_map(&w, 2); /* and with nobody else: nothing is left of it */
    w.replicas[0].step = "paste";
    world_set(&w, 0, "note", "Text", "{\"text\":\"hello\"}");
    world_remove(&w, 0, "note");
    put(&w, 0, "x", "1");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{}");
    assert_text(world_component(&w, 0, "note", "Text"), "-");
    world_close(&w);
}

/* A step that others have taken over whole is left alone, and the one before it goes. */
Test(undo, of_a_step_that_others_took_over)
{
    world w;
    open_map(&w, 2);
    put(&w, 0, "y", "1");
    w.replicas[0].step = "first";
    put(&w, 0, "z", "1");
    put(&w, 0, "z", "2");
    w.replicas[0].step = "second";
    put(&w, 0, "x", "1");
    put(&w, 0, "x", "2");
    world_sync(&w);
    put(&w, 1, "x", "3");
    world_sync(&w);
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    assert_text(map(&w, 0), "{\"x\":3,\"y\":1}");
    cr_assert_str_eq(world_step(&w, 0), "first");
    cr_assert(world_skipped(&w, 0, "m", "M", "x", SCENE_UNDO_OVERWRITTEN));
    world_close(&w);
}

/* One of `steps` open steps, each with things of its own: entities e<step>0 to e<step>3. */
static crdt_err edit_of_step(world *w, gen *g, size_t step, size_t value_number)
{
    char id[24];
    char other[24];
    char value[16];
    snprintf(id, sizeof id, "e%zu%d", step, (int)gen_below(g, 4));
    snprintf(other, sizeof other, "e%zu%d", step, (int)gen_below(g, 4));
    snprintf(value, sizeof value, "%zu", value_number % 7); /* values come again */
    switch (gen_below(g, 8)) {
    case 0:
        return world_remove(w, 0, id);
    case 1:
        return world_set(w, 0, id, "C", gen_chance(g, 50) ? value : "{}");
    case 2:
        return world_remove_component(w, 0, id, gen_chance(g, 50) ? "C" : "Transform");
    case 3:
        return world_move(w, 0, id, gen_chance(g, 70) ? other : NULL);
    default:
        return world_set_field(w, 0, id, "C", gen_chance(g, 50) ? "x" : "y", value);
    }
}

/* One to eight batches that are one step. */
static bool edit_many_batches(world *w, gen *g, size_t i)
{
    char name[24];
    snprintf(name, sizeof name, "step %zu", i);
    w->replicas[0].step = name;
    bool any = false;
    for (uint64_t n = gen_below(g, 8) + 1; n > 0; n--) {
        any = edit_of_step(w, g, 0, gen_below(g, 100)) == CRDT_OK || any;
    }
    w->replicas[0].step = NULL;
    return any;
}

Test(undo, chains_of_steps_against_a_model)
{
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + 300; seed++) {
        walk_stacks(seed, edit_many_batches);
    }
}

/* What a step's entities look like, all in one text. */
static char *look_at_step(world *w, size_t step)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < 4; i++) {
        char id[24];
        snprintf(id, sizeof id, "e%zu%d", step, i);
        fprintf(out, "%s %s %s\n", id, world_component(w, 0, id, "C"),
                world_place(w, 0, id));
    }
    fclose(out);
    return text;
}

/* Several steps at once, batch by batch in turn, on things of their own: undone one by one,
 * newest last batch first, each is what it was before; redone, as it was after. */
static void interleave_steps(uint64_t seed)
{
    enum { STEPS = 4 };
    gen g = gen_open(seed, NULL);
    world w;
    open_map(&w, 2);
    static const char *const names[STEPS] = {"zero", "one", "two", "three"};
    char *before[STEPS];
    char *after[STEPS];
    size_t order[STEPS]; /* the one written last is the last */
    size_t count = 0;
    for (size_t step = 0; step < STEPS; step++) {
        for (int i = 0; i < 3; i++) {
            edit_of_step(&w, &g, step, gen_below(&g, 100));
        }
        before[step] = look_at_step(&w, step);
    }
    for (int i = 0; i < 30; i++) {
        size_t step = gen_below(&g, STEPS);
        w.replicas[0].step = names[step];
        if (edit_of_step(&w, &g, step, gen_below(&g, 100)) != CRDT_OK) {
            continue;
        }
        size_t at = 0;
        while (at < count && order[at] != step) {
            at++;
        }
        count += at == count;
        memmove(&order[at], &order[at + 1], (count - at - 1) * sizeof *order);
        order[count - 1] = step;
    }
    w.replicas[0].step = NULL;
    for (size_t step = 0; step < STEPS; step++) {
        after[step] = look_at_step(&w, step);
    }
    for (size_t i = count; i > 0; i--) {
        size_t step = order[i - 1];
        if (strcmp(before[step], after[step]) == 0) {
            goto done; /* it cancels out: undo may pass over it, or not */
        }
        cr_assert_eq(world_undo(&w, 0), CRDT_OK);
        cr_assert_str_eq(world_step(&w, 0), names[step], "seed %llu",
                         (unsigned long long)seed);
        char *now = look_at_step(&w, step);
        cr_assert_str_eq(now, before[step], "seed %llu", (unsigned long long)seed);
        free(now);
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(world_redo(&w, 0), CRDT_OK);
        char *now = look_at_step(&w, order[i]);
        cr_assert_str_eq(now, after[order[i]], "seed %llu", (unsigned long long)seed);
        free(now);
    }
done:
    for (size_t step = 0; step < STEPS; step++) {
        free(before[step]);
        free(after[step]);
    }
    world_close(&w);
}

Test(undo, interleaved_steps_at_random)
{
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + 200; seed++) {
        interleave_steps(seed);
    }
}

/* The same thing dragged by two at once, batch by batch, each seeing the other's or not: when
 * one has undone all of theirs, what the other wrote is there. */
Test(undo, a_step_among_others_leaves_theirs)
{
    uint64_t first = gen_seed(1);
    for (uint64_t seed = first; seed < first + 100; seed++) {
        gen g = gen_open(seed, NULL);
        world w;
        open_map(&w, 3);
        put(&w, 0, "x", "0");
        world_sync(&w);
        w.replicas[0].step = "ann's";
        w.replicas[1].step = "bob's";
        char bobs[16] = "";
        for (int i = 1; i <= 20; i++) {
            size_t r = gen_below(&g, 2);
            char value[16];
            snprintf(value, sizeof value, "%d", i);
            put(&w, r, "x", value);
            if (r == 1) {
                memcpy(bobs, value, sizeof bobs);
            }
            if (gen_chance(&g, 40)) {
                world_sync(&w);
            }
        }
        world_sync(&w);
        while (world_undo(&w, 0) == CRDT_OK) {
            world_sync(&w);
        }
        cr_assert_str_eq(world_get(&w, 2, "m", "M", "x"), bobs[0] == '\0' ? "-" : bobs,
                         "SCENESYNC_SEED=%llu", (unsigned long long)seed);
        world_assert_equal(&w);
        world_close(&w);
    }
}
