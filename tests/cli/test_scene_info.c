/* What a page is told of a scene: title, land, and the files of its models. */

#include "cli/outside/scene_info.h"
#include "cli/outside/known_info.h"
#include "tests/scene/scene_files.h"

#include <criterion/criterion.h>

#define HASH "bafkreihk5xfklusxxqo57hlpcljm4xp3n6feyimabqpl5sqt7mynpt32xi"
#define OTHER "bafkreicifor64tmqrgxrzzzsskw4cgtc24wrfhtu6ampagglkqyt25ud2m"

static outside_scene_info info;

static void open_info(void)
{
    outside_scene_info_init(&info, crdt_alloc_default(), "-3,7");
}

static void close_info(void)
{
    outside_scene_info_deinit(&info);
}

TestSuite(scene_info, .init = open_info, .fini = close_info);

static void read_scene(const char *text, scene_format format)
{
    crdt_document *doc = files_load(crdt_span_of(text), NULL, format);
    cr_assert_eq(outside_scene_info_read(&info, doc), CRDT_OK);
    crdt_document_close(doc); /* nothing is borrowed from it */
}

static void take_entity(const char *text)
{
    content_deployed deployed = {0};
    crdt_diag diag = {0};
    cr_assert_eq(scene_json_open(&deployed.json, crdt_alloc_default(),
                                 crdt_span_of(text), NULL, &diag),
                 CRDT_OK, "%s", diag.text);
    deployed.entity = scene_json_root(deployed.json);
    cr_assert_eq(outside_scene_info_take(&info, &deployed), CRDT_OK);
    content_deployed_deinit(&deployed);
}

static void expect_told(const char *wanted)
{
    const outside_scene_powers powers = {.save = true, .fetch = true};
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(outside_scene_info_write(&info, &powers, &text), CRDT_OK);
    files_same(crdt_buf_span(&text), crdt_span_of(wanted), "what is told");
    crdt_buf_deinit(&text);
}

static crdt_err count_hash(void *ctx, crdt_span hash)
{
    size_t *count = ctx;
    cr_expect(hash.size > 40);
    (*count)++;
    return CRDT_OK;
}

Test(scene_info, nothing_is_known)
{
    expect_told("{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":false,\"canPublish\":false,"
                "\"canSave\":true,\"models\":{\"assets\":{},\"files\":{}},\"ok\":true,"
                "\"parcels\":[{\"x\":-3,\"y\":7}]}");
}

Test(scene_info, a_project_and_its_assets)
{
    read_scene(
        "{\"version\":10,\"project\":{\"id\":\"p\",\"title\":\"Yard\","
        "\"layout\":{\"rows\":2,\"cols\":1}},\"scene\":{\"id\":\"s\","
        "\"entities\":{\"e\":{\"id\":\"e\",\"components\":[\"c\"]}},"
        "\"components\":{\"c\":{\"id\":\"c\",\"type\":\"GLTFShape\",\"data\":{"
        "\"assetId\":\"a\"}}},\"assets\":{\"a\":{\"id\":\"a\",\"model\":\"A.glb\","
        "\"contents\":{\"A.glb\":\"" HASH "\",\"wood.png\":\"" OTHER "\","
        "\"bin/game.js\":\"" OTHER "\",\"bad.glb\":\"../../etc/passwd\","
        "\"no.glb\":7}}}}}",
        SCENE_FORMAT_BUILDER);
    /* The layout counts before the land that is deployed, and so does the title. */
    take_entity("{\"pointers\":[\"0,0\"],\"content\":[{\"file\":\"models/x.GLB\","
                "\"hash\":\"" HASH "\"},{\"file\":\"scene.json\",\"hash\":\"" HASH
                "\"}],\"metadata\":{\"display\":{\"title\":\"Other\"}}}");
    expect_told("{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":false,\"canPublish\":false,"
                "\"canSave\":true,\"models\":{\"assets\":{\"a\":{\"files\":{\"A.glb\":"
                "\"" HASH "\",\"wood.png\":\"" OTHER "\"},\"model\":\"A.glb\"}},"
                "\"files\":{\"models/x.GLB\":\"" HASH "\"}},\"ok\":true,"
                "\"parcels\":[{\"x\":-3,\"y\":7},{\"x\":-2,\"y\":7}],"
                "\"title\":\"Yard\"}");
    size_t count = 0;
    cr_expect_eq(outside_scene_info_each_hash(&info, count_hash, &count), CRDT_OK);
    cr_expect_eq(count, 3); /* no script, and nothing that is no hash */
}

Test(scene_info, what_is_deployed)
{
    take_entity("{\"pointers\":[\"-3,7\",\"-3,8\",\"rubbish\",5],\"content\":[7,{}],"
                "\"metadata\":{\"display\":{\"title\":\"Hill\"},"
                "\"scene\":{\"base\":\"-3,8\"}}}");
    expect_told("{\"base\":{\"x\":-3,\"y\":8},\"canPlay\":false,\"canPublish\":false,"
                "\"canSave\":true,\"models\":{\"assets\":{},\"files\":{}},\"ok\":true,"
                "\"parcels\":[{\"x\":-3,\"y\":7},{\"x\":-3,\"y\":8}],"
                "\"title\":\"Hill\"}");
}

Test(scene_info, rubbish_that_is_deployed)
{
    take_entity("{\"pointers\":[],\"content\":{},\"metadata\":[]}");
    take_entity("[]");
    take_entity(
        "{\"metadata\":{\"display\":{\"title\":9},\"scene\":{\"base\":\"9,9\"}}}");
    expect_told("{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":false,\"canPublish\":false,"
                "\"canSave\":true,\"models\":{\"assets\":{},\"files\":{}},\"ok\":true,"
                "\"parcels\":[{\"x\":-3,\"y\":7}]}");
}

Test(scene_info, sdk7_projects_list_their_files)
{
    read_scene("{\"version\":11,\"project\":{\"id\":\"p\"},\"scene\":{\"sdk6\":null,"
               "\"sdk7\":{\"id\":\"s\",\"composite\":{\"version\":1,\"components\":[]},"
               "\"mappings\":{\"assets/a.glb\":\"" HASH "\",\"b.txt\":\"" HASH "\"}}}}",
               SCENE_FORMAT_BUILDER);
    expect_told(
        "{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":false,\"canPublish\":false,"
        "\"canSave\":true,\"models\":{\"assets\":{},\"files\":{\"assets/a.glb\":"
        "\"" HASH "\"}},\"ok\":true,\"parcels\":[{\"x\":-3,\"y\":7}]}");
}

Test(scene_info, files_that_nobody_could_be_asked_for)
{
    const outside_scene_powers powers = {.play = true};
    take_entity("{\"content\":[{\"file\":\"a.glb\",\"hash\":\"" HASH "\"}]}");
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(outside_scene_info_write(&info, &powers, &text), CRDT_OK);
    files_same(crdt_buf_span(&text),
               crdt_span_of("{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":true,"
                            "\"canPublish\":false,\"canSave\":false,\"models\":{"
                            "\"assets\":{},\"files\":{}},\"ok\":true,"
                            "\"parcels\":[{\"x\":-3,\"y\":7}]}"),
               "what is told");
    crdt_buf_deinit(&text);
}

/* A project and what was deployed of it, or an entity that lists a file twice: a running
 * worker, which reads strictly, could not begin with a path that stands twice. */
Test(scene_info, a_path_that_is_named_twice)
{
    take_entity("{\"content\":[{\"file\":\"a.glb\",\"hash\":\"" HASH "\"},"
                "{\"file\":\"A.GLB\",\"hash\":\"" OTHER "\"},"
                "{\"file\":\"a.glb\",\"hash\":\"" OTHER "\"}]}");
    expect_told("{\"base\":{\"x\":-3,\"y\":7},\"canPlay\":false,"
                "\"canPublish\":false,\"canSave\":true,\"models\":{\"assets\":{},"
                "\"files\":{\"a.glb\":\"" HASH "\"}},\"ok\":true,"
                "\"parcels\":[{\"x\":-3,\"y\":7}]}");
}

/* ---- told on by a running worker ---- */

Test(scene_info, what_an_edition_told)
{
    static const char TOLD[] =
        "{\"ok\":true,\"canSave\":true,\"canPublish\":true,\"title\":\"Yard\","
        "\"models\":{\"assets\":{\"a\":{\"files\":{\"A.glb\":\"" HASH "\",\"x\":3}},"
        "\"b\":7},\"files\":{\"m.glb\":\"" OTHER "\",\"n.glb\":\"no hash\"}}}";
    outside_known_info *known;
    crdt_diag diag = {0};
    cr_assert_eq(outside_known_info_open(&known, crdt_alloc_default(),
                                         crdt_span_of(TOLD), &diag),
                 CRDT_OK);
    size_t count = 0;
    cr_expect_eq(outside_known_info_each_hash(known, count_hash, &count), CRDT_OK);
    cr_expect_eq(count, 2);
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    cr_assert_eq(outside_known_info_write(known, true, &text), CRDT_OK);
    files_same(
        crdt_buf_span(&text),
        crdt_span_of("{\"canPlay\":true,\"canPublish\":false,\"canSave\":false,"
                     "\"models\":{\"assets\":{\"a\":{\"files\":{\"A.glb\":\"" HASH "\","
                     "\"x\":3}},\"b\":7},\"files\":{\"m.glb\":\"" OTHER "\",\"n.glb\":"
                     "\"no hash\"}},\"ok\":true,\"title\":\"Yard\"}"),
        "what is told on");
    crdt_buf_deinit(&text);
    outside_known_info_close(known);
    static const char *const BAD[] = {"", "[]", "7", "{\"models\":"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_expect_eq(outside_known_info_open(&known, crdt_alloc_default(),
                                             crdt_span_of(BAD[i]), &diag),
                     CRDT_ECORRUPT);
    }
}
