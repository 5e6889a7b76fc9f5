#include "cli/files.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "crdt/template.h"
#include "scene/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (200u << 20)
#define TEXT_VALUE_MAX 60 /* bytes of a value on a line for people */

/* One thing that a scene shows: an entity, a component, or a field with its value. */
typedef struct diff_row {
    crdt_key key;
    crdt_span value;
} diff_row;

/* All that one side shows, sorted by key; names and values are copies in `arena`. */
typedef struct diff_side {
    crdt_arena arena;
    diff_row *rows;
    size_t count;
    size_t capacity;
} diff_side;

static crdt_span keep(diff_side *side, crdt_span bytes, crdt_err *err)
{
    void *copy = crdt_arena_alloc(&side->arena, bytes.size);
    if (copy == NULL) {
        *err = CRDT_ENOMEM;
        return (crdt_span){0};
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (crdt_span){.data = copy, .size = bytes.size};
}

static crdt_err push(diff_side *side, crdt_key key, crdt_span value)
{
    if (side->count == side->capacity) {
        size_t capacity = side->capacity == 0 ? 256 : side->capacity * 2;
        diff_row *rows = crdt_resize_array(crdt_alloc_default(), side->rows,
                                           side->capacity, capacity, sizeof *rows);
        if (rows == NULL) {
            return CRDT_ENOMEM;
        }
        side->rows = rows;
        side->capacity = capacity;
    }
    crdt_err err = CRDT_OK;
    key.object = keep(side, key.object, &err);
    key.part = keep(side, key.part, &err);
    key.field = keep(side, key.field, &err);
    value = keep(side, value, &err);
    if (err == CRDT_OK) {
        side->rows[side->count++] = (diff_row){.key = key, .value = value};
    }
    return err;
}

/* ---- what a document shows ---- */

/* A component as it is shown, with what it shares. */
static crdt_err take_component(diff_side *side, const crdt_document *doc,
                               const crdt_key *at, crdt_part part)
{
    scene_component component;
    scene_component_open(doc, part, &component);
    crdt_err err = CRDT_OK;
    if (component.whole) {
        err = push(side,
                   crdt_key_field(at->object, at->part, crdt_span_of(SCENE_NAME_VALUE)),
                   component.value);
    }
    scene_field_cursor cursor = {0};
    scene_field field;
    while (err == CRDT_OK && scene_component_next_field(&component, &cursor, &field)) {
        err = push(side, crdt_key_field(at->object, at->part, field.name), field.value);
    }
    return err;
}

/* Our own fields of a part: order, ids, sharing; for what is no component, all. */
static crdt_err take_own(diff_side *side, const crdt_document *doc, const crdt_key *at,
                         crdt_part part, bool all)
{
    crdt_field field = {0};
    while (crdt_document_next_field(doc, part, &field)) {
        crdt_span name = crdt_document_field_name(doc, field);
        bool own = scene_layout_is_own(name) &&
                   !crdt_span_equal(name, crdt_span_of(SCENE_NAME_VALUE));
        crdt_entry entry;
        if ((own || all) && crdt_document_field_value(doc, field, 0, &entry)) {
            crdt_err err =
                push(side, crdt_key_field(at->object, at->part, name), entry.value);
            if (err != CRDT_OK) {
                return err;
            }
        }
    }
    return CRDT_OK;
}

static crdt_err take_object(diff_side *side, const crdt_document *doc,
                            crdt_object object)
{
    crdt_span name = crdt_document_object_name(doc, object);
    bool entity = scene_layout_is_entity(name);
    crdt_err err = push(side, crdt_key_object(name), (crdt_span){0});
    crdt_part part = {0};
    while (err == CRDT_OK && crdt_document_next_part(doc, object, &part)) {
        if (!crdt_document_part_live(doc, part)) {
            continue;
        }
        crdt_span type = crdt_document_part_name(doc, part);
        crdt_key key = crdt_key_part(name, type);
        bool component = entity && scene_layout_is_component(type, NULL);
        err = push(side, key, (crdt_span){0});
        if (err == CRDT_OK && component) {
            err = take_component(side, doc, &key, part);
        }
        if (err == CRDT_OK) {
            err = take_own(side, doc, &key, part, !component);
        }
    }
    return err;
}

static int compare_rows(const void *a, const void *b)
{
    return crdt_key_compare(&((const diff_row *)a)->key, &((const diff_row *)b)->key);
}

static crdt_err take_document(void *ctx, const crdt_document *doc)
{
    diff_side *side = ctx;
    crdt_object object = {0};
    while (crdt_document_next_object(doc, &object)) {
        if (crdt_document_object_live(doc, object)) {
            crdt_err err = take_object(side, doc, object);
            if (err != CRDT_OK) {
                return err;
            }
        }
    }
    if (side->count > 0) {
        qsort(side->rows, side->count, sizeof *side->rows, compare_rows);
    }
    return CRDT_OK;
}

/* ---- the two sides ---- */

/* The document that importing the file would make. */
static crdt_err take_text(diff_side *side, crdt_span text, crdt_diag *diag)
{
    crdt_alloc alloc = crdt_alloc_default();
    scene_format_options options = scene_format_options_default();
    crdt_document_options document_options = crdt_document_options_default();
    crdt_document *doc = NULL;
    crdt_op_list ops;
    crdt_arena arena;
    crdt_batch batch = {0};
    crdt_op_list_init(&ops, alloc);
    crdt_arena_init(&arena, alloc);
    crdt_err err = scene_format_read(text, &options, alloc, &ops, NULL, diag);
    if (err == CRDT_OK) {
        err = crdt_template_make(ops.ops, ops.op_count, &arena, &batch, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_document_open(&doc, &document_options);
    }
    if (err == CRDT_OK && batch.op_count > 0) {
        err = crdt_document_apply(doc, &batch, diag);
    }
    if (err == CRDT_OK) {
        err = take_document(side, doc);
    }
    crdt_document_close(doc);
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    return err;
}

/* A store that a node holds: what that exports, in the format that was imported. */
static crdt_err take_running(diff_side *side, const char *path, crdt_diag *diag)
{
    const char *const argv[] = {"export", "--store", path};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return CRDT_ENOMEM;
    }
    int code = CLI_FAILED;
    crdt_err err =
        cli_control_call(path, 3, argv, (crdt_span){0}, out, stderr, &code, diag);
    if (fclose(out) != 0) {
        err = CRDT_ENOMEM;
    } else if (err == CRDT_OK && code != CLI_DONE) {
        err =
            crdt_diag_set(diag, CRDT_EIO, 0, "the node that holds it cannot export it");
    } else if (err == CRDT_OK) {
        err = take_text(side, (crdt_span){.data = (const uint8_t *)text, .size = size},
                        diag);
    }
    free(text);
    return err;
}

static crdt_err take_store(diff_side *side, const char *path, crdt_diag *diag)
{
    crdt_err running = take_running(side, path, diag);
    if (running != CRDT_ENOTFOUND) {
        return running;
    }
    sync_node_options options = sync_node_options_default();
    options.store_dir = path;
    options.must_exist = true;
    options.read_only = true;
    sync_node *node = NULL;
    crdt_err err = sync_node_open(&node, &options, diag);
    if (err == CRDT_OK) {
        err = sync_node_read(node, take_document, side);
        sync_node_close(node);
    }
    return err;
}

static crdt_err take_side(diff_side *side, const char *path, crdt_diag *diag)
{
    crdt_arena_init(&side->arena, crdt_alloc_default());
    struct stat stat_of;
    if (stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode)) {
        return take_store(side, path, diag);
    }
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    crdt_err err = cli_files_read(path, FILE_SIZE_MAX, &text, diag);
    if (err == CRDT_OK) {
        err = take_text(side, crdt_buf_span(&text), diag);
    }
    crdt_buf_deinit(&text);
    return err;
}

static void side_close(diff_side *side)
{
    crdt_free(crdt_alloc_default(), side->rows, side->capacity * sizeof *side->rows);
    crdt_arena_deinit(&side->arena);
}

/* ---- what is different ---- */

static void print_row(cli_run *run, char mark, const diff_row *a, const diff_row *b)
{
    const crdt_key *key = a != NULL ? &a->key : &b->key;
    bool field = key->depth == CRDT_FIELD;
    if (run->json) {
        cli_report report;
        cli_report_begin(&report, run->out);
        cli_report_text(&report, "event", "difference");
        cli_report_text(&report, "change",
                        mark == '+'   ? "added"
                        : mark == '-' ? "removed"
                                      : "changed");
        cli_report_key(&report, key);
        if (field && a != NULL) {
            cli_report_value(&report, "a", a->value);
        }
        if (field && b != NULL) {
            cli_report_value(&report, "b", b->value);
        }
        cli_report_end(&report);
        return;
    }
    fprintf(run->out, "%c ", mark);
    cli_report_path(run->out, key);
    if (field) {
        fputs(mark == '~' ? ": " : " = ", run->out);
        cli_report_short(run->out, (a != NULL ? a : b)->value, TEXT_VALUE_MAX);
    }
    if (field && mark == '~') {
        fputs(" -> ", run->out);
        cli_report_short(run->out, b->value, TEXT_VALUE_MAX);
    }
    fputc('\n', run->out);
}

/* Both sides are sorted: one pass. Returns the number of differences. */
static uint64_t compare(cli_run *run, const diff_side *a, const diff_side *b)
{
    uint64_t count = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < a->count || j < b->count) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : compare_rows(&a->rows[i], &b->rows[j]);
        if (order < 0) {
            print_row(run, '-', &a->rows[i++], NULL);
        } else if (order > 0) {
            print_row(run, '+', NULL, &b->rows[j++]);
        } else {
            if (!crdt_span_equal(a->rows[i].value, b->rows[j].value)) {
                print_row(run, '~', &a->rows[i], &b->rows[j]);
                count++;
            }
            i++;
            j++;
            continue;
        }
        count++;
    }
    return count;
}

int cli_cmd_diff(cli_run *run)
{
    diff_side sides[2] = {{.count = 0}, {.count = 0}};
    int code = CLI_DONE;
    for (size_t i = 0; i < 2 && code == CLI_DONE; i++) {
        const char *path = run->args->arguments[i];
        crdt_diag diag = {0};
        crdt_err err = take_side(&sides[i], path, &diag);
        if (err == CRDT_EBUSY) {
            run->busy = true;
            code = CLI_FAILED;
        } else if (err != CRDT_OK) {
            code = cli_run_fail(run, err, &diag, "read %s", path);
        }
    }
    if (code == CLI_DONE && compare(run, &sides[0], &sides[1]) > 0) {
        code = CLI_FAILED;
    }
    for (size_t i = 0; i < 2; i++) {
        side_close(&sides[i]);
    }
    return code;
}
