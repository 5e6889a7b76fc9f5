/* Places in space: what a transform says, and where that is in the world.
 *
 * A matrix is twelve numbers, the three columns of the linear part and then the position:
 *
 *      | m0 m3 m6 m9  |
 *      | m1 m4 m7 m10 |
 *      | m2 m5 m8 m11 | */

import { member, numberOf } from './json.ts';
import type { Json, JsonObject, Place } from './types.ts';

export type Matrix = readonly number[];
type Vector = readonly [number, number, number];
type Quaternion = readonly [number, number, number, number];

export const IDENTITY: Place = { position: [0, 0, 0], rotation: [0, 0, 0, 1], scale: [1, 1, 1] };

/* ---- to and from JSON ---- */

function vectorOf(value: Json | undefined, otherwise: Vector): Vector {
    return [numberOf(value, 'x') ?? otherwise[0], numberOf(value, 'y') ?? otherwise[1],
            numberOf(value, 'z') ?? otherwise[2]];
}

/* What the data of a transform says; what it lacks is as in IDENTITY. */
export function placeOf(data: Json | undefined): Place {
    const rotation = member(data, 'rotation');
    return {
        position: vectorOf(member(data, 'position'), IDENTITY.position),
        rotation: [...vectorOf(rotation, [0, 0, 0]), numberOf(rotation, 'w') ?? 1],
        scale: vectorOf(member(data, 'scale'), IDENTITY.scale),
    };
}

/* Digits that nobody sees are left out: 0.30000000000000004 is 0.3. */
function tidy(number: number, digits: number): number {
    const rounded = Number(number.toFixed(digits));
    return Number.isFinite(rounded) ? rounded + 0 : 0;
}

/* The fields of a transform. */
export function fieldsOf(place: Partial<Place>): JsonObject {
    const fields: [string, Json][] = [];
    for (const name of ['position', 'rotation', 'scale'] as const) {
        const value = place[name];
        if (value) {
            const digits = name === 'rotation' ? 9 : 6;
            const [x, y, z] = value.map((number) => tidy(number, digits));
            const w = value[3];
            fields.push([name, w === undefined ? { x: x!, y: y!, z: z! }
                                               : { x: x!, y: y!, z: z!, w: tidy(w, digits) }]);
        }
    }
    return Object.fromEntries(fields);
}

/* ---- matrices ---- */

export function matrixOf({ position, rotation, scale }: Place): Matrix {
    const length = Math.hypot(...rotation) || 1;
    const [x, y, z, w] = rotation.map((number) => number / length) as unknown as Quaternion;
    const [sx, sy, sz] = scale;
    return [
        (1 - 2 * (y * y + z * z)) * sx, 2 * (x * y + z * w) * sx, 2 * (x * z - y * w) * sx,
        2 * (x * y - z * w) * sy, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z + x * w) * sy,
        2 * (x * z + y * w) * sz, 2 * (y * z - x * w) * sz, (1 - 2 * (x * x + y * y)) * sz,
        ...position,
    ];
}

/* First `b`, then `a`: the place `b` within `a`. */
export function multiply(a: Matrix, b: Matrix): Matrix {
    const out: number[] = [];
    for (let column = 0; column < 4; column++) {
        for (let row = 0; row < 3; row++) {
            let sum = column === 3 ? a[9 + row]! : 0;
            for (let k = 0; k < 3; k++) {
                sum += a[k * 3 + row]! * b[column * 3 + k]!;
            }
            out.push(sum);
        }
    }
    return out;
}

function determinant(m: Matrix): number {
    return m[0]! * (m[4]! * m[8]! - m[7]! * m[5]!) - m[3]! * (m[1]! * m[8]! - m[7]! * m[2]!) +
           m[6]! * (m[1]! * m[5]! - m[4]! * m[2]!);
}

/* Undefined: something has no extent (a scale of 0). */
export function invert(m: Matrix): Matrix | undefined {
    const whole = determinant(m);
    if (!(Math.abs(whole) > 1e-12)) {
        return undefined;
    }
    const minor = (a: number, b: number, c: number, d: number): number => (m[a]! * m[b]! - m[c]! * m[d]!) / whole;
    const linear = [
        minor(4, 8, 7, 5), minor(7, 2, 1, 8), minor(1, 5, 4, 2),
        minor(6, 5, 3, 8), minor(0, 8, 6, 2), minor(3, 2, 0, 5),
        minor(3, 7, 6, 4), minor(6, 1, 0, 7), minor(0, 4, 3, 1),
    ];
    const back = [0, 1, 2].map((row) => -(linear[row]! * m[9]! + linear[3 + row]! * m[10]! + linear[6 + row]! * m[11]!));
    return [...linear, ...back];
}

/* Of a matrix whose columns are at right angles and of length 1. */
function rotationOf(m: readonly number[]): Quaternion {
    const trace = m[0]! + m[4]! + m[8]!;
    if (trace > 0) {
        const s = 2 * Math.sqrt(trace + 1);
        return [(m[5]! - m[7]!) / s, (m[6]! - m[2]!) / s, (m[1]! - m[3]!) / s, s / 4];
    }
    if (m[0]! > m[4]! && m[0]! > m[8]!) {
        const s = 2 * Math.sqrt(1 + m[0]! - m[4]! - m[8]!);
        return [s / 4, (m[3]! + m[1]!) / s, (m[6]! + m[2]!) / s, (m[5]! - m[7]!) / s];
    }
    if (m[4]! > m[8]!) {
        const s = 2 * Math.sqrt(1 + m[4]! - m[0]! - m[8]!);
        return [(m[3]! + m[1]!) / s, s / 4, (m[7]! + m[5]!) / s, (m[6]! - m[2]!) / s];
    }
    const s = 2 * Math.sqrt(1 + m[8]! - m[0]! - m[4]!);
    return [(m[6]! + m[2]!) / s, (m[7]! + m[5]!) / s, s / 4, (m[1]! - m[3]!) / s];
}

/* The place that comes closest to the matrix: what is skewed in it (turned things in parents
 * that are stretched) cannot be said by position, rotation and scale. */
export function placeFrom(m: Matrix): Place {
    const scale = [0, 3, 6].map((at) => Math.hypot(m[at]!, m[at + 1]!, m[at + 2]!));
    if (determinant(m) < 0) {
        scale[0] = -scale[0]!;
    }
    const turned = m.slice(0, 9).map((number, i) => number / (scale[Math.floor(i / 3)]! || 1));
    return {
        position: [m[9]!, m[10]!, m[11]!],
        rotation: rotationOf(turned),
        scale: scale as unknown as Vector,
    };
}
