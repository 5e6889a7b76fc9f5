/* Rotations as angles: what people type is what the scene turns by. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { degreesOf, quaternionOf, sameRotation, type Quaternion, type Vector3 } from '../../../cli/page/src/ui/euler.ts';

/* xorshift32: the same numbers on every machine. */
function generator(seed: number): () => number {
    let state = seed >>> 0;
    return () => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) / 2 ** 32;
    };
}

function times(a: Quaternion, b: Quaternion): Quaternion {
    const [ax, ay, az, aw] = a;
    const [bx, by, bz, bw] = b;
    return [
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    ];
}

test('a quarter about each axis', () => {
    const half = Math.SQRT1_2;
    const cases: [Vector3, Quaternion][] = [
        [[0, 0, 0], [0, 0, 0, 1]],
        [[90, 0, 0], [half, 0, 0, half]],
        [[0, 90, 0], [0, half, 0, half]],
        [[0, 0, 90], [0, 0, half, half]],
    ];
    for (const [angles, rotation] of cases) {
        assert.ok(sameRotation(quaternionOf(angles), rotation), String(angles));
        assert.deepEqual(degreesOf(rotation), angles);
    }
});

/* The order that Unity documents: z first, then x, then y. */
test('about z, then x, then y', () => {
    const made = times(times(quaternionOf([0, 40, 0]), quaternionOf([25, 0, 0])), quaternionOf([0, 0, 70]));
    assert.ok(sameRotation(quaternionOf([25, 40, 70]), made));
});

test('there and back, and at the poles', () => {
    const random = generator(0x5ce9e);
    for (let i = 0; i < 2000; i++) {
        const x = i % 5 === 0 ? (i % 2 ? 90 : -90) : random() * 360 - 180;
        const rotation = quaternionOf([x, random() * 360 - 180, random() * 360 - 180]);
        const back = quaternionOf(degreesOf(rotation));
        /* Angles are told to a thousandth of a degree; within 0.1 of a pole as at it. */
        const dot = Math.abs(rotation.reduce((sum, part, at) => sum + part * back[at]!, 0));
        assert.ok(dot > 1 - 1e-6, `${rotation}: ${degreesOf(rotation)}`);
    }
});

/* Files hold 32-bit floats: 45 degrees are not shown as 45.0000012. */
test('the noise of short floats is not shown', () => {
    for (const angle of [15, 30, 45, 60, 120, -75, 180]) {
        const rotation = quaternionOf([0, angle, 0]).map(Math.fround) as unknown as Quaternion;
        assert.deepEqual(degreesOf(rotation), [0, angle, 0]);
    }
});

test('what is no rotation is none', () => {
    assert.deepEqual(degreesOf([0, 0, 0, 0]), [0, 0, 0]);
    assert.deepEqual(degreesOf([0, 0, 0, 7]), [0, 0, 0]);
    assert.deepEqual(degreesOf([NaN, 0, 0, 1]), [0, 0, 0]);
});
