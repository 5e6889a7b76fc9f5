/* Between the scene's space and three's.
 *
 *      scene (left-handed)         three (right-handed)
 *          y  z (north)                y
 *          | /                         |
 *          |/___ x (east)              |____ x (east)
 *                                     /
 *                                    z (south)
 *
 * z is mirrored, M = diag(1, 1, -1): a point p becomes M p, a rotation R becomes M R M, which as
 * a quaternion is (-x, -y, z, w); scales stay. So no matrix here ever turns a mesh inside out.
 * The same formulas lead back. What comes in is foreign: it may be no number at all. */
import { Matrix4, Quaternion, Vector3 } from 'three';
import type { Place } from '../core/types';

const FAR = 1e6; /* metres; what is farther is shown there */

/* Position, rotation and scale in three's space, below some parent. */
export interface Local {
    readonly position: Vector3;
    readonly rotation: Quaternion;
    readonly scale: Vector3;
}

export function newLocal(): Local {
    return { position: new Vector3(), rotation: new Quaternion(), scale: new Vector3(1, 1, 1) };
}

export function copyLocal(from: Local, to: Local): void {
    to.position.copy(from.position);
    to.rotation.copy(from.rotation);
    to.scale.copy(from.scale);
}

export function equalLocal(a: Local, b: Local): boolean {
    return a.position.equals(b.position) && a.rotation.equals(b.rotation) && a.scale.equals(b.scale);
}

function number(value: number | undefined, otherwise: number): number {
    return Number.isFinite(value) ? Math.min(FAR, Math.max(-FAR, value as number)) : otherwise;
}

export function toPosition(from: readonly number[], to: Vector3): Vector3 {
    return to.set(number(from[0], 0), number(from[1], 0), 0 - number(from[2], 0)); /* never -0 */
}

export function toRotation(from: readonly number[], to: Quaternion): Quaternion {
    to.set(0 - number(from[0], 0), 0 - number(from[1], 0), number(from[2], 0), number(from[3], 1));
    return to.lengthSq() > 1e-12 ? to.normalize() : to.identity();
}

export function toLocal(from: Place, to: Local): Local {
    toPosition(from.position, to.position);
    toRotation(from.rotation, to.rotation);
    to.scale.set(number(from.scale[0], 1), number(from.scale[1], 1), number(from.scale[2], 1));
    return to;
}

/* What people read in the inspector: without the dust that sines and cosines leave. */
function clean(value: number): number {
    const round = Math.round(value * 1e6) / 1e6;
    return round === 0 ? 0 : round; /* never -0 */
}

export function fromPosition(from: Vector3): [number, number, number] {
    return [clean(from.x), clean(from.y), clean(-from.z)];
}

export function fromRotation(from: Quaternion): [number, number, number, number] {
    const sharp = (value: number) => Math.round(value * 1e9) / 1e9 + 0;
    return [sharp(-from.x), sharp(-from.y), sharp(from.z), sharp(from.w)];
}

export function fromScale(from: Vector3): [number, number, number] {
    return [clean(from.x), clean(from.y), clean(from.z)];
}

export function composeLocal(local: Local, to: Matrix4): Matrix4 {
    return to.compose(local.position, local.rotation, local.scale);
}
