#include "tests/fuzz/fuzz.h"
#include "cli/servers/entity.h"
#include "cli/servers/manifest.h"

#include <assert.h>

/* What the server answers is an entity again, and says the same. */
static void write_and_read(const servers_entity *entity)
{
    crdt_alloc alloc = crdt_alloc_default();
    crdt_buf text[2];
    for (size_t i = 0; i < 2; i++) {
        crdt_buf_init(&text[i], alloc);
    }
    servers_entity again;
    for (size_t i = 0; i < 2; i++) {
        scene_json_writer writer;
        scene_json_writer_init(&writer, alloc, &text[i]);
        servers_entity_write(i == 0 ? entity : &again, crdt_span_of("id"), &writer);
        assert(writer.err == CRDT_OK);
        scene_json_writer_deinit(&writer);
        if (i == 0) {
            crdt_err err =
                servers_entity_init(&again, alloc, crdt_buf_span(&text[0]), NULL);
            assert(err == CRDT_OK);
        }
    }
    assert(crdt_span_equal(crdt_buf_span(&text[0]), crdt_buf_span(&text[1])));
    servers_entity_deinit(&again);
    crdt_buf_deinit(&text[0]);
    crdt_buf_deinit(&text[1]);
}

/* A manifest, and a project translated into one that is taken. */
static bool check_manifest(crdt_span text)
{
    crdt_alloc alloc = crdt_alloc_default();
    scene_json *json = NULL;
    if (scene_json_open(&json, alloc, text, NULL, NULL) != CRDT_OK) {
        return false;
    }
    crdt_diag diag = {.text = ""};
    crdt_err err = servers_manifest_check(json, scene_json_root(json), &diag);
    bool taken = err == CRDT_OK;
    assert(taken == (diag.text[0] == '\0') && diag.offset <= text.size);
    const scene_json_node *project = scene_json_find(scene_json_root(json), "project");
    if (project != NULL && project->type == SCENE_JSON_OBJECT) {
        crdt_buf out;
        crdt_buf_init(&out, alloc);
        scene_json_writer writer;
        scene_json_writer_init(&writer, alloc, &out);
        servers_project_translate(&writer, project,
                                  "116570f2-8bdc-4887-a0fd-11ed8d5c8f20");
        assert(writer.err == CRDT_OK);
        scene_json_writer_deinit(&writer);
        scene_json *made = NULL;
        err = scene_json_open(&made, alloc, crdt_buf_span(&out), NULL, NULL);
        assert(err == CRDT_OK);
        err = servers_project_check(made, scene_json_root(made), NULL);
        assert(err == CRDT_OK);
        scene_json_close(made);
        crdt_buf_deinit(&out);
    }
    scene_json_close(json);
    return taken;
}

/* 16 bytes a JSON value, and `[` is one of a byte; the list of values doubles; the entity's
 * tables; all twice, for what was written is read again. */
const fuzz_budget fuzz_target_budget = {.factor = 80, .fixed = 32u << 10};

/* Entity files and manifests, as they come to the servers. */
bool fuzz_target(const uint8_t *data, size_t size)
{
    crdt_span text = {data, size};
    crdt_diag diag = {.text = ""};
    servers_entity entity;
    crdt_err err = servers_entity_init(&entity, crdt_alloc_default(), text, &diag);
    if (err == CRDT_OK) {
        write_and_read(&entity);
        servers_entity_deinit(&entity);
    } else {
        assert(diag.text[0] != '\0' && diag.offset <= size);
    }
    return check_manifest(text) || err == CRDT_OK;
}
