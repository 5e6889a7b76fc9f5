#include "tests/scene/world.h"

#include "scene/format.h"
#include "scene/json.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_text(actual, expected) cr_assert_str_eq(actual, expected, "%s", actual)

/* ---- the text ---- */

Test(materialize, an_empty_scene)
{
    world w;
    world_open(&w, 1);
    assert_text(world_json(&w, 0), "{\"entities\":[],\"schemaVersion\":1}");
    world_close(&w);
}

Test(materialize, entities_components_and_fields)
{
    world w;
    world_open(&w, 1);
    world_set(&w, 0, "b", "Zoo", "{\"z\":1.50,\"a\":[true,null,\"\\u00e9\"]}");
    world_set(&w, 0, "b", "Ant", "-0");
    world_add(&w, 0, "a", NULL);
    assert_text(world_json(&w, 0),
                "{\"entities\":["
                "{\"components\":[],\"id\":\"a\"},"
                "{\"components\":[{\"type\":\"Ant\",\"value\":0},"
                "{\"type\":\"Zoo\",\"value\":{\"a\":[true,null,\"\xc3\xa9\"],"
                "\"z\":1.5}}],\"id\":\"b\"}],"
                "\"schemaVersion\":1}");
    world_remove(&w, 0, "b");
    assert_text(world_json(&w, 0), "{\"entities\":[{\"components\":[],\"id\":\"a\"}],"
                                   "\"schemaVersion\":1}");
    world_close(&w);
}

/* The ids in the order of the snapshot, as "a b c". */
static const char *ids_of(world *w, size_t r)
{
    static char ids[200];
    ids[0] = '\0';
    const char *at = world_json(w, r);
    while ((at = strstr(at, "\"id\":\"")) != NULL) {
        at += 6;
        size_t used = strlen(ids);
        snprintf(ids + used, sizeof ids - used, "%s%.*s", used > 0 ? " " : "",
                 (int)strcspn(at, "\""), at);
    }
    return ids;
}

static void set_order(world *w, const char *entity, const char *order)
{
    world_raw(w, 0, CRDT_OP_ADD, entity,
              "\xff"
              "e",
              NULL, NULL);
    world_raw(w, 0, order == NULL ? CRDT_OP_UNSET : CRDT_OP_SET, entity,
              "\xff"
              "e",
              "\xff"
              "o",
              order);
}

Test(materialize, entities_come_by_their_place_then_by_id)
{
    world w;
    world_open(&w, 1);
    static const char *const IDS[] = {"x", "10", "9", "y", "a"};
    for (size_t i = 0; i < 5; i++) {
        world_add(&w, 0, IDS[i], NULL);
    }
    assert_text(ids_of(&w, 0), "9 10 a x y");
    set_order(&w, "y", "2");
    set_order(&w, "x", "3");
    set_order(&w, "10", "2");
    assert_text(ids_of(&w, 0), "10 y x 9 a");
    set_order(&w, "y", "-1");
    assert_text(ids_of(&w, 0), "y 10 x 9 a");
    set_order(&w, "x", NULL);
    assert_text(ids_of(&w, 0), "y 10 9 a x");
    world_remove(&w, 0, "10");
    world_add(&w, 0, "10", NULL);
    assert_text(ids_of(&w, 0), "y 9 10 a x");
    world_assert_equal(&w);
    world_close(&w);
}

/* ---- conflicts ---- */

/* The list of conflicts of the snapshot, "" if there is none. */
static const char *conflicts_of(world *w, size_t r)
{
    static char text[8192];
    const char *json = world_json(w, r);
    const char *begin = strstr(json, "{\"conflicts\":[");
    const char *end = strstr(json, "],\"entities\":[");
    if (begin != json || end == NULL) {
        return "";
    }
    begin += strlen("{\"conflicts\":[");
    snprintf(text, sizeof text, "%.*s", (int)(end - begin), begin);
    return text;
}

Test(materialize, repairs_of_the_tree_are_listed)
{
    world w;
    world_open(&w, 2);
    world_add(&w, 0, "a", NULL);
    world_add(&w, 0, "b", NULL);
    world_add(&w, 0, "c", "b");
    world_add(&w, 0, "gone", NULL);
    world_add(&w, 0, "o", "gone");
    world_sync(&w);
    world_move(&w, 0, "a", "b");
    world_move(&w, 1, "b", "a");
    world_remove(&w, 1, "gone");
    assert_text(conflicts_of(&w, 0), "");
    world_sync(&w);
    assert_text(conflicts_of(&w, 0),
                "{\"entity\":\"b\",\"kind\":\"cycle\",\"parent\":\"a\"},"
                "{\"entity\":\"o\",\"kind\":\"orphan\",\"parent\":\"gone\"}");
    /* And what is shown is the repaired tree. */
    cr_assert_null(strstr(world_json(&w, 0), "\"parent\":\"gone\"}}"));
    world_assert_equal(&w);
    world_add(&w, 0, "gone", NULL);
    world_move(&w, 0, "b", NULL);
    assert_text(conflicts_of(&w, 0), "");
    world_sync(&w);
    world_assert_equal(&w);
    world_close(&w);
}

Test(materialize, lost_and_hidden_values_are_listed)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "a", "C", "{\"x\":1,\"y\":1}");
    world_set(&w, 0, "b", "C", "{\"x\":1}");
    world_sync(&w);
    world_set_field(&w, 0, "a", "C", "x", "{\"v\":2}");
    world_set_field(&w, 1, "a", "C", "x", "3");
    world_remove(&w, 0, "b");
    world_set_field(&w, 1, "b", "C", "x", "4");
    world_sync(&w);
    char expected[400];
    char lost[CRDT_STAMP_TEXT_SIZE];
    char hidden[CRDT_STAMP_TEXT_SIZE];
    crdt_stamp stamp = {.time = 8, .actor = w.replicas[0].actor};
    crdt_stamp_format(&stamp, lost);
    stamp = (crdt_stamp){.time = 9, .actor = w.replicas[1].actor};
    crdt_stamp_format(&stamp, hidden);
    snprintf(expected, sizeof expected,
             "{\"component\":\"C\",\"entity\":\"a\",\"field\":\"x\","
             "\"kind\":\"concurrent\",\"stamp\":\"%s\",\"value\":{\"v\":2}},"
             "{\"component\":\"C\",\"entity\":\"b\",\"field\":\"x\","
             "\"kind\":\"edited-while-removed\",\"stamp\":\"%s\",\"value\":4}",
             lost, hidden);
    assert_text(conflicts_of(&w, 0), expected);
    assert_text(ids_of(&w, 0), "a");
    world_assert_equal(&w);
    world_set_field(&w, 1, "a", "C", "x", "3"); /* keep this one */
    world_add(&w, 1, "b", NULL);
    assert_text(conflicts_of(&w, 1), "");
    world_close(&w);
}

Test(materialize, our_own_fields_and_large_values_in_conflicts)
{
    world w;
    world_open(&w, 2);
    world_set(&w, 0, "a", "C", "1");
    world_sync(&w);
    char large[2000];
    memset(large, 'x', sizeof large);
    large[0] = '"';
    large[sizeof large - 2] = '"';
    large[sizeof large - 1] = '\0';
    world_set(&w, 0, "a", "C", large);
    world_set(&w, 1, "a", "C", "2");
    world_sync(&w);
    const char *text = conflicts_of(&w, 0);
    cr_assert_eq(text,
                 strstr(text, "{\"bytes\":2000,\"component\":\"C\","
                              "\"entity\":\"a\",\"kind\":\"concurrent\","
                              "\"stamp\":"),
                 "%s", text);
    cr_assert_null(strstr(text, "field"), "the whole value is no field");
    cr_assert_null(strstr(text, "xxx"));
    world_close(&w);
}

Test(materialize, the_list_of_conflicts_is_bounded)
{
    world w;
    world_open(&w, 2);
    enum { ENTITIES = 60, FIELDS = 30 };
    for (size_t r = 0; r < 2; r++) {
        world_begin(&w, r);
        for (int e = 0; e < ENTITIES; e++) {
            for (int f = 0; f < FIELDS; f++) {
                char id[16];
                char name[16];
                snprintf(id, sizeof id, "e%02d", e);
                snprintf(name, sizeof name, "f%02d", f);
                world_set_field(&w, r, id, "C", name, r == 0 ? "1" : "2");
            }
        }
        world_end(&w, r);
    }
    world_sync(&w);
    const char *text = world_json(&w, 0);
    size_t listed = 0;
    for (const char *at = text; (at = strstr(at, "\"kind\":\"concurrent\"")) != NULL;
         at++) {
        listed++;
    }
    cr_assert_eq(listed, SCENE_SNAPSHOT_CONFLICTS_MAX / FIELDS * FIELDS);
    char more[64];
    snprintf(more, sizeof more, "{\"count\":%zu,\"kind\":\"more\"}]",
             (size_t)(ENTITIES * FIELDS) - listed);
    cr_assert_not_null(strstr(text, more));
    world_assert_equal(&w);
    world_close(&w);
}

/* ---- what an update costs ---- */

static uint64_t fragments(const world *w)
{
    return scene_snapshot_fragment_count(w->replicas[0].snapshot);
}

Test(materialize, k_edits_cost_k_fragments)
{
    enum { COUNT = 3000 };
    world w;
    world_open(&w, 1);
    world_begin(&w, 0);
    for (int i = 0; i < COUNT; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%04d", i);
        world_set(&w, 0, id, "C", "{\"x\":1}");
    }
    world_end(&w, 0);
    world_json(&w, 0);
    cr_assert_eq(fragments(&w), COUNT);
    world_json(&w, 0);
    cr_assert_eq(fragments(&w), COUNT, "nothing changed, nothing is made");
    for (int k = 1; k <= 50; k++) {
        char id[16];
        snprintf(id, sizeof id, "e%04d", k * 37);
        world_set_field(&w, 0, id, "C", "x", "2");
        world_set_field(&w, 0, id, "C", "y", "2");
    }
    world_json(&w, 0);
    cr_assert_eq(fragments(&w), COUNT + 50, "two edits of one entity make one");
    world_add(&w, 0, "new", "e0000");
    world_remove(&w, 0, "e0001");
    world_json(&w, 0);
    cr_assert_leq(fragments(&w), COUNT + 52);
    uint64_t before = fragments(&w);
    world_move(&w, 0, "new", "e0002");
    world_json(&w, 0);
    cr_assert_eq(fragments(&w), before + 1);
    world_assert_equal(&w);
    world_close(&w);
}

Test(materialize, a_shared_component_changes_its_users_alone)
{
    world w;
    world_open(&w, 1);
    world_raw(&w, 0, CRDT_OP_ADD,
              "\xff"
              "c1",
              NULL, NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD,
              "\xff"
              "c1",
              "C", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET,
              "\xff"
              "c1",
              "C", "x", "1");
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "e%02d", i);
        world_add(&w, 0, id, NULL);
        world_raw(&w, 0, CRDT_OP_ADD, id, "C", NULL, NULL);
        if (i % 4 == 0) {
            world_raw(&w, 0, CRDT_OP_SET, id, "C",
                      "\xff"
                      "s",
                      "\"1\"");
        }
    }
    world_assert_equal(&w);
    uint64_t before = fragments(&w);
    world_raw(&w, 0, CRDT_OP_SET,
              "\xff"
              "c1",
              "C", "x", "2");
    world_assert_equal(&w);
    cr_assert_leq(fragments(&w), before + 6, "five users, and itself");
    world_set_field(&w, 0, "e00", "C", "x", "3");
    world_unset(&w, 0, "e04", "C", "x");
    world_assert_equal(&w);
    before = fragments(&w);
    world_raw(&w, 0, CRDT_OP_REMOVE,
              "\xff"
              "c1",
              NULL, NULL, NULL);
    world_assert_equal(&w);
    cr_assert_leq(fragments(&w), before + 5);
    assert_text(world_component(&w, 0, "e08", "C"), "{}");
    world_close(&w);
}

/* How an entity looks depends on the format that the scene came from. */
Test(materialize, another_origin_changes_everything)
{
    world w;
    world_open(&w, 1);
    world_set(&w, 0, "512", "core::Transform", "{\"parent\":0}");
    world_set(&w, 0, "513", "core-schema::Name", "{\"value\":\"lamp\"}");
    world_assert_equal(&w);
    char *before = strdup(world_json(&w, 0));
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
    cr_assert_str_neq(world_json(&w, 0), before);
    world_assert_equal(&w);
    free(before);
    world_close(&w);
}

/* ---- equal states, equal bytes ---- */

static void random_edit(world *w, gen *g, size_t r)
{
    static const char *const VALUES[] = {"1",   "{}",   "{\"x\":1}",
                                         "[1]", "null", "{\"y\":{}}"};
    char id[8];
    char other[8];
    char order[8];
    snprintf(id, sizeof id, "%s%d", gen_chance(g, 50) ? "e" : "5",
             (int)gen_below(g, 4));
    snprintf(other, sizeof other, "%s%d", gen_chance(g, 50) ? "e" : "5",
             (int)gen_below(g, 4));
    snprintf(order, sizeof order, "%d", (int)gen_below(g, 3));
    const char *component = gen_chance(g, 50) ? "C" : "D";
    switch (gen_below(g, 12)) {
    case 0:
        world_remove(w, r, id);
        break;
    case 1:
        world_set(w, r, id, component, VALUES[gen_below(g, 6)]);
        break;
    case 2:
    case 3:
    case 4:
        world_move(w, r, id, gen_chance(g, 80) ? other : NULL);
        break;
    case 5:
        world_remove_component(w, r, id, component);
        break;
    case 6: /* past the editor: cycles, itself, nobody */
        world_raw(w, r, CRDT_OP_SET, id,
                  gen_chance(g, 50) ? "Transform" : "core::Transform", "parent",
                  gen_chance(g, 50) ? "\"e1\"" : "52");
        break;
    case 7:
        world_raw(w, r, CRDT_OP_ADD, id,
                  "\xff"
                  "e",
                  NULL, NULL);
        world_raw(w, r, CRDT_OP_SET, id,
                  "\xff"
                  "e",
                  "\xff"
                  "o",
                  order);
        break;
    case 8:
        world_raw(w, r, CRDT_OP_ADD,
                  "\xff"
                  "c1",
                  NULL, NULL, NULL);
        world_raw(w, r, CRDT_OP_ADD,
                  "\xff"
                  "c1",
                  component, NULL, NULL);
        world_raw(w, r, CRDT_OP_SET,
                  "\xff"
                  "c1",
                  component, "x", order);
        world_raw(w, r, CRDT_OP_ADD, id, component, NULL, NULL);
        world_raw(w, r, CRDT_OP_SET, id, component,
                  "\xff"
                  "s",
                  "\"1\"");
        break;
    case 9:
        world_unset(w, r, id, component, "x");
        break;
    default:
        world_set_field(w, r, id, component, gen_chance(g, 50) ? "x" : "y", order);
        break;
    }
}

/* Whatever the order of delivery, by batches or by answers: the same bytes; and the
 * snapshot that was kept all along is the one made anew. */
Test(materialize, equal_states_give_equal_bytes)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        gen g = gen_open(seed * 13, NULL);
        world w;
        world_open(&w, 4);
        for (size_t i = 0; i < 80; i++) {
            random_edit(&w, &g, gen_below(&g, 3));
            for (size_t tries = 0; tries < 3 && w.batches.count > 0; tries++) {
                world_deliver(&w, gen_below(&g, 3), gen_below(&g, w.batches.count));
            }
            if (gen_chance(&g, 20)) {
                world_json(&w, gen_below(&g, 3));
            }
            if (gen_chance(&g, 5)) {
                world_answer(&w, gen_below(&g, 3), 3);
            }
        }
        for (size_t r = 0; r < 3; r++) {
            world_answer(&w, r, 3);
        }
        world_sync(&w);
        world_assert_equal(&w);
        world_close(&w);
    }
}

/* ---- and back ---- */

/* Import the text into a fresh document, and export it. */
static char *through_import(const char *text)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_diag diag = {.text = ""};
    scene_format_options options = scene_format_options_default();
    cr_assert_eq(scene_format_read(crdt_span_of(text), &options, crdt_alloc_default(),
                                   &ops, NULL, &diag),
                 CRDT_OK, "%s", diag.text);
    crdt_document *doc;
    crdt_document_options document = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&doc, &document), CRDT_OK);
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_edit edit = {.actor = gen_actor(7)};
    crdt_batch batch;
    cr_assert_eq(
        crdt_document_commit(doc, &edit, ops.ops, ops.op_count, &arena, &batch, &diag),
        CRDT_OK, "%s", diag.text);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(scene_materialize(doc, crdt_alloc_default(), &out), CRDT_OK);
    char *copy = strndup((const char *)out.data, out.size);
    crdt_buf_deinit(&out);
    crdt_arena_deinit(&arena);
    crdt_document_close(doc);
    crdt_op_list_deinit(&ops);
    return copy;
}

Test(materialize, export_import_export_is_export)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        gen g = gen_open(seed * 17, NULL);
        world w;
        world_open(&w, 2);
        for (size_t i = 0; i < 60; i++) {
            random_edit(&w, &g, gen_below(&g, 2));
        }
        world_sync(&w);
        const char *text = world_json(&w, 0);
        char *again = through_import(text);
        /* All the same but for the list of conflicts. */
        if (conflicts_of(&w, 0)[0] != '\0') {
            text = strstr(text, "],\"entities\":[") + 2;
            cr_assert_str_eq(again + 1, text, "seed %llu", (unsigned long long)seed);
        } else {
            cr_assert_str_eq(again, text, "seed %llu", (unsigned long long)seed);
        }
        char *twice = through_import(again);
        cr_assert_str_eq(twice, again);
        free(twice);
        free(again);
        world_close(&w);
    }
}

/* ---- without memory ---- */

Test(materialize, a_failed_update_loses_nothing)
{
    world w;
    world_open(&w, 2);
    gen g = gen_open(5, NULL);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    scene_snapshot *snapshot;
    crdt_document *doc = w.replicas[0].doc;
    cr_assert_eq(scene_snapshot_open(&snapshot, doc, alloc), CRDT_OK);
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    size_t failures = 0;
    for (size_t round = 0; round < 12; round++) {
        for (size_t i = 0; i < 12; i++) {
            /* Listening may fail as well. */
            fault_alloc_fail_at(&fault, round % 3 == 2 ? i : UINT64_MAX);
            random_edit(&w, &g, gen_below(&g, 2));
            fault_alloc_heal(&fault);
            world_sync(&w);
        }
        crdt_err err = CRDT_ENOMEM;
        for (uint64_t n = 0; err != CRDT_OK; n++) {
            crdt_buf_clear(&text);
            fault_alloc_fail_at(&fault, n);
            err = scene_snapshot_write(snapshot, &text);
            fault_alloc_heal(&fault);
            cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
            cr_assert(err == CRDT_OK || text.size == 0);
            failures += err != CRDT_OK;
        }
        cr_assert_eq(crdt_buf_append(&text, "", 1), CRDT_OK);
        cr_assert_str_eq((const char *)text.data, world_json(&w, 0));
    }
    cr_assert_gt(failures, 50);
    scene_snapshot_close(snapshot);
    cr_assert(fault_alloc_balanced(&fault));
    crdt_buf_deinit(&text);
    world_close(&w);
}
