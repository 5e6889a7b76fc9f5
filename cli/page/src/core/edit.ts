/* One edit of one's own, from the moment it is made until the worker has answered: what it
 * does to an entity, how two of them become one, how it is written down. */

import { equal, isObject, member, textOf, withFields } from './json.ts';
import type { Component, ComponentName, Entity, EntityId, Fields, Json, JsonObject, Stamp } from './types.ts';

export type EditKind = 'set' | 'replace' | 'drop' | 'add' | 'remove' | 'restore' | 'undo' | 'redo';

export interface Edit {
    readonly kind: EditKind;
    readonly entity: EntityId;           /* '' of undo and redo */
    readonly step: string;
    readonly component?: ComponentName;  /* set, replace, drop */
    readonly makes?: boolean;            /* set, replace: the component was not there */
    fields?: Fields;                     /* set */
    data?: Json;                         /* replace */
    readonly parts?: readonly (readonly [ComponentName, Json])[]; /* add */
    readonly order?: number;             /* add: its place among the entities */
    readonly seen?: Stamp;
    tried: boolean; /* was on its way once: it may be done though nobody said so */
}

/* A component as it is known: as it is shown, and what was last told of it. */
export interface Part extends Component {
    /* What the worker told with it. One's own writes do not change it. */
    readonly told?: Stamp;
}

export interface Body extends Entity {
    readonly components: ReadonlyMap<ComponentName, Part>;
    readonly ownName?: string; /* what the scene's file calls it, beside its components */
}

/* ---- doing it ---- */

const LAST = 1e9; /* the place of an entity whose maker's page is gone: after all others */

function withPart(body: Body, part: Part): Body {
    return { ...body, components: new Map(body.components).set(part.name, part) };
}

function withoutPart(body: Body, name: ComponentName): Body {
    const components = new Map(body.components);
    components.delete(name);
    return { ...body, components };
}

function partsOf(edit: Edit, pending: boolean, author: string): Map<ComponentName, Part> {
    return new Map((edit.parts ?? []).map(([name, data]) => [name, { name, id: name, data, author, pending }]));
}

/* The entity after the edit. Where the edit has nothing to lie on (what it edits was removed
 * by somebody else), it changes nothing. */
export function applyEdit(body: Body | undefined, edit: Edit, pending: boolean, author: string): Body | undefined {
    if (edit.kind === 'add') {
        return body ?? { id: edit.entity, components: partsOf(edit, pending, author), order: edit.order ?? LAST };
    }
    if (edit.kind === 'remove') {
        return undefined;
    }
    if (body === undefined || edit.component === undefined || !hasTarget(body, edit)) {
        return body;
    }
    const name = edit.component;
    if (edit.kind === 'drop') {
        return withoutPart(body, name);
    }
    const old = body.components.get(name);
    const data = edit.kind === 'set' ? withFields(old?.data, edit.fields ?? {}) : edit.data ?? null;
    return withPart(body, { ...(old ?? { name, id: name }), data, author, pending });
}

/* Is what the edit is about still there? Of components: where it does not make it itself. */
export function hasTarget(body: Body | undefined, edit: Edit): boolean {
    switch (edit.kind) {
    case 'set':
    case 'replace':
        return body !== undefined && (edit.makes === true || body.components.has(edit.component!));
    case 'drop':
        return body?.components.has(edit.component!) === true;
    case 'remove':
        return body !== undefined;
    default:
        return true;
    }
}

/* Does the entity, as it was told anew, already have what the edit wants? */
export function isDone(body: Body | undefined, edit: Edit): boolean {
    switch (edit.kind) {
    case 'add':
    case 'restore':
        return body !== undefined;
    case 'remove':
        return body === undefined;
    case 'drop':
        return body?.components.has(edit.component!) !== true;
    default:
        return false;
    }
}

/* Lay `later` over `edit`, an edit of the same component in the same step. */
export function mergeEdit(edit: Edit, later: Edit): boolean {
    if (edit.component !== later.component || edit.step !== later.step) {
        return false;
    }
    if (later.kind === 'replace' && (edit.kind === 'set' || edit.kind === 'replace')) {
        return edit.kind === 'replace' && replaceData(edit, later.data ?? null);
    }
    if (later.kind === 'set' && edit.kind === 'set') {
        edit.fields = { ...edit.fields, ...later.fields };
        return true;
    }
    return later.kind === 'set' && edit.kind === 'replace' && replaceData(edit, withFields(edit.data, later.fields ?? {}));
}

function replaceData(edit: Edit, data: Json): boolean {
    edit.data = data;
    return true;
}

/* ---- kept over a reload ---- */

const KINDS: readonly string[] = ['set', 'replace', 'drop', 'add', 'remove', 'restore'];

/* Undefined: it is not kept (an undo that is on its way may be done already). */
export function writeEdit(edit: Edit): string | undefined {
    if (!KINDS.includes(edit.kind)) {
        return undefined;
    }
    const { fields, order: _, ...rest } = edit;
    const unset = Object.keys(fields ?? {}).filter((name) => fields![name] === undefined);
    return JSON.stringify({ ...rest, ...(fields && { fields, unset }) });
}

function fieldsFrom(value: Json): Fields {
    const fields = member(value, 'fields');
    const unset = member(value, 'unset');
    const gone = Array.isArray(unset) ? unset.filter((name) => typeof name === 'string') : [];
    return { ...(isObject(fields) ? fields : {}), ...Object.fromEntries(gone.map((name) => [name, undefined])) };
}

function partsFrom(value: Json | undefined): [ComponentName, Json][] {
    const list = Array.isArray(value) ? value : [];
    return list.filter((item): item is [string, Json] => Array.isArray(item) && item.length === 2 &&
                                                         typeof item[0] === 'string');
}

/* What another page wrote down. Undefined: it is none. */
export function readEdit(value: Json | undefined): Edit | undefined {
    const kind = textOf(value, 'kind');
    const entity = textOf(value, 'entity');
    const step = textOf(value, 'step');
    const component = textOf(value, 'component');
    if (!isObject(value) || kind === undefined || !KINDS.includes(kind) || !entity || !step) {
        return undefined;
    }
    const needsComponent = kind === 'set' || kind === 'replace' || kind === 'drop';
    if (needsComponent && component === undefined) {
        return undefined;
    }
    const seen = textOf(value, 'seen');
    return {
        kind: kind as EditKind, entity, step, tried: member(value, 'tried') === true,
        ...(component !== undefined && { component }),
        ...(member(value, 'makes') === true && { makes: true }),
        ...(kind === 'set' && { fields: fieldsFrom(value) }),
        ...(kind === 'replace' && { data: member(value, 'data') ?? null }),
        ...(kind === 'add' && { parts: partsFrom(member(value, 'parts')) }),
        ...(seen !== undefined && { seen }),
    };
}

/* ---- sent ---- */

/* Type and payload of its event. `body`: the entity after the edit, as it is shown. Components
 * go by their names: of the numbers some mean two (65 is Material and PBRMaterial). */
export function eventOf(edit: Edit, body: Body | undefined): { type: string; payload: JsonObject } {
    const entityId = edit.entity;
    const name = edit.component ?? '';
    switch (edit.kind) {
    case 'set':
    case 'replace': {
        const data = body?.components.get(name)?.data ?? null;
        return { type: 'SetComponent', payload: { entityId, componentId: name, data } };
    }
    case 'drop':
        return { type: 'RemoveComponent', payload: { entityId, componentId: name } };
    case 'add': {
        const components = (edit.parts ?? []).map(([componentId, data]) => ({ componentId, data }));
        return { type: 'AddEntity', payload: { entityId, components } };
    }
    case 'remove':
        return { type: 'RemoveEntity', payload: { entityId } };
    case 'restore':
        return { type: 'Restore', payload: { entityId } };
    case 'undo':
        return { type: 'Undo', payload: {} };
    case 'redo':
        return { type: 'Redo', payload: {} };
    }
}

/* Do they say the same to whoever looks? */
export function sameBody(a: Body | undefined, b: Body | undefined): boolean {
    if (a === b || a === undefined || b === undefined) {
        return a === b;
    }
    if (a.order !== b.order || a.ownName !== b.ownName || a.components.size !== b.components.size) {
        return false;
    }
    for (const [name, part] of a.components) {
        const other = b.components.get(name);
        if (other === undefined || part.pending !== other.pending || part.stamp !== other.stamp ||
            part.author !== other.author || !equal(part.data, other.data)) {
            return false;
        }
    }
    return true;
}
