#include "scene/restore.h"

#include "tests/scene/world.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <string.h>

#define assert_text(actual, expected) cr_assert_str_eq(actual, expected, "%s", actual)

/* What replica `r` would do to bring the entity back, in its list. */
static crdt_err work_out(world *w, size_t r, const char *entity, crdt_alloc alloc,
                         crdt_op_list *ops)
{
    const world_replica *replica = &w->replicas[r];
    scene_restore *restore = NULL;
    crdt_err err =
        scene_restore_open(&restore, alloc, replica->doc, crdt_span_of(entity), ops);
    for (size_t i = replica->records.count; i > 0 && err == CRDT_OK; i--) {
        const world_bytes *record = &replica->records.items[i - 1];
        if (!scene_restore_visit(restore, (crdt_span){record->data, record->size})) {
            break;
        }
    }
    if (err == CRDT_OK) {
        err = scene_restore_finish(restore, NULL);
    }
    scene_restore_close(restore);
    return err;
}

static crdt_err bring_back(world *w, size_t r, const char *entity)
{
    crdt_op_list *ops = &w->replicas[r].ops;
    crdt_err err = work_out(w, r, entity, crdt_alloc_default(), ops);
    if (err != CRDT_OK) {
        crdt_op_list_clear(ops);
        return err;
    }
    return world_commit(w, r, CRDT_ORIGIN_EDIT, NULL);
}

static void open_house(world *w, size_t count)
{
    world_open(w, count);
    world_add(w, 0, "house", NULL);
    world_set(w, 0, "house", "Light", "{\"lux\":3,\"on\":true}");
    world_set(w, 0, "house", "Tag", "[1,2]");
    world_add(w, 0, "door", "house");
    world_sync(w);
}

/* Somebody else removed it: it is there again, its child hangs on it, and all see the same;
 * undo takes it away again, and redo brings it back. */
Test(restore, what_another_removed)
{
    world w;
    open_house(&w, 2);
    char *before = strdup(world_json(&w, 0));
    world_remove(&w, 1, "house");
    world_sync(&w);
    assert_text(world_place(&w, 0, "door"), "(orphan house)");
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_OK);
    assert_text(world_json(&w, 0), before);
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_ENOTHING, "it is there");
    world_undo(&w, 0);
    assert_text(world_component(&w, 0, "house", "Light"), "-");
    world_redo(&w, 0);
    world_sync(&w);
    assert_text(world_json(&w, 1), before);
    world_assert_equal(&w);
    free(before);
    world_close(&w);
}

/* What was written into it while it was gone, by who had not heard of it, comes with it. */
Test(restore, with_the_edits_made_meanwhile)
{
    world w;
    open_house(&w, 3);
    world_remove(&w, 1, "house");
    world_set_field(&w, 0, "house", "Light", "lux", "9");
    world_set(&w, 0, "house", "Sound", "{\"on\":1}");
    world_sync(&w);
    assert_text(world_component(&w, 0, "house", "Light"), "-");
    cr_assert_eq(bring_back(&w, 2, "house"), CRDT_OK, "whoever asks");
    world_sync(&w);
    assert_text(world_component(&w, 0, "house", "Light"), "{\"lux\":9,\"on\":true}");
    assert_text(world_component(&w, 0, "house", "Sound"), "{\"on\":1}");
    assert_text(world_component(&w, 0, "house", "Tag"), "[1,2]");
    world_assert_equal(&w);
    world_close(&w);
}

/* As it was when it was removed last: not what was taken from it before. */
Test(restore, as_it_was_last)
{
    world w;
    open_house(&w, 2);
    world_remove(&w, 1, "house");
    world_sync(&w);
    world_set(&w, 1, "house", "Light", "{\"hue\":1}");
    world_sync(&w);
    world_set(&w, 1, "house", "Sound", "{}");
    world_remove_component(&w, 1, "house", "Sound");
    world_remove(&w, 1, "house");
    world_set(&w, 1, "other", "Light", "{}");
    world_sync(&w);
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_OK);
    assert_text(world_component(&w, 0, "house", "Light"), "{\"hue\":1}");
    assert_text(world_component(&w, 0, "house", "Tag"), "-");
    assert_text(world_component(&w, 0, "house", "Sound"), "-");
    world_close(&w);
}

/* One that was away hears of the removal by an answer, and can bring it back. */
Test(restore, of_what_an_answer_took)
{
    world w;
    open_house(&w, 2);
    char *before = strdup(world_json(&w, 0));
    world_remove(&w, 1, "house");
    world_answer(&w, 1, 0);
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_OK);
    assert_text(world_json(&w, 0), before);
    free(before);
    world_close(&w);
}

Test(restore, of_what_nobody_remembers)
{
    world w;
    open_house(&w, 2);
    cr_assert_eq(bring_back(&w, 0, "tree"), CRDT_ENOTFOUND);
    world_remove(&w, 1, "house");
    world_sync(&w);
    w.replicas[0].records.count -=
        1; /* of the ring nothing is left but what is older */
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_ENOTFOUND);
    w.replicas[0].records.count += 1;
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_OK);
    world_close(&w);
}

Test(restore, without_memory)
{
    world w;
    open_house(&w, 2);
    world_remove(&w, 1, "house");
    world_set_field(&w, 0, "house", "Light", "lux", "9");
    world_sync(&w);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    size_t failures = 0;
    crdt_err err = CRDT_ENOMEM;
    for (uint64_t n = 0; err != CRDT_OK; n++) {
        crdt_op_list ops;
        crdt_op_list_init(&ops, alloc);
        fault_alloc_fail_at(&fault, n);
        err = work_out(&w, 0, "house", alloc, &ops);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM, "%s", crdt_err_name(err));
        cr_assert(err != CRDT_OK || ops.op_count >= 6, "house, its parts and fields");
        crdt_op_list_deinit(&ops);
        cr_assert(fault_alloc_balanced(&fault));
        failures += err != CRDT_OK;
    }
    cr_assert_gt(failures, 5);
    world_close(&w);
}

Test(restore, a_damaged_record_is_said_to_be_one)
{
    world w;
    open_house(&w, 2);
    world_remove(&w, 0, "house");
    world_bytes *last = &w.replicas[0].records.items[w.replicas[0].records.count - 1];
    last->size--;
    cr_assert_eq(bring_back(&w, 0, "house"), CRDT_ECORRUPT);
    last->size++;
    world_close(&w);
}
