/* A scene file of any format: what it makes is a document that can be written in all
 * formats, as a snapshot and as code; and nothing of it is lost on the way.
 *
 *   S B C   read as a state, a manifest, a composite; else the whole input, recognized */

#include "crdt/template.h"
#include "scene/codegen.h"
#include "scene/format.h"
#include "scene/materialize.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An entity of a few bytes becomes records of a hundred in other formats, each is read again
 * into a document of its own beside the first. */
const fuzz_budget fuzz_target_budget = {.factor = 1500, .fixed = 256u << 10};

static crdt_document *open_document(void)
{
    crdt_document_options options = crdt_document_options_default();
    crdt_document *doc = NULL;
    assert(crdt_document_open(&doc, &options) == CRDT_OK);
    return doc;
}

/* What importing does: the template of these operations. NULL: a limit. */
static crdt_document *import(const crdt_op_list *ops)
{
    crdt_arena arena;
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_batch batch;
    crdt_document *doc = open_document();
    crdt_err err = crdt_template_make(ops->ops, ops->op_count, &arena, &batch, NULL);
    assert(err == CRDT_OK || err == CRDT_ELIMIT);
    if (err == CRDT_OK && batch.op_count > 0) {
        assert(crdt_document_apply(doc, &batch, NULL) == CRDT_OK);
        assert(crdt_template_check(&batch, crdt_alloc_default()) == CRDT_OK);
    }
    crdt_arena_deinit(&arena);
    if (err != CRDT_OK) {
        crdt_document_close(doc);
        return NULL;
    }
    return doc;
}

/* Put into a document at once, the text makes the same, or is refused for the same. */
static void check_load(crdt_span text, const scene_format_options *options,
                       const crdt_document *wanted, crdt_err wanted_err,
                       const crdt_diag *wanted_diag)
{
    crdt_document *doc = open_document();
    crdt_diag diag = {.text = ""};
    crdt_err err =
        scene_format_load(text, options, crdt_alloc_default(), doc, NULL, &diag);
    if (wanted != NULL) {
        assert(err == CRDT_OK);
        assert(
            crdt_digest_equal(crdt_document_digest(doc), crdt_document_digest(wanted)));
    } else {
        assert(wanted_err == CRDT_OK ? err == CRDT_ELIMIT : err == wanted_err);
        assert(wanted_err == CRDT_OK || (diag.offset == wanted_diag->offset &&
                                         strcmp(diag.text, wanted_diag->text) == 0));
        assert(crdt_document_version(doc)->stamp_count == 0);
    }
    crdt_document_close(doc);
}

static crdt_document *read(crdt_span text, scene_format format, scene_format *found)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    scene_format_options options = scene_format_options_default();
    options.format = format;
    options.file_name = "main.composite";
    crdt_diag diag = {.text = ""};
    crdt_err err =
        scene_format_read(text, &options, crdt_alloc_default(), &ops, found, &diag);
    crdt_document *doc = NULL;
    if (err == CRDT_OK) {
        doc = import(&ops);
    } else {
        assert(diag.text[0] != '\0' && diag.offset <= text.size);
    }
    crdt_op_list_deinit(&ops);
    check_load(text, &options, doc, err, &diag);
    return doc;
}

static void write(const crdt_document *doc, scene_format format, crdt_buf *out)
{
    assert(scene_format_write(doc, format, NULL, crdt_alloc_default(), out) == CRDT_OK);
}

static void tell(const char *what, crdt_span got, crdt_span wanted)
{
    if (!crdt_span_equal(got, wanted)) {
        fprintf(stderr, "%s\n  got    %.*s\n  wanted %.*s\n", what, (int)got.size,
                (const char *)got.data, (int)wanted.size, (const char *)wanted.data);
        abort();
    }
}

/* Through another format and back: it writes the same there, and the same as before. */
static void check_way(const crdt_document *doc, scene_format own, scene_format other)
{
    crdt_buf text[3];
    for (size_t i = 0; i < 3; i++) {
        crdt_buf_init(&text[i], crdt_alloc_default());
    }
    write(doc, other, &text[0]);
    crdt_document *copy = read(crdt_buf_span(&text[0]), other, NULL);
    assert(copy != NULL);
    write(copy, other, &text[1]);
    tell("written and read again it writes other bytes", crdt_buf_span(&text[1]),
         crdt_buf_span(&text[0]));
    crdt_buf_clear(&text[1]);
    write(doc, own, &text[1]);
    write(copy, own, &text[2]);
    tell("something is lost in another format", crdt_buf_span(&text[2]),
         crdt_buf_span(&text[1]));
    crdt_document_close(copy);
    for (size_t i = 0; i < 3; i++) {
        crdt_buf_deinit(&text[i]);
    }
}

/* The snapshot is JSON, the code can be made. */
static void check_shown(const crdt_document *doc)
{
    crdt_alloc alloc = crdt_alloc_default();
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    assert(scene_materialize(doc, alloc, &out) == CRDT_OK);
    scene_json *json = NULL;
    scene_json_limits limits = scene_json_limits_default();
    limits.depth_max = SCENE_JSON_DEPTH_MAX;
    assert(scene_json_open(&json, alloc, crdt_buf_span(&out), &limits, NULL) ==
           CRDT_OK);
    scene_json_close(json);
    crdt_buf_clear(&out);
    scene_tree *tree = NULL;
    assert(scene_tree_open(&tree, alloc) == CRDT_OK);
    assert(scene_tree_build(tree, doc) == CRDT_OK);
    assert(scene_codegen_write(doc, tree, alloc, &out) == CRDT_OK);
    scene_tree_close(tree);
    crdt_buf_deinit(&out);
}

bool fuzz_target(const uint8_t *data, size_t size)
{
    static const scene_format formats[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                           SCENE_FORMAT_COMPOSITE};
    crdt_span text = {data, size};
    scene_format format = SCENE_FORMAT_NONE;
    for (size_t i = 0; i < 3 && size > 0; i++) {
        if (data[0] == "SBC"[i]) {
            format = formats[i];
            text = (crdt_span){data + 1, size - 1};
        }
    }
    scene_format found = format;
    crdt_document *doc = read(text, format, &found);
    if (doc == NULL) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        check_way(doc, found, formats[i]);
    }
    check_shown(doc);
    crdt_document_close(doc);
    return true;
}
