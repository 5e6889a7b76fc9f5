#include "cli/fuzz/beginning.h"

#include "cli/files.h"
#include "cli/fuzz/plan.h"
#include "crdt/template.h"
#include "scene/format.h"

#include <stdlib.h>

#define FILE_SIZE_MAX (200u << 20)

/* The one that was read last, with all that it borrows from: thousands of runs begin with
 * the same file. */
static struct {
    char *path;
    crdt_buf text;
    crdt_op_list ops;
    crdt_arena arena;
    crdt_span entities[FUZZ_ENTITIES_MAX];
    fuzz_beginning beginning;
} last;

static void forget(void)
{
    if (last.path != NULL) {
        free(last.path);
        last.path = NULL;
        crdt_buf_deinit(&last.text);
        crdt_op_list_deinit(&last.ops);
        crdt_arena_deinit(&last.arena);
    }
}

static void list_entities(void)
{
    last.beginning.entities = last.entities;
    last.beginning.entity_count = 0;
    for (size_t i = 0; i < last.beginning.batch.op_count; i++) {
        const crdt_op *op = &last.beginning.batch.ops[i];
        if (op->kind == CRDT_OP_ADD && op->key.depth == CRDT_OBJECT &&
            scene_layout_is_entity(op->key.object) &&
            last.beginning.entity_count < FUZZ_ENTITIES_MAX) {
            last.entities[last.beginning.entity_count++] = op->key.object;
        }
    }
}

crdt_err fuzz_beginning_read(const char *path, const fuzz_beginning **beginning,
                             crdt_diag *diag)
{
    if (last.path != NULL && strcmp(last.path, path) == 0) {
        *beginning = &last.beginning;
        return CRDT_OK;
    }
    forget();
    crdt_alloc alloc = crdt_alloc_default();
    last.path = strdup(path);
    crdt_buf_init(&last.text, alloc);
    crdt_op_list_init(&last.ops, alloc);
    crdt_arena_init(&last.arena, alloc);
    scene_format_options options = scene_format_options_default();
    crdt_err err = last.path == NULL
                       ? CRDT_ENOMEM
                       : cli_files_read(path, FILE_SIZE_MAX, &last.text, diag);
    if (err == CRDT_OK) {
        err = scene_format_read(crdt_buf_span(&last.text), &options, alloc, &last.ops,
                                NULL, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_template_make(last.ops.ops, last.ops.op_count, &last.arena,
                                 &last.beginning.batch, diag);
    }
    if (err != CRDT_OK) {
        forget();
        return err;
    }
    list_entities();
    *beginning = &last.beginning;
    return CRDT_OK;
}
