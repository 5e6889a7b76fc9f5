/* Between the scene's left-handed space and three's. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Matrix4, Quaternion, Vector3 } from 'three';
import { composeLocal, fromPosition, fromRotation, fromScale, newLocal, toLocal, toPosition, toRotation } from '../../../cli/page/src/view/space.ts';
import { draw, seeded } from './support.ts';

/* v turned by q, by the formula of Hamilton: the same in both kinds of space. */
function turned([x, y, z, w]: readonly number[], v: readonly number[]): number[] {
    return new Vector3(...(v as [number, number, number])).applyQuaternion(new Quaternion(x, y, z, w)).toArray();
}

test('a point that is turned, grown and moved lands where the scene says', () => {
    const random = seeded('space');
    for (let i = 0; i < 500; i++) {
        const rotation = draw.rotation(random);
        const position = draw.vector(random, 50);
        const scale = draw.vector(random, 3);
        const point = draw.vector(random, 10);
        const grown = point.map((value, axis) => value * scale[axis]!);
        const meant = turned(rotation, grown).map((value, axis) => value + position[axis]!);
        const local = toLocal({ position, rotation, scale } as never, newLocal());
        const shown = toPosition(point, new Vector3()).applyMatrix4(composeLocal(local, new Matrix4()));
        [shown.x, shown.y, -shown.z].forEach((value, axis) => assert.ok(Math.abs(value - meant[axis]!) < 1e-9, random.repeat));
    }
});

test('there and back is the same', () => {
    const random = seeded('back');
    for (let i = 0; i < 500; i++) {
        const position = draw.vector(random, 1000).map((value) => Math.round(value * 1e6) / 1e6);
        assert.deepEqual(fromPosition(toPosition(position, new Vector3())), position, random.repeat);
        const rotation = draw.rotation(random);
        fromRotation(toRotation(rotation, new Quaternion()))
            .forEach((value, axis) => assert.ok(Math.abs(value - rotation[axis]!) < 1e-8, random.repeat));
    }
});

test('what is no place is shown at one', () => {
    const odd = { position: [NaN, Infinity, 1e300], rotation: [0, 0, 0, 0], scale: [NaN, 2, -1] } as const;
    const local = toLocal(odd, newLocal());
    assert.deepEqual(local.position.toArray(), [0, 0, -1e6]);
    assert.deepEqual(local.rotation.toArray(), [0, 0, 0, 1]);
    assert.deepEqual(local.scale.toArray(), [1, 2, -1]);
    assert.deepEqual(toLocal({ position: [], rotation: [], scale: [] } as never, newLocal()), newLocal());
});

test('numbers come without dust', () => {
    assert.deepEqual(fromPosition(new Vector3(4.249999999999997, -1e-15, 0)), [4.25, 0, 0]);
    assert.ok(Object.is(fromScale(new Vector3(1, -1e-9, 1))[1], 0), 'never -0');
});
