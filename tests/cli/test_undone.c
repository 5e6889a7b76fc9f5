#include "cli/worker/undone.h"

#include "tests/scene/world.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* Ann set `count` fields in one step, Bob has since set the first `taken` of them. */
static void open_step(world *w, int count, int taken)
{
    world_open(w, 2);
    world_set(w, 1, "lamp", "Light", "{}");
    world_sync(w);
    w->replicas[0].step = "a \"step\"";
    world_begin(w, 0);
    for (int i = 0; i < count; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%02d", i);
        world_set_field(w, 0, "lamp", "Light", field, "1");
    }
    world_end(w, 0);
    world_sync(w);
    for (int i = 0; i < taken; i++) {
        char field[16];
        snprintf(field, sizeof field, "f%02d", i);
        world_set_field(w, 1, "lamp", "Light", field, "2");
    }
    world_sync(w);
}

/* What undo would tell, as members of an answer. */
static crdt_err tell(world *w, bool redo, crdt_alloc alloc, crdt_buf *out)
{
    world_replica *r = &w->replicas[0];
    const scene_undo_options options = {
        .redo = redo, .person = true, .who = crdt_span_of(r->who)};
    crdt_op_list ops;
    crdt_arena arena;
    worker_hub *hub = NULL;
    scene_undo *undo = NULL;
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_arena_init(&arena, alloc);
    cr_assert_eq(worker_hub_open(&hub, crdt_alloc_default(), crdt_span_of("0,0")),
                 CRDT_OK);
    cr_assert_eq(
        scene_undo_open(&undo, crdt_alloc_default(), r->doc, &r->actor, &options, &ops),
        CRDT_OK);
    for (size_t i = r->records.count; i > 0; i--) {
        const world_bytes *record = &r->records.items[i - 1];
        if (!scene_undo_visit(undo, (crdt_span){record->data, record->size})) {
            break;
        }
    }
    crdt_stamp target;
    bool done = scene_undo_finish(undo, &target, NULL) == CRDT_OK;
    worker_undone undone;
    crdt_err err = worker_undone_take(&undone, undo, done ? &target : NULL, &arena);
    scene_undo_close(undo); /* copies are told */
    crdt_buf_clear(out);
    err = err == CRDT_OK ? worker_undone_write(&undone, redo, hub, out) : err;
    worker_hub_close(hub);
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    return err;
}

static void expect(world *w, bool redo, const char *text)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(tell(w, redo, crdt_alloc_default(), &out), CRDT_OK);
    cr_assert(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(text)), "%.*s",
              (int)out.size, (const char *)out.data);
    crdt_buf_deinit(&out);
}

Test(undone, step_and_what_was_left_alone)
{
    world w;
    open_step(&w, 3, 1);
    expect(
        &w, false,
        ",\"undone\":\"a "
        "\\\"step\\\"\",\"skips\":[{\"entityId\":\"lamp\",\"component\":"
        "\"Light\",\"field\":\"f00\",\"reason\":\"somebody has written it since\"}]");
    cr_assert_eq(world_undo(&w, 0), CRDT_OK);
    expect(&w, true, ",\"redone\":\"a \\\"step\\\"\",\"skips\":[]");
    expect(&w, false, ",\"skips\":[]"); /* nothing to undo is left */
    world_close(&w);
}

/* Without a step it is named by its stamp; nothing that is ours alone is told. */
Test(undone, stamp_and_names_of_our_own)
{
    world w;
    open_step(&w, 0, 0);
    w.replicas[0].step = NULL;
    world_raw(&w, 0, CRDT_OP_ADD, "\377scene", NULL, NULL, NULL);
    world_raw(&w, 0, CRDT_OP_ADD, "\377scene", "project", NULL, NULL);
    world_raw(&w, 0, CRDT_OP_SET, "\377scene", "project", "title", "\"A\"");
    world_sync(&w);
    world_raw(&w, 1, CRDT_OP_SET, "\377scene", "project", "title", "\"B\"");
    world_sync(&w);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(tell(&w, false, crdt_alloc_default(), &out), CRDT_OK);
    crdt_buf_append(&out, "", 1);
    const char *text = (const char *)out.data;
    cr_assert(strstr(text, "title") == NULL && strstr(text, "project") == NULL &&
                  strstr(text, "\"reason\"") != NULL && strstr(text, "\377") == NULL,
              "%s", text);
    crdt_buf_deinit(&out);
    world_close(&w);
}

/* Of very much that was left alone a part is told, and how much more there is. */
Test(undone, too_much_to_tell)
{
    world w;
    open_step(&w, 80, 70);
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(tell(&w, false, crdt_alloc_default(), &out), CRDT_OK);
    crdt_buf_append(&out, "", 1);
    const char *text = (const char *)out.data;
    cr_assert(strstr(text, "\"f63\"") != NULL && strstr(text, "\"f64\"") == NULL &&
                  strstr(text, "],\"more\":6") != NULL,
              "%s", text);
    crdt_buf_deinit(&out);
    world_close(&w);
}

Test(undone, without_memory)
{
    world w;
    open_step(&w, 8, 4);
    fault_alloc fault;
    crdt_alloc alloc = fault_alloc_init(&fault);
    crdt_err err = CRDT_ENOMEM;
    uint64_t failures = 0;
    for (; err != CRDT_OK; failures++) {
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        fault_alloc_fail_at(&fault, failures);
        err = tell(&w, false, alloc, &out);
        fault_alloc_heal(&fault);
        cr_assert(err == CRDT_OK || err == CRDT_ENOMEM, "%s", crdt_err_name(err));
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&fault));
    }
    cr_assert_gt(failures, 2);
    world_close(&w);
}
