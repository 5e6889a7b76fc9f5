#include "scene/class_id.h"

#include <criterion/criterion.h>

#include <string.h>

static void expect(const char *type, scene_format origin, uint32_t wanted)
{
    uint32_t id = 0;
    cr_expect(scene_class_id(crdt_span_of(type), origin, &id), "%s", type);
    cr_expect_eq(id, wanted, "%s: %u", type, id);
    crdt_span back = {0};
    cr_expect(scene_class_id_type(id, origin, &back), "%s", type);
    cr_expect(crdt_span_equal(back, crdt_span_of(type)), "%s", type);
}

Test(class_id, of_the_decision_record)
{
    static const struct {
        const char *type;
        uint32_t id;
    } ROWS[] = {{"Transform", 1},    {"NFTShape", 22},       {"GLTFShape", 54},
                {"Script", 204},     {"Name", 300},          {"LockedOnEdit", 301},
                {"BoxShape", 16},    {"VisibleOnEdit", 302}, {"PBRMaterial", 65},
                {"AudioSource", 201}};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        expect(ROWS[i].type, SCENE_FORMAT_STATE, ROWS[i].id);
        expect(ROWS[i].type, SCENE_FORMAT_BUILDER, ROWS[i].id);
    }
    uint32_t id;
    crdt_span type;
    cr_expect(scene_class_id(crdt_span_of("Material"), SCENE_FORMAT_STATE, &id));
    cr_expect_eq(id, 65);
    cr_expect_not(scene_class_id(crdt_span_of("Glow"), SCENE_FORMAT_STATE, &id));
    cr_expect_not(scene_class_id(crdt_span_of(""), SCENE_FORMAT_STATE, &id));
    cr_expect_not(scene_class_id(crdt_span_of("transform"), SCENE_FORMAT_NONE, &id));
    cr_expect_not(scene_class_id_type(1041, SCENE_FORMAT_STATE, &type));
    cr_expect_not(scene_class_id_type(54, SCENE_FORMAT_COMPOSITE, &type));
    cr_expect_not(scene_class_id_type(0, SCENE_FORMAT_STATE, &type));
}

Test(class_id, of_the_sdk)
{
    static const struct {
        const char *type;
        uint32_t id;
    } ROWS[] = {{"core::Transform", 1},      {"core::Animator", 1042},
                {"core::AudioSource", 1020}, {"core::GltfContainer", 1041},
                {"core::Material", 1017},    {"core::MeshRenderer", 1018},
                {"core::TextShape", 1030},   {"core::MeshCollider", 1019},
                {"core::NftShape", 1040},    {"core::VisibilityComponent", 1081}};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        expect(ROWS[i].type, SCENE_FORMAT_COMPOSITE, ROWS[i].id);
    }
}

/* Numbers that stand in the componentIds of real scenes: made by the SDK, over the name
 * filled up to 128 bytes. */
Test(class_id, of_custom_components)
{
    expect("asset-packs::States", SCENE_FORMAT_COMPOSITE, 2709697014u);
    expect("asset-packs::Counter", SCENE_FORMAT_COMPOSITE, 3981387903u);
    expect("asset-packs::Actions", SCENE_FORMAT_COMPOSITE, 2193198513u);
    expect("asset-packs::AdminTools", SCENE_FORMAT_COMPOSITE, 99929642u);
    expect("core-schema::Name", SCENE_FORMAT_COMPOSITE, 3864921337u);
    uint32_t id;
    uint32_t other;
    crdt_span type;
    cr_expect(scene_class_id(crdt_span_of("cube-id"), SCENE_FORMAT_COMPOSITE, &id));
    cr_expect_eq(id, 1270506178u);
    cr_expect_not(scene_class_id_type(id, SCENE_FORMAT_COMPOSITE, &type));

    char name[131];
    memset(name, 'x', sizeof name);
    crdt_span whole = {(const uint8_t *)name, 130};
    crdt_span cut = {(const uint8_t *)name, 128};
    cr_expect(scene_class_id(whole, SCENE_FORMAT_COMPOSITE, &id));
    cr_expect(scene_class_id(cut, SCENE_FORMAT_COMPOSITE, &other));
    cr_expect_eq(id, other);
}

Test(class_id, how_generated_code_writes_them)
{
    const scene_class_code *shape = scene_class_id_code(crdt_span_of("GLTFShape"));
    cr_assert_not_null(shape);
    cr_expect_str_eq(shape->slot, "engine.shape");
    cr_expect(shape->shared);
    const scene_class_code *transform = scene_class_id_code(crdt_span_of("Transform"));
    cr_assert_not_null(transform);
    cr_expect_str_eq(transform->slot, "engine.transform");
    cr_expect_not(transform->shared);
    cr_expect_null(scene_class_id_code(crdt_span_of("core::Transform")));
}
