/* scene.json and the entity: golden texts, and what of a deployed scene stays. */

#include "cli/content/cid.h"
#include "cli/content/entity_text.h"

#include <criterion/criterion.h>

#include <string.h>

static content_parcels land(const char *text)
{
    content_parcels parcels;
    cr_assert_eq(content_parcels_parse(&parcels, text, NULL), CRDT_OK);
    return parcels;
}

static void expect_metadata(content_metadata metadata, const char *former,
                            const char *wanted)
{
    crdt_alloc alloc = crdt_alloc_default();
    scene_json *json = NULL;
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    if (former != NULL) {
        cr_assert_eq(scene_json_open(&json, alloc, crdt_span_of(former), NULL, NULL),
                     CRDT_OK);
        metadata.former = scene_json_root(json);
    }
    cr_assert_eq(content_metadata_write(&metadata, alloc, &out), CRDT_OK);
    cr_assert_eq(crdt_buf_append(&out, "", 1), CRDT_OK);
    cr_expect_str_eq((char *)out.data, wanted);
    crdt_buf_deinit(&out);
    scene_json_close(json);
}

Test(entity_text, scene_json_of_a_new_scene)
{
    content_parcels parcels = land("3,-1;3,0;4,0");
    content_metadata metadata = {.base = {3, 0},
                                 .parcels = &parcels,
                                 .title = crdt_span_of("Caf\xc3\xa9"),
                                 .thumbnail = true,
                                 .project = crdt_span_of("p-1")};
    expect_metadata(
        metadata, NULL,
        "{\"contact\":{\"name\":\"\"},\"display\":{\"navmapThumbnail\":"
        "\"thumbnail.png\",\"title\":\"Caf\xc3\xa9\"},\"main\":\"bin/game.js\","
        "\"owner\":\"\",\"scene\":{\"base\":\"3,0\",\"parcels\":[\"3,-1\",\"3,0\",\"4,"
        "0\"]"
        "},\"source\":{\"layout\":{\"cols\":2,\"rows\":2},\"origin\":\"builder-in-"
        "world\","
        "\"point\":{\"x\":3,\"y\":-1},\"projectId\":\"p-1\",\"rotation\":\"east\","
        "\"version\":1},\"spawnPoints\":[{\"default\":true,\"name\":\"spawn1\","
        "\"position\":{\"x\":8,\"y\":0,\"z\":8}}],\"tags\":[]}");
}

#define FORMER                                                                         \
    "{\"main\":\"bin/"                                                                 \
    "index.js\",\"ecs7\":true,\"runtimeVersion\":\"7\",\"owner\":\"me\","              \
    "\"display\":{\"title\":\"Old\",\"description\":\"d\",\"favicon\":\"f\"},"         \
    "\"scene\":{\"base\":\"0,0\",\"parcels\":[\"0,0\",\"0,1\"],\"x\":1},"              \
    "\"source\":{\"isEmpty\":true,\"projectId\":\"old\",\"rotation\":\"north\","       \
    "\"point\":{\"x\":7,\"y\":7},\"layout\":{\"rows\":9,\"cols\":9}},"                 \
    "\"tags\":[\"a\"],\"contact\":{\"name\":\"Ana\"},\"spawnPoints\":[],"              \
    "\"requiredPermissions\":[\"P\"]}"

Test(entity_text, what_is_deployed_stays)
{
    content_parcels parcels = land("0,1;0,0");
    content_metadata metadata = {.base = {0, 0}, .parcels = &parcels};
    expect_metadata(
        metadata, FORMER,
        "{\"contact\":{\"name\":\"Ana\"},\"display\":{\"description\":\"d\","
        "\"favicon\":\"f\",\"title\":\"Old\"},\"main\":\"bin/"
        "game.js\",\"owner\":\"me\","
        "\"requiredPermissions\":[\"P\"],\"scene\":{\"base\":\"0,0\",\"parcels\":"
        "[\"0,1\",\"0,0\"],\"x\":1},\"source\":{\"layout\":{\"cols\":9,\"rows\":9},"
        "\"origin\":\"builder-in-world\",\"point\":{\"x\":7,\"y\":7},\"rotation\":"
        "\"north\",\"version\":1},\"spawnPoints\":[],\"tags\":[\"a\"]}");
    /* On other land the project lies as it now does. */
    content_parcels more = land("0,0;0,1;1,0");
    metadata.parcels = &more;
    metadata.title = crdt_span_of("New");
    metadata.description = crdt_span_of("");
    expect_metadata(
        metadata, FORMER,
        "{\"contact\":{\"name\":\"Ana\"},\"display\":{\"description\":\"\","
        "\"favicon\":\"f\",\"title\":\"New\"},\"main\":\"bin/"
        "game.js\",\"owner\":\"me\","
        "\"requiredPermissions\":[\"P\"],\"scene\":{\"base\":\"0,0\",\"parcels\":"
        "[\"0,0\",\"0,1\",\"1,0\"],\"x\":1},\"source\":{\"layout\":{\"cols\":2,"
        "\"rows\":2},"
        "\"origin\":\"builder-in-world\",\"point\":{\"x\":0,\"y\":0},\"rotation\":"
        "\"east\",\"version\":1},\"spawnPoints\":[],\"tags\":[\"a\"]}");
}

Test(entity_text, an_empty_scene_keeps_nothing)
{
    content_parcels parcels = land("0,0");
    content_metadata metadata = {.base = {0, 0}, .parcels = &parcels, .empty = true};
    expect_metadata(
        metadata, FORMER,
        "{\"contact\":{\"name\":\"\"},\"display\":{\"title\":\"Empty 0,0\"},"
        "\"main\":\"bin/game.js\",\"owner\":\"\",\"scene\":{\"base\":\"0,0\","
        "\"parcels\":[\"0,0\"]},\"source\":{\"isEmpty\":true,\"layout\":{\"cols\":1,"
        "\"rows\":1},\"origin\":\"builder-in-world\",\"point\":{\"x\":0,\"y\":0},"
        "\"rotation\":\"east\",\"version\":1},\"spawnPoints\":[{\"default\":true,"
        "\"name\":\"spawn1\",\"position\":{\"x\":8,\"y\":0,\"z\":8}}],\"tags\":[]}");
}

/* What a hostile server may have said of the scene that is deployed. */
Test(entity_text, former_metadata_of_other_shapes)
{
    static const char *const ROWS[] = {
        "{\"display\":7,\"scene\":[],\"source\":\"x\",\"tags\":{}}",
        "{\"scene\":{\"parcels\":[1]},\"source\":{\"point\":null}}",
        "{\"scene\":{\"parcels\":[\"0,0\",\"0,0\"]}}", "{}"};
    content_parcels parcels = land("0,0");
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        content_metadata metadata = {.base = {0, 0}, .parcels = &parcels};
        crdt_alloc alloc = crdt_alloc_default();
        scene_json *json;
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        cr_assert_eq(scene_json_open(&json, alloc, crdt_span_of(ROWS[i]), NULL, NULL),
                     CRDT_OK);
        metadata.former = scene_json_root(json);
        cr_assert_eq(content_metadata_write(&metadata, alloc, &out), CRDT_OK);
        scene_json_close(json);
        cr_assert_eq(scene_json_open(&json, alloc, crdt_buf_span(&out), NULL, NULL),
                     CRDT_OK);
        const scene_json_node *root = scene_json_root(json);
        const scene_json_node *source = scene_json_find(root, "source");
        cr_assert_not_null(source);
        cr_expect_not_null(scene_json_find(source, "point"));
        cr_expect_not_null(scene_json_find(scene_json_find(root, "display"), "title"));
        scene_json_close(json);
        crdt_buf_deinit(&out);
    }
}

Test(entity_text, the_entity)
{
    content_parcels parcels = land("0,0;0,1");
    content_entity_file files[] = {{crdt_span_of("bin/game.js"), "bafkA"},
                                   {crdt_span_of("scene.json"), "bafkB"}};
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    cr_assert_eq(content_entity_write(&parcels, 1763884800000, files, 2,
                                      crdt_span_of("{\"main\":\"bin/game.js\"}"),
                                      crdt_alloc_default(), &out),
                 CRDT_OK);
    static const char WANTED[] =
        "{\"content\":[{\"file\":\"bin/game.js\",\"hash\":\"bafkA\"},"
        "{\"file\":\"scene.json\",\"hash\":\"bafkB\"}],\"metadata\":{\"main\":"
        "\"bin/game.js\"},\"pointers\":[\"0,0\",\"0,1\"],\"timestamp\":1763884800000,"
        "\"type\":\"scene\",\"version\":\"v3\"}";
    cr_expect(crdt_span_equal(crdt_buf_span(&out), crdt_span_of(WANTED)), "%.*s",
              (int)out.size, (char *)out.data);
    char id[CONTENT_CID_SIZE];
    content_cid(crdt_buf_span(&out), id);
    cr_expect_str_eq(id, "bafkreihm7dmx7frpqu4httzutmsbgqmequercj6htiflrfq2h2qwol3ljq");
    crdt_buf_deinit(&out);
}

Test(entity_text, names_of_files)
{
    static const char *const GOOD[] = {"a",   "bin/game.js", "models/A b/\xc3\xa9.glb",
                                       "..a", "a..",         ".hidden"};
    static const char *const WRONG[] = {"",    "/a",  "a/",   "a//b", "..",  "a/../b",
                                        "./a", "a/.", "a\\b", "a\nb", "\xff"};
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        cr_expect(content_file_name_valid(crdt_span_of(GOOD[i])), "%s", GOOD[i]);
    }
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        cr_expect_not(content_file_name_valid(crdt_span_of(WRONG[i])), "%s", WRONG[i]);
    }
    char name[1026];
    memset(name, 'a', sizeof name);
    cr_expect(content_file_name_valid((crdt_span){(uint8_t *)name, 1024}));
    cr_expect_not(content_file_name_valid((crdt_span){(uint8_t *)name, 1025}));
    cr_expect_not(content_file_name_valid((crdt_span){(const uint8_t *)"a\0b", 3}));
    cr_expect(content_file_name_equal(crdt_span_of("A/b"), crdt_span_of("a/B")));
    cr_expect_not(content_file_name_equal(crdt_span_of("a"), crdt_span_of("ab")));
}
