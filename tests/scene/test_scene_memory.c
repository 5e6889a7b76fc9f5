/* Scenes without memory: whatever is read, written, compared, each request for memory fails in
 * turn. Lists and buffers grow by doubling, so a failing allocator reaches few of their calls;
 * here the linker has scene/ call the functions below, and each call that may ask for memory
 * fails in turn. Said must be CRDT_ENOMEM, and nothing may be left behind. */

#include "crdt/value.h"
#include "scene/descent.h"
#include "scene/difference.h"
#include "scene/format.h"
#include "scene/json.h"
#include "scene/materialize.h"
#include "scene/scene.h"
#include "scene/text_map.h"
#include "tests/scene/scene_files.h"
#include "tests/support/fault_alloc.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* ---- calls that fail ---- */

static uint64_t fail_at = UINT64_MAX; /* the call that fails, counted from now */
static bool failed;

static bool lacks(void)
{
    if (fail_at == UINT64_MAX || fail_at-- > 0) {
        return false;
    }
    fail_at = UINT64_MAX;
    failed = true;
    return true;
}

/* clang-format off */
/* The linker calls the second function for the first; without memory it gives `none`. */
#define FAILING(result, none, name, parameters, arguments)                             \
    result __real_##name parameters;                                                   \
    result __wrap_##name parameters;                                                   \
    result __wrap_##name parameters                                                    \
    {                                                                                  \
        return lacks() ? (none) : __real_##name arguments;                             \
    }
#define FAILING_ERR(name, parameters, arguments)                                       \
    FAILING(crdt_err, CRDT_ENOMEM, name, parameters, arguments)

FAILING_ERR(crdt_op_list_add, (crdt_op_list *a, crdt_key b), (a, b))
FAILING_ERR(crdt_op_list_push, (crdt_op_list *a, const crdt_op *b), (a, b))
FAILING_ERR(crdt_op_list_remove, (crdt_op_list *a, crdt_key b), (a, b))
FAILING_ERR(crdt_op_list_unset, (crdt_op_list *a, crdt_key b), (a, b))
FAILING_ERR(crdt_op_list_set, (crdt_op_list *a, crdt_key b, crdt_span c), (a, b, c))
FAILING_ERR(crdt_value_write_null, (crdt_buf *a), (a))
FAILING_ERR(crdt_value_write_bool, (crdt_buf *a, bool b), (a, b))
FAILING_ERR(crdt_value_write_integer, (crdt_buf *a, int64_t b), (a, b))
FAILING_ERR(crdt_value_write_number, (crdt_buf *a, double b), (a, b))
FAILING_ERR(crdt_value_write_string, (crdt_buf *a, crdt_span b), (a, b))
FAILING_ERR(crdt_value_write_array, (crdt_buf *a, uint32_t b), (a, b))
FAILING_ERR(crdt_value_write_map, (crdt_buf *a, uint32_t b), (a, b))
FAILING_ERR(crdt_buf_grow, (crdt_buf *a, size_t b), (a, b))
FAILING_ERR(scene_json_encode, (const scene_json_node *a, crdt_alloc b, crdt_buf *c), (a, b, c))
FAILING_ERR(scene_text_map_put, (scene_text_map *a, crdt_span b, uint64_t c, uint64_t **d, bool *e), (a, b, c, d, e))
FAILING(void *, NULL, crdt_arena_alloc, (crdt_arena *a, size_t b), (a, b))
/* clang-format on */

/* ---- what is done ---- */

#define MANIFEST(entities, components)                                                 \
    "{\"version\":10,\"project\":{\"id\":\"p\",\"title\":\"t\",\"layout\":{\"rows\":"  \
    "1}},"                                                                             \
    "\"scene\":{\"id\":\"s\",\"entities\":{" entities "},\"components\":{" components  \
    "},\"assets\":{\"m\":{\"id\":\"m\",\"name\":\"tree\"}},\"ground\":null}}"
#define L1 "11111111111111111111111111111111"
#define L2 "22222222222222222222222222222222"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char *const SCENES[] = {
    MANIFEST(
        "\"a\":{\"id\":\"a\",\"components\":[\"none\",\"c\",\"c\",\"none\",\"d\",\"s\"]"
        ","
        "\"name\":\"one\"},\"b\":{\"id\":\"b\",\"components\":[\"e\",\"f\",\"s\"],"
        "\"disableGizmos\":false}",
        "\"c\":{\"id\":\"c\",\"type\":\"T\",\"data\":{\"x\":1}},"
        "\"d\":{\"id\":\"d\",\"type\":\"T\"},"
        "\"s\":{\"id\":\"s\",\"type\":\"GLTFShape\",\"data\":{\"assetId\":\"m\"}},"
        "\"e\":{\"id\":\"e\",\"type\":\"T\",\"data\":null,\"more\":[1]},"
        "\"f\":{\"id\":\"f\",\"type\":\"Transform\",\"data\":{\"position\":{\"x\":1}}},"
        "\"g\":{\"id\":\"g\",\"type\":\"U\",\"data\":\"of nobody\"}"),
    "{\"version\":11,\"project\":{\"rows\":1},\"scene\":{\"sdk6\":null,\"sdk7\":{"
    "\"id\":"
    "\"s\",\"mappings\":{\"a.glb\":\"Qm\"},\"composite\":{\"version\":1,\"components\":"
    "["
    "{\"name\":\"core::Transform\",\"data\":{\"512\":{\"json\":{\"parent\":0}},"
    "\"513\":{\"json\":{\"parent\":512}},\"514\":{\"json\":{\"parent\":900}}}},"
    "{\"name\":\"core-schema::Name\",\"data\":{\"512\":{\"json\":{\"value\":\"n\"}}}}]}"
    "}}}",
    "{\"version\":1,\"components\":[{\"name\":\"core::Tween\",\"data\":{"
    "\"1\":{\"$case\":\"json\",\"json\":{}},\"2\":{\"json\":null},"
    "\"3\":{\"$case\":\"binary\",\"binary\":\"AA==\"},\"4\":{\"binary\":\"\"},"
    "\"5\":{\"$case\":\"odd\",\"json\":[1],\"more\":2},"
    "\"6\":{\"$case\":null,\"json\":1,\"binary\":7}}},"
    "{\"name\":\"core::Tween\",\"data\":{},\"jsonSchema\":null},"
    "{\"name\":\"core::Transform\",\"data\":{\"0\":{\"json\":{}},"
    "\"99999999999\":{\"json\":{\"parent\":0}},"
    "\"512\":{\"json\":{\"parent\":99999999999}}}},{\"name\":\"core::Animator\"}],"
    "\"more\":{\"a\":null}}",
    "{\"schemaVersion\":1,\"entities\":[{\"id\":\"a\",\"more\":1,\"components\":[{"
    "\"type\":\"B\","
    "\"value\":[1,2]},{\"type\":\"A\",\"value\":{\"x\":1},\"more\":{}},{\"type\":\"A\","
    "\"value\":7}]},{\"id\":\"b\",\"components\":[]}],\"scenesync\":{\"ancestors\":[{"
    "\"lineage\":\"" L2 "\",\"version\":{\"" A "\":3}}],\"lineage\":\"" L1
    "\",\"version\":{\"" A "\":12}}}",
};
#define SCENE_COUNT (sizeof SCENES / sizeof SCENES[0])
static const scene_format FORMATS[] = {SCENE_FORMAT_STATE, SCENE_FORMAT_BUILDER,
                                       SCENE_FORMAT_COMPOSITE};

typedef struct work {
    crdt_span text; /* to be read */
    const crdt_document *doc;
    const crdt_document *other;
    scene_format format; /* to be written */
} work;

static crdt_err read_text(const work *w, crdt_alloc alloc)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    scene_format_options options = scene_format_options_default();
    crdt_diag diag = {0};
    crdt_err err = scene_format_read(w->text, &options, alloc, &ops, NULL, &diag);
    scene_descent descent;
    scene_descent_init(&descent, alloc);
    if (err == CRDT_OK) {
        err = scene_descent_read_ops(&descent, ops.ops, ops.op_count);
    }
    crdt_op_list ahead;
    crdt_op_list_init(&ahead, alloc);
    if (err == CRDT_OK) {
        err = scene_difference_to_ops(w->doc, ops.ops, ops.op_count, alloc, &ahead,
                                      &diag);
    }
    crdt_op_list_deinit(&ahead);
    scene_descent_deinit(&descent);
    crdt_op_list_deinit(&ops);
    return err;
}

static crdt_err write_text(const work *w, crdt_alloc alloc)
{
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    crdt_err err = scene_format_write(w->doc, w->format, NULL, alloc, &out);
    cr_expect(err == CRDT_OK || out.size == 0, "half a file");
    crdt_buf_deinit(&out);
    return err;
}

static crdt_err materialize(const work *w, crdt_alloc alloc)
{
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    crdt_err err = scene_materialize(w->doc, alloc, &out);
    crdt_buf_deinit(&out);
    return err;
}

static crdt_err compare(const work *w, crdt_alloc alloc)
{
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    crdt_err err = scene_difference_of(w->doc, w->other, alloc, &ops);
    crdt_op_list_deinit(&ops);
    return err;
}

static crdt_err descend(const work *w, crdt_alloc alloc)
{
    static const crdt_actor lineage = {{7}};
    crdt_op_list ops;
    crdt_op_list_init(&ops, alloc);
    scene_descent descent;
    scene_descent_init(&descent, alloc);
    crdt_err err = scene_descent_read(&descent, w->doc);
    for (int i = 0; i < 2 && err == CRDT_OK; i++) { /* the second joins */
        err = scene_descent_push(&descent, &lineage, crdt_document_version(w->other));
    }
    if (err == CRDT_OK) {
        err =
            scene_descent_note(&lineage, crdt_document_version(w->doc), &lineage, &ops);
    }
    crdt_buf out;
    crdt_buf_init(&out, alloc);
    if (err == CRDT_OK) {
        err = scene_format_write_saved(w->doc, SCENE_FORMAT_STATE, NULL, &descent,
                                       alloc, &out);
    }
    crdt_buf_deinit(&out);
    scene_descent_deinit(&descent);
    crdt_op_list_deinit(&ops);
    return err;
}

/* Every call in turn, and every allocation. */
static void fail_all(crdt_err (*fn)(const work *, crdt_alloc), const work *w,
                     const char *what)
{
    for (int by_call = 0; by_call < 2; by_call++) {
        bool again = true;
        for (uint64_t n = 0; again; n++) {
            fault_alloc fault;
            crdt_alloc alloc = fault_alloc_init(&fault);
            failed = false;
            fail_at = by_call ? n : UINT64_MAX;
            fault_alloc_fail_at(&fault, by_call ? UINT64_MAX : n);
            crdt_err err = fn(w, alloc);
            again = by_call ? failed : fault.fail_at == UINT64_MAX;
            fail_at = UINT64_MAX;
            cr_assert(err == CRDT_OK || (again && err == CRDT_ENOMEM),
                      "%s, %d %llu: %s", what, by_call, (unsigned long long)n,
                      crdt_err_name(err));
            cr_assert(fault_alloc_balanced(&fault), "%s, %d %llu leaks", what, by_call,
                      (unsigned long long)n);
        }
    }
}

Test(scene_memory, each_call_may_fail, .timeout = 120)
{
    for (size_t i = 0; i < SCENE_COUNT; i++) {
        work w = {0};
        crdt_document *doc =
            files_load(crdt_span_of(SCENES[i]), "x", SCENE_FORMAT_NONE);
        crdt_document *other = files_load(crdt_span_of(SCENES[(i + 1) % SCENE_COUNT]),
                                          "x", SCENE_FORMAT_NONE);
        w.doc = doc;
        w.other = other;
        fail_all(compare, &w, "compare");
        fail_all(materialize, &w, "materialize");
        fail_all(descend, &w, "descend");
        for (size_t f = 0; f < 3; f++) {
            crdt_buf text = files_write(doc, FORMATS[f]);
            w.format = FORMATS[f];
            w.text = crdt_buf_span(&text);
            fail_all(write_text, &w, "write");
            fail_all(read_text, &w, "read");
            crdt_buf_deinit(&text);
        }
        crdt_document_close(doc);
        crdt_document_close(other);
    }
}
