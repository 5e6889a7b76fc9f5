#include "scene/json_writer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scene/derive.h"
#include "scene/text_map.h"
#include "tests/scene/scene_files.h"
#include "tests/support/fault_alloc.h"

static void key(scene_json_writer *writer, const char *text)
{
    scene_json_writer_key(writer, crdt_span_of(text));
}

/* {"b":[{},[],1],"a":{"y":null,"x":"s"},"c":true}, in this order. */
static void write_sample(scene_json_writer *writer)
{
    scene_json_writer_object_begin(writer);
    key(writer, "b");
    scene_json_writer_array_begin(writer);
    scene_json_writer_object_begin(writer);
    scene_json_writer_object_end(writer);
    scene_json_writer_array_begin(writer);
    scene_json_writer_array_end(writer);
    scene_json_writer_integer(writer, -1);
    scene_json_writer_array_end(writer);
    key(writer, "a");
    scene_json_writer_object_begin(writer);
    key(writer, "y");
    scene_json_writer_null(writer);
    key(writer, "x");
    scene_json_writer_string(writer, crdt_span_of("s,\"}"));
    scene_json_writer_object_end(writer);
    key(writer, "dropped");
    scene_json_writer_object_begin(writer);
    key(writer, "dropped too");
    scene_json_writer_object_begin(writer);
    scene_json_writer_object_end_or_drop(writer);
    scene_json_writer_object_end_or_drop(writer);
    key(writer, "c");
    scene_json_writer_bool(writer, true);
    key(writer, "a");
    scene_json_writer_raw(writer, crdt_span_of("[\"the first stays\"]"));
    scene_json_writer_object_end(writer);
}

Test(json_writer, sorts_and_drops)
{
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    scene_json_writer writer;
    scene_json_writer_init(&writer, crdt_alloc_default(), &out);
    write_sample(&writer);
    cr_expect_eq(writer.err, CRDT_OK);
    files_same(crdt_buf_span(&out),
               crdt_span_of("{\"a\":{\"x\":\"s,\\\"}\",\"y\":null},\"b\":[{},[],-1],"
                            "\"c\":true}"),
               "sample");
    scene_json_writer_deinit(&writer);
    crdt_buf_deinit(&out);
}

Test(json_writer, every_allocation_may_fail)
{
    bool succeeded = false;
    for (uint64_t fail = 0; !succeeded; fail++) {
        fault_alloc faults;
        crdt_alloc alloc = fault_alloc_init(&faults);
        fault_alloc_fail_at(&faults, fail);
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        scene_json_writer writer;
        scene_json_writer_init(&writer, alloc, &out);
        write_sample(&writer);
        succeeded = writer.err == CRDT_OK;
        cr_assert(succeeded || writer.err == CRDT_ENOMEM);
        scene_json_writer_deinit(&writer);
        crdt_buf_deinit(&out);
        cr_assert(fault_alloc_balanced(&faults));
    }
}

Test(json_writer, text_map_finds_what_was_put)
{
    static char names[3000][8];
    fault_alloc faults;
    crdt_alloc alloc = fault_alloc_init(&faults);
    scene_text_map map;
    scene_text_map_init(&map, alloc);
    cr_expect_null(scene_text_map_find(&map, crdt_span_of("")));
    for (uint64_t i = 0; i < 3000; i++) {
        snprintf(names[i], sizeof(names[i]), "n%u", (unsigned)i);
        bool fresh = false;
        cr_assert_eq(scene_text_map_put(&map, crdt_span_of(names[i]), i, NULL, &fresh),
                     CRDT_OK);
        cr_assert(fresh);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        bool fresh = true;
        uint64_t *slot = NULL;
        cr_assert_eq(scene_text_map_put(&map, crdt_span_of(names[i]), 7, &slot, &fresh),
                     CRDT_OK);
        cr_assert(!fresh && *slot == i);
    }
    cr_expect_null(scene_text_map_find(&map, crdt_span_of("n3000")));
    fault_alloc_fail_at(&faults, 0);
    crdt_err err = CRDT_OK;
    static char more[3000][8];
    for (size_t i = 0; i < 3000 && err == CRDT_OK; i++) {
        snprintf(more[i], sizeof(more[i]), "m%u", (unsigned)i);
        err = scene_text_map_put(&map, crdt_span_of(more[i]), i, NULL, NULL);
    }
    cr_expect_eq(err, CRDT_ENOMEM);
    cr_expect_eq(*scene_text_map_find(&map, crdt_span_of("n2999")), 2999);
    scene_text_map_deinit(&map);
    cr_expect(fault_alloc_balanced(&faults));
}

/* Ids that are made up stay the same for ever: files hold them. */
Test(json_writer, derived_ids_are_pinned)
{
    char id[SCENE_UUID_SIZE + 1] = {0};
    scene_derive_uuid("component", crdt_span_of("a"), crdt_span_of("Transform"), id);
    cr_expect_str_eq(id, "b0846a79-82cb-81d7-8f99-ae49c341bcdb");
    cr_expect(scene_derive_is_uuid(crdt_span_of(id), "component", crdt_span_of("a"),
                                   crdt_span_of("Transform")));
    cr_expect_not(scene_derive_is_uuid(crdt_span_of(id), "component",
                                       crdt_span_of("aT"), crdt_span_of("ransform")));
    cr_expect_not(scene_derive_is_uuid(crdt_span_of(id), "asset", crdt_span_of("a"),
                                       crdt_span_of("Transform")));
}
