/* What the worker says, as typed events: docs/RENDERER.md. What makes no sense is left out:
 * an event of a kind that is not known here is no error. */

import { isObject, listOf, member, numberOf, parse, textOf } from './json.ts';
import type { ComponentName, Conflict, EntityId, Json, Person, Role, SaveState, Stamp } from './types.ts';

/* A component as it was told. */
export interface ToldPart {
    readonly name: ComponentName;
    readonly id: number | string;
    readonly data: Json;
}

export interface ToldConflict extends Omit<Conflict, 'mine'> {
    readonly mine?: never;
}

export type Told =
    | { type: 'welcome'; scene: string; state: string; you: { id: string; name: string; role: Role } }
    | { type: 'state'; state: string; text: string }
    | { type: 'role'; role: Role }
    | { type: 'add'; entity: EntityId; name: string | undefined; parts: readonly ToldPart[];
        author: string | undefined; stamp: Stamp | undefined }
    | { type: 'remove'; entity: EntityId }
    | { type: 'set'; entity: EntityId; part: ToldPart; author: string | undefined; stamp: Stamp | undefined }
    | { type: 'drop'; entity: EntityId; component: ComponentName }
    | { type: 'finished' }
    | { type: 'answer'; id: number; ok: boolean; stamp: Stamp | undefined; code: string; error: string;
        payload: Json }
    | { type: 'presence'; all: boolean; people: readonly Person[]; left: readonly string[] }
    | { type: 'conflict'; conflict: ToldConflict }
    | { type: 'conflicts'; conflicts: readonly ToldConflict[] }
    | { type: 'saved'; save: SaveState };

/* ---- pieces ---- */

export function roleOf(value: Json | undefined): Role {
    return value === 'edit' || value === 'publish' || value === 'admin' ? value : 'view';
}

function authorOf(event: Json): string | undefined {
    return textOf(member(event, 'author'), 'name');
}

function partOf(record: Json): ToldPart | undefined {
    const id = member(record, 'componentId');
    const data = member(record, 'data');
    if ((typeof id !== 'number' && typeof id !== 'string') || data === undefined) {
        return undefined;
    }
    return { name: textOf(record, 'component') ?? String(id), id, data };
}

function present<T>(value: T | undefined): value is T {
    return value !== undefined;
}

const PALETTE = ['#e76f51', '#2a9d8f', '#d19a1b', '#457b9d', '#9b5de5', '#e0489f', '#0096c7', '#43aa8b',
                 '#b5651d', '#6a994e', '#c9302c', '#5a67d8'] as const;

/* A colour for who has none: the same for the same text, everywhere. */
export function colorOf(text: string): string {
    let hash = 0;
    for (const letter of text) {
        hash = (Math.imul(hash, 31) + letter.codePointAt(0)!) >>> 0;
    }
    return PALETTE[hash % PALETTE.length]!;
}

export function isColor(text: string | undefined): text is string {
    return text !== undefined && /^#[0-9a-fA-F]{6}$/.test(text);
}

function numbersOf(value: Json | undefined, count: number): readonly number[] | undefined {
    if (Array.isArray(value) && value.length === count && value.every((item) => Number.isFinite(item))) {
        return value as number[];
    }
    const named = isObject(value) ? ['x', 'y', 'z', 'w'].slice(0, count).map((key) => numberOf(value, key)) : [];
    return named.length === count && named.every((item) => item !== undefined) ? (named as number[]) : undefined;
}

function cameraOf(value: Json | undefined): Person['camera'] {
    const position = numbersOf(member(value, 'position'), 3);
    const rotation = numbersOf(member(value, 'rotation'), 4);
    return position && rotation && { position, rotation };
}

function editingOf(value: Json | undefined): Person['editing'] {
    const entityId = textOf(value, 'entityId');
    const componentId = member(value, 'componentId');
    if (entityId === undefined || (typeof componentId !== 'string' && typeof componentId !== 'number')) {
        return undefined;
    }
    const field = textOf(value, 'field');
    return { entityId, componentId: String(componentId), ...(field !== undefined && { field }) };
}

function personOf(value: Json): Person | undefined {
    const id = textOf(value, 'id');
    if (id === undefined) {
        return undefined;
    }
    const name = textOf(value, 'name') || 'Somebody';
    const color = textOf(value, 'color');
    const camera = cameraOf(member(value, 'camera'));
    const editing = editingOf(member(value, 'editing'));
    return {
        id, name,
        worker: textOf(value, 'worker') ?? '',
        color: isColor(color) ? color : colorOf(name),
        role: roleOf(member(value, 'role')),
        selection: listOf(value, 'selection').filter((item) => typeof item === 'string'),
        ...(camera && { camera }),
        ...(editing && { editing }),
    };
}

const KINDS: readonly string[] = ['concurrent', 'removed', 'stale', 'cycle', 'orphan', 'edited-while-removed'];

function conflictOf(value: Json | undefined): ToldConflict | undefined {
    const kind = textOf(value, 'kind');
    const entity = textOf(value, 'entityId') ?? textOf(value, 'entity');
    if (kind === undefined || !KINDS.includes(kind) || entity === undefined) {
        return undefined;
    }
    const nameOf = (who: Json | undefined): string | undefined => (typeof who === 'string' ? who : textOf(who, 'name'));
    const optional = {
        component: textOf(value, 'component'),
        field: textOf(value, 'field'),
        value: member(value, 'value') ?? member(value, 'parent'),
        author: nameOf(member(value, 'author')),
        by: nameOf(member(value, 'by')),
        stamp: textOf(value, 'stamp'),
    };
    const given = Object.entries(optional).filter(([, item]) => item !== undefined);
    return { kind: kind as Conflict['kind'], entity, ...Object.fromEntries(given) };
}

/* Of a SaveResult, and of `save` in the worker's status. */
export function saveStateOf(value: Json | undefined): SaveState {
    const said = textOf(value, 'state');
    const states: readonly string[] = ['saved', 'unsaved', 'saving', 'failing', 'off'];
    const ok = member(value, 'ok');
    const state = said !== undefined && states.includes(said) ? said
                : ok === true ? 'saved' : ok === false ? 'failing' : 'unknown';
    const at = numberOf(value, 'at');
    const where = textOf(value, 'where');
    const error = textOf(value, 'error');
    return {
        state: state as SaveState['state'],
        ...(at !== undefined && at > 0 && { at }),
        ...(where && { where }),
        ...(error && { error }),
    };
}

/* ---- events ---- */

function stateEventOf(event: Json): Told | undefined {
    const outer = member(event, 'payload');
    const payload = member(outer, 'payload') ?? null;
    const entity = textOf(payload, 'entityId');
    if (entity === undefined) {
        return undefined;
    }
    const author = authorOf(event);
    const stamp = textOf(event, 'stamp');
    const part = partOf(payload);
    switch (textOf(outer, 'type')) {
    case 'AddEntity':
        return { type: 'add', entity, name: textOf(payload, 'name'), author, stamp,
                 parts: listOf(payload, 'components').map(partOf).filter(present) };
    case 'RemoveEntity':
        return { type: 'remove', entity };
    case 'SetComponent':
        return part && { type: 'set', entity, part, author, stamp };
    case 'RemoveComponent': {
        const id = member(payload, 'componentId');
        return { type: 'drop', entity, component: textOf(payload, 'component') ?? String(id) };
    }
    default:
        return undefined;
    }
}

function answerOf(payload: Json): Told | undefined {
    const id = numberOf(payload, 'id');
    return id === undefined ? undefined : {
        type: 'answer', id, ok: member(payload, 'ok') === true, stamp: textOf(payload, 'stamp'),
        code: textOf(payload, 'code') ?? 'failed', error: textOf(payload, 'error') ?? 'the worker refused it', payload,
    };
}

function welcomeOf(payload: Json): Told {
    const you = member(payload, 'you');
    return {
        type: 'welcome', scene: textOf(payload, 'scene') ?? '', state: textOf(payload, 'state') ?? 'loading',
        you: { id: textOf(you, 'id') ?? '', name: textOf(you, 'name') ?? '', role: roleOf(member(you, 'role')) },
    };
}

function toldOf(event: Json): Told | undefined {
    const payload = member(event, 'payload') ?? null;
    if (member(event, 'type') === 'InitMessagesFinished') {
        return { type: 'finished' };
    }
    switch (textOf(event, 'eventType')) {
    case 'stateEvent':
        return stateEventOf(event);
    case 'Answer':
        return answerOf(payload);
    case 'Presence':
        return { type: 'presence', all: member(payload, 'all') === true,
                 people: listOf(payload, 'people').map(personOf).filter(present),
                 left: listOf(payload, 'left').filter((item) => typeof item === 'string') };
    case 'Conflict': {
        const conflict = conflictOf(payload);
        return conflict && { type: 'conflict', conflict };
    }
    case 'Conflicts':
        return { type: 'conflicts', conflicts: listOf(payload, 'conflicts').map(conflictOf).filter(present) };
    case 'SaveResult':
        return { type: 'saved', save: saveStateOf(payload) };
    case 'Welcome':
        return welcomeOf(payload);
    case 'State':
        return { type: 'state', state: textOf(payload, 'state') ?? '', text: textOf(payload, 'text') ?? '' };
    case 'Role':
        return { type: 'role', role: roleOf(member(payload, 'role')) };
    default:
        return undefined;
    }
}

/* All events of one message; none of what is no JSON. */
export function readMessage(text: string): Told[] {
    const message = parse(text);
    if (message === undefined) {
        return [];
    }
    return (Array.isArray(message) ? message : [message]).map(toldOf).filter(present);
}

/* One event to the worker, as JSON. */
export function stateEvent(scene: string, type: string, payload: Json,
                           beside: { id?: number; seen?: Stamp; step?: string } = {}): string {
    return JSON.stringify({ sceneId: scene, eventType: 'stateEvent', payload: { type, payload }, ...beside });
}
