/* ENTITY.COMPONENT.FIELD: which text means which names, given what is there. */

#include "cli/path.h"
#include "scene/edit.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

static crdt_document *doc;

static void must(crdt_err err)
{
    cr_assert_eq(err, CRDT_OK, "%s", crdt_err_text(err));
}

/* Entities a, a.b and a.b.c; a has the components t and t.u. */
static void open_document(void)
{
    crdt_document_options options = crdt_document_options_default();
    must(crdt_document_open(&doc, &options));
    crdt_op_list ops;
    crdt_arena arena;
    scene_edit edit;
    crdt_batch batch;
    crdt_op_list_init(&ops, options.alloc);
    crdt_arena_init(&arena, options.alloc);
    must(scene_edit_open(&edit, doc, &ops));
    const char *entities[] = {"a", "a.b", "a.b.c"};
    for (size_t i = 0; i < 3; i++) {
        must(scene_edit_add(&edit, crdt_span_of(entities[i]), NULL, NULL));
    }
    const uint8_t one = 1; /* the number 1 */
    const char *components[] = {"t", "t.u"};
    for (size_t i = 0; i < 2; i++) {
        must(scene_edit_set(&edit, crdt_span_of("a"), crdt_span_of(components[i]),
                            (crdt_span){&one, 1}, NULL));
    }
    scene_edit_close(&edit);
    crdt_edit author = {.actor = {{1}}};
    must(crdt_document_commit(doc, &author, ops.ops, ops.op_count, &arena, &batch,
                              NULL));
    crdt_arena_deinit(&arena);
    crdt_op_list_deinit(&ops);
}

static void close_document(void)
{
    crdt_document_close(doc);
}

TestSuite(path, .init = open_document, .fini = close_document);

/* The names of a key as one text, parted by '|'. */
static const char *resolve(const char *text, const char *entity, crdt_depth min,
                           crdt_depth max)
{
    static char shown[256];
    char scratch[128];
    crdt_span owner = crdt_span_of(entity != NULL ? entity : "");
    crdt_key key;
    crdt_diag diag;
    crdt_err err = cli_path_resolve(text, entity != NULL ? &owner : NULL, min, max, doc,
                                    scratch, &key, &diag);
    if (err != CRDT_OK) {
        return crdt_err_name(err);
    }
    snprintf(shown, sizeof shown, "%.*s", (int)key.object.size,
             (const char *)key.object.data);
    size_t size = strlen(shown);
    if (key.depth >= CRDT_PART) {
        size += (size_t)snprintf(shown + size, sizeof shown - size, "|%.*s",
                                 (int)key.part.size, (const char *)key.part.data);
    }
    if (key.depth == CRDT_FIELD) {
        snprintf(shown + size, sizeof shown - size, "|%.*s", (int)key.field.size,
                 (const char *)key.field.data);
    }
    return shown;
}

Test(path, the_first_dot_parts_where_nothing_is_there)
{
    cr_expect_str_eq(resolve("x", NULL, CRDT_OBJECT, CRDT_FIELD), "x");
    cr_expect_str_eq(resolve("x.y", NULL, CRDT_OBJECT, CRDT_FIELD), "x|y");
    cr_expect_str_eq(resolve("x.y.z.w", NULL, CRDT_OBJECT, CRDT_FIELD), "x|y|z.w");
    cr_expect_str_eq(resolve("x.y.z", NULL, CRDT_OBJECT, CRDT_PART), "x|y.z");
    cr_expect_str_eq(resolve("x.y", NULL, CRDT_OBJECT, CRDT_OBJECT), "x.y");
    cr_expect_str_eq(resolve("", NULL, CRDT_OBJECT, CRDT_FIELD), "");
    cr_expect_str_eq(resolve(".", NULL, CRDT_OBJECT, CRDT_FIELD), "|");
}

Test(path, what_is_there_is_meant_dots_and_all)
{
    cr_expect_str_eq(resolve("a.b", NULL, CRDT_OBJECT, CRDT_FIELD), "a.b");
    cr_expect_str_eq(resolve("a.b.c", NULL, CRDT_OBJECT, CRDT_FIELD), "a.b.c");
    cr_expect_str_eq(resolve("a.b.t", NULL, CRDT_OBJECT, CRDT_FIELD), "a.b|t");
    cr_expect_str_eq(resolve("a.t.f", NULL, CRDT_OBJECT, CRDT_FIELD), "a|t|f");
    cr_expect_str_eq(resolve("a.t.u", NULL, CRDT_OBJECT, CRDT_FIELD), "a|t.u");
    cr_expect_str_eq(resolve("a.t.u.f", NULL, CRDT_OBJECT, CRDT_FIELD), "a|t.u|f");
}

Test(path, escapes)
{
    cr_expect_str_eq(resolve("x\\.y.z", NULL, CRDT_OBJECT, CRDT_FIELD), "x.y|z");
    cr_expect_str_eq(resolve("x\\\\.y", NULL, CRDT_OBJECT, CRDT_FIELD), "x\\|y");
    cr_expect_str_eq(resolve("x\\y", NULL, CRDT_OBJECT, CRDT_FIELD), "x\\y");
    cr_expect_str_eq(resolve("x\\", NULL, CRDT_OBJECT, CRDT_FIELD), "x\\");
    cr_expect_str_eq(resolve("a\\.b.t", NULL, CRDT_OBJECT, CRDT_FIELD), "a.b|t");
}

Test(path, below_an_entity)
{
    cr_expect_str_eq(resolve("t", "a", CRDT_PART, CRDT_FIELD), "a|t");
    cr_expect_str_eq(resolve("t.f", "a", CRDT_PART, CRDT_FIELD), "a|t|f");
    cr_expect_str_eq(resolve("t.u", "a", CRDT_PART, CRDT_FIELD), "a|t.u");
    cr_expect_str_eq(resolve("n.f.g", "a", CRDT_PART, CRDT_FIELD), "a|n|f.g");
}

/* Where a field must follow, a component may not take the whole text. */
Test(path, enough_names_must_be_there)
{
    cr_expect_str_eq(resolve("t.u", "a", CRDT_FIELD, CRDT_FIELD), "a|t|u");
    cr_expect_str_eq(resolve("t", "a", CRDT_FIELD, CRDT_FIELD), "EINVAL");
    cr_expect_str_eq(resolve("x", NULL, CRDT_PART, CRDT_FIELD), "EINVAL");
}
