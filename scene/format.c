#include "scene/format.h"

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

/* Read a text that is parsed as a whole. */
static crdt_err read_parsed(const scene_json *json, const scene_format_options *options,
                            crdt_alloc alloc, crdt_op_list *ops, scene_format *format,
                            crdt_diag *diag)
{
    const scene_json_node *root = scene_json_root(json);
    scene_import import;
    scene_import_init(&import, alloc, json, ops, diag);
    import.file_name = options->file_name;
    *format = options->format != SCENE_FORMAT_NONE ? options->format : recognize(root);
    crdt_err err = read_as(&import, *format);
    scene_import_deinit(&import);
    return err;
}

/* States are read entity by entity, if that can be; *json: the whole text, if that has come
 * of it. */
static crdt_err read_state(crdt_span text, const scene_format_options *options,
                           const scene_json_limits *limits, crdt_alloc alloc,
                           crdt_op_list *ops, scene_json **json, bool *done)
{
    *done = false;
    if (options->format != SCENE_FORMAT_NONE && options->format != SCENE_FORMAT_STATE) {
        return CRDT_OK;
    }
    size_t op_count = ops->op_count;
    scene_import import;
    scene_import_init(&import, alloc, NULL, ops, NULL);
    crdt_err err = scene_format_state_read_each(&import, text, limits, json, done);
    scene_import_deinit(&import);
    if (!*done) {
        ops->op_count = op_count;
    }
    return err;
}

crdt_err scene_format_read(crdt_span text, const scene_format_options *options,
                           crdt_alloc alloc, crdt_op_list *ops, scene_format *format,
                           crdt_diag *diag)
{
    scene_json *json = NULL;
    scene_format found = SCENE_FORMAT_STATE;
    scene_json_limits limits = options->limits;
    limits.borrow = true;
    bool done;
    crdt_err err = read_state(text, options, &limits, alloc, ops, &json, &done);
    if (err != CRDT_OK) {
        return crdt_diag_set(diag, err, 0, "no memory to read the scene");
    }
    if (!done && json == NULL) {
        err = scene_json_open(&json, alloc, text, &limits, diag);
    }
    if (!done && err == CRDT_OK) {
        err = read_parsed(json, options, alloc, ops, &found, diag);
    }
    scene_json_close(json);
    if (err == CRDT_OK && format != NULL) {
        *format = found;
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
