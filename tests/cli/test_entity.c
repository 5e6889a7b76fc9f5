#include "cli/servers/entity.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
#define HEAD "{\"version\":\"v3\",\"type\":\"scene\",\"timestamp\":1700000000000,"
#define CONTENT "\"content\":[{\"file\":\"a\",\"hash\":\"" HASH "\"}],"
#define POINTERS "\"pointers\":[\"0,0\",\"-1,0\"],"
#define METADATA                                                                       \
    "\"metadata\":{\"main\":\"m\",\"scene\":{\"base\":\"0,0\",\"parcels\":[\"-1,0\","  \
    "\"0,0\"]}}}"

static crdt_err parse(const char *text)
{
    servers_entity entity;
    crdt_diag diag = {.text = ""};
    crdt_err err =
        servers_entity_init(&entity, crdt_alloc_default(), crdt_span_of(text), &diag);
    cr_assert((err == CRDT_OK) == (diag.text[0] == '\0'), "%s", diag.text);
    if (err == CRDT_OK) {
        servers_entity_deinit(&entity);
    }
    return err;
}

Test(entity, members)
{
    servers_entity entity;
    cr_assert_eq(servers_entity_init(&entity, crdt_alloc_default(),
                                     crdt_span_of(HEAD POINTERS CONTENT METADATA),
                                     NULL),
                 CRDT_OK);
    cr_assert_eq(entity.timestamp_ms, 1700000000000);
    cr_assert_eq(entity.pointer_count, 2);
    cr_assert(crdt_span_equal(entity.pointers[1], crdt_span_of("-1,0")));
    cr_assert_eq(entity.file_count, 1);
    cr_assert(crdt_span_equal(entity.files[0].file, crdt_span_of("a")));
    cr_assert(crdt_span_equal(entity.files[0].hash, crdt_span_of(HASH)));
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    scene_json_writer writer;
    scene_json_writer_init(&writer, crdt_alloc_default(), &out);
    servers_entity_write(&entity, crdt_span_of("ID"), &writer);
    cr_assert_eq(writer.err, CRDT_OK);
    cr_assert(crdt_span_equal(
        crdt_buf_span(&out),
        crdt_span_of("{\"content\":[{\"file\":\"a\",\"hash\":\"" HASH
                     "\"}],\"id\":\"ID\",\"metadata\":{\"main\":\"m\",\"scene\":{"
                     "\"base\":\"0,0\",\"parcels\":[\"-1,0\",\"0,0\"]}},\"pointers\":["
                     "\"0,0\",\"-1,0\"],\"timestamp\":1700000000000,\"type\":\"scene\","
                     "\"version\":\"v3\"}")));
    scene_json_writer_deinit(&writer);
    crdt_buf_deinit(&out);
    servers_entity_deinit(&entity);
}

Test(entity, what_is_refused)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"type\":\"scene\",\"timestamp\":1," POINTERS CONTENT METADATA,
        "{\"version\":\"v4\",\"type\":\"scene\",\"timestamp\":1," POINTERS CONTENT
            METADATA,
        "{\"version\":\"v3\",\"type\":\"profile\",\"timestamp\":1," POINTERS CONTENT
            METADATA,
        "{\"version\":\"v3\",\"type\":\"scene\",\"timestamp\":1.5," POINTERS CONTENT
            METADATA,
        "{\"version\":\"v3\",\"type\":\"scene\",\"timestamp\":0," POINTERS CONTENT
            METADATA,
        "{\"version\":\"v3\",\"type\":\"scene\",\"timestamp\":\"1\"," POINTERS CONTENT
            METADATA,
        "{\"version\":\"v3\",\"type\":\"scene\"," POINTERS CONTENT METADATA,
        HEAD CONTENT METADATA,
        HEAD "\"pointers\":[]," CONTENT METADATA,
        HEAD "\"pointers\":[\"0,0\"]," CONTENT METADATA,
        HEAD "\"pointers\":[\"0,0\",\"-1,0\",\"1,1\"]," CONTENT METADATA,
        HEAD "\"pointers\":[\"0,0\",\"0,0\"]," CONTENT METADATA,
        HEAD "\"pointers\":[\"0,0\",5]," CONTENT METADATA,
        HEAD POINTERS METADATA,
        HEAD POINTERS "\"content\":{}," METADATA,
        HEAD POINTERS "\"content\":[5]," METADATA,
        HEAD POINTERS "\"content\":[{\"file\":\"a\"}]," METADATA,
        HEAD POINTERS "\"content\":[{\"file\":\"\",\"hash\":\"" HASH "\"}]," METADATA,
        HEAD POINTERS "\"content\":[{\"file\":\"a\",\"hash\":\"abc\"}]," METADATA,
        HEAD POINTERS "\"content\":[{\"file\":\"a\",\"hash\":\"" HASH
                      "\\u0000\"}]," METADATA,
        HEAD POINTERS
        "\"content\":[{\"file\":\"a\",\"hash\":\"../../etc/passwd\"}]," METADATA,
        HEAD POINTERS "\"content\":[{\"file\":\"a\",\"hash\":\"" HASH
                      "\"},{\"file\":\"A\",\"hash\":\"" HASH "\"}]," METADATA,
        HEAD POINTERS CONTENT "\"metadata\":5}",
        HEAD POINTERS CONTENT "\"metadata\":{}}",
        HEAD POINTERS CONTENT "\"metadata\":{\"main\":\"m\"}}",
        HEAD POINTERS CONTENT
        "\"metadata\":{\"main\":\"m\",\"scene\":{\"parcels\":[\"-1,0\",\"0,0\"]}}}",
        HEAD POINTERS CONTENT
        "\"metadata\":{\"main\":\"m\",\"scene\":{\"base\":\"5,5\","
        "\"parcels\":[\"-1,0\",\"0,0\"]}}}",
        HEAD POINTERS CONTENT
        "\"metadata\":{\"main\":\"m\",\"scene\":{\"base\":\"0,0\","
        "\"parcels\":[\"0,0\",\"0,0\"]}}}",
        HEAD POINTERS CONTENT "\"metadata\":{\"scene\":{\"base\":\"0,0\",\"parcels\":"
                              "[\"-1,0\",\"0,0\"]}}}",
    };
    cr_assert_eq(parse(HEAD POINTERS CONTENT METADATA), CRDT_OK);
    cr_assert_eq(parse(HEAD POINTERS "\"more\":[1],\"content\":[]," METADATA), CRDT_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert_eq(parse(texts[i]), CRDT_ECORRUPT, "%zu", i);
    }
}

Test(entity, pointers)
{
    static const char *const good[] = {"0,0", "-1,150", "123456,-123456"};
    static const char *const bad[] = {
        "",     ",",    "0",    "0,",    ",0",  "0,0 ", " 0,0",  "+1,0",
        "01,0", "-0,0", "0,-0", "1.0,2", "a,b", "0;0",  "0,0,0", "1234567,0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(servers_pointer_valid(crdt_span_of(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(servers_pointer_valid(crdt_span_of(bad[i])), "%s", bad[i]);
    }
}

/* A deployment of the real content server, from the text of a decision record. */
Test(entity, a_real_one)
{
    const char *root = getenv("SCENESYNC_SHARED");
    char path[512];
    snprintf(path, sizeof path,
             "%s/data/scene-json/entity/ADR-79-builder-deployed-entity.json",
             root != NULL ? root : "../shared");
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        cr_skip_test("%s is not there", path);
    }
    static char text[65536];
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    servers_entity entity;
    crdt_diag diag = {.text = ""};
    crdt_span span = {(const uint8_t *)text, size};
    cr_assert_eq(servers_entity_init(&entity, crdt_alloc_default(), span, &diag),
                 CRDT_OK, "%s", diag.text);
    cr_assert_eq(entity.pointer_count, 6);
    cr_assert_eq(entity.file_count, 24);
    servers_entity_deinit(&entity);
}

Test(entity, no_memory)
{
    static const char text[] = HEAD POINTERS CONTENT METADATA;
    for (uint64_t i = 0;; i++) {
        fault_alloc fault;
        crdt_alloc alloc = fault_alloc_init(&fault);
        fault_alloc_fail_at(&fault, i);
        servers_entity entity;
        crdt_err err = servers_entity_init(&entity, alloc, crdt_span_of(text), NULL);
        if (err == CRDT_OK) {
            servers_entity_deinit(&entity);
            cr_assert(fault_alloc_balanced(&fault));
            cr_assert_gt(i, 3);
            break;
        }
        cr_assert_eq(err, CRDT_ENOMEM);
        cr_assert(fault_alloc_balanced(&fault), "allocation %d", (int)i);
    }
}
