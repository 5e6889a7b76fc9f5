#include "cli/content/builder_client.h"
#include "cli/content/content_client.h"
#include "cli/worker/deployed.h"
#include "cli/worker/relation.h"
#include "cli/worker/save.h"
#include "crdt/value.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What content and builder servers may say, and what other workers tell: the first byte
 * says as what the rest is read. */

static bool read_entities(crdt_span text)
{
    content_scene scene;
    crdt_diag diag = {0};
    crdt_err err = content_scene_read(&scene, text, "0,0", crdt_alloc_default(), &diag);
    assert(err == CRDT_OK || (!scene.deployed && diag.text[0] != '\0'));
    assert(scene.project[0] == '\0' || builder_project_valid(scene.project));
    assert(!scene.has_file || content_file_format(crdt_span_of(scene.file.name),
                                                  NULL) == scene.file.format);
    return err == CRDT_OK;
}

static bool read_builder(crdt_span text)
{
    char error[BUILDER_ERROR_SIZE];
    (void)builder_answer_ok(text, error, crdt_alloc_default());
    assert(strlen(error) < sizeof error && crdt_utf8_valid(crdt_span_of(error), NULL));
    crdt_buf out;
    crdt_buf_init(&out, crdt_alloc_default());
    bool found;
    crdt_diag diag = {0};
    crdt_err err =
        builder_answer_first(text, &found, &out, crdt_alloc_default(), &diag);
    assert(!found ||
           (err == CRDT_OK && out.data[0] == '{' && out.data[out.size - 1] == '}'));
    crdt_buf_deinit(&out);
    return found;
}

/* A scene file: its template and what it was saved from. */
static bool read_scene(crdt_span text, scene_format format)
{
    worker_deployed file = {.from = ""};
    crdt_op_list_init(&file.ops, crdt_alloc_default());
    scene_descent_init(&file.descent, crdt_alloc_default());
    crdt_diag diag = {0};
    crdt_err err = worker_deployed_read(&file, text, format, "builder.json", &diag);
    if (err == CRDT_OK) {
        assert(file.descent.row_count <= SCENE_DESCENT_MAX);
        for (size_t i = 0; i < file.descent.row_count; i++) {
            const scene_descent_row *row = &file.descent.rows[i];
            assert(row->version.stamp_count > 0 && crdt_version_check(&row->version));
            assert(scene_descent_find(&file.descent, &row->lineage) == &row->version);
        }
        worker_relation_side side = {file.lineage, NULL, &file.descent};
        assert(worker_relation_to_file(&side, &side) == WORKER_RELATION_SAME);
        assert(!worker_relation_newer(&side, &side));
    }
    scene_descent_deinit(&file.descent);
    crdt_op_list_deinit(&file.ops);
    return err == CRDT_OK;
}

static bool read_version(crdt_span text)
{
    char *copy = malloc(text.size + 1);
    assert(copy != NULL);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    crdt_version version;
    crdt_version_init(&version, crdt_alloc_default());
    crdt_err err = worker_version_parse(copy, &version);
    if (err == CRDT_OK) {
        char *again = malloc(text.size + 64);
        assert(again != NULL && crdt_version_check(&version));
        bool fits = worker_version_format(&version, again, text.size + 64);
        assert(!fits || version.stamp_count == 0 || strlen(again) <= strlen(copy));
        free(again);
    }
    crdt_version_deinit(&version);
    free(copy);
    return err == CRDT_OK;
}

/* JSON as in fuzz_entity, and the operations of a scene file, a hundred bytes for each member. */
const fuzz_budget fuzz_target_budget = {.factor = 120, .fixed = 64u << 10};

bool fuzz_target(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return false;
    }
    crdt_span text = {data + 1, size - 1};
    switch (data[0]) {
    case 'e':
        return read_entities(text);
    case 'b':
        return read_builder(text);
    case 'm':
        return read_scene(text, SCENE_FORMAT_BUILDER);
    case 's':
        return read_scene(text, SCENE_FORMAT_STATE);
    case 'v':
        return read_version(text);
    default:
        return false;
    }
}
