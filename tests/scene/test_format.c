/* Nothing is lost: every scene at hand, through every format and back. */

#include "scene/format.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crdt/value.h"
#include "scene/difference.h"
#include "scene/scene.h"
#include "tests/scene/scene_files.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"

static const scene_format FORMATS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                       SCENE_FORMAT_COMPOSITE};

/* No operation is needed to make one the other. */
static void expect_no_difference(const crdt_document *from, const crdt_document *to,
                                 const char *what)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, crdt_alloc_default());
    cr_assert_eq(scene_difference_of(from, to, crdt_alloc_default(), &ops), CRDT_OK);
    if (ops.op_count > 0) {
        const crdt_op *op = &ops.ops[0];
        cr_assert(false, "%s: %zu differences, first: kind %d %.*s / %.*s / %.*s", what,
                  ops.op_count, (int)op->kind, (int)op->key.object.size,
                  (const char *)op->key.object.data, (int)op->key.part.size,
                  (const char *)op->key.part.data, (int)op->key.field.size,
                  (const char *)op->key.field.data);
    }
    crdt_op_list_deinit(&ops);
}

/* One scene, into `format` and back into its own. */
static void through(const crdt_document *doc, scene_format own, scene_format format,
                    crdt_span wanted, const char *path)
{
    char what[1100];
    snprintf(what, sizeof(what), "%s through %s", path, scene_format_name(format));
    crdt_buf there = files_write(doc, format);
    crdt_buf canonical = files_canonical(crdt_buf_span(&there));
    files_same(crdt_buf_span(&there), crdt_buf_span(&canonical), what);
    crdt_document *other = files_load(crdt_buf_span(&there), "x", SCENE_FORMAT_NONE);
    cr_assert_eq(scene_format_of(other), format);
    crdt_buf back = files_write(other, own);
    files_same(crdt_buf_span(&back), wanted, what);
    crdt_buf again = files_write(other, format);
    files_same(crdt_buf_span(&again), crdt_buf_span(&there), what);
    expect_no_difference(doc, other, what);
    crdt_document_close(other);
    crdt_buf_deinit(&there);
    crdt_buf_deinit(&canonical);
    crdt_buf_deinit(&back);
    crdt_buf_deinit(&again);
}

Test(format, nothing_is_lost)
{
    files list = files_open(false);
    cr_assert_gt(list.count, 0);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        crdt_buf wanted = files_canonical(crdt_buf_span(&text));
        crdt_document *doc =
            files_load(crdt_buf_span(&text), list.paths[i], SCENE_FORMAT_NONE);
        scene_format own = scene_format_of(doc);
        crdt_buf same = files_write(doc, SCENE_FORMAT_NONE);
        files_same(crdt_buf_span(&same), crdt_buf_span(&wanted), list.paths[i]);
        for (size_t f = 0; f < 3; f++) {
            through(doc, own, FORMATS[f], crdt_buf_span(&wanted), list.paths[i]);
        }
        crdt_document_close(doc);
        crdt_buf_deinit(&same);
        crdt_buf_deinit(&wanted);
        crdt_buf_deinit(&text);
    }
    printf("%zu scenes through 3 formats and back\n", list.count);
    files_close(&list);
}

/* The long way round: each format after the other. */
Test(format, nothing_is_lost_on_the_long_way)
{
    files list = files_open(false);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        if (text.size > 600000) { /* the large ones go the short ways */
            crdt_buf_deinit(&text);
            continue;
        }
        crdt_buf wanted = files_canonical(crdt_buf_span(&text));
        crdt_document *doc =
            files_load(crdt_buf_span(&text), list.paths[i], SCENE_FORMAT_NONE);
        scene_format own = scene_format_of(doc);
        for (size_t f = 0; f < 4; f++) {
            scene_format next = f == 3 ? own : FORMATS[(f + i) % 3];
            crdt_buf there = files_write(doc, next);
            crdt_document_close(doc);
            doc = files_load(crdt_buf_span(&there), "x", SCENE_FORMAT_NONE);
            crdt_buf_deinit(&there);
        }
        crdt_buf back = files_write(doc, own);
        files_same(crdt_buf_span(&back), crdt_buf_span(&wanted), list.paths[i]);
        crdt_document_close(doc);
        crdt_buf_deinit(&back);
        crdt_buf_deinit(&wanted);
        crdt_buf_deinit(&text);
    }
    files_close(&list);
}

Test(format, invalid_scenes_are_refused)
{
    files list = files_open(true);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_format_options options = scene_format_options_default();
        options.file_name = list.paths[i];
        crdt_diag diag = {0};
        cr_expect_eq(scene_format_read(crdt_buf_span(&text), &options,
                                       crdt_alloc_default(), &ops, NULL, &diag),
                     CRDT_ECORRUPT, "%s", list.paths[i]);
        cr_expect_gt(diag.line, 1, "%s", list.paths[i]);
        cr_expect_gt(diag.column, 1, "%s", list.paths[i]);
        cr_expect_gt(strlen(diag.text), 10, "%s", list.paths[i]);
        crdt_op_list_deinit(&ops);
        crdt_buf_deinit(&text);
    }
    char path[1024];
    cr_expect(list.count == 3 || !files_shared("composite", path, sizeof(path)));
    files_close(&list);
}

Test(format, recognizes_and_refuses)
{
    static const struct {
        const char *text;
        scene_format format; /* NONE: refused */
    } ROWS[] = {
        {"{\"schemaVersion\":1,\"entities\":[]}", SCENE_FORMAT_STATE},
        {"{\"version\":1,\"components\":[]}", SCENE_FORMAT_COMPOSITE},
        {"{\"version\":10,\"scene\":{\"entities\":{},\"components\":{}}}",
         SCENE_FORMAT_BUILDER},
        {"{\"version\":11,\"scene\":{\"sdk6\":null,\"sdk7\":{\"composite\":{"
         "\"version\":1,"
         "\"components\":[]}}}}",
         SCENE_FORMAT_BUILDER},
        {"[]", SCENE_FORMAT_NONE},
        {"{}", SCENE_FORMAT_NONE},
        {"1", SCENE_FORMAT_NONE},
        {"{\"version\":1}", SCENE_FORMAT_NONE},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_format_options options = scene_format_options_default();
        scene_format format = SCENE_FORMAT_NONE;
        crdt_diag diag = {0};
        crdt_err err = scene_format_read(crdt_span_of(ROWS[i].text), &options,
                                         crdt_alloc_default(), &ops, &format, &diag);
        cr_expect_eq(err == CRDT_OK, ROWS[i].format != SCENE_FORMAT_NONE, "%s: %s",
                     ROWS[i].text, diag.text);
        cr_expect_eq(format, ROWS[i].format, "%s", ROWS[i].text);
        crdt_op_list_deinit(&ops);
    }
}

/* Every value that is read is canonical, and every sample names its scene if it can. */
Test(format, values_are_canonical)
{
    files list = files_open(false);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        crdt_op_list ops;
        crdt_op_list_init(&ops, crdt_alloc_default());
        scene_format_options options = scene_format_options_default();
        scene_format format;
        cr_assert_eq(scene_format_read(crdt_buf_span(&text), &options,
                                       crdt_alloc_default(), &ops, &format, NULL),
                     CRDT_OK);
        for (size_t k = 0; k < ops.op_count; k++) {
            crdt_diag diag = {0};
            cr_assert(ops.ops[k].kind != CRDT_OP_SET ||
                          crdt_value_check(ops.ops[k].value, &diag) == CRDT_OK,
                      "%s: %s", list.paths[i], diag.text);
        }
        crdt_span name;
        cr_expect(format != SCENE_FORMAT_BUILDER ||
                  scene_format_scene_name(ops.ops, ops.op_count, &name));
        crdt_op_list_deinit(&ops);
        crdt_buf_deinit(&text);
    }
    files_close(&list);
}

/* A file cut short or damaged anywhere is refused with a place, or still a scene; never a
 * crash, never a half change (the operations are thrown away). */
Test(format, damage_is_refused)
{
    static const char *const SAMPLES[] = {
        "docs/scenes/courtyard.scene-state-definition.json",
        "docs/scenes/courtyard.builder.json",
        "docs/scenes/courtyard.composite.json",
    };
    uint64_t seed = gen_seed(1);
    for (size_t s = 0; s < 3; s++) {
        crdt_buf text = files_read(SAMPLES[s]);
        gen g = gen_open(seed + s, NULL);
        for (int run = 0; run < 1500; run++) {
            crdt_buf copy;
            crdt_buf_init(&copy, crdt_alloc_default());
            crdt_buf_append(&copy, text.data, text.size);
            if (run % 3 == 0) {
                copy.size = (size_t)gen_below(&g, text.size);
            } else {
                size_t at = (size_t)gen_below(&g, text.size);
                copy.data[at] = (uint8_t)gen_below(&g, 256);
            }
            crdt_op_list ops;
            crdt_op_list_init(&ops, crdt_alloc_default());
            scene_format_options options = scene_format_options_default();
            crdt_diag diag = {0};
            crdt_err err = scene_format_read(crdt_buf_span(&copy), &options,
                                             crdt_alloc_default(), &ops, NULL, &diag);
            cr_assert(err == CRDT_OK || (diag.line > 0 && diag.text[0] != 0),
                      "seed %llu run %d", (unsigned long long)seed, run);
            cr_assert(err != CRDT_OK || run % 3 != 0 || copy.size + 2 >= text.size);
            crdt_op_list_deinit(&ops);
            crdt_buf_deinit(&copy);
        }
        crdt_buf_deinit(&text);
    }
}

/* Whatever allocation fails, reading and writing say so and leak nothing. */
Test(format, every_allocation_may_fail)
{
    crdt_buf text = files_read("docs/scenes/courtyard.builder.json");
    crdt_document *doc = files_load(crdt_buf_span(&text), "x", SCENE_FORMAT_NONE);
    for (size_t f = 0; f < 4; f++) {
        bool succeeded = false;
        for (uint64_t fail = 0; !succeeded; fail += 1 + fail / 16) {
            fault_alloc faults;
            crdt_alloc alloc = fault_alloc_init(&faults);
            fault_alloc_fail_at(&faults, fail);
            crdt_err err;
            crdt_buf out;
            crdt_buf_init(&out, alloc);
            if (f < 3) {
                err = scene_format_write(doc, FORMATS[f], NULL, alloc, &out);
                cr_assert(err == CRDT_OK || out.size == 0);
            } else {
                crdt_op_list ops;
                crdt_op_list_init(&ops, alloc);
                scene_format_options options = scene_format_options_default();
                crdt_diag diag = {0};
                err = scene_format_read(crdt_buf_span(&text), &options, alloc, &ops,
                                        NULL, &diag);
                crdt_op_list_deinit(&ops);
            }
            crdt_buf_deinit(&out);
            succeeded = err == CRDT_OK;
            cr_assert(succeeded || err == CRDT_ENOMEM, "%s", crdt_err_name(err));
            cr_assert(fault_alloc_balanced(&faults), "%s: allocation %llu leaks",
                      scene_format_name(f < 3 ? FORMATS[f] : SCENE_FORMAT_NONE),
                      (unsigned long long)fail);
        }
    }
    crdt_document_close(doc);
    crdt_buf_deinit(&text);
}
