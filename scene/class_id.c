#include "scene/class_id.h"

/* Of a number that stands twice, the first type is the one it names. */
static const scene_class_code CODES[] = {
    {1, "Transform", "engine.transform", false, false},
    {8, "OnUUIDEvent", "engine.onUUIDEvent", false, false},
    {16, "BoxShape", "engine.shape", true, false},
    {17, "SphereShape", "engine.shape", true, false},
    {18, "PlaneShape", "engine.shape", true, false},
    {19, "ConeShape", "engine.shape", true, false},
    {20, "CylinderShape", "engine.shape", true, false},
    {21, "TextShape", "engine.text", false, false},
    {22, "NFTShape", "engine.shape", true, false},
    {23, "UIWorldSpace", "engine.shape", true, false},
    {24, "UICanvas", "engine.shape", true, false},
    {25, "UIContainerRect", "engine.shape", true, false},
    {26, "UIContainerStack", "engine.shape", true, false},
    {27, "UIText", "engine.shape", true, false},
    {28, "UIInputText", "engine.shape", true, false},
    {29, "UIImage", "engine.shape", true, false},
    {30, "UIScrollRect", "engine.shape", true, false},
    {31, "CircleShape", "engine.shape", true, false},
    {32, "Billboard", "engine.billboard", false, false},
    {33, "Animator", "engine.animator", false, false},
    {34, "Font", "engine.font", true, false},
    {40, "UIFullScreen", "engine.shape", true, false},
    {41, "UIButton", "engine.shape", true, false},
    {54, "GLTFShape", "engine.shape", true, false},
    {55, "OBJShape", "engine.shape", true, false},
    {56, "AvatarShape", "engine.avatarShape", false, false},
    {64, "BasicMaterial", "engine.material", true, false},
    {65, "PBRMaterial", "engine.material", true, false},
    {65, "Material", "engine.material", true, false},
    {68, "Texture", "engine.texture", true, false},
    {70, "VideoClip", "engine.VideoClip", true, false},
    {71, "VideoTexture", "engine.VideoTexture", true, false},
    {72, "AvatarTexture", "engine.texture", true, false},
    {200, "AudioClip", "engine.AudioClip", true, false},
    {201, "AudioSource", "engine.AudioSource", false, false},
    {202, "AudioStream", "engine.AudioStream", false, false},
    {203, "Gizmos", "engine.gizmos", false, false},
    {204, "Script", "engine.smartItem", false, true},
    {205, "AvatarModifierArea", "engine.avatarModifierArea", false, false},
    {206, "AttachToAvatar", "engine.transform", false, false},
    {207, "CameraModeArea", "engine.cameraModeArea", false, false},
    {300, "Name", "engine.name", true, true},
    {301, "LockedOnEdit", "engine.lockedOnEdit", true, true},
    {302, "VisibleOnEdit", "engine.visibleOnEdit", true, true},
};
#define CODE_COUNT (sizeof(CODES) / sizeof(CODES[0]))

/* The components of SDK7 with fixed numbers. */
static const struct {
    uint32_t id;
    const char *type;
} CORES[] = {
    {1, "core::Transform"},
    {1042, "core::Animator"},
    {1213, "core::AssetLoad"},
    {1214, "core::AssetLoadLoadingState"},
    {1212, "core::AudioAnalysis"},
    {1105, "core::AudioEvent"},
    {1020, "core::AudioSource"},
    {1021, "core::AudioStream"},
    {1073, "core::AvatarAttach"},
    {1087, "core::AvatarBase"},
    {1088, "core::AvatarEmoteCommand"},
    {1091, "core::AvatarEquippedData"},
    {1211, "core::AvatarLocomotionSettings"},
    {1070, "core::AvatarModifierArea"},
    {1221, "core::AvatarNametag"},
    {1080, "core::AvatarShape"},
    {1090, "core::Billboard"},
    {1072, "core::CameraMode"},
    {1071, "core::CameraModeArea"},
    {1048, "core::EngineInfo"},
    {1220, "core::ExplorerUiEventsResult"},
    {1041, "core::GltfContainer"},
    {1049, "core::GltfContainerLoadingState"},
    {1099, "core::GltfNodeModifiers"},
    {1078, "core::InputModifier"},
    {1079, "core::LightSource"},
    {1075, "core::MainCamera"},
    {1097, "core::MapPin"},
    {1017, "core::Material"},
    {1019, "core::MeshCollider"},
    {1018, "core::MeshRenderer"},
    {1040, "core::NftShape"},
    {1217, "core::ParticleSystem"},
    {1216, "core::PhysicsCombinedForce"},
    {1215, "core::PhysicsCombinedImpulse"},
    {1089, "core::PlayerIdentityData"},
    {1062, "core::PointerEvents"},
    {1063, "core::PointerEventsResult"},
    {1074, "core::PointerLock"},
    {1209, "core::PrimaryPointerInfo"},
    {1067, "core::Raycast"},
    {1068, "core::RaycastResult"},
    {1106, "core::RealmInfo"},
    {1210, "core::SkyboxTime"},
    {1030, "core::TextShape"},
    {1218, "core::TouchScreenControls"},
    {1060, "core::TriggerArea"},
    {1061, "core::TriggerAreaResult"},
    {1102, "core::Tween"},
    {1104, "core::TweenSequence"},
    {1103, "core::TweenState"},
    {1053, "core::UiBackground"},
    {1054, "core::UiCanvasInformation"},
    {1094, "core::UiDropdown"},
    {1096, "core::UiDropdownResult"},
    {1093, "core::UiInput"},
    {1219, "core::UiInputBinding"},
    {1095, "core::UiInputResult"},
    {1052, "core::UiText"},
    {1050, "core::UiTransform"},
    {1044, "core::VideoEvent"},
    {1043, "core::VideoPlayer"},
    {1076, "core::VirtualCamera"},
    {1081, "core::VisibilityComponent"},
};
#define CORE_COUNT (sizeof(CORES) / sizeof(CORES[0]))

/* Those without that are met in scenes: their numbers can be turned back. */
static const char *const CUSTOMS[] = {
    "core-schema::Name",
    "core-schema::Tags",
    "core-schema::Network-Entity",
    "core-schema::Network-Parent",
    "core-schema::Sync-Components",
    "composite::root",
    "asset-packs::Actions",
    "asset-packs::ActionTypes",
    "asset-packs::AdminTools",
    "asset-packs::Counter",
    "asset-packs::CounterBar",
    "asset-packs::Placeholder",
    "asset-packs::Rewards",
    "asset-packs::Script",
    "asset-packs::States",
    "asset-packs::TextAnnouncements",
    "asset-packs::Triggers",
    "asset-packs::VideoControlState",
    "asset-packs::VideoScreen",
    "inspector::Config",
    "inspector::Ground",
    "inspector::Hide",
    "inspector::Lock",
    "inspector::Nodes",
    "inspector::Scene",
    "inspector::SceneMetadata",
    "inspector::SceneMetadata-v1",
    "inspector::SceneMetadata-v2",
    "inspector::SceneMetadata-v3",
    "inspector::SceneMetadata-v4",
    "inspector::SceneMetadata-v5",
    "inspector::Selection",
    "inspector::Tile",
    "inspector::TransformConfig",
    "inspector::UIState",
};
#define CUSTOM_COUNT (sizeof(CUSTOMS) / sizeof(CUSTOMS[0]))

#define CRC_NAME_SIZE 128u /* bytes the SDK takes the CRC of */
#define STATIC_COUNT 2048u /* numbers below are fixed ones */

/* CRC-32 as in zip files (reflected, polynomial 04C11DB7). */
static uint32_t crc_step(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0xEDB88320) : 0);
    }
    return crc;
}

static uint32_t custom_id(crdt_span type)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < CRC_NAME_SIZE; i++) {
        crc = crc_step(crc, i < type.size ? type.data[i] : 0);
    }
    return ~crc + STATIC_COUNT;
}

const scene_class_code *scene_class_id_code(crdt_span type)
{
    for (size_t i = 0; i < CODE_COUNT; i++) {
        if (crdt_span_equal(type, crdt_span_of(CODES[i].type))) {
            return &CODES[i];
        }
    }
    return NULL;
}

bool scene_class_id(crdt_span type, scene_format origin, uint32_t *id)
{
    if (origin != SCENE_FORMAT_COMPOSITE) {
        const scene_class_code *code = scene_class_id_code(type);
        if (code != NULL) {
            *id = code->id;
        }
        return code != NULL;
    }
    for (size_t i = 0; i < CORE_COUNT; i++) {
        if (crdt_span_equal(type, crdt_span_of(CORES[i].type))) {
            *id = CORES[i].id;
            return true;
        }
    }
    *id = custom_id(type);
    return true;
}

bool scene_class_id_type(uint32_t id, scene_format origin, crdt_span *type)
{
    for (size_t i = 0; origin != SCENE_FORMAT_COMPOSITE && i < CODE_COUNT; i++) {
        if (CODES[i].id == id) {
            *type = crdt_span_of(CODES[i].type);
            return true;
        }
    }
    for (size_t i = 0; origin == SCENE_FORMAT_COMPOSITE && i < CORE_COUNT; i++) {
        if (CORES[i].id == id) {
            *type = crdt_span_of(CORES[i].type);
            return true;
        }
    }
    for (size_t i = 0; origin == SCENE_FORMAT_COMPOSITE && i < CUSTOM_COUNT; i++) {
        if (custom_id(crdt_span_of(CUSTOMS[i])) == id) {
            *type = crdt_span_of(CUSTOMS[i]);
            return true;
        }
    }
    return false;
}
