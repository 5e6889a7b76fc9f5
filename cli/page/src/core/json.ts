/* JSON values: compare, look into, put together. What comes from outside may have any shape,
 * and any key ("__proto__" too): objects are only ever made by spreading and fromEntries. */

import type { Fields, Json, JsonObject, Stamp } from './types.ts';

export function isObject(value: unknown): value is JsonObject {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/* The member, if it is an own one. */
export function member(value: unknown, key: string): Json | undefined {
    return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

export function textOf(value: unknown, key: string): string | undefined {
    const found = member(value, key);
    return typeof found === 'string' ? found : undefined;
}

export function numberOf(value: unknown, key: string): number | undefined {
    const found = member(value, key);
    return typeof found === 'number' ? found : undefined;
}

export function listOf(value: unknown, key: string): readonly Json[] {
    const found = member(value, key);
    return Array.isArray(found) ? found : [];
}

/* Equal whatever the order of keys. */
export function equal(a: Json | undefined, b: Json | undefined): boolean {
    if (a === b) {
        return true;
    }
    if (Array.isArray(a) && Array.isArray(b)) {
        return a.length === b.length && a.every((item, i) => equal(item, b[i]));
    }
    if (!isObject(a) || !isObject(b)) {
        return false;
    }
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]));
}

/* `data` with these fields set, or gone where undefined. What is no object becomes one. */
export function withFields(data: Json | undefined, fields: Fields): JsonObject {
    const all = new Map<string, Json>(isObject(data) ? Object.entries(data) : []);
    for (const [name, value] of Object.entries(fields)) {
        if (value === undefined) {
            all.delete(name);
        } else {
            all.set(name, value);
        }
    }
    return Object.fromEntries(all);
}

/* Those of `fields` that differ from what `data` has. */
export function fieldsThatDiffer(data: Json | undefined, fields: Fields): Fields {
    return Object.fromEntries(Object.entries(fields).filter(([name, value]) => !equal(member(data, name), value)));
}

/* As the worker orders stamps, "TIME@ACTOR": by time, then by actor. */
export function compareStamps(a: Stamp | undefined, b: Stamp | undefined): number {
    if (a === undefined || b === undefined) {
        return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
    }
    const [aTime = '', aActor = ''] = a.split('@');
    const [bTime = '', bActor = ''] = b.split('@');
    const order = aTime.length - bTime.length || compareText(aTime, bTime);
    return order || compareText(aActor, bActor);
}

export function compareText(a: string, b: string): number {
    return a < b ? -1 : a > b ? 1 : 0;
}

/* The value, or undefined if the text is no JSON. */
export function parse(text: string): Json | undefined {
    try {
        return JSON.parse(text) as Json;
    } catch {
        return undefined;
    }
}

/* Can the worker take it? NaN and infinities are no JSON, and would become null. */
export function isSound(value: Json | undefined): boolean {
    if (typeof value === 'number') {
        return Number.isFinite(value);
    }
    return typeof value !== 'object' || value === null || Object.values(value).every(isSound);
}
