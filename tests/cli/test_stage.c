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

/* All that stands there as a text: "1< Transform:1={...}; 2<1;". */
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
        add(text, sizeof text, entity.fields);
        for (size_t n = 0; n < entity.component_count; n++) {
            play_component c = play_stage_component(stage, index, n);
            char number[64] = "=";
            if (c.has_class) {
                snprintf(number, sizeof number, ":%u=", c.class_id);
            }
            add(text, sizeof text, crdt_span_of(" "));
            add(text, sizeof text, c.type);
            add(text, sizeof text, crdt_span_of(c.number > 1 ? "#2" : ""));
            add(text, sizeof text, crdt_span_of(number));
            add(text, sizeof text, c.data);
        }
        add(text, sizeof text, crdt_span_of(";"));
    }
    return text;
}

/* "" for what is carried. */
#define NONE ""

Test(stage, what_generated_code_says)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_SUBSCRIBE, "sceneStart", NONE);
    call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
    call(stage, PLAY_CALL_SET_PARENT, "1", "2");
    call(stage, PLAY_CALL_UPDATE, "1", "engine.transform", "1", "{\"b\":1, \"a\":2}",
         NONE);
    call(stage, PLAY_CALL_ADD_ENTITY, "2", NONE);
    call(stage, PLAY_CALL_SET_PARENT, "2", "0");
    call(stage, PLAY_CALL_CREATED, "c", "engine.shape", "54", NONE);
    call(stage, PLAY_CALL_UPDATED, "c", "{\"src\":\"x\"}", NONE);
    call(stage, PLAY_CALL_ATTACH, "1", "engine.shape", "c");
    call(stage, PLAY_CALL_ATTACH, "2", "engine.shape", "c");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage),
                     "1<2 Transform:1={\"a\":2,\"b\":1} GLTFShape:54={\"src\":\"x\"};"
                     "2< GLTFShape:54={\"src\":\"x\"};");
    cr_assert_eq(play_stage_note_count(stage), 0);
    cr_assert_eq(play_stage_entity_count(stage), 2);
    play_stage_close(stage);
}

Test(stage, a_shared_component_is_the_same_in_all)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
    call(stage, PLAY_CALL_ADD_ENTITY, "2", NONE);
    call(stage, PLAY_CALL_CREATED, "c", "n", "5000", NONE);
    call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
    call(stage, PLAY_CALL_ATTACH, "2", "n", "c");
    call(stage, PLAY_CALL_UPDATED, "c", "1", NONE);
    call(stage, PLAY_CALL_UPDATED, "c", "2", NONE);
    call(stage, PLAY_CALL_UPDATE, "2", "n", "5000", "3",
         NONE); /* its own from now on */
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "1< n:5000=2;2< n:5000=3;");
    play_stage_close(stage);
}

Test(stage, what_goes_is_gone)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
    call(stage, PLAY_CALL_ADD_ENTITY, "2", NONE);
    call(stage, PLAY_CALL_SET_PARENT, "2", "1");
    call(stage, PLAY_CALL_UPDATE, "1", "n", "5000", "3", NONE);
    call(stage, PLAY_CALL_UPDATE, "2", "n", "5000", "3", NONE);
    call(stage, PLAY_CALL_UPDATE, "2", "m", "5000", "4", NONE);
    call(stage, PLAY_CALL_REMOVE_COMPONENT, "2", "n");
    call(stage, PLAY_CALL_CREATED, "c", "s", "5000", NONE);
    call(stage, PLAY_CALL_ATTACH, "2", "s", "c");
    call(stage, PLAY_CALL_DISPOSED, "c");
    call(stage, PLAY_CALL_REMOVE_ENTITY, "1");
    call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "2<1 m:5000=4;1<;");
    cr_assert_eq(play_stage_note_count(stage), 0);
    play_stage_close(stage);
}

Test(stage, cycles_and_missing_parents_end_at_the_root)
{
    play_stage *stage = open_stage();
    const char *names[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++) {
        call(stage, PLAY_CALL_ADD_ENTITY, names[i], NONE);
    }
    call(stage, PLAY_CALL_SET_PARENT, "a", "b");
    call(stage, PLAY_CALL_SET_PARENT, "b", "c");
    call(stage, PLAY_CALL_SET_PARENT, "c", "b");
    call(stage, PLAY_CALL_SET_PARENT, "d", "d");
    call(stage, PLAY_CALL_SET_PARENT, "e", "nobody");
    call(stage, PLAY_CALL_SET_PARENT, "f", "a");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "a<b;b<c;c<;d<;e<;f<a;");
    cr_assert_eq(play_stage_note_count(stage), 3);
    play_stage_close(stage);
}

Test(stage, a_call_without_sense_is_noted_and_does_nothing)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_UPDATE, "9", "n", "1", "{}", NONE);
    cr_assert_str_eq(play_stage_note(stage),
                     "line 7: updateEntityComponent: there is no entity `9`");
    call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
    call(stage, PLAY_CALL_ADD_ENTITY, "", NONE);
    call(stage, PLAY_CALL_UPDATE, "1", "n", "1", "{", NONE);
    call(stage, PLAY_CALL_UPDATE, "1", "n", "one", "{}", NONE);
    call(stage, PLAY_CALL_UPDATE, "1", "n", "4294967296", "{}", NONE);
    call(stage, PLAY_CALL_UPDATE, "1", "n", "1.5", "{}", NONE);
    call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
    call(stage, PLAY_CALL_UPDATED, "c", "{}", NONE);
    call(stage, PLAY_CALL_CREATED, "c", "", "5", NONE);
    call(stage, PLAY_CALL_REMOVE_ENTITY, "2");
    call(stage, PLAY_CALL_SET_PARENT, "2", "1");
    play_stage_finish(stage);
    cr_assert_str_eq(shown(stage), "1<;");
    cr_assert_eq(play_stage_note_count(stage), 11);
    call(stage, PLAY_CALL_ADD_ENTITY, "0", NONE); /* the root is there always */
    cr_assert_eq(play_stage_entity_count(stage), 1);
    play_stage_close(stage);
    stage = open_stage();
    call(stage, PLAY_CALL_REMOVE_ENTITY, "123456789 123456789 123456789 123456789ü");
    cr_assert(strstr(play_stage_note(stage), "123456789`") != NULL, "whole characters");
    play_stage_close(stage);
}

Test(stage, limits)
{
    play_stage_limits limits = {.entity_max = 3, .component_max = 2, .size_max = 4096};
    play_stage *stage = NULL;
    cr_assert_eq(play_stage_open(&stage, crdt_alloc_default(), &limits), CRDT_OK);
    for (int round = 0; round < 3; round++) { /* those removed count */
        cr_assert_eq(call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE), CRDT_OK);
        cr_assert_eq(call(stage, PLAY_CALL_REMOVE_ENTITY, "1"), CRDT_OK);
    }
    cr_assert_eq(call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE), CRDT_ELIMIT);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "a", "n", "1", NONE), CRDT_OK);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "b", "n", "1", NONE), CRDT_OK);
    cr_assert_eq(call(stage, PLAY_CALL_CREATED, "c", "n", "1", NONE), CRDT_ELIMIT);
    static char large[5000];
    memset(large, '1', sizeof large - 1);
    large[0] = large[sizeof large - 2] = '"';
    cr_assert_eq(call(stage, PLAY_CALL_UPDATED, "b", large, NONE), CRDT_ELIMIT);
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
            call(stage, PLAY_CALL_ADD_ENTITY, "1", NONE);
            call(stage, PLAY_CALL_UPDATE, "1", "n", "1", "{\"a\":[1]}", NONE);
            call(stage, PLAY_CALL_CREATED, "c", "n", "1", NONE);
            call(stage, PLAY_CALL_UPDATED, "c", "{\"a\":[1]}", NONE);
            call(stage, PLAY_CALL_ATTACH, "1", "n", "c");
            play_stage_finish(stage);
            shown(stage);
        }
        play_stage_close(stage);
        cr_assert(fault_alloc_balanced(&fault), "allocation %lu",
                  (unsigned long)failing);
    }
}

/* What generated code carries: docs/CODEGEN.md. */
Test(stage, what_is_carried)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_SUBSCRIBE, "sceneStart", "{\"origin\":\"builder\"}");
    call(stage, PLAY_CALL_ADD_ENTITY, "1", "{\"id\":\"lamp\",\"fields\":{\"name\":7}}");
    call(stage, PLAY_CALL_ADD_ENTITY, "2", "{\"id\":\"bulb\"}");
    call(stage, PLAY_CALL_SET_PARENT, "2", "1");
    call(stage, PLAY_CALL_UPDATE, "1", "engine.transform", "1",
         "{\"position\":1,\"scale\":2}",
         "{\"type\":\"Transform\",\"made\":[\"scale\",7]}");
    call(stage, PLAY_CALL_CREATED, "shape", "engine.shape", "54",
         "{\"type\":\"GLTFShape\"}");
    call(stage, PLAY_CALL_UPDATED, "shape", "{\"src\":1,\"visible\":true}",
         "{\"made\":[\"visible\"]}");
    call(stage, PLAY_CALL_ATTACH, "1", "engine.shape", "shape");
    call(stage, PLAY_CALL_SCENESYNC, "1", "{\"type\":\"Name\",\"value\":{\"a\":1}}");
    call(stage, PLAY_CALL_SCENESYNC, "1",
         "{\"type\":\"Name\",\"value\":[],\"number\":2}");
    call(stage, PLAY_CALL_SCENESYNC, "2", "{\"type\":\"x\",\"binary\":\"AA==\"}");
    call(stage, PLAY_CALL_SCENESYNC, "2", "{\"type\":\"y\"}");
    call(stage, PLAY_CALL_SCENESYNC, "2", "{}");
    cr_assert_eq(play_stage_finish(stage), CRDT_OK);
    cr_assert_str_eq(shown(stage),
                     "lamp<{\"name\":7} Transform:1={\"position\":1} "
                     "GLTFShape:54={\"src\":1} Name:300={\"a\":1} Name#2=[];"
                     "bulb<lamp x=\"AA==\" y=;");
    cr_assert_eq(play_stage_note_count(stage), 1);
    size_t index;
    play_entity entity;
    cr_assert(play_stage_find(stage, crdt_span_of("bulb"), &index, &entity));
    cr_assert(play_stage_component(stage, index, 0).kind == PLAY_VALUE_BINARY);
    cr_assert(play_stage_component(stage, index, 1).kind == PLAY_VALUE_ABSENT);
    cr_assert_not(play_stage_find(stage, crdt_span_of("2"), &index, &entity));
    play_stage_close(stage);
}

Test(stage, ids_that_are_shown_are_unique)
{
    play_stage *stage = open_stage();
    call(stage, PLAY_CALL_ADD_ENTITY, "1", "{\"id\":\"2\"}");
    call(stage, PLAY_CALL_ADD_ENTITY, "2", "{\"id\":\"2\"}");
    call(stage, PLAY_CALL_ADD_ENTITY, "3", "{\"id\":7}");
    call(stage, PLAY_CALL_ADD_ENTITY, "4", "[");
    call(stage, PLAY_CALL_SET_PARENT, "4", "1");
    cr_assert_eq(play_stage_finish(stage), CRDT_OK);
    cr_assert_str_eq(shown(stage), "2<;#2/2<;3<;4<2;");
    play_stage_close(stage);
}
