/* What components are called in the two worlds a scene may come from, and what an entity is
 * called on the screen. */

import { isObject, member, textOf } from './json.ts';
import type { Component, ComponentName, Entity, Json } from './types.ts';

/* SDK6 scenes (states, Builder manifests) and SDK7 scenes (composites) spell them apart. */
export interface Spelling {
    readonly transform: ComponentName;
    readonly name: ComponentName;
    readonly lock: ComponentName;
    readonly lockField: string;
    readonly hide: ComponentName;
    readonly hideField: string;
    readonly hiddenWhen: boolean; /* the value of hideField in what is hidden */
    readonly numericParents: boolean;
}

export const SDK6: Spelling = {
    transform: 'Transform', name: 'Name', lock: 'LockedOnEdit', lockField: 'isLocked',
    hide: 'VisibleOnEdit', hideField: 'isVisible', hiddenWhen: false, numericParents: false,
};
export const SDK7: Spelling = {
    transform: 'core::Transform', name: 'core-schema::Name', lock: 'inspector::Lock', lockField: 'value',
    hide: 'inspector::Hide', hideField: 'value', hiddenWhen: true, numericParents: true,
};

/* Does a component of this name only occur in SDK7 scenes? */
export function isSdk7Name(name: ComponentName): boolean {
    return name.startsWith('core::') || name.startsWith('core-schema::') || name.startsWith('inspector::');
}

/* The component in either spelling. */
export function findComponent(entity: Entity | undefined,
                              which: 'transform' | 'name' | 'lock' | 'hide'): Component | undefined {
    return entity?.components.get(SDK6[which]) ?? entity?.components.get(SDK7[which]);
}

export function isLocked(entity: Entity | undefined): boolean {
    return member(entity?.components.get(SDK6.lock)?.data, SDK6.lockField) === true ||
           member(entity?.components.get(SDK7.lock)?.data, SDK7.lockField) === true;
}

export function isHidden(entity: Entity | undefined): boolean {
    return member(entity?.components.get(SDK6.hide)?.data, SDK6.hideField) === SDK6.hiddenWhen ||
           member(entity?.components.get(SDK7.hide)?.data, SDK7.hideField) === SDK7.hiddenWhen;
}

/* The id that a `parent` value names; null: the root. As scene/layout.h says. */
export function parentOf(value: Json | undefined): string | null {
    if (typeof value === 'string') {
        return value === '' || value === '0' ? null : value;
    }
    return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? String(value) : null;
}

/* ---- what an entity is called on the screen ---- */

/* Shapes that say something about the entity, the telling ones first. */
const SHAPES: readonly [ComponentName, string][] = [
    ['GLTFShape', 'Model'], ['core::GltfContainer', 'Model'], ['NFTShape', 'Picture'], ['core::NftShape', 'Picture'],
    ['TextShape', 'Text'], ['core::TextShape', 'Text'], ['BoxShape', 'Box'], ['SphereShape', 'Sphere'],
    ['PlaneShape', 'Plane'], ['CylinderShape', 'Cylinder'], ['ConeShape', 'Cone'], ['CircleShape', 'Circle'],
    ['OBJShape', 'Model'], ['VideoPlayer', 'Video'], ['core::VideoPlayer', 'Video'], ['core::MeshRenderer', 'Shape'],
    ['AudioSource', 'Sound'], ['core::AudioSource', 'Sound'], ['Script', 'Smart item'], ['core::LightSource', 'Light'],
    ['AvatarShape', 'Avatar'], ['core::AvatarShape', 'Avatar'],
];

/* "models/lime_tree.glb" -> "lime_tree" */
function fileName(path: string): string {
    const last = path.slice(path.lastIndexOf('/') + 1);
    const dot = last.lastIndexOf('.');
    return dot > 0 ? last.slice(0, dot) : last;
}

const MESHES: Readonly<Record<string, string>> = { box: 'Box', sphere: 'Sphere', cylinder: 'Cylinder', plane: 'Plane' };

function shapeName(name: ComponentName, data: Json, kind: string): string {
    const src = textOf(data, 'src');
    if (kind === 'Model' && src) {
        return fileName(src) || kind;
    }
    if (kind === 'Text') {
        return (textOf(data, 'value') ?? textOf(data, 'text') ?? '').trim().slice(0, 40) || kind;
    }
    if (name === 'core::MeshRenderer') {
        const mesh = textOf(member(data, 'mesh'), '$case') ??
                     (isObject(data) ? Object.keys(data).find((key) => Object.hasOwn(MESHES, key)) : undefined);
        return (mesh !== undefined && MESHES[mesh]) || kind;
    }
    return kind;
}

/* Its name, else the name of its shape, else its id. */
export function labelOf(entity: Entity, ownName: string | undefined): string {
    const named = textOf(findComponent(entity, 'name')?.data, 'value')?.trim();
    if (named) {
        return named;
    }
    if (ownName?.trim()) {
        return ownName.trim();
    }
    for (const [name, kind] of SHAPES) {
        const component = entity.components.get(name);
        if (component) {
            return shapeName(name, component.data, kind);
        }
    }
    return entity.id;
}

/* "Lamp" -> "Lamp 2", "Lamp 2" -> "Lamp 3": the next that nobody has. */
export function nextName(name: string, taken: ReadonlySet<string>): string {
    const found = /^(.*?)[ _]?(?<!\d)(\d{1,9})$/.exec(name); /* longer ones are no counts */
    const base = found?.[1] || name;
    for (let number = found?.[1] ? Number(found[2]) + 1 : 2;; number++) {
        const candidate = `${base} ${number}`;
        if (!taken.has(candidate)) {
            return candidate;
        }
    }
}
