/* Places in space, against what they must satisfy whatever the numbers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf, IDENTITY, invert, matrixOf, multiply, placeFrom, placeOf, type Matrix } from '../../../cli/page/src/core/space.ts';
import type { Place } from '../../../cli/page/src/core/types.ts';
import { Random } from './support/sim.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const random = new Random(seed);
const number = (size: number): number => (random.chance() * 2 - 1) * size;

function anyPlace(uniform: boolean): Place {
    const q = [number(1), number(1), number(1), number(1)];
    const length = Math.hypot(...q);
    const s = 0.1 + random.chance() * 4;
    return {
        position: [number(100), number(100), number(100)],
        rotation: q.map((x) => x / length) as unknown as Place['rotation'],
        scale: uniform ? [s, s, s] : [0.1 + random.chance() * 4, 0.1 + random.chance() * 4, 0.1 + random.chance() * 4],
    };
}

function near(a: Matrix, b: Matrix, what: string): void {
    a.forEach((x, i) => assert.ok(Math.abs(x - b[i]!) < 1e-6 * Math.max(1, Math.abs(x)), `${what}: ${a} and ${b}`));
}

test(`a place and its matrix (SEED=${seed})`, () => {
    for (let i = 0; i < 500; i++) {
        const place = anyPlace(false);
        near(matrixOf(placeFrom(matrixOf(place))), matrixOf(place), 'there and back');
        near(multiply(matrixOf(place), invert(matrixOf(place))!), matrixOf(IDENTITY), 'the inverse');
        const [a, b, c] = [anyPlace(true), anyPlace(true), anyPlace(true)].map(matrixOf) as [Matrix, Matrix, Matrix];
        near(multiply(multiply(a, b), c), multiply(a, multiply(b, c)), 'associative');
        /* Parents that are not stretched: where a thing is can be said exactly. */
        near(matrixOf(placeFrom(multiply(invert(a)!, b))), multiply(invert(a)!, b), 'within another');
    }
});

test('a mirrored place stays mirrored', () => {
    const place: Place = { ...IDENTITY, scale: [-1, 1, 1] };
    assert.deepEqual(placeFrom(matrixOf(place)).scale, [-1, 1, 1]);
});

test('what has no extent has no inverse', () => {
    assert.equal(invert(matrixOf({ ...IDENTITY, scale: [0, 1, 1] })), undefined);
});

test('to and from JSON', () => {
    assert.deepEqual(placeOf({ position: { x: 1 }, rotation: { y: 1, w: 0 } }),
                     { position: [1, 0, 0], rotation: [0, 1, 0, 0], scale: [1, 1, 1] });
    for (const odd of [null, 3, 'x', [], { position: [1, 2, 3] }, { position: { x: 'far' } }]) {
        assert.deepEqual(placeOf(odd as never).position, [0, 0, 0]);
    }
    assert.deepEqual(fieldsOf({ position: [0.1 + 0.2, -0, 1e-9] }), { position: { x: 0.3, y: 0, z: 0 } });
    assert.deepEqual(fieldsOf({ position: [NaN, Infinity, 1] }), { position: { x: 0, y: 0, z: 1 } });
});
