/* What an entity looks like, read from its components; no three in here.
 *
 * Components come in the spellings of the scene formats: "GLTFShape" and "core::GltfContainer",
 * "BoxShape" and "core::MeshRenderer" with a box in it, "Script#2". Values are foreign. */
import type { Entity, Json, JsonObject } from '../core/types';

/* Sizes are those the engine gives each form: a ball of the older scenes has radius 1. */
export type Form =
    | { readonly shape: 'box' | 'plane' | 'disc' }
    | { readonly shape: 'sphere'; readonly radius: number }
    | { readonly shape: 'cylinder'; readonly top: number; readonly bottom: number; readonly height: number };

export type Mark = 'script' | 'picture' | 'video' | 'sound' | 'light' | 'area' | 'avatar' | 'place';

export type Look =
    | { readonly kind: 'model' }
    | { readonly kind: 'form'; readonly form: Form; readonly color: number; readonly opacity: number; readonly lit: boolean }
    | { readonly kind: 'text'; readonly text: string; readonly color: string; readonly size: number }
    | { readonly kind: 'mark'; readonly mark: Mark; readonly color: number };

interface Paint {
    readonly color: number;
    readonly opacity: number;
    readonly lit: boolean;
}

const PLAIN: Paint = { color: 0xc9ced6, opacity: 1, lit: true };
const TEXT_MAX = 400; /* characters that are drawn */

function object(value: Json | undefined): JsonObject {
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

function finite(value: Json | undefined, otherwise: number, most: number): number {
    return typeof value === 'number' && Number.isFinite(value) ? Math.min(most, Math.max(0, value)) : otherwise;
}

/* "core::Material#2" -> "Material". */
export function typeOf(name: string): string {
    const at = name.lastIndexOf('#');
    const bare = at > 0 ? name.slice(0, at) : name;
    return bare.startsWith('core::') ? bare.slice(6) : bare;
}

/* {r, g, b} of 0 to 1, or "#rrggbb". */
function colorOf(value: Json | undefined): { color: number; alpha: number } | null {
    if (typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)) {
        return { color: parseInt(value.slice(1), 16), alpha: 1 };
    }
    const { r, g, b, a } = object(value);
    if (typeof r !== 'number' || typeof g !== 'number' || typeof b !== 'number') {
        return null;
    }
    const byte = (part: number) => Math.round(finite(part, 0, 1) * 255);
    return { color: (byte(r) << 16) | (byte(g) << 8) | byte(b), alpha: finite(a, 1, 1) };
}

/* One-ofs are written {"$case":"pbr","pbr":{...}} or {"pbr":{...}}. */
function paintOf(material: JsonObject): Paint {
    const inner = object(material['material']);
    const unlit = object(inner['unlit']);
    const data = 'unlit' in inner ? unlit : 'pbr' in inner ? object(inner['pbr']) : material;
    const found = colorOf(data['albedoColor']) ?? colorOf(data['diffuseColor']) ?? colorOf(data['color']);
    const glow = colorOf(data['emissiveColor']);
    if (!found && glow && glow.color !== 0) {
        return { color: glow.color, opacity: 1, lit: false };
    }
    const opacity = found && found.alpha < 1 ? found.alpha : finite(data['alpha'], 1, 1);
    return { color: found ? found.color : PLAIN.color, opacity: Math.max(0.1, opacity), lit: !('unlit' in inner) };
}

function textOf(data: JsonObject): Look | null {
    const text = data['text'] ?? data['value'];
    if (typeof text !== 'string' || text.trim() === '') {
        return null;
    }
    const color = colorOf(data['textColor']) ?? colorOf(data['color']) ?? { color: 0xffffff };
    const hex = '#' + color.color.toString(16).padStart(6, '0');
    return { kind: 'text', text: text.slice(0, TEXT_MAX), color: hex, size: finite(data['fontSize'], 3, 40) || 3 };
}

function formOf(type: string, data: JsonObject): Form | null {
    switch (type) {
    case 'BoxShape':
        return { shape: 'box' };
    case 'SphereShape':
        return { shape: 'sphere', radius: 1 };
    case 'PlaneShape':
        return { shape: 'plane' };
    case 'CircleShape':
        return { shape: 'disc' };
    case 'ConeShape':
    case 'CylinderShape':
        return { shape: 'cylinder', height: 2,
                 top: finite(data['radiusTop'], type === 'ConeShape' ? 0 : 1, 100), bottom: finite(data['radiusBottom'], 1, 100) };
    default:
        return null;
    }
}

/* A MeshRenderer's {"mesh":{"$case":"box","box":{}}}, or {"box":{}}. */
function meshOf(data: JsonObject): Form | null {
    const mesh = 'mesh' in data ? object(data['mesh']) : data;
    if ('sphere' in mesh) {
        return { shape: 'sphere', radius: 0.5 };
    }
    if ('cylinder' in mesh) {
        const { radiusTop, radiusBottom } = object(mesh['cylinder']);
        return { shape: 'cylinder', height: 1, top: finite(radiusTop, 0.5, 100), bottom: finite(radiusBottom, 0.5, 100) };
    }
    if ('plane' in mesh) {
        return { shape: 'plane' };
    }
    return 'box' in mesh ? { shape: 'box' } : null;
}

/* A map: a component may be called "constructor". */
const MARKS = new Map<string, readonly [Mark, number]>([
    ['NFTShape', ['picture', 0xa48fd6]],
    ['NftShape', ['picture', 0xa48fd6]],
    ['VideoPlayer', ['video', 0x4d7fd1]],
    ['VideoTexture', ['video', 0x4d7fd1]],
    ['Script', ['script', 0xe0a13c]],
    ['asset-packs::Actions', ['script', 0xe0a13c]],
    ['AudioSource', ['sound', 0x3aa78f]],
    ['AudioStream', ['sound', 0x3aa78f]],
    ['LightSource', ['light', 0xf0c648]],
    ['AvatarShape', ['avatar', 0x7d8ca3]],
    ['AvatarModifierArea', ['area', 0x5f8fd0]],
    ['CameraModeArea', ['area', 0x5f8fd0]],
    ['TriggerArea', ['area', 0x5f8fd0]],
]);
/* Of what has a place and shows nothing. */
export const PLACE: Look = { kind: 'mark', mark: 'place', color: 0x8b95a5 };

/* All that is to be drawn of it. Never empty for what has a place: an entity that shows nothing
 * in the world (a script, a sound) is shown by a mark, so that it can be picked. */
export function looksOf(entity: Entity): readonly Look[] {
    const looks: Look[] = [];
    let paint = PLAIN;
    let form: Form | null = null;
    let seen = true;
    let mark: readonly [Mark, number] | undefined;
    let placed = false;
    for (const [name, component] of entity.components) {
        const type = typeOf(name);
        const data = object(component.data);
        placed ||= type === 'Transform';
        if (type === 'GLTFShape' || type === 'GltfContainer' || type === 'OBJShape') {
            looks.push({ kind: 'model' });
        } else if (type === 'TextShape') {
            const text = textOf(data);
            if (text) {
                looks.push(text);
            }
        } else if (type === 'Material' || type === 'BasicMaterial' || type === 'PBRMaterial') {
            paint = paintOf(data);
        } else if (type === 'MeshRenderer') {
            form = meshOf(data) ?? form;
        } else if (type === 'VisibilityComponent') {
            seen = data['visible'] !== false;
        } else {
            form = formOf(type, data) ?? form;
            const found = MARKS.get(type);
            mark = found && (!mark || mark[0] === 'script') ? found : mark;
        }
    }
    if (form) {
        looks.push({ kind: 'form', form, color: paint.color, opacity: seen ? paint.opacity : 0.25, lit: paint.lit });
    }
    if (mark && (looks.length === 0 || mark[0] === 'picture')) {
        looks.push({ kind: 'mark', mark: mark[0], color: mark[1] });
    }
    return looks.length === 0 && placed ? [PLACE] : looks;
}

/* A quiet colour that is always the same for one text. */
export function tintOf(text: string): number {
    let hash = 2166136261;
    for (let i = 0; i < text.length; i++) {
        hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
    }
    const hue = (hash >>> 0) % 360;
    const channel = (n: number) => {
        const k = (n + hue / 30) % 12;
        return Math.round(255 * (0.58 - 0.15 * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
    };
    return (channel(0) << 16) | (channel(8) << 8) | channel(4);
}
