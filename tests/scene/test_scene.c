#include "tests/scene/world.h"

#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define assert_text(actual, expected) cr_assert_str_eq(actual, expected, "%s", actual)

/* ---- creating ---- */

Test(scene, set_creates_what_is_missing)
{
    world w;
    world_open(&w, 1);
    cr_assert_eq(world_set(&w, 0, "a", "Light", "{\"on\":true,\"lux\":3}"), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Light"), "{\"lux\":3,\"on\":true}");
    cr_assert_eq(world_set_field(&w, 0, "b", "Light", "lux", "4"), CRDT_OK);
    assert_text(world_component(&w, 0, "b", "Light"), "{\"lux\":4}");
    assert_text(world_component(&w, 0, "b", "Dark"), "-");
    world_close(&w);
}

Test(scene, add_is_idempotent_and_hangs_below_a_parent)
{
    world w;
    world_open(&w, 1);
    cr_assert_eq(world_add(&w, 0, "a", NULL), CRDT_OK);
    cr_assert_eq(world_add(&w, 0, "a", NULL), CRDT_ENOTHING);
    cr_assert_eq(world_add(&w, 0, "b", "a"), CRDT_OK);
    cr_assert_eq(world_add(&w, 0, "c", "nobody"), CRDT_ENOTFOUND);
    assert_text(world_place(&w, 0, "b"), "a");
    assert_text(world_get(&w, 0, "b", "Transform", "parent"), "\"a\"");
    assert_text(world_place(&w, 0, "c"), "-");
    cr_assert_eq(world_add(&w, 0, "b", NULL), CRDT_ENOTHING, "stays where it is");
    assert_text(world_place(&w, 0, "b"), "a");
    world_close(&w);
}

Test(scene, names_that_are_not_ours_to_give)
{
    world w;
    world_open(&w, 1);
    cr_assert_eq(world_add(&w, 0,
                           "\xff"
                           "c1",
                           NULL),
                 CRDT_EINVAL);
    cr_assert_eq(world_add(&w, 0, "\xc3\x28", NULL), CRDT_EINVAL);
    cr_assert_eq(world_set(&w, 0, "a",
                           "\xff"
                           "e",
                           "{}"),
                 CRDT_EINVAL);
    cr_assert_eq(world_set_field(&w, 0, "a", "C",
                                 "\xff"
                                 "v",
                                 "1"),
                 CRDT_EINVAL);
    cr_assert_eq(world_remove(&w, 0, "a"), CRDT_ENOTFOUND);
    cr_assert_eq(world_remove_component(&w, 0, "a", "C"), CRDT_ENOTFOUND);
    cr_assert_eq(world_unset(&w, 0, "a", "C", "f"), CRDT_ENOTFOUND);
    world_add(&w, 0, "a", NULL);
    cr_assert_eq(world_remove_component(&w, 0, "a", "C"), CRDT_ENOTFOUND);
    world_set(&w, 0, "a", "C", "{}");
    cr_assert_eq(world_unset(&w, 0, "a", "C", "f"), CRDT_ENOTFOUND);
    /* Any UTF-8 will do, the empty text too. */
    cr_assert_eq(world_set(&w, 0, "", "", "{\"\":1}"), CRDT_OK);
    assert_text(world_component(&w, 0, "", ""), "{\"\":1}");
    world_close(&w);
}

/* ---- the value of a component ---- */

Test(scene, a_whole_set_unsets_what_it_lacks_and_leaves_what_is_equal)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "a", "C", "{\"x\":1,\"y\":2,\"z\":3}");
    world_sync(&w);
    cr_assert_eq(world_set(&w, 0, "a", "C", "{\"x\":1,\"y\":5}"), CRDT_OK);
    world_set_field(&w, 1, "a", "C", "x", "7"); /* at the same time */
    world_sync(&w);
    assert_text(world_component(&w, 1, "a", "C"), "{\"x\":7,\"y\":5}");
    world_assert_equal(&w);
    cr_assert_eq(world_set(&w, 0, "a", "C", "{\"x\":7,\"y\":5}"), CRDT_ENOTHING);
    world_close(&w);
}

Test(scene, objects_and_whole_values_take_turns)
{
    world w;
    world_open(&w, 1);
    world_set(&w, 0, "a", "C", "{\"x\":1}");
    world_set(&w, 0, "a", "C", "[1,2]");
    assert_text(world_component(&w, 0, "a", "C"), "[1,2]");
    world_set(&w, 0, "a", "C", "null");
    assert_text(world_component(&w, 0, "a", "C"), "null");
    world_set_field(&w, 0, "a", "C", "y", "2");
    assert_text(world_component(&w, 0, "a", "C"), "{\"y\":2}");
    world_set(&w, 0, "a", "C", "7");
    world_set(&w, 0, "a", "C", "{}");
    assert_text(world_component(&w, 0, "a", "C"), "{}");
    cr_assert_eq(crdt_document_count(w.replicas[0].doc).fields, 0);
    world_close(&w);
}

/* Of both written at once the later stamp shows, whole: no mixture. */
Test(scene, whole_value_against_fields)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "a", "C", "{\"x\":1}");
    world_sync(&w);
    world_set(&w, 0, "a", "C", "5"); /* unsets x */
    world_add(&w, 1, "later", NULL); /* makes the next stamp greater */
    world_add(&w, 1, "later still", NULL);
    world_set_field(&w, 1, "a", "C", "y", "2");
    world_sync(&w);
    assert_text(world_component(&w, 0, "a", "C"), "{\"y\":2}");
    world_assert_equal(&w);
    world_set(&w, 0, "a", "C", "6");
    assert_text(world_component(&w, 0, "a", "C"), "6");
    world_close(&w);
}

Test(scene, keys_of_all_planes_come_in_canonical_order)
{
    world w;
    world_open(&w, 1);
    /* U+10000 sorts before U+E000 by UTF-16 units, after it by bytes. */
    const char *json = "{\"a\":1,\"\xf0\x90\x80\x80\":2,\"\xee\x80\x80\":3}";
    world_set(&w, 0, "a", "C", json);
    assert_text(world_component(&w, 0, "a", "C"), json);
    cr_assert_eq(world_set(&w, 0, "a", "C", json), CRDT_ENOTHING);
    world_close(&w);
}

/* ---- several intentions in one transaction ---- */

Test(scene, each_intention_is_judged_after_those_before_it)
{
    world w;
    world_open(&w, 1);
    world_set(&w, 0, "a", "C", "{\"x\":1,\"y\":2}");
    world_begin(&w, 0);
    cr_assert_eq(world_remove(&w, 0, "a"), CRDT_OK);
    cr_assert_eq(world_remove(&w, 0, "a"), CRDT_ENOTFOUND);
    cr_assert_eq(world_set_field(&w, 0, "a", "C", "z", "3"), CRDT_OK);
    cr_assert_eq(world_unset(&w, 0, "a", "C", "x"), CRDT_ENOTFOUND);
    cr_assert_eq(world_set_field(&w, 0, "a", "C", "u", "4"), CRDT_OK);
    cr_assert_eq(world_set(&w, 0, "a", "C", "{\"u\":4,\"v\":5}"), CRDT_OK);
    cr_assert_eq(world_add(&w, 0, "b", "a"), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "a", "b"), CRDT_EINVAL, "b hangs below a");
    cr_assert_eq(world_move(&w, 0, "b", NULL), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "a", "b"), CRDT_OK);
    cr_assert_eq(world_end(&w, 0), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "C"), "{\"u\":4,\"v\":5}");
    assert_text(world_place(&w, 0, "a"), "b");
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_close(&w);
}

/* ---- sharing ---- */

#define OBJECT_C1                                                                      \
    "\xff"                                                                             \
    "c1"
#define FIELD_S                                                                        \
    "\xff"                                                                             \
    "s"

static void make_shared(world *w)
{
    world_raw(w, 0, CRDT_OP_ADD, OBJECT_C1, NULL, NULL, NULL);
    world_raw(w, 0, CRDT_OP_ADD, OBJECT_C1, "Shape", NULL, NULL);
    world_raw(w, 0, CRDT_OP_SET, OBJECT_C1, "Shape", "src", "\"box\"");
    world_raw(w, 0, CRDT_OP_SET, OBJECT_C1, "Shape", "size", "1");
    static const char *const USERS[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        world_add(w, 0, USERS[i], NULL);
        world_raw(w, 0, CRDT_OP_ADD, USERS[i], "Shape", NULL, NULL);
        world_raw(w, 0, CRDT_OP_SET, USERS[i], "Shape", FIELD_S, "\"1\"");
    }
}

static bool shares(const world *w, const char *entity)
{
    crdt_key key = crdt_key_field(crdt_span_of(entity), crdt_span_of("Shape"),
                                  crdt_span_of(FIELD_S));
    crdt_span value;
    return crdt_document_get(w->replicas[0].doc, &key, &value);
}

Test(scene, shared_components_are_copied_field_by_field)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":1,\"src\":\"box\"}");
    cr_assert_eq(world_set_field(&w, 0, "a", "Shape", "size", "2"), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":2,\"src\":\"box\"}");
    assert_text(world_component(&w, 0, "b", "Shape"), "{\"size\":1,\"src\":\"box\"}");
    cr_assert(shares(&w, "a"));
    /* The rest is still shared. */
    world_raw(&w, 0, CRDT_OP_SET, OBJECT_C1, "Shape", "src", "\"ball\"");
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":2,\"src\":\"ball\"}");
    assert_text(world_component(&w, 0, "b", "Shape"), "{\"size\":1,\"src\":\"ball\"}");
    cr_assert_eq(world_set_field(&w, 0, "b", "Shape", "size", "1"), CRDT_ENOTHING);
    world_close(&w);
}

Test(scene, to_unset_an_inherited_field_detaches)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    world_set_field(&w, 0, "a", "Shape", "size", "2");
    /* Unsetting the own value must not bring up the shared one. */
    cr_assert_eq(world_unset(&w, 0, "a", "Shape", "size"), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"src\":\"box\"}");
    cr_assert_not(shares(&w, "a"));
    cr_assert_eq(world_unset(&w, 0, "b", "Shape", "src"), CRDT_OK);
    assert_text(world_component(&w, 0, "b", "Shape"), "{\"size\":1}");
    cr_assert_not(shares(&w, "b"));
    world_close(&w);
}

Test(scene, a_whole_set_shares_while_it_can)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    world_set(&w, 0, "a", "Shape", "{\"size\":3,\"src\":\"box\"}");
    cr_assert(shares(&w, "a"));
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":3,\"src\":\"box\"}");
    world_set(&w, 0, "a", "Shape", "{\"size\":3}");
    cr_assert_not(shares(&w, "a"));
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":3}");
    world_set(&w, 0, "b", "Shape", "false");
    cr_assert_not(shares(&w, "b"));
    assert_text(world_component(&w, 0, "b", "Shape"), "false");
    world_close(&w);
}

Test(scene, what_is_shared_may_be_gone)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    world_set_field(&w, 0, "a", "Shape", "size", "2");
    world_raw(&w, 0, CRDT_OP_REMOVE, OBJECT_C1, NULL, NULL, NULL);
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":2}");
    assert_text(world_component(&w, 0, "b", "Shape"), "{}");
    world_assert_equal(&w);
    world_close(&w);
}

Test(scene, what_is_shared_may_be_no_object)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    world_raw(&w, 0, CRDT_OP_REMOVE, OBJECT_C1, "Shape", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD, OBJECT_C1, "Shape", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET, OBJECT_C1, "Shape",
              "\xff"
              "v",
              "17");
    assert_text(world_component(&w, 0, "a", "Shape"), "17");
    cr_assert_eq(world_set_field(&w, 0, "a", "Shape", "size", "2"), CRDT_OK);
    assert_text(world_component(&w, 0, "a", "Shape"), "{\"size\":2}");
    assert_text(world_component(&w, 0, "b", "Shape"), "17");
    world_close(&w);
}

/* ---- spellings ---- */

Test(scene, both_spellings_of_transform_and_name)
{
    world w;
    world_open(&w, 1);
    world_set(&w, 0, "512", "core::Transform", "{\"position\":[0,0,0]}");
    world_set(&w, 0, "513", "core::Transform", "{\"parent\":512}");
    assert_text(world_place(&w, 0, "513"), "512");
    world_set(&w, 0, "514", "core::Transform", "{\"parent\":0}");
    assert_text(world_place(&w, 0, "514"), "(root)");
    cr_assert_eq(world_move(&w, 0, "514", "513"), CRDT_OK);
    assert_text(world_get(&w, 0, "514", "core::Transform", "parent"), "513");
    world_set(&w, 0, "513", "core-schema::Name", "{\"value\":\"lamp\"}");
    world_set(&w, 0, "a", "Name", "{\"value\":\"desk\",\"builderValue\":\"d\"}");
    crdt_span name;
    cr_assert(scene_entity_name(w.replicas[0].doc, crdt_span_of("513"), &name));
    cr_assert(crdt_span_equal(name, crdt_span_of("lamp")));
    cr_assert(scene_entity_name(w.replicas[0].doc, crdt_span_of("a"), &name));
    cr_assert(crdt_span_equal(name, crdt_span_of("desk")));
    cr_assert_not(scene_entity_name(w.replicas[0].doc, crdt_span_of("512"), &name));
    world_close(&w);
}

Test(scene, the_imported_format_spells_new_transforms)
{
    world w;
    world_open(&w, 1);
    world_raw(&w, 0, CRDT_OP_ADD,
              "\xff"
              "scene",
              NULL, NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD,
              "\xff"
              "scene",
              "\xff"
              "e",
              NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET,
              "\xff"
              "scene",
              "\xff"
              "e",
              "format", "\"composite\"");
    world_add(&w, 0, "600", NULL);
    world_add(&w, 0, "601", "600");
    assert_text(world_get(&w, 0, "601", "core::Transform", "parent"), "600");
    world_add(&w, 0, "by name", "601");
    world_add(&w, 0, "below", "by name");
    assert_text(world_get(&w, 0, "below", "core::Transform", "parent"), "\"by name\"");
    assert_text(world_place(&w, 0, "below"), "by name");
    world_close(&w);
}

/* ---- moving ---- */

Test(scene, nobody_hangs_below_itself)
{
    world w;
    world_open(&w, 1);
    world_add(&w, 0, "a", NULL);
    world_add(&w, 0, "b", "a");
    world_add(&w, 0, "c", "b");
    cr_assert_eq(world_move(&w, 0, "a", "a"), CRDT_EINVAL);
    cr_assert_eq(world_move(&w, 0, "a", "c"), CRDT_EINVAL);
    cr_assert_eq(world_set_field(&w, 0, "a", "Transform", "parent", "\"c\""),
                 CRDT_EINVAL);
    cr_assert_eq(world_set(&w, 0, "a", "Transform", "{\"parent\":\"b\"}"), CRDT_EINVAL);
    cr_assert_eq(world_add(&w, 0, "n", "n"), CRDT_ENOTFOUND);
    cr_assert_eq(world_move(&w, 0, "c", NULL), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "a", "c"), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "a", "nobody"), CRDT_ENOTFOUND);
    cr_assert_eq(world_move(&w, 0, "nobody", "a"), CRDT_ENOTFOUND);
    world_close(&w);
}

/* a and b were hung below each other at once; b's move is the later, so b shows under
 * the root. When a is moved away, b's old edge would come to life and b would jump below
 * a: it is written down where it shows instead. */
static void make_cycle(world *w)
{
    world_add(w, 0, "a", NULL);
    world_add(w, 0, "b", NULL);
    world_add(w, 0, "c", NULL);
    world_sync(w);
    world_move(w, 0, "a", "b");
    world_add(w, 1, "later", NULL);
    world_move(w, 1, "b", "a");
    world_sync(w);
    assert_text(world_place(w, 0, "a"), "b");
    assert_text(world_place(w, 0, "b"), "(cycle a)");
    world_assert_equal(w);
}

Test(scene, a_move_pins_what_it_would_free)
{
    world w;
    world_open(&w, 2);
    make_cycle(&w);
    cr_assert_eq(world_move(&w, 0, "a", "c"), CRDT_OK);
    assert_text(world_place(&w, 0, "a"), "c");
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

Test(scene, so_does_a_move_to_the_root_and_a_remove)
{
    world w;
    world_open(&w, 2);
    make_cycle(&w);
    cr_assert_eq(world_move(&w, 0, "a", NULL), CRDT_OK);
    assert_text(world_place(&w, 0, "a"), "(root)");
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_close(&w);

    world_open(&w, 2);
    make_cycle(&w);
    cr_assert_eq(world_remove(&w, 0, "a"), CRDT_OK);
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_close(&w);

    world_open(&w, 2);
    make_cycle(&w);
    cr_assert_eq(world_remove_component(&w, 0, "a", "Transform"), CRDT_OK);
    assert_text(world_place(&w, 0, "a"), "(root)");
    assert_text(world_place(&w, 0, "b"), "(root)");
    world_close(&w);
}

Test(scene, moving_the_hidden_one_itself)
{
    world w;
    world_open(&w, 2);
    make_cycle(&w);
    cr_assert_eq(world_move(&w, 0, "b", "a"), CRDT_EINVAL, "a shows below b");
    cr_assert_eq(world_move(&w, 0, "b", "c"), CRDT_OK);
    assert_text(world_place(&w, 0, "b"), "c");
    assert_text(world_place(&w, 0, "a"), "b");
    world_close(&w);
}

Test(scene, moving_below_what_shows_at_the_root)
{
    /* x, a, b and y in one ring of edges; y is hidden and shows at the root. */
    world w;
    world_open(&w, 2);
    static const char *const RING[] = {"x", "a", "b", "y"};
    for (size_t i = 0; i < 4; i++) {
        world_add(&w, 0, RING[i], NULL);
    }
    world_sync(&w);
    world_move(&w, 0, "x", "a");
    world_move(&w, 0, "a", "b");
    world_move(&w, 0, "b", "y");
    for (int i = 0; i < 5; i++) {
        world_set(&w, 1, "later", "C", i % 2 ? "1" : "2");
    }
    world_move(&w, 1, "y", "x");
    world_sync(&w);
    assert_text(world_place(&w, 0, "y"), "(cycle x)");
    /* By what is shown, x is below y and not above: x may go straight below y. */
    cr_assert_eq(world_move(&w, 0, "x", "y"), CRDT_OK);
    assert_text(world_place(&w, 0, "x"), "y");
    assert_text(world_place(&w, 0, "y"), "(root)");
    assert_text(world_place(&w, 0, "b"), "y");
    world_close(&w);
}

Test(scene, adding_below_an_orphan_that_waited_for_it)
{
    world w;
    world_open(&w, 1);
    world_add(&w, 0, "p", NULL);
    world_add(&w, 0, "q", "p");
    world_remove(&w, 0, "p");
    assert_text(world_place(&w, 0, "q"), "(orphan p)");
    cr_assert_eq(world_add(&w, 0, "p", "q"), CRDT_OK);
    assert_text(world_place(&w, 0, "p"), "q");
    assert_text(world_place(&w, 0, "q"), "(root)");
    world_close(&w);
}

Test(scene, children_of_the_removed_come_back_with_it)
{
    world w;
    world_open(&w, 1);
    world_add(&w, 0, "p", NULL);
    world_add(&w, 0, "q", "p");
    world_remove(&w, 0, "p");
    world_add(&w, 0, "p", NULL);
    assert_text(world_place(&w, 0, "q"), "p");
    world_close(&w);
}

Test(scene, two_thousand_deep)
{
    enum { DEPTH = 2000 };
    world w;
    world_open(&w, 1);
    world_begin(&w, 0);
    for (int i = 0; i < DEPTH; i++) {
        char id[16];
        char parent[16];
        snprintf(id, sizeof id, "e%d", i);
        snprintf(parent, sizeof parent, "e%d", i - 1);
        cr_assert_eq(world_add(&w, 0, id, i == 0 ? NULL : parent), CRDT_OK);
    }
    cr_assert_eq(world_end(&w, 0), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "e0", "e1999"), CRDT_EINVAL);
    cr_assert_eq(world_move(&w, 0, "e1000", NULL), CRDT_OK);
    cr_assert_eq(world_move(&w, 0, "e0", "e1999"), CRDT_OK);
    assert_text(world_place(&w, 0, "e0"), "e1999");
    world_assert_equal(&w);
    world_close(&w);
}

/* ---- properties ---- */

enum { IDS = 7 };

static const char *const ID[IDS + 1] = {"a",   "b",   "c", "d",
                                        "512", "513", "g", "nobody"};

/* Any parent for anybody, past the editor: rings, orphans, both spellings. */
static void tangle(world *w, gen *g)
{
    for (size_t i = 0; i < 14; i++) {
        const char *id = ID[gen_below(g, IDS)];
        const char *part = gen_chance(g, 70) ? "Transform" : "core::Transform";
        char json[16];
        snprintf(json, sizeof json, "\"%s\"", ID[gen_below(g, IDS + 1)]);
        world_raw(w, 0, CRDT_OP_ADD, id, NULL, NULL, NULL);
        world_raw(w, 0, CRDT_OP_ADD, id, part, NULL, NULL);
        world_raw(w, 0, CRDT_OP_SET, id, part, "parent", json);
    }
}

/* The shown parent: what repair it came from does not matter. */
static void note_places(world *w, char places[IDS][16])
{
    for (size_t i = 0; i < IDS; i++) {
        const char *place = world_place(w, 0, ID[i]);
        snprintf(places[i], 16, "%s", place[0] == '(' ? "(root)" : place);
    }
}

/* However tangled the state is, an edit moves the entity it names, and of the others none
 * but the children of one that is removed. */
Test(scene, nobody_else_jumps)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        gen g = gen_open(seed, NULL);
        world w;
        world_open(&w, 1);
        tangle(&w, &g);
        for (size_t step = 0; step < 12; step++) {
            char before[IDS][16];
            char after[IDS][16];
            size_t x = gen_below(&g, IDS);
            const char *parent = ID[gen_below(&g, IDS)];
            note_places(&w, before);
            bool there = strcmp(before[x], "-") != 0;
            bool removed = false;
            crdt_err err = CRDT_ENOTHING;
            switch (gen_below(&g, 5)) {
            case 0:
                err = world_move(&w, 0, ID[x], NULL);
                cr_assert(!there || err == CRDT_OK || err == CRDT_ENOTHING);
                break;
            case 1:
                err = world_remove(&w, 0, ID[x]);
                removed = err == CRDT_OK;
                break;
            case 2:
                err = world_set(&w, 0, ID[x], "Transform", "{\"position\":1}");
                break;
            case 3:
                if (there) {
                    err = world_remove_component(&w, 0, ID[x], "Transform");
                }
                break;
            default:
                err = world_move(&w, 0, ID[x], parent);
                break;
            }
            note_places(&w, after);
            for (size_t i = 0; i < IDS; i++) {
                bool orphaned = removed && strcmp(before[i], ID[x]) == 0;
                if (i == x || (!there && strcmp(after[i], ID[x]) == 0)) {
                    continue; /* children waited for one that was not there */
                }
                cr_assert_str_eq(after[i], orphaned ? "(root)" : before[i],
                                 "seed %llu step %zu: %s jumped (%s, edit of %s)",
                                 (unsigned long long)seed, step, ID[i],
                                 crdt_err_name(err), ID[x]);
            }
        }
        world_assert_equal(&w);
        world_close(&w);
    }
}

static crdt_err random_intent(world *w, gen *g)
{
    static const char *const VALUES[] = {
        "1", "{}", "{\"x\":1}", "{\"x\":2,\"y\":[]}", "null", "{\"parent\":\"b\"}"};
    const char *id = ID[gen_below(g, IDS)];
    const char *other = ID[gen_below(g, IDS)];
    const char *component = gen_chance(g, 50) ? "Shape" : "Transform";
    const char *field = gen_chance(g, 50) ? "src" : gen_chance(g, 50) ? "size" : "x";
    switch (gen_below(g, 9)) {
    case 0:
        return world_add(w, 0, id, gen_chance(g, 50) ? other : NULL);
    case 1:
        return world_remove(w, 0, id);
    case 2:
        return world_move(w, 0, id, gen_chance(g, 70) ? other : NULL);
    case 3:
        return world_set(w, 0, id, component, VALUES[gen_below(g, 6)]);
    case 4:
        return world_unset(w, 0, id, component, field);
    case 5:
        return world_remove_component(w, 0, id, component);
    case 6:
        return world_set(w, 0, id, "Shape", "{\"size\":1,\"src\":\"box\",\"x\":1}");
    default:
        return world_set_field(w, 0, id, component, field, "7");
    }
}

/* Intentions made in one transaction come to the same as made one by one. */
Test(scene, together_as_one_by_one)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        world one;
        world all;
        world_open(&one, 1);
        world_open(&all, 1);
        gen g = gen_open(seed, NULL);
        gen h = g;
        make_shared(&one);
        make_shared(&all);
        tangle(&one, &g);
        tangle(&all, &h);
        for (size_t round = 0; round < 4; round++) {
            world_begin(&all, 0);
            for (size_t i = 0; i < 10; i++) {
                crdt_err alone = random_intent(&one, &g);
                crdt_err together = random_intent(&all, &h);
                alone = alone == CRDT_ENOTHING ? CRDT_OK : alone;
                cr_assert_eq(alone, together, "seed %llu: %s, %s",
                             (unsigned long long)seed, crdt_err_name(alone),
                             crdt_err_name(together));
            }
            world_end(&all, 0);
            cr_assert_str_eq(world_json(&one, 0), world_json(&all, 0), "seed %llu",
                             (unsigned long long)seed);
        }
        world_close(&one);
        world_close(&all);
    }
}

/* ---- without memory ---- */

Test(scene, an_edit_without_memory)
{
    world w;
    world_open(&w, 1);
    make_shared(&w);
    world_move(&w, 0, "a", "b");
    world_raw(&w, 0, CRDT_OP_ADD, "b", "Transform", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET, "b", "Transform", "parent", "\"a\"");
    assert_text(world_place(&w, 0, "b"), "(cycle a)");
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        crdt_op_list ops;
        scene_edit edit;
        fault_alloc_fail_at(&fault, n);
        crdt_op_list_init(&ops, alloc);
        err = scene_edit_open(&edit, w.replicas[0].doc, &ops);
        crdt_span a = crdt_span_of("a");
        crdt_span b = crdt_span_of("b");
        if (err == CRDT_OK) {
            err = scene_edit_move(&edit, a, NULL, NULL);
        }
        if (err == CRDT_OK) {
            err = scene_edit_unset_field(&edit, b, crdt_span_of("Shape"),
                                         crdt_span_of("size"), NULL);
        }
        if (err == CRDT_OK) {
            crdt_span value = {(const uint8_t *)"\x81\xa1x\x01", 4};
            err = scene_edit_set(&edit, crdt_span_of("new"), crdt_span_of("C"), value,
                                 NULL);
        }
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
        fault_alloc_heal(&fault);
        scene_edit_close(&edit);
        crdt_op_list_deinit(&ops);
        cr_assert(fault_alloc_balanced(&fault));
    }
    world_close(&w);
}
