/* What calls on `dcl` build. */

#include "cli/play/stage.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

static play_stage *open_stage(void)
{
    play_stage *stage = NULL;
    play_stage_limits limits = play_stage_limits_default();
    cr_assert_eq(play_stage_open(&stage, crdt_alloc_default(), &limits), CRDT_OK);
    return stage;
}

/* Do a call with these arguments. */
static crdt_err call(play_stage *stage, play_call_kind kind, ...)
{
    play_call made = {
        .kind = kind, .line = 7, .argument_count = play_call_argument_count(kind)};
    va_list list;
    va_start(list, kind);
    for (size_t i = 0; i < made.argument_count; i++) {
        made.arguments[i] = crdt_span_of(va_arg(list, const char *));
    }
    va_end(list);
    crdt_diag diag = {0};
    crdt_err err = play_stage_apply(stage, &made, &diag);
    cr_assert(err == CRDT_OK || err == CRDT_ENOMEM || diag.text[0] != '\0');
    return err;
}

static void add(char *text, size_t size, crdt_span span)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%.*s", (int)span.size, (const char *)span.data);
}

/* All that stands there as a text: "1<0 engine.transform:1={...}; 2<1;". */
static const char *shown(play_stage *stage)
{
    static char text[4096];
    text[0] = '\0';
    size_t index = 0;
    play_entity entity;
    while (play_stage_next(stage, &index, &entity)) {
        add(text, sizeof text, entity.id);
        add(text, sizeof text, crdt_span_of("<"));
        add(text, sizeof text, entity.parent);
        for (size_t n = 0; n < entity.component_count; n++) {
            play_component c = play_stage_component(stage, index, n);
            char number[32];
            snprintf(number, sizeof number, ":%u=", c.class_id);
            add(text, sizeof text, crdt_span_of(" "));
            add(text, sizeof text, c.name);
            add(text, sizeof text, crdt_span_of(number));
            add(text, sizeof text, c.data);
        }
        add(text, sizeof text, crdt_span_of(";"));
    }
    return text;
}

Test(stage, what_generated_code_says)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_SUBSCRIBE, "sceneStart");
    call(stage, PLAY_CALL_ADD_ENTITY, "1");
    call(stage, PLAY_CALL_SET_PARENT, "1", "2");
    call(stage, PLAY_CALL_UPDATE, "1", "engine.transform", "1", "{\"b\":1, \"a\":2}");
    call(stage, PLAY_CALL_ADD_ENTITY, "2");
    call(stage, PLAY_CALL_SET_PARENT, "2", "0");
    call(stage, PLAY_CALL_CREATED, "c", "engine.shape", "54");
    call(stage, PLAY_CALL_UPDATED, "c", "{\"src\":\"x\"}");
    call(stage, PLAY_CALL_ATTACH, "1", "engine.shape", "c");
    call(stage, PLAY_CALL_ATTACH, "2", "engine.shape", "c");
    play_stage_finish(stage);
    cr_assert_str_eq(
        shown(stage),
        "1<2 engine.transform:1={\"a\":2,\"b\":1} engine.shape:54={\"src\":\"x\"};"
        "2<0 engine.shape:54={\"src\":\"x\"};");
    cr_assert_eq(play_stage_note_count(stage), 0);
    cr_assert_eq(play_stage_entity_count(stage), 2);
    play_stage_close(stage);
}

Test(stage, a_shared_component_is_the_same_in_all)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_ADD_ENTITY, "1");
    call(stage, PLAY_CALL_ADD_ENTITY, "2");
    call(stage, PLAY_CALL_CREATED, "c", "n", "5");
    call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
    call(stage, PLAY_CALL_ATTACH, "2", "n", "c");
    call(stage, PLAY_CALL_UPDATED, "c", "1");
    call(stage, PLAY_CALL_UPDATED, "c", "2");
    call(stage, PLAY_CALL_UPDATE, "2", "n", "5", "3"); /* its own from now on */
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "1<0 n:5=2;2<0 n:5=3;");
    play_stage_close(stage);
}

Test(stage, what_goes_is_gone)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_ADD_ENTITY, "1");
    call(stage, PLAY_CALL_ADD_ENTITY, "2");
    call(stage, PLAY_CALL_SET_PARENT, "2", "1");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "5", "3");
    call(stage, PLAY_CALL_UPDATE, "2", "n", "5", "3");
    call(stage, PLAY_CALL_UPDATE, "2", "m", "5", "4");
    call(stage, PLAY_CALL_REMOVE_COMPONENT, "2", "n");
    call(stage, PLAY_CALL_CREATED, "c", "s", "5");
    call(stage, PLAY_CALL_ATTACH, "2", "s", "c");
    call(stage, PLAY_CALL_DISPOSED, "c");
    call(stage, PLAY_CALL_REMOVE_ENTITY, "1");
    call(stage, PLAY_CALL_ADD_ENTITY, "1");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "2<1 m:5=4;1<0;");
    cr_assert_eq(play_stage_note_count(stage), 0);
    play_stage_close(stage);
}

Test(stage, cycles_and_missing_parents_end_at_the_root)
{
    play_stage *stage = open_stage();
    const char *names[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++) {
        call(stage, PLAY_CALL_ADD_ENTITY, names[i]);
    }
    call(stage, PLAY_CALL_SET_PARENT, "a", "b");
    call(stage, PLAY_CALL_SET_PARENT, "b", "c");
    call(stage, PLAY_CALL_SET_PARENT, "c", "b");
    call(stage, PLAY_CALL_SET_PARENT, "d", "d");
    call(stage, PLAY_CALL_SET_PARENT, "e", "nobody");
    call(stage, PLAY_CALL_SET_PARENT, "f", "a");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "a<b;b<c;c<0;d<0;e<0;f<a;");
    cr_assert_eq(play_stage_note_count(stage), 3);
    play_stage_close(stage);
}

Test(stage, a_call_without_sense_is_noted_and_does_nothing)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_UPDATE, "9", "n", "1", "{}");
    cr_assert_str_eq(play_stage_note(stage),
                     "line 7: updateEntityComponent: there is no entity `9`");
    call(stage, PLAY_CALL_ADD_ENTITY, "1");
    call(stage, PLAY_CALL_ADD_ENTITY, "");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "1", "{");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "one", "{}");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "4294967296", "{}");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "1.5", "{}");
    call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
    call(stage, PLAY_CALL_UPDATED, "c", "{}");
    call(stage, PLAY_CALL_CREATED, "c", "", "5");
    call(stage, PLAY_CALL_REMOVE_ENTITY, "2");
    call(stage, PLAY_CALL_SET_PARENT, "2", "1");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "1<0;");
    cr_assert_eq(play_stage_note_count(stage), 11);
    call(stage, PLAY_CALL_ADD_ENTITY, "0"); /* the root is there always */
    cr_assert_eq(play_stage_entity_count(stage), 1);
    play_stage_close(stage);
}

Test(stage, limits)
{
    play_stage_limits limits = {.entity_max = 3, .component_max = 2, .size_max = 4096};
    play_stage *stage = NULL;
    cr_assert_eq(play_stage_open(&stage, crdt_alloc_default(), &limits), CRDT_OK);
    for (int round = 0; round < 3; round++) { /* those removed count */
        cr_assert_eq(call(stage, PLAY_CALL_ADD_ENTITY, "1"), CRDT_OK);
        cr_assert_eq(call(stage, PLAY_CALL_REMOVE_ENTITY, "1"), CRDT_OK);
    }
    cr_assert_eq(call(stage, PLAY_CALL_ADD_ENTITY, "1"), CRDT_ELIMIT);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "a", "n", "1"), CRDT_OK);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "b", "n", "1"), CRDT_OK);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "c", "n", "1"), CRDT_ELIMIT);
    static char large[5000];
    memset(large, '1', sizeof large - 1);
    large[0] = large[sizeof large - 2] = '"';
    cr_assert_eq(call(stage, PLAY_CALL_UPDATED, "b", large), CRDT_ELIMIT);
    play_stage_close(stage);
}

/* Fail the first, second, third ... allocation: an error, and nothing leaks. */
Test(stage, without_memory)
{
    for (uint64_t failing = 0; failing < 200; failing++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, failing);
        play_stage *stage = NULL;
        play_stage_limits limits = play_stage_limits_default();
        crdt_err err = play_stage_open(&stage, alloc, &limits);
        if (err == CRDT_OK) {
            call(stage, PLAY_CALL_ADD_ENTITY, "1");
            call(stage, PLAY_CALL_UPDATE, "1", "n", "1", "{\"a\":[1]}");
            call(stage, PLAY_CALL_CREATED, "c", "n", "1");
            call(stage, PLAY_CALL_UPDATED, "c", "{\"a\":[1]}");
            call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
            play_stage_finish(stage);
            shown(stage);
        }
        play_stage_close(stage);
        cr_assert(fault_alloc_balanced(&fault), "allocation %lu",
                  (unsigned long)failing);
    }
}
