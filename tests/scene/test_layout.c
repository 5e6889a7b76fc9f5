#include "scene/layout.h"

#include <criterion/criterion.h>

static crdt_span span(const char *text)
{
    return crdt_span_of(text);
}

Test(layout, one_table_of_spellings)
{
    static const char *const ROWS[][3] = {
        {"Transform", "Transform", "core::Transform"},
        {"Name", "Name", "core-schema::Name"},
        {"GLTFShape", "GLTFShape", "core::GltfContainer"},
    };
    for (size_t i = 0; i < 3; i++) {
        for (size_t from = 0; from < 3; from++) {
            for (size_t to = 0; to < 3; to++) {
                crdt_span got =
                    scene_layout_translate(span(ROWS[i][from]), (scene_format)(to + 1));
                cr_expect(crdt_span_equal(got, span(ROWS[i][to])));
            }
        }
    }
    cr_expect_eq(scene_layout_class(span("core::Name")), SCENE_CLASS_OTHER);
    crdt_span other = scene_layout_translate(span("NFTShape"), SCENE_FORMAT_COMPOSITE);
    cr_expect(crdt_span_equal(other, span("NFTShape")));
    for (int f = SCENE_FORMAT_STATE; f <= SCENE_FORMAT_COMPOSITE; f++) {
        const char *name = scene_format_name((scene_format)f);
        cr_expect_eq(scene_format_parse(span(name)), (scene_format)f);
    }
    cr_expect_eq(scene_format_parse(span("none")), SCENE_FORMAT_NONE);
}

Test(layout, names_of_our_own)
{
    uint32_t number;
    crdt_span base = scene_layout_base(span("\377r12:Glow"), &number);
    cr_expect_eq(number, 12);
    cr_expect(crdt_span_equal(base, span("Glow")));
    static const char *const PLAIN[] = {"Glow",     "",          "\377r",   "\377r:x",
                                        "\377rx:y", "\377r1234", "r2:Glow", "\377e"};
    for (size_t i = 0; i < sizeof(PLAIN) / sizeof(PLAIN[0]); i++) {
        base = scene_layout_base(span(PLAIN[i]), &number);
        cr_expect_eq(number, 1, "%zu", i);
        cr_expect(crdt_span_equal(base, span(PLAIN[i])));
    }
    crdt_span type;
    cr_expect(scene_layout_is_component(span("\377r2:Glow"), &type));
    cr_expect(crdt_span_equal(type, span("Glow")));
    cr_expect(scene_layout_is_component(span(""), NULL));
    cr_expect_not(scene_layout_is_component(span("\377e"), NULL));
    cr_expect_not(scene_layout_is_component(span("\377did"), NULL));
    cr_expect_not(scene_layout_is_component(span("\377r2:\377did"), NULL));
    cr_expect(scene_layout_is_entity(span("")));
    cr_expect_not(scene_layout_is_entity(span("\377cid")));
}

Test(layout, default_orders_are_total)
{
    static const char *const COMPONENTS[] = {
        "Script",           "\377r2:Script",     "GLTFShape",
        "\377r2:GLTFShape", "\377r10:GLTFShape", "Transform",
        "\377did"};
    static const char *const ENTITIES[] = {"0", "9", "10", "512", "", "00", "1e1", "a"};
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            int order = scene_layout_component_compare(span(COMPONENTS[i]),
                                                       span(COMPONENTS[j]));
            cr_expect_eq(order < 0, i < j, "%zu %zu", i, j);
            cr_expect_eq(order == 0, i == j);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < 8; j++) {
            int order =
                scene_layout_entity_compare(span(ENTITIES[i]), span(ENTITIES[j]));
            cr_expect_eq(order < 0, i < j, "%zu %zu", i, j);
            cr_expect_eq(order == 0, i == j);
        }
    }
}

Test(layout, parents)
{
    static const struct {
        const char *value;  /* msgpack */
        const char *parent; /* NULL: the root */
    } ROWS[] = {
        {"\xa3"
         "cup",
         "cup"},
        {"\xcd\x02\x00", "512"},
        {"\x07", "7"},
        {"\xa0", NULL},
        {"\xa1"
         "0",
         NULL},
        {"\xc0", NULL},
        {"\xc2", NULL},
        {"\xff", NULL},
        {"\x90", NULL},
        {"\xca\x3f\x00\x00\x00", NULL},
    };
    static const size_t SIZES[] = {4, 3, 1, 1, 2, 1, 1, 1, 1, 5};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char text[SCENE_PARENT_TEXT_SIZE];
        crdt_span parent;
        crdt_span value = {(const uint8_t *)ROWS[i].value, SIZES[i]};
        bool named = scene_layout_parent(value, text, &parent);
        cr_expect_eq(named, ROWS[i].parent != NULL, "%zu", i);
        if (named && ROWS[i].parent != NULL) {
            cr_expect(crdt_span_equal(parent, span(ROWS[i].parent)), "%zu", i);
        }
    }
}
