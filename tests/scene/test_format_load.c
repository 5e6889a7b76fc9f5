/* A file put into a document at once leaves what its operations as a template leave, says what
 * they would, or leaves nothing. */

#include "scene/format.h"

#include "crdt/template.h"
#include "tests/scene/scene_files.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/gen.h"
#include "tests/support/script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static crdt_err by_steps(crdt_span text, const scene_format_options *options,
                         crdt_document *doc, crdt_actor *author, crdt_diag *diag)
{
    crdt_op_list ops;
    crdt_arena arena;
    crdt_batch batch = {0};
    crdt_op_list_init(&ops, crdt_alloc_default());
    crdt_arena_init(&arena, crdt_alloc_default());
    crdt_err err =
        scene_format_read(text, options, crdt_alloc_default(), &ops, NULL, diag);
    if (err == CRDT_OK) {
        err = crdt_template_make(ops.ops, ops.op_count, &arena, &batch, diag);
    }
    if (err == CRDT_OK) {
        err = crdt_document_apply(doc, &batch, diag);
    }
    *author = batch.actor;
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
    return err;
}

static bool is_empty(const crdt_document *doc)
{
    const crdt_document_counts counts = crdt_document_count(doc);
    return crdt_document_version(doc)->stamp_count == 0 && counts.objects == 0 &&
           counts.parts == 0 && counts.fields == 0;
}

/* Both ways. True: it is a scene. */
static bool expect_same(crdt_span text, scene_format format, const char *what)
{
    scene_format_options options = scene_format_options_default();
    options.format = format;
    options.file_name = "x";
    crdt_diag wanted_diag = {0};
    crdt_diag diag = {0};
    crdt_actor wanted_author;
    crdt_actor author = {{0}};
    crdt_document *wanted = script_open();
    crdt_document *doc = script_open();
    crdt_err wanted_err =
        by_steps(text, &options, wanted, &wanted_author, &wanted_diag);
    crdt_err err =
        scene_format_load(text, &options, crdt_alloc_default(), doc, &author, &diag);
    cr_assert_eq(err, wanted_err, "%s: %s", what, diag.text);
    cr_assert(crdt_document_check(doc));
    if (err == CRDT_OK) {
        cr_assert(crdt_actor_equal(&author, &wanted_author), "%s", what);
        cr_assert(script_equal(doc, wanted), "%s", what);
    } else {
        cr_assert(is_empty(doc), "%s", what);
        cr_assert_str_eq(diag.text, wanted_diag.text, "%s", what);
        cr_assert_eq(diag.offset, wanted_diag.offset, "%s", what);
        cr_assert_eq(diag.line, wanted_diag.line, "%s", what);
        cr_assert_eq(diag.column, wanted_diag.column, "%s", what);
    }
    crdt_document_close(wanted);
    crdt_document_close(doc);
    return err == CRDT_OK;
}

/* Every scene at hand, and as a state of our own, which is read entity by entity. */
Test(format_load, is_read_make_and_apply)
{
    files list = files_open(false);
    for (size_t i = 0; i < list.count; i++) {
        crdt_buf text = files_read(list.paths[i]);
        cr_assert(expect_same(crdt_buf_span(&text), SCENE_FORMAT_NONE, list.paths[i]));
        crdt_document *doc = files_load(crdt_buf_span(&text), "x", SCENE_FORMAT_NONE);
        crdt_buf state = files_write(doc, SCENE_FORMAT_STATE);
        cr_assert(expect_same(crdt_buf_span(&state), SCENE_FORMAT_NONE, "as a state"));
        cr_assert(expect_same(crdt_buf_span(&state), SCENE_FORMAT_STATE, "as a state"));
        crdt_document_close(doc);
        crdt_buf_deinit(&state);
        crdt_buf_deinit(&text);
    }
    files_close(&list);
}

/* Texts that begin as one that can be read entity by entity, and are not: what had been put in
 * place is gone. */
Test(format_load, turns_back)
{
#define A                                                                              \
    "{\"components\":[{\"type\":\"T\",\"value\":{\"a\":1,\"b\":[1,2.5]}}],\"id\":"     \
    "\"a\"}"
#define B "{\"components\":[{\"type\":\"T\",\"value\":{\"a\":2}}],\"id\":\"b\"}"
    static const struct {
        const char *text;
        bool sound;
    } ROWS[] = {
        {"{\"schemaVersion\":1,\"entities\":[" A "," B "]}", true},
        {"{\"entities\":[" A "," B "],\"schemaVersion\":1,\"more\":[1]}", true},
        {"{\"entities\":[" B "," A "],\"schemaVersion\":1}", true},
        {"{\"entities\":[" A "," A "],\"schemaVersion\":1}", false},
        {"{\"entities\":[" A "," B "],\"schemaVersion\":2}", false},
        {"{\"entities\":[" A "," B "]}", false},
        {"{\"entities\":[" A "," B ",{\"id\":5}],\"schemaVersion\":1}", false},
        {"{\"entities\":[" A "," B ",{\"id\":\"c\"}],\"schemaVersion\":1}", false},
        {"{\"entities\":[" A "," B "],\"schemaVersion\":1", false},
        {"{\"entities\":[" A "," B "],\"schemaVersion\":1}]", false},
        {"{\"entities\":[" A "," B "],\"entities\":[],\"schemaVersion\":1}", false},
        {"{\"entities\":[" A "," B "],\"schemaVersion\":1,"
         "\"scenesync\":{\"format\":\"builder\"}}",
         true},
        /* fields out of order, and twice */
        {"{\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":\"T\",\"value\":{"
         "\"b\":1,\"a\":2}}]}," B "],\"schemaVersion\":1}",
         true},
        {"{\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":\"T\",\"value\":{"
         "\"b\":1,\"b\":2}}]}," B "],\"schemaVersion\":1}",
         false},
        /* ids in the order of numbers, not of bytes */
        {"{\"entities\":[{\"id\":\"9\",\"components\":[]},"
         "{\"id\":\"10\",\"components\":[]}],\"schemaVersion\":1}",
         true},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        cr_expect_eq(
            expect_same(crdt_span_of(ROWS[i].text), SCENE_FORMAT_NONE, ROWS[i].text),
            ROWS[i].sound, "%s", ROWS[i].text);
    }
}

Test(format_load, damage_is_refused_alike)
{
    crdt_buf text = files_read("docs/scenes/courtyard.scene-state-definition.json");
    uint64_t seed = gen_seed(1);
    gen g = gen_open(seed, NULL);
    for (int run = 0; run < 500; run++) {
        crdt_buf copy;
        char what[64];
        snprintf(what, sizeof what, "seed %llu run %d", (unsigned long long)seed, run);
        crdt_buf_init(&copy, crdt_alloc_default());
        crdt_buf_append(&copy, text.data, text.size);
        if (run % 3 == 0) {
            copy.size = (size_t)gen_below(&g, text.size);
        } else {
            copy.data[(size_t)gen_below(&g, text.size)] = (uint8_t)gen_below(&g, 256);
        }
        expect_same(crdt_buf_span(&copy), SCENE_FORMAT_NONE, what);
        crdt_buf_deinit(&copy);
    }
    crdt_buf_deinit(&text);
}

/* Whatever allocation fails, the document is empty and nothing leaks. */
Test(format_load, every_allocation_may_fail)
{
    static const char *const SAMPLES[] = {
        "docs/scenes/courtyard.scene-state-definition.json",
        "docs/scenes/courtyard.builder.json",
    };
    for (size_t i = 0; i < 2; i++) {
        crdt_buf text = files_read(SAMPLES[i]);
        crdt_document *first = files_load(crdt_buf_span(&text), "x", SCENE_FORMAT_NONE);
        crdt_buf state = files_write(first, SCENE_FORMAT_STATE);
        const scene_format_options options = scene_format_options_default();
        crdt_err err = CRDT_ENOMEM;
        for (uint64_t fail = 0; err != CRDT_OK; fail += 1 + fail / 16) {
            fault_alloc faults;
            crdt_alloc alloc = fault_alloc_init(&faults);
            crdt_document *doc = script_open_with(alloc);
            fault_alloc_fail_at(&faults, fail);
            err =
                scene_format_load(i == 0 ? crdt_buf_span(&state) : crdt_buf_span(&text),
                                  &options, alloc, doc, NULL, NULL);
            fault_alloc_heal(&faults);
            cr_assert(err == CRDT_OK || err == CRDT_ENOMEM);
            cr_assert_eq(is_empty(doc), err != CRDT_OK);
            crdt_document_close(doc);
            cr_assert(fault_alloc_balanced(&faults));
        }
        crdt_document_close(first);
        crdt_buf_deinit(&state);
        crdt_buf_deinit(&text);
    }
}

/* A file of one component with an unknown member, nested `depth` deep or `size` bytes long. */
static crdt_buf with_unknown_member(size_t depth, size_t size)
{
    crdt_buf text;
    crdt_buf_init(&text, crdt_alloc_default());
    const char head[] = "{\"entities\":[{\"id\":\"a\",\"components\":[{\"type\":\"T\","
                        "\"value\":{},\"x\":";
    const char tail[] = "}]}],\"schemaVersion\":1}";
    crdt_buf_append(&text, head, sizeof head - 1);
    for (size_t i = 0; i < depth; i++) {
        crdt_buf_append(&text, "[", 1);
    }
    crdt_buf_append(&text, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        crdt_buf_append(&text, "y", 1);
    }
    crdt_buf_append(&text, "\"", 1);
    for (size_t i = 0; i < depth; i++) {
        crdt_buf_append(&text, "]", 1);
    }
    crdt_buf_append(&text, tail, sizeof tail - 1);
    return text;
}

/* Unknown members are gathered in one value, which nobody had looked at: a file of 400 bytes
 * made a document that no writer could write, and ended the program. */
Test(format_load, unknown_members_too_deep_or_long)
{
    static const struct {
        size_t depth;
        size_t size;
        bool sound;
    } ROWS[] = {{2, 5, true},    {126, 5, true},  {127, 5, true},
                {128, 5, false}, {140, 5, false}, {1, 17 << 20, false}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        crdt_buf text = with_unknown_member(ROWS[i].depth, ROWS[i].size);
        cr_expect_eq(expect_same(crdt_buf_span(&text), SCENE_FORMAT_NONE, "unknown"),
                     ROWS[i].sound, "row %zu", i);
        crdt_buf_deinit(&text);
    }
}

/* One that holds something is none to load into. */
Test(format_load, wants_an_empty_document)
{
    static const char TEXT[] = "{\"entities\":[" A "],\"schemaVersion\":1}";
    const scene_format_options options = scene_format_options_default();
    crdt_document *doc = script_open();
    cr_assert_eq(scene_format_load(crdt_span_of(TEXT), &options, crdt_alloc_default(),
                                   doc, NULL, NULL),
                 CRDT_OK);
    const crdt_digest before = crdt_document_digest(doc);
    cr_assert_eq(scene_format_load(crdt_span_of(TEXT), &options, crdt_alloc_default(),
                                   doc, NULL, NULL),
                 CRDT_EDUPLICATE);
    cr_assert(crdt_digest_equal(crdt_document_digest(doc), before));
    crdt_document_close(doc);
}
