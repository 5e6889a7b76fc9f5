#include "crdt/well_known.h"

#define NAME(text)                                                                     \
    {                                                                                  \
        (const uint8_t *)(text), sizeof(text) - 1                                      \
    }

const crdt_span crdt_well_known_names[CRDT_WELL_KNOWN_COUNT] = {
    NAME("Transform"),
    NAME("position"),
    NAME("rotation"),
    NAME("scale"),
    NAME("value"),
    NAME("src"),
    NAME("\377o"),
    NAME("parent"),
    NAME("\377i"),
    NAME("\377s"),
    NAME("\377v"),
    NAME("assetId"),
    NAME("name"),
    NAME("id"),
    NAME("builderValue"),
    NAME("visibleMeshesCollisionMask"),
    NAME("invisibleMeshesCollisionMask"),
    NAME("visible"),
    NAME("componentName"),
    NAME("fields"),
    NAME("version"),
    NAME("helpTooltip"),
    NAME("isBasicViewEnabled"),
    NAME("mesh"),
    NAME("material"),
    NAME("pointerEvents"),
    NAME("componentIds"),
    NAME("tags"),
    NAME("states"),
    NAME("defaultValue"),
    NAME("currentValue"),
    NAME("previousValue"),
    NAME("withCollisions"),
    NAME("isPointerBlocker"),
    NAME("isLocked"),
    NAME("isVisible"),
    NAME("values"),
    NAME("color"),
    NAME("style"),
    NAME("collisionMask"),
    NAME("text"),
    NAME("fontSize"),
    NAME("textColor"),
    NAME("textAlign"),
    NAME("playing"),
    NAME("loop"),
    NAME("volume"),
    NAME("audioClipUrl"),
    NAME("entityId"),
    NAME("networkId"),
    NAME("mode"),
    NAME("duration"),
    NAME("type"),
    NAME("intensity"),
    NAME("width"),
    NAME("height"),
    NAME("label"),
    NAME("sections"),
    NAME("gizmo"),
    NAME("state"),
    NAME("url"),
    NAME("urn"),
    NAME("disableGizmos"),
    NAME("format"),
    NAME("\377e"),
    NAME("GLTFShape"),
    NAME("Name"),
    NAME("Visible"),
    NAME("core::Transform"),
    NAME("core::GltfContainer"),
    NAME("core-schema::Name"),
    NAME("inspector::Config"),
    NAME("inspector::TransformConfig"),
    NAME("inspector::Nodes"),
    NAME("inspector::Selection"),
    NAME("composite::root"),
    NAME("core::PointerEvents"),
    NAME("core::MeshRenderer"),
    NAME("core::MeshCollider"),
    NAME("core::Material"),
    NAME("core::Animator"),
    NAME("core::TextShape"),
    NAME("core::VisibilityComponent"),
    NAME("core::NftShape"),
    NAME("core::AudioSource"),
    NAME("core::VideoPlayer"),
    NAME("core::Tween"),
    NAME("core::LightSource"),
    NAME("core-schema::Sync-Components"),
    NAME("core-schema::Network-Entity"),
    NAME("asset-packs::Actions"),
    NAME("asset-packs::Triggers"),
    NAME("asset-packs::States"),
    NAME("asset-packs::Counter"),
    NAME("NFTShape"),
    NAME("Script"),
};

/* Where a name is found: at its hash, or at the next places, up to a free one (0). 1 + the
 * index. tests/crdt/test_well_known.c finds every name here. */
static const uint8_t slots[256] = {
    87, 0,  62, 0,  0,  0,  55, 0,  70, 0,  0,  0,  0,  0,  47, 0,  0,  0,  52, 15,
    86, 81, 0,  0,  0,  18, 0,  0,  0,  54, 2,  10, 3,  0,  0,  0,  0,  0,  0,  0,
    93, 0,  0,  0,  0,  0,  84, 25, 0,  0,  24, 0,  0,  0,  0,  0,  0,  0,  29, 0,
    5,  0,  0,  27, 0,  0,  22, 0,  0,  0,  0,  7,  0,  0,  0,  64, 0,  12, 0,  63,
    0,  57, 0,  0,  0,  0,  0,  0,  36, 0,  0,  0,  0,  0,  33, 0,  0,  0,  0,  0,
    80, 0,  0,  0,  0,  0,  0,  77, 0,  0,  0,  0,  67, 32, 0,  0,  0,  59, 0,  0,
    0,  0,  0,  72, 0,  0,  0,  0,  0,  11, 0,  9,  94, 85, 0,  6,  0,  0,  0,  89,
    96, 75, 35, 91, 13, 0,  0,  0,  0,  95, 16, 0,  0,  69, 0,  1,  0,  0,  92, 14,
    4,  60, 40, 0,  0,  49, 50, 0,  37, 39, 21, 65, 0,  0,  28, 0,  0,  0,  0,  0,
    19, 0,  0,  17, 38, 0,  0,  0,  76, 0,  0,  58, 0,  0,  0,  0,  0,  90, 88, 0,
    0,  0,  26, 56, 51, 0,  0,  78, 79, 0,  82, 0,  41, 20, 66, 53, 0,  45, 0,  0,
    0,  46, 48, 0,  44, 0,  43, 0,  0,  34, 42, 73, 0,  0,  31, 30, 61, 0,  0,  0,
    71, 74, 0,  0,  0,  0,  0,  0,  0,  68, 23, 83, 0,  8,  0,  0,
};

size_t crdt_well_known_find(crdt_span name, uint8_t hash)
{
    for (;; hash++) {
        uint8_t index = slots[hash];
        if (index == 0) {
            return CRDT_WELL_KNOWN_COUNT;
        }
        if (crdt_span_equal(crdt_well_known_names[index - 1], name)) {
            return index - 1u;
        }
    }
}
