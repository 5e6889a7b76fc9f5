#include "scene/format.h"

#include "crdt/planter.h"
#include "crdt/template.h"
#include "crdt/value.h"
#include "scene/format_builder.h"
#include "scene/format_composite.h"
#include "scene/format_state.h"
#include "scene/import.h"
#include "scene/scene.h"

scene_format_options scene_format_options_default(void)
{
    scene_format_options options = {.format = SCENE_FORMAT_NONE,
                                    .limits = scene_json_limits_default()};
    options.limits.depth_max = SCENE_JSON_DEPTH_MAX;
    return options;
}

static scene_format recognize(const scene_json_node *root)
{
    const scene_json_node *components = scene_json_find(root, "components");
    if (scene_json_find(root, "schemaVersion") != NULL) {
        return SCENE_FORMAT_STATE;
    }
    if (components != NULL && components->type == SCENE_JSON_ARRAY) {
        return SCENE_FORMAT_COMPOSITE;
    }
    if (scene_json_find(root, "scene") != NULL) {
        return SCENE_FORMAT_BUILDER;
    }
    return SCENE_FORMAT_NONE;
}

static crdt_err read_as(scene_import *import, scene_format format)
{
    import->format = format;
    import->origin = format;
    switch (format) {
    case SCENE_FORMAT_STATE:
        return scene_format_state_read(import);
    case SCENE_FORMAT_BUILDER:
        return scene_format_builder_read(import);
    case SCENE_FORMAT_COMPOSITE:
        return scene_format_composite_read(import);
    case SCENE_FORMAT_NONE:
        break;
    }
    return scene_json_refuse(import->json, scene_json_root(import->json), import->diag,
                             CRDT_ECORRUPT,
                             "this is no scene: neither schemaVersion (state), nor a "
                             "scene (builder), nor a list of components (composite)");
}

/* What is read, and what has come of it. */
typedef struct reading {
    crdt_span text;
    const scene_format_options *options;
    scene_json_limits limits;
    crdt_alloc alloc;
    crdt_op_list *ops;
    scene_json *json; /* the whole text, once it is parsed */
    scene_format format;
    bool done; /* all is in `ops`, or was planted */
} reading;

static reading open_reading(crdt_span text, const scene_format_options *options,
                            crdt_alloc alloc, crdt_op_list *ops)
{
    reading r = {.text = text,
                 .options = options,
                 .limits = options->limits,
                 .alloc = alloc,
                 .ops = ops,
                 .format = options->format};
    r.limits.borrow = true;
    return r;
}

/* States are read entity by entity, if that can be, to the planter if there is one. */
static crdt_err read_state(reading *r, crdt_planter *planter, crdt_diag *diag)
{
    if (r->format != SCENE_FORMAT_NONE && r->format != SCENE_FORMAT_STATE) {
        return CRDT_OK;
    }
    size_t op_count = r->ops->op_count;
    scene_import import;
    scene_import_init(&import, r->alloc, NULL, r->ops, NULL);
    import.planter = planter;
    crdt_err err =
        scene_format_state_read_each(&import, r->text, &r->limits, &r->json, &r->done);
    scene_import_deinit(&import);
    if (r->done) {
        r->format = SCENE_FORMAT_STATE;
    } else {
        r->ops->op_count = op_count;
    }
    return err == CRDT_OK ? err
                          : crdt_diag_set(diag, err, 0, "no memory to read the scene");
}

/* Read a text that is parsed as a whole. */
static crdt_err read_whole(reading *r, crdt_diag *diag)
{
    if (r->json == NULL) {
        crdt_err err = scene_json_open(&r->json, r->alloc, r->text, &r->limits, diag);
        if (err != CRDT_OK) {
            return err;
        }
    }
    scene_import import;
    scene_import_init(&import, r->alloc, r->json, r->ops, diag);
    import.file_name = r->options->file_name;
    if (r->format == SCENE_FORMAT_NONE) {
        r->format = recognize(scene_json_root(r->json));
    }
    crdt_err err = read_as(&import, r->format);
    scene_import_deinit(&import);
    return err;
}

crdt_err scene_format_read(crdt_span text, const scene_format_options *options,
                           crdt_alloc alloc, crdt_op_list *ops, scene_format *format,
                           crdt_diag *diag)
{
    reading r = open_reading(text, options, alloc, ops);
    crdt_err err = read_state(&r, NULL, diag);
    if (err == CRDT_OK && !r.done) {
        err = read_whole(&r, diag);
    }
    scene_json_close(r.json);
    if (err == CRDT_OK && format != NULL) {
        *format = r.format;
    }
    return err;
}

/* ---- into a document ---- */

/* Bytes of text that become one of an operation at least, mostly: three in real scenes. */
#define TEXT_PER_BYTE 2u

/* Plant a state, if it is one that can be. */
static crdt_err plant(reading *r, crdt_document *doc, crdt_actor *author,
                      crdt_diag *diag)
{
    crdt_planter *planter = NULL;
    crdt_err err = crdt_planter_open(&planter, doc, r->text.size / TEXT_PER_BYTE);
    if (err == CRDT_EEXIST) {
        return CRDT_OK; /* what to do with such is the other way's to say */
    }
    if (err != CRDT_OK) {
        return crdt_diag_set(diag, err, 0, "no memory to read the scene");
    }
    err = read_state(r, planter, diag);
    if (r->done) {
        *author = crdt_planter_finish(planter);
    }
    crdt_planter_close(planter);
    return err;
}

/* Apply the operations of a file as a template. */
static crdt_err apply(const crdt_op_list *ops, crdt_document *doc, crdt_actor *author,
                      crdt_diag *diag)
{
    crdt_arena arena;
    crdt_batch batch = {0};
    crdt_arena_init(&arena, ops->alloc);
    crdt_err err = crdt_template_make(ops->ops, ops->op_count, &arena, &batch, diag);
    if (err == CRDT_OK && batch.op_count > 0) {
        err = crdt_document_apply(doc, &batch, diag);
    }
    *author = batch.actor;
    crdt_arena_deinit(&arena);
    return err;
}

crdt_err scene_format_load(crdt_span text, const scene_format_options *options,
                           crdt_alloc alloc, crdt_document *doc, crdt_actor *author,
                           crdt_diag *diag)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    reading r = open_reading(text, options, alloc, &ops);
    crdt_actor actor = {{0}};
    crdt_err err = plant(&r, doc, &actor, diag);
    if (err == CRDT_OK && !r.done) {
        crdt_op_list_clear(&ops);
        err = read_whole(&r, diag);
        err = err != CRDT_OK ? err : apply(&ops, doc, &actor, diag);
    }
    scene_json_close(r.json);
    crdt_op_list_deinit(&ops);
    if (err == CRDT_OK && author != NULL) {
        *author = actor;
    }
    return err;
}

bool scene_format_scene_name(const crdt_op *ops, size_t op_count, crdt_span *name)
{
    static const char *const PARTS[] = {"project", "scene", "sdk7"};
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        crdt_key wanted = crdt_key_field(crdt_span_of(SCENE_NAME_SCENE),
                                         crdt_span_of(PARTS[i]), crdt_span_of("id"));
        for (size_t j = 0; j < op_count; j++) {
            if (ops[j].kind == CRDT_OP_SET && crdt_key_equal(&ops[j].key, &wanted) &&
                scene_value_text(ops[j].value, name)) {
                return name->size > 0;
            }
        }
    }
    return false;
}

crdt_err scene_format_write(const crdt_document *doc, scene_format format,
                            const scene_tree *tree, crdt_alloc alloc, crdt_buf *out)
{
    return scene_format_write_saved(doc, format, tree, NULL, alloc, out);
}

crdt_err scene_format_write_saved(const crdt_document *doc, scene_format format,
                                  const scene_tree *tree, const scene_descent *descent,
                                  crdt_alloc alloc, crdt_buf *out)
{
    switch (format != SCENE_FORMAT_NONE ? format : scene_format_of(doc)) {
    case SCENE_FORMAT_BUILDER:
        return scene_format_builder_write(doc, tree, descent, alloc, out);
    case SCENE_FORMAT_COMPOSITE:
        return scene_format_composite_write(doc, tree, descent, alloc, out);
    case SCENE_FORMAT_STATE:
    case SCENE_FORMAT_NONE:
        break;
    }
    return scene_format_state_write(doc, tree, descent, alloc, out);
}
