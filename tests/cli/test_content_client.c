#include "cli/content/content_client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define HASH "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
#define ENTITY(pointers, content, metadata)                                            \
    "{\"version\":\"v3\",\"id\":\"bafkent\",\"type\":\"scene\",\"pointers\":"          \
    "[" pointers "],\"timestamp\":1700000000000,\"content\":[" content                 \
    "],\"metadata\":" metadata "}"
#define FILE_OF(name) "{\"file\":\"" name "\",\"hash\":\"" HASH "\"}"

static crdt_err read_scene(content_scene *scene, const char *text)
{
    crdt_diag diag = {0};
    crdt_err err = content_scene_read(scene, crdt_span_of(text), "0,-7",
                                      crdt_alloc_default(), &diag);
    cr_expect(err == CRDT_OK || diag.text[0] != '\0', "a reason is given");
    return err;
}

Test(content_client, pointers)
{
    static const char *const GOOD[] = {"0,0", "-150,150", "12345,-1"};
    static const char *const BAD[] = {
        "",     "0",    "0,",   ",0",  "0,0,0", "+1,0",  "00,0",     "-0,0",
        "0, 0", " 0,0", "0,0 ", "a,0", "0,0\n", "1e1,0", "123456,0", "0.5,0"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        cr_expect(content_pointer_valid(GOOD[i]), "%s", GOOD[i]);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_not(content_pointer_valid(BAD[i]), "%s", BAD[i]);
    }
}

Test(content_client, the_best_file_in_any_letter_case)
{
    content_scene scene;
    const char *text = "[" ENTITY("\"5,5\",\"0,-7\"",
                                  FILE_OF("main.composite") "," FILE_OF(
                                      "bin/game.js") "," FILE_OF("Builder.JSON"),
                                  "{\"source\":{\"projectId\":\"abc-1\"}}") "]";
    cr_assert_eq(read_scene(&scene, text), CRDT_OK);
    cr_expect(scene.deployed && scene.has_file);
    cr_expect_str_eq(scene.file.name, "Builder.JSON");
    cr_expect_str_eq(scene.file.hash, HASH);
    cr_expect_eq(scene.file.format, SCENE_FORMAT_BUILDER);
    cr_expect_eq(scene.file_count, 3);
    cr_expect_str_eq(scene.project, "abc-1");
    cr_expect_str_eq(scene.id, "bafkent");
    cr_expect_eq(scene.timestamp, 1700000000000);
}

Test(content_client, nothing_deployed_and_nothing_to_edit)
{
    content_scene scene;
    cr_assert_eq(read_scene(&scene, "[]"), CRDT_OK);
    cr_expect_not(scene.deployed);
    cr_assert_eq(
        read_scene(&scene, "[" ENTITY("\"0,-7\"", FILE_OF("bin/game.js"), "null") "]"),
        CRDT_OK);
    cr_expect(scene.deployed && !scene.has_file);
    cr_expect_str_eq(scene.project, "");
}

/* Of two at one place the newer one. */
Test(content_client, the_newest_of_several)
{
    content_scene scene;
    const char *text =
        "[{\"id\":\"a\",\"type\":\"scene\",\"pointers\":[\"0,-7\"],\"timestamp\":1,"
        "\"content\":[]},"
        "{\"id\":\"b\",\"type\":\"scene\",\"pointers\":[\"0,-7\"],\"timestamp\":2,"
        "\"content\":[]}]";
    cr_assert_eq(read_scene(&scene, text), CRDT_OK);
    cr_expect_str_eq(scene.id, "b");
}

/* What would lead a path astray is no project. */
Test(content_client, projects_that_are_none)
{
    static const char *const IDS[] = {"../x", "a/b",     "a?b",  "a b",
                                      "",     "\\u0000", "a%2fb"};
    for (size_t i = 0; i < sizeof IDS / sizeof IDS[0]; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "[" ENTITY("\"0,-7\"", "", "{\"source\":{\"projectId\":\"%s\"}}") "]",
                 IDS[i]);
        content_scene scene;
        cr_assert_eq(read_scene(&scene, text), CRDT_OK);
        cr_expect_str_eq(scene.project, "", "%s", IDS[i]);
    }
}

Test(content_client, answers_that_are_refused)
{
    static const char *const BAD[] = {
        "",
        "{}",
        "null",
        "[",
        "[1]",
        "[{}]",
        "<html>",
        "[" ENTITY("\"0,7\"", "", "{}") "]",
        "[{\"id\":\"a\",\"type\":\"profile\",\"pointers\":[\"0,-7\"],\"content\":[]}]",
        "[{\"id\":\"a\",\"type\":\"scene\",\"pointers\":[\"0,-7\"]}]",
        "[{\"type\":\"scene\",\"pointers\":[\"0,-7\"],\"content\":[]}]",
        "[{\"id\":7,\"type\":\"scene\",\"pointers\":[\"0,-7\"],\"content\":[]}]",
        "[" ENTITY("\"0,-7\"", "{\"file\":\"builder.json\"}", "{}") "]",
        "[" ENTITY("\"0,-7\"", "{\"file\":\"builder.json\",\"hash\":5}", "{}") "]",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        content_scene scene;
        cr_expect_neq(read_scene(&scene, BAD[i]), CRDT_OK, "%s", BAD[i]);
        cr_expect_not(scene.deployed);
    }
}
