/* Rotations as people read them: degrees about x, y and z, turned about z first, then x, then y
 * (the order of Unity and of Decentraland's own tools), from and to quaternions x, y, z, w. */

export type Vector3 = readonly [number, number, number];
export type Quaternion = readonly [number, number, number, number];

const DEGREES = 180 / Math.PI;

export function quaternionOf(degrees: Vector3): Quaternion {
    const [hx, hy, hz] = degrees.map((angle) => angle / DEGREES / 2) as [number, number, number];
    const cx = Math.cos(hx), sx = Math.sin(hx);
    const cy = Math.cos(hy), sy = Math.sin(hy);
    const cz = Math.cos(hz), sz = Math.sin(hz);
    return [
        cy * sx * cz + sy * cx * sz,
        sy * cx * cz - cy * sx * sz,
        cy * cx * sz - sy * sx * cz,
        cy * cx * cz + sy * sx * sz,
    ];
}

/* Each in (-180, 180]; at the poles (x of +-90) all of the turn is told about y. A quaternion of
 * any length is taken; of none, as no rotation. */
export function degreesOf(rotation: Quaternion): Vector3 {
    const length = Math.hypot(...rotation);
    if (!(length > 1e-9)) {
        return [0, 0, 0];
    }
    const [x, y, z, w] = rotation.map((part) => part / length) as [number, number, number, number];
    const sinX = 2 * (w * x - y * z);
    if (Math.abs(sinX) > 0.999999) {
        return [Math.sign(sinX) * 90, tidy(2 * Math.atan2(y, w) * DEGREES), 0];
    }
    return [
        tidy(Math.asin(sinX) * DEGREES),
        tidy(Math.atan2(2 * (w * y + x * z), 1 - 2 * (x * x + y * y)) * DEGREES),
        tidy(Math.atan2(2 * (w * z + x * y), 1 - 2 * (x * x + z * z)) * DEGREES),
    ];
}

/* Files keep rotations as 32-bit floats: what is within their noise of a round angle is it. */
function tidy(degrees: number): number {
    let angle = Math.round(degrees * 1000) / 1000;
    if (angle <= -180) {
        angle += 360;
    } else if (angle > 180) {
        angle -= 360;
    }
    return angle === 0 ? 0 : angle;
}

/* Whether both turn a thing alike (q and -q do). */
export function sameRotation(a: Quaternion, b: Quaternion): boolean {
    const dot = Math.abs(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]);
    return dot > (1 - 1e-7) * Math.hypot(...a) * Math.hypot(...b);
}
