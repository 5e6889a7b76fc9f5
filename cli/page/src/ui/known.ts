/* What the page knows of components: how people call them, what they begin with, and which
 * editor fits a field. Scenes hold others too; those are shown by the shape of their values. */
import type { Component, Entity, Json, JsonObject, Scene } from '../core/types.ts';
import type { IconName } from './icon.tsx';

export interface FieldHint {
    readonly options?: readonly { readonly value: Json; readonly label: string }[];
    readonly long?: boolean; /* text of several lines */
    readonly step?: number;  /* of a number, a pixel's drag */
    readonly min?: number;
    readonly max?: number;
    readonly unit?: string;
    readonly hidden?: boolean; /* shown elsewhere */
    readonly label?: string;
    readonly euler?: boolean; /* a quaternion that is a rotation */
    readonly otherwise?: Json; /* what counts where the field is missing: shown, so it can be set */
}

export interface Known {
    readonly title: string;
    readonly icon: IconName;
    readonly about?: string;
    /* What a new one holds; missing: it is not offered. */
    readonly begin?: Json;
    readonly fields?: { readonly [field: string]: FieldHint };
}

const ONE = { x: 1, y: 1, z: 1 };
const NAUGHT = { x: 0, y: 0, z: 0 };
const WHITE = { r: 1, g: 1, b: 1, a: 1 };
const TRANSFORM: Json = { position: NAUGHT, rotation: { x: 0, y: 0, z: 0, w: 1 }, scale: ONE };
const SHAPE: JsonObject = { withCollisions: true, isPointerBlocker: true, visible: true };
const TRANSFORM_FIELDS = {
    position: { unit: 'm', step: 0.01 },
    rotation: { euler: true, step: 0.5 },
    scale: { step: 0.01 },
    parent: { hidden: true },
};
const UNIT = { min: 0, max: 1, step: 0.01 };

const shape = (title: string, icon: IconName): Known => ({
    title,
    icon,
    begin: SHAPE,
    fields: {
        withCollisions: { label: 'Collisions' },
        isPointerBlocker: { label: 'Clickable' },
        visible: {},
    },
});

const NFT_STYLES = [
    'Classic', 'Baroque ornament', 'Diamond ornament', 'Minimal wide', 'Minimal grey', 'Blocky',
    'Gold edges', 'Gold carved', 'Gold wide', 'Gold rounded', 'Metal medium', 'Metal wide',
    'Metal slim', 'Metal rounded', 'Pins', 'Minimal black', 'Minimal white', 'Tape', 'Wood slim',
    'Wood wide', 'Wood twigs', 'Canvas', 'None',
].map((label, value) => ({ value, label }));

const MASKS = [
    { value: 0, label: 'None' },
    { value: 1, label: 'Pointer' },
    { value: 2, label: 'Physics' },
    { value: 3, label: 'Pointer and physics' },
];
const ALIGN = [
    'Top left', 'Top centre', 'Top right', 'Middle left', 'Middle centre', 'Middle right',
    'Bottom left', 'Bottom centre', 'Bottom right',
].map((label, value) => ({ value, label }));

const mesh = (kind: string): Json => ({ mesh: { $case: kind, [kind]: kind === 'box' || kind === 'plane' ? { uvs: [] } : {} } });

const EARLIER: { readonly [name: string]: Known } = {
    Transform: { title: 'Transform', icon: 'move', begin: TRANSFORM, fields: TRANSFORM_FIELDS },
    GLTFShape: {
        title: 'Model',
        icon: 'model',
        about: 'A model of the scene’s files (GLB, glTF)',
        begin: { ...SHAPE, src: '' },
        fields: {
            withCollisions: { label: 'Collisions' },
            isPointerBlocker: { label: 'Clickable' },
            src: { label: 'File' },
            assetId: { label: 'Asset' },
        },
    },
    NFTShape: {
        title: 'NFT frame',
        icon: 'image',
        about: 'A framed picture of a token',
        begin: { src: 'ethereum://', color: { r: 0.6, g: 0.6, b: 1, a: 1 }, style: 0 },
        fields: { style: { options: NFT_STYLES }, src: { label: 'Token' }, assetId: { label: 'Asset' } },
    },
    BoxShape: shape('Box', 'box'),
    SphereShape: shape('Sphere', 'sphere'),
    PlaneShape: shape('Plane', 'plane'),
    CylinderShape: shape('Cylinder', 'cylinder'),
    ConeShape: shape('Cone', 'cone'),
    CircleShape: { ...shape('Circle', 'sphere'), begin: undefined },
    TextShape: {
        title: 'Text',
        icon: 'text',
        about: 'Text that stands in the scene',
        begin: { value: 'Text', fontSize: 10, color: { r: 1, g: 1, b: 1 }, visible: true },
        fields: { value: { long: true, label: 'Text' }, fontSize: { min: 0, step: 0.1 }, opacity: UNIT, lineSpacing: { step: 0.1 } },
    },
    Billboard: { title: 'Billboard', icon: 'turn', about: 'Turns to who looks at it', begin: { x: true, y: true, z: true } },
    BasicMaterial: { title: 'Basic material', icon: 'material', begin: { alphaTest: 0.5 } },
    PBRMaterial: {
        title: 'Material',
        icon: 'material',
        about: 'Colour, metal and roughness of a shape',
        begin: { albedoColor: { r: 0.8, g: 0.8, b: 0.8 }, metallic: 0, roughness: 0.6 },
        fields: { metallic: UNIT, roughness: UNIT, alphaTest: UNIT, albedoColor: { label: 'Colour' } },
    },
    Material: {
        title: 'Material',
        icon: 'material',
        fields: { metallic: UNIT, roughness: UNIT, alphaTest: UNIT, albedoColor: { label: 'Colour' } },
    },
    AudioSource: {
        title: 'Sound',
        icon: 'sound',
        about: 'A sound that is heard from here',
        begin: { audioClipId: '', loop: true, playing: true, volume: 1, pitch: 1 },
        fields: { volume: UNIT, pitch: { step: 0.01 } },
    },
    AudioStream: { title: 'Audio stream', icon: 'sound', begin: { url: '', playing: true, volume: 1 }, fields: { volume: UNIT } },
    Animator: { title: 'Animator', icon: 'play', begin: { states: [] } },
    Script: {
        title: 'Script',
        icon: 'script',
        about: 'A smart item, with its values',
        begin: { assetId: '', values: {} },
        fields: { assetId: { label: 'Asset' } },
    },
    Name: { title: 'Name', icon: 'tag', begin: { value: '' }, fields: { value: { label: 'Name' }, builderValue: { label: 'In scripts' } } },
    LockedOnEdit: { title: 'Locked', icon: 'lock', fields: { isLocked: { label: 'Locked' } } },
    VisibleOnEdit: { title: 'Visible', icon: 'eye', fields: { isVisible: { label: 'Visible' } } },
};

const CORE: { readonly [name: string]: Known } = {
    'core::Transform': { ...EARLIER.Transform!, },
    'core::GltfContainer': {
        title: 'Model',
        icon: 'model',
        about: 'A model of the scene’s files (GLB, glTF)',
        begin: { src: '', visibleMeshesCollisionMask: 0, invisibleMeshesCollisionMask: 3 },
        fields: {
            src: { label: 'File' },
            visibleMeshesCollisionMask: { label: 'Seen parts', options: MASKS },
            invisibleMeshesCollisionMask: { label: 'Unseen parts', options: MASKS },
        },
    },
    'core::MeshRenderer': { title: 'Shape', icon: 'box', about: 'A box, sphere, plane or cylinder', begin: mesh('box') },
    'core::MeshCollider': { title: 'Collider', icon: 'box', begin: { collisionMask: 3, ...(mesh('box') as JsonObject) }, fields: { collisionMask: { options: MASKS } } },
    'core::Material': {
        title: 'Material',
        icon: 'material',
        about: 'Colour, metal and roughness of a shape',
        begin: { material: { $case: 'pbr', pbr: { albedoColor: { r: 0.8, g: 0.8, b: 0.8, a: 1 }, metallic: 0, roughness: 0.6 } } },
        fields: { metallic: UNIT, roughness: UNIT, alphaTest: UNIT, albedoColor: { label: 'Colour' } },
    },
    'core::TextShape': {
        title: 'Text',
        icon: 'text',
        about: 'Text that stands in the scene',
        begin: { text: 'Text', fontSize: 10, textColor: WHITE },
        fields: { text: { long: true }, fontSize: { min: 0, step: 0.1 }, textAlign: { options: ALIGN } },
    },
    'core::NftShape': { title: 'NFT frame', icon: 'image', begin: { urn: 'urn:decentraland:ethereum:erc721:', style: 0, color: { r: 1, g: 1, b: 1 } }, fields: { style: { options: NFT_STYLES } } },
    'core::VisibilityComponent': { title: 'Visibility', icon: 'eye', begin: { visible: true } },
    'core::Billboard': {
        title: 'Billboard',
        icon: 'turn',
        about: 'Turns to who looks at it',
        begin: { billboardMode: 7 },
        fields: { billboardMode: { options: [{ value: 0, label: 'Off' }, { value: 1, label: 'X' }, { value: 2, label: 'Y' }, { value: 4, label: 'Z' }, { value: 7, label: 'All' }] } },
    },
    'core::Animator': { title: 'Animator', icon: 'play', begin: { states: [] } },
    'core::AudioSource': { title: 'Sound', icon: 'sound', begin: { audioClipUrl: '', playing: true, loop: true, volume: 1, pitch: 1 }, fields: { volume: UNIT } },
    'core::AudioStream': { title: 'Audio stream', icon: 'sound', begin: { url: '', playing: true, volume: 1 }, fields: { volume: UNIT } },
    'core::VideoPlayer': { title: 'Video', icon: 'video', begin: { src: '', playing: true, volume: 1, loop: false }, fields: { volume: UNIT } },
    'core::LightSource': {
        title: 'Light',
        icon: 'light',
        begin: { type: { $case: 'point', point: {} }, color: { r: 1, g: 1, b: 1 }, intensity: 16000, range: 10, active: true },
        fields: { intensity: { min: 0, step: 100 }, range: { min: 0, step: 0.1 } },
    },
    'core::PointerEvents': { title: 'Pointer events', icon: 'pointer', begin: { pointerEvents: [] } },
    'core::Tween': {
        title: 'Tween',
        icon: 'turn',
        begin: { duration: 1000, easingFunction: 0, mode: { $case: 'move', move: { start: NAUGHT, end: NAUGHT } }, playing: true },
        fields: { duration: { unit: 'ms', min: 0, step: 10 } },
    },
    'core-schema::Name': { title: 'Name', icon: 'tag', begin: { value: '' }, fields: { value: { label: 'Name' } } },
    'core-schema::Tags': { title: 'Tags', icon: 'tag', begin: { tags: [] } },
    'asset-packs::Actions': { title: 'Actions', icon: 'script' },
    'asset-packs::Triggers': { title: 'Triggers', icon: 'script' },
    'asset-packs::States': { title: 'States', icon: 'script' },
    'inspector::Lock': { title: 'Locked', icon: 'lock', fields: { value: { label: 'Locked' } } },
    'inspector::Hide': { title: 'Hidden', icon: 'eye', fields: { value: { label: 'Hidden' } } },
};

/* Of a second one of its type ("Script#2") too. */
export function knownOf(component: string): Known {
    const type = component.replace(/#\d+$/, '');
    const found = (Object.hasOwn(EARLIER, type) && EARLIER[type]) || (Object.hasOwn(CORE, type) && CORE[type]);
    return found || { title: type.replace(/^.*::/, ''), icon: 'component' };
}

/* Names of fields are others' doing: what every object has by itself is no hint. */
export function hintOf(hints: Known['fields'], field: string): FieldHint | undefined {
    return hints && Object.hasOwn(hints, field) ? hints[field] : undefined;
}

/* Whether the scene is of SDK7, whose components have other names. */
export function isCore(scene: Scene): boolean {
    for (const entity of scene.entities.values()) {
        for (const name of entity.components.keys()) {
            if (name.includes('::')) {
                return true;
            }
        }
        if (entity.components.has('Transform')) {
            return false;
        }
    }
    return false;
}

export interface Offer {
    readonly name: string;
    readonly known: Known;
}

/* What may be added to entities of this scene. */
export function offers(core: boolean): readonly Offer[] {
    return Object.entries(core ? CORE : EARLIER)
        .filter(([, known]) => known.begin !== undefined)
        .map(([name, known]) => ({ name, known }));
}

export interface Thing {
    readonly label: string;
    readonly icon: IconName;
    readonly components: { readonly [name: string]: Json };
}

/* New things by shape, for the menu "Add entity"; their names are made unique by who adds. */
export function things(core: boolean): readonly Thing[] {
    const name = core ? 'core-schema::Name' : 'Name';
    const make = (label: string, icon: IconName, components: { readonly [name: string]: Json }): Thing => ({
        label,
        icon,
        components: { ...components, [name]: { value: label } },
    });
    if (core) {
        const grey: Json = CORE['core::Material']!.begin!;
        const solid = (kind: string): { readonly [name: string]: Json } => ({
            'core::MeshRenderer': mesh(kind),
            'core::MeshCollider': { collisionMask: 3, ...(mesh(kind) as JsonObject) },
            'core::Material': grey,
        });
        return [
            make('Empty', 'empty', {}),
            make('Box', 'box', solid('box')),
            make('Sphere', 'sphere', solid('sphere')),
            make('Plane', 'plane', solid('plane')),
            make('Cylinder', 'cylinder', solid('cylinder')),
            make('Text', 'text', { 'core::TextShape': CORE['core::TextShape']!.begin! }),
        ];
    }
    const solid = (type: string): { readonly [name: string]: Json } => ({
        [type]: SHAPE,
        PBRMaterial: EARLIER.PBRMaterial!.begin!,
    });
    return [
        make('Empty', 'empty', {}),
        make('Box', 'box', solid('BoxShape')),
        make('Sphere', 'sphere', solid('SphereShape')),
        make('Plane', 'plane', solid('PlaneShape')),
        make('Cylinder', 'cylinder', solid('CylinderShape')),
        make('Cone', 'cone', solid('ConeShape')),
        make('Text', 'text', { TextShape: EARLIER.TextShape!.begin! }),
    ];
}

const MODELS = ['GLTFShape', 'core::GltfContainer'];

/* Models that stand in the scene already, once each, so that more of them can be added. */
export function sceneModels(scene: Scene): readonly Thing[] {
    const found = new Map<string, Thing>();
    for (const entity of scene.entities.values()) {
        for (const type of MODELS) {
            const data = entity.components.get(type)?.data;
            if (typeof data !== 'object' || data === null || Array.isArray(data)) {
                continue;
            }
            const key = JSON.stringify([data.assetId ?? null, data.src ?? null]);
            if (found.size < 500 && !found.has(key)) {
                const label = scene.label(entity.id).replace(/\s*\(?\d+\)?$/, '') || scene.label(entity.id);
                const name = type === 'GLTFShape' ? 'Name' : 'core-schema::Name';
                found.set(key, { label, icon: 'model', components: { [type]: data, [name]: { value: label } } });
            }
        }
    }
    return [...found.values()].sort((a, b) => a.label.localeCompare(b.label));
}

const ICON_ORDER: readonly [RegExp, IconName][] = [
    [/^(GLTFShape|core::GltfContainer|OBJShape)/, 'model'],
    [/^(NFTShape|core::NftShape)/, 'image'],
    [/^(TextShape|core::TextShape)/, 'text'],
    [/^SphereShape/, 'sphere'],
    [/^PlaneShape/, 'plane'],
    [/^CylinderShape/, 'cylinder'],
    [/^ConeShape/, 'cone'],
    [/^(BoxShape|core::MeshRenderer)/, 'box'],
    [/^core::LightSource/, 'light'],
    [/^core::VideoPlayer/, 'video'],
    [/^(AudioSource|AudioStream|core::Audio)/, 'sound'],
    [/^Script/, 'script'],
];

/* What an entity is, at a glance. */
export function entityIcon(entity: Entity | undefined): IconName {
    if (entity) {
        for (const [pattern, icon] of ICON_ORDER) {
            for (const name of entity.components.keys()) {
                if (pattern.test(name)) {
                    return icon === 'box' ? meshIcon(entity.components.get('core::MeshRenderer')) : icon;
                }
            }
        }
    }
    return 'empty';
}

function meshIcon(renderer: Component | undefined): IconName {
    const text = JSON.stringify(renderer?.data ?? null);
    for (const kind of ['sphere', 'plane', 'cylinder'] as const) {
        if (text.includes(`"$case":"${kind}"`) || text.startsWith(`{"mesh":{"${kind}"`)) {
            return kind;
        }
    }
    return 'box';
}

/* "withCollisions" -> "With collisions" */
export function fieldLabel(field: string, hint?: FieldHint): string {
    if (hint?.label) {
        return hint.label;
    }
    const words = field
        .replace(/([a-z\d])([A-Z])/g, '$1 $2')
        .replace(/[_-]+/g, ' ')
        .trim();
    return words === '' ? field : words[0]!.toUpperCase() + words.slice(1).toLowerCase();
}
