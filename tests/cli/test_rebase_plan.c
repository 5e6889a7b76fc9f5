#include "cli/worker/rebase_plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crdt/template.h"
#include "scene/descent.h"
#include "scene/edit.h"
#include "scene/format.h"
#include "scene/materialize.h"
#include "scene/scene.h"
#include "tests/support/gen.h"

/* A scene in one lineage, and who edits it. */
typedef struct side {
    crdt_document *doc;
    crdt_actor lineage;
} side;

static const crdt_actor ANA = {{0xa1}};
static const crdt_actor BEN = {{0xb2}};
static const crdt_actor CLEO = {{0xc3}};

static side begin(crdt_span text)
{
    side result = {.doc = NULL};
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    crdt_diag diag = {0};
    cr_assert_eq(
        scene_format_read(text, &options, crdt_alloc_default(), &ops, NULL, &diag),
        CRDT_OK, "%s", diag.text);
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    cr_assert_eq(crdt_template_make(ops.ops, ops.op_count, &arena, &batch, NULL),
                 CRDT_OK);
    crdt_document_options doc_options = crdt_document_options_default();
    cr_assert_eq(crdt_document_open(&result.doc, &doc_options), CRDT_OK);
    cr_assert_eq(crdt_document_apply(result.doc, &batch, NULL), CRDT_OK);
    result.lineage = batch.actor;
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    return result;
}

static crdt_err commit_ops(crdt_document *doc, crdt_actor actor, const char *who,
                           const crdt_op *ops, size_t op_count)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_edit edit = {.actor = actor, .who = crdt_span_of(who)};
    crdt_batch batch;
    crdt_err err =
        crdt_document_commit(doc, &edit, ops, op_count, &arena, &batch, NULL);
    crdt_arena_deinit(&arena);
    return err;
}

typedef enum verb { ADD, REMOVE, SET, UNSET, DROP } verb;

/* One edit: a field's value is JSON. */
static void edit(side *at, crdt_actor actor, const char *who, verb what,
                 const char *entity, const char *component, const char *field,
                 const char *json)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_edit e;
    cr_assert_eq(scene_edit_open(&e, at->doc, &ops), CRDT_OK);
    crdt_span id = crdt_span_of(entity);
    crdt_buf value;
    crdt_buf_init(&value, crdt_alloc_default());
    if (what == ADD) {
        (void)scene_edit_add(&e, id, NULL, NULL);
    } else if (what == REMOVE) {
        (void)scene_edit_remove(&e, id, NULL);
    } else if (what == SET) {
        cr_assert_eq(
            scene_json_to_value(crdt_span_of(json), crdt_alloc_default(), &value, NULL),
            CRDT_OK);
        (void)scene_edit_set_field(&e, id, crdt_span_of(component), crdt_span_of(field),
                                   crdt_buf_span(&value), NULL);
    } else if (what == UNSET) {
        (void)scene_edit_unset_field(&e, id, crdt_span_of(component),
                                     crdt_span_of(field), NULL);
    } else {
        (void)scene_edit_remove_component(&e, id, crdt_span_of(component), NULL);
    }
    scene_edit_close(&e);
    crdt_err err = commit_ops(at->doc, actor, who, ops.ops, ops.op_count);
    cr_assert(err == CRDT_OK || err == CRDT_ENOTHING);
    crdt_buf_deinit(&value);
    crdt_op_list_deinit(&ops);
}

/* What is saved of it, as a new lineage; its version goes to `saved`. */
static side save(const side *from, crdt_version *saved, scene_format format)
{
    scene_descent descent;
    scene_descent_init(&descent, crdt_alloc_default());
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(crdt_version_copy(saved, crdt_document_version(from->doc)), CRDT_OK);
    cr_assert_eq(scene_descent_push(&descent, &from->lineage, saved), CRDT_OK);
    cr_assert_eq(scene_format_write_saved(from->doc, format, NULL, &descent,
                                          crdt_alloc_default(), &text),
                 CRDT_OK);
    side result = begin(crdt_buf_span(&text));
    crdt_buf_deinit(&text);
    scene_descent_deinit(&descent);
    return result;
}

static char *shown(const side *at)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(scene_materialize(at->doc, crdt_alloc_default(), &text), CRDT_OK);
    cr_assert_eq(crdt_buf_append(&text, "", 1), CRDT_OK);
    char *list = strstr((char *)text.data, "\"entities\":");
    char *end = strstr((char *)text.data, ",\"schemaVersion\"");
    char *carry = strstr((char *)text.data, ",\"scenesync\":{\"lineage\"");
    if (carry != NULL) {
        *carry = '\0';
    }
    if (end != NULL) {
        *end = '\0';
    }
    char *copy = strdup(list);
    crdt_buf_deinit(&text);
    return copy;
}

/* All that the entities show, a line a value; places are no matter of a rebase. */
static char *values(const side *at)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_object object = {0};
    while (crdt_document_next_object(at->doc, &object)) {
        crdt_span id = crdt_document_object_name(at->doc, object);
        if (!scene_layout_is_entity(id) ||
            !crdt_document_object_live(at->doc, object)) {
            continue;
        }
        cr_assert_eq(crdt_buf_append_span(&text, id), CRDT_OK);
        cr_assert_eq(crdt_buf_append(&text, "\n", 1), CRDT_OK);
        crdt_part part = {0};
        while (crdt_document_next_part(at->doc, object, &part)) {
            crdt_span type = crdt_document_part_name(at->doc, part);
            scene_component component;
            if (!scene_layout_is_component(type, NULL) ||
                !scene_component_find(at->doc, id, type, &component)) {
                continue;
            }
            crdt_buf value;
            crdt_buf_init(&value, crdt_alloc_default());
            cr_assert_eq(scene_component_value(&component, &value), CRDT_OK);
            cr_assert_eq(crdt_buf_append(&text, "  ", 2), CRDT_OK);
            cr_assert_eq(crdt_buf_append_span(&text, type), CRDT_OK);
            cr_assert_eq(scene_json_write_value(crdt_buf_span(&value), &text), CRDT_OK);
            cr_assert_eq(crdt_buf_append(&text, "\n", 1), CRDT_OK);
            crdt_buf_deinit(&value);
        }
    }
    cr_assert_eq(crdt_buf_append(&text, "", 1), CRDT_OK);
    char *copy = strdup((char *)text.data);
    crdt_buf_deinit(&text);
    return copy;
}

static void expect_same(const side *a, const side *b)
{
    char *left = values(a);
    char *right = values(b);
    cr_expect_str_eq(left, right);
    free(left);
    free(right);
}

static worker_rebase_plan make(const side *ours, const crdt_version *base,
                               const side *living)
{
    worker_rebase_plan plan;
    worker_rebase_plan_input input = {.ours = ours->doc,
                                      .base = base,
                                      .living = living->doc,
                                      .template_actor = living->lineage};
    cr_assert_eq(worker_rebase_plan_make(&plan, &input, crdt_alloc_default()), CRDT_OK);
    return plan;
}

static void carry_out(const worker_rebase_plan *plan, side *living)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        const worker_rebase_group *group = &plan->groups[i];
        char who[32];
        snprintf(who, sizeof who, "%.*s", (int)group->who.size,
                 (const char *)group->who.data);
        crdt_err err = commit_ops(living->doc, CLEO, who, group->ops, group->op_count);
        cr_assert(err == CRDT_OK || err == CRDT_ENOTHING);
    }
}

static size_t clashes(const worker_rebase_plan *plan, worker_rebase_clash_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->clash_count; i++) {
        count += plan->clashes[i].kind == kind ? 1 : 0;
    }
    return count;
}

static const char SCENE[] =
    "{\"schemaVersion\":1,\"entities\":["
    "{\"id\":\"lamp\",\"components\":[{\"type\":\"Transform\",\"value\":{\"x\":1,\"y\":"
    "2}},"
    "{\"type\":\"Name\",\"value\":{\"value\":\"Lamp\"}}]},"
    "{\"id\":\"door\",\"components\":[{\"type\":\"Transform\",\"value\":{\"x\":5}}]},"
    "{\"id\":\"rug\",\"components\":[{\"type\":\"Transform\",\"value\":{\"x\":9}}]}]}";

/* Ours, and the living one that was loaded from what was saved of it. */
typedef struct pair {
    side ours;
    side living;
    crdt_version base;
} pair;

static pair part_ways(void)
{
    pair both = {.ours = begin(crdt_span_of(SCENE))};
    crdt_version_init(&both.base, crdt_alloc_default());
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "10");
    both.living = save(&both.ours, &both.base, SCENE_FORMAT_STATE);
    return both;
}

static void close_pair(pair *both)
{
    crdt_document_close(both->ours.doc);
    crdt_document_close(both->living.doc);
    crdt_version_deinit(&both->base);
}

Test(rebase_plan, nothing_unsaved_is_no_operation)
{
    pair both = part_ways();
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "x", "11");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(plan.op_count, 0);
    cr_expect_eq(plan.clash_count, 0);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* Every kind of edit is made again, under the person who made it. */
Test(rebase_plan, unsaved_edits_are_made_again)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "y", "7");
    edit(&both.ours, BEN, "ben", SET, "lamp", "Light", "power", "60");
    edit(&both.ours, BEN, "ben", ADD, "vase", NULL, NULL, NULL);
    edit(&both.ours, ANA, "ana", SET, "vase", "Transform", "x", "3");
    edit(&both.ours, ANA, "ana", DROP, "lamp", "Name", NULL, NULL);
    edit(&both.ours, ANA, "ana", UNSET, "door", "Transform", "x", NULL);
    edit(&both.ours, ANA, "ana", REMOVE, "rug", NULL, NULL, NULL);
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(plan.clash_count, 0);
    carry_out(&plan, &both.living);
    expect_same(&both.ours, &both.living);
    bool ben = false;
    for (size_t i = 0; i < plan.group_count; i++) {
        bool power = false;
        for (size_t j = 0; j < plan.groups[i].op_count; j++) {
            const crdt_op *op = &plan.groups[i].ops[j];
            power = power || (op->kind == CRDT_OP_SET &&
                              crdt_span_equal(op->key.field, crdt_span_of("power")));
        }
        ben =
            ben || (power && crdt_span_equal(plan.groups[i].who, crdt_span_of("ben")));
    }
    cr_expect(ben);
    worker_rebase_plan_deinit(&plan);
    plan = make(&both.ours, &both.base, &both.living);
    size_t before = crdt_version_time_max(crdt_document_version(both.living.doc));
    carry_out(&plan, &both.living);
    cr_expect_eq(crdt_version_time_max(crdt_document_version(both.living.doc)), before,
                 "made twice it says nothing new");
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* An entity that was removed and made again is as it was made. */
Test(rebase_plan, a_replaced_entity_has_nothing_of_its_former_life)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "4");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    carry_out(&plan, &both.living);
    expect_same(&both.ours, &both.living);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

Test(rebase_plan, what_both_changed_is_written_and_reported)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "20");
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "x", "30");
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "y", "31");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_assert_eq(plan.clash_count, 1);
    const worker_rebase_clash *clash = &plan.clashes[0];
    cr_expect_eq(clash->kind, WORKER_REBASE_OVERWRITTEN);
    cr_expect(crdt_span_equal(clash->key.field, crdt_span_of("x")));
    cr_expect(crdt_span_equal(clash->who, crdt_span_of("ana")));
    cr_expect(crdt_span_equal(clash->their_who, crdt_span_of("cleo")));
    cr_expect_eq(clash->ours.data[0], 20);
    cr_expect_eq(clash->theirs.data[0], 30);
    carry_out(&plan, &both.living);
    char *text = shown(&both.living);
    cr_expect_not_null(strstr(text, "\"x\":20,\"y\":31"), "%s", text);
    free(text);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* The same value on both sides is no clash. */
Test(rebase_plan, what_both_made_equal_is_no_clash)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "20");
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "x", "20");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(plan.op_count, 0);
    cr_expect_eq(plan.clash_count, 0);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

Test(rebase_plan, an_edit_in_what_is_gone_is_reported)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "20");
    edit(&both.ours, ANA, "ana", SET, "door", "Transform", "x", "21");
    edit(&both.living, CLEO, "cleo", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.living, CLEO, "cleo", DROP, "door", "Transform", NULL, NULL);
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(plan.op_count, 0);
    cr_expect_eq(clashes(&plan, WORKER_REBASE_GONE), 2);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

Test(rebase_plan, a_remove_of_what_was_changed_is_done_and_reported)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "x", "30");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(clashes(&plan, WORKER_REBASE_REMOVED), 1);
    carry_out(&plan, &both.living);
    cr_expect_not(scene_entity_live(both.living.doc, crdt_span_of("lamp")));
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* Add wins: what was made anew over there stays. */
Test(rebase_plan, what_was_added_anew_stays)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.living, CLEO, "cleo", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.living, CLEO, "cleo", SET, "lamp", "Transform", "x", "30");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_eq(clashes(&plan, WORKER_REBASE_KEPT), 1);
    carry_out(&plan, &both.living);
    cr_expect(scene_entity_live(both.living.doc, crdt_span_of("lamp")));
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* Ours made it again: that is no edit in something gone. */
Test(rebase_plan, what_ours_made_again_comes_back)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", REMOVE, "lamp", NULL, NULL, NULL);
    edit(&both.ours, ANA, "ana", SET, "lamp", "Transform", "x", "4");
    edit(&both.living, CLEO, "cleo", REMOVE, "lamp", NULL, NULL, NULL);
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    carry_out(&plan, &both.living);
    expect_same(&both.ours, &both.living);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* Without the remove log: what the saved file has and we have not was removed here. */
Test(rebase_plan, a_trimmed_remove_log_loses_no_remove)
{
    pair both = part_ways();
    edit(&both.ours, ANA, "ana", REMOVE, "rug", NULL, NULL, NULL);
    edit(&both.ours, ANA, "ana", DROP, "lamp", "Name", NULL, NULL);
    edit(&both.ours, ANA, "ana", SET, "door", "Transform", "x", "6");
    crdt_document_trim_log(both.ours.doc, 0);
    edit(&both.living, CLEO, "cleo", SET, "chair", "Transform", "x", "1");
    worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
    cr_expect_not(plan.removes_unknown);
    carry_out(&plan, &both.living);
    edit(&both.living, CLEO, "cleo", REMOVE, "chair", NULL, NULL, NULL);
    expect_same(&both.ours, &both.living);
    worker_rebase_plan_deinit(&plan);
    close_pair(&both);
}

/* ---- anything, by chance ---- */

static void edit_by_chance(side *at, gen *g, crdt_actor actor, const char *who)
{
    static const char *const ENTITIES[] = {"lamp", "door", "rug", "vase", "7", "box"};
    static const char *const PARTS[] = {"Transform", "Name", "Light"};
    static const char *const FIELDS[] = {"x", "y", "value"};
    char json[16];
    snprintf(json, sizeof json, "%u", (unsigned)gen_below(g, 100));
    verb what = (verb)gen_below(g, 5);
    what = gen_below(g, 2) == 0 ? SET : what;
    edit(at, actor, who, what, ENTITIES[gen_below(g, 6)], PARTS[gen_below(g, 3)],
         FIELDS[gen_below(g, 3)], json);
}

/* If nobody else edits, the living document shows all that ours shows. */
Test(rebase_plan, any_edits_come_over)
{
    static const scene_format FORMATS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                           SCENE_FORMAT_COMPOSITE};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        gen g = gen_open(seed, NULL);
        side ours = begin(crdt_span_of(SCENE));
        for (size_t i = gen_below(&g, 20); i > 0; i--) {
            edit_by_chance(&ours, &g, ANA, "ana");
        }
        crdt_version base;
        crdt_version_init(&base, crdt_alloc_default());
        side living = save(&ours, &base, FORMATS[seed % 3]);
        for (size_t i = gen_below(&g, 20); i > 0; i--) {
            edit_by_chance(&ours, &g, gen_below(&g, 2) == 0 ? ANA : BEN, "ben");
        }
        if (gen_below(&g, 4) == 0) {
            crdt_document_trim_log(ours.doc, 0);
        }
        worker_rebase_plan plan = make(&ours, &base, &living);
        cr_expect_eq(plan.clash_count, 0, "seed %llu", (unsigned long long)seed);
        carry_out(&plan, &living);
        char *left = values(&ours);
        char *right = values(&living);
        cr_assert_str_eq(left, right, "seed %llu\n%s\n%s", (unsigned long long)seed,
                         left, right);
        free(left);
        free(right);
        worker_rebase_plan_deinit(&plan);
        crdt_document_close(ours.doc);
        crdt_document_close(living.doc);
        crdt_version_deinit(&base);
    }
}

/* Others edit too: every value of ours that was not saved shows afterwards, or is
 * reported as gone. */
Test(rebase_plan, no_edit_is_lost_in_silence)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        gen g = gen_open(seed, NULL);
        pair both = part_ways();
        for (size_t i = gen_below(&g, 20); i > 0; i--) {
            edit_by_chance(&both.ours, &g, ANA, "ana");
            edit_by_chance(&both.living, &g, CLEO, "cleo");
        }
        worker_rebase_plan plan = make(&both.ours, &both.base, &both.living);
        carry_out(&plan, &both.living);
        crdt_object object = {0};
        while (crdt_document_next_object(both.ours.doc, &object)) {
            crdt_part part = {0};
            crdt_span name = crdt_document_object_name(both.ours.doc, object);
            while (crdt_document_next_part(both.ours.doc, object, &part)) {
                crdt_field field = {0};
                while (crdt_document_next_field(both.ours.doc, part, &field)) {
                    crdt_key key = crdt_key_field(
                        name, crdt_document_part_name(both.ours.doc, part),
                        crdt_document_field_name(both.ours.doc, field));
                    crdt_entry entry;
                    crdt_span own;
                    crdt_span there;
                    if (!crdt_document_get(both.ours.doc, &key, &own) ||
                        !crdt_document_field_value(both.ours.doc, field, 0, &entry) ||
                        crdt_version_covers(&both.base, &entry.stamp)) {
                        continue;
                    }
                    bool told = crdt_document_get(both.living.doc, &key, &there) &&
                                crdt_span_equal(own, there);
                    for (size_t i = 0; i < plan.clash_count && !told; i++) {
                        told = plan.clashes[i].kind == WORKER_REBASE_GONE &&
                               crdt_key_equal(&plan.clashes[i].key, &key);
                    }
                    cr_assert(told, "seed %llu: %.*s.%.*s.%.*s\n%s\n%s",
                              (unsigned long long)seed, (int)key.object.size,
                              (const char *)key.object.data, (int)key.part.size,
                              (const char *)key.part.data, (int)key.field.size,
                              (const char *)key.field.data, values(&both.ours),
                              values(&both.living));
                }
            }
        }
        worker_rebase_plan_deinit(&plan);
        close_pair(&both);
    }
}
