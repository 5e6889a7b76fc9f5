/* Moving, turning and growing by hand: what is written, and that it is one step. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Quaternion, Vector3 } from 'three';
import type { Place, Session } from '../../../cli/page/src/core/types.ts';
import { Bodies } from '../../../cli/page/src/view/bodies.ts';
import { Crowd } from '../../../cli/page/src/view/crowd.ts';
import { Drag, movable } from '../../../cli/page/src/view/drag.ts';
import { Models } from '../../../cli/page/src/view/model.ts';
import { Wardrobe } from '../../../cli/page/src/view/wardrobe.ts';
import { TestScene } from './support.ts';

function stage() {
    const scene = new TestScene();
    const bodies = new Bodies(scene, new Crowd(), new Wardrobe(), new Models({ told: () => undefined, beside: () => null, headers: () => ({}), plain: false }), [], () => undefined);
    const written: { id: string; place: Partial<Place>; step: string | undefined }[] = [];
    let steps = 0;
    const session = { scene, edits: {
        step: () => `step ${++steps}`,
        together: (deed: () => void) => deed(),
        place(id: string, place: Partial<Place>, step?: string) {
            written.push({ id, place, step });
            const thing = scene.things.get(id)!;
            thing.place = { ...thing.place, ...place };
            scene.tell({ changed: [id], mine: true });
        },
    } } as unknown as Session;
    return { scene, bodies, session, written };
}

test('a child of a turned and grown parent moves as the pointer does', () => {
    const { scene, bodies, session, written } = stage();
    scene.put('p', { position: [5, 0, 5], rotation: [0, Math.SQRT1_2, 0, Math.SQRT1_2], scale: [2, 2, 2] });
    scene.put('c', { position: [1, 0, 0] }, 'p');
    bodies.step(0);
    const before = new Vector3().setFromMatrixPosition(bodies.all.get('c')!.world);
    const drag = new Drag(session, bodies, ['c']);
    drag.move(new Vector3(3, 0, -1));
    drag.end();
    bodies.step(16);
    const after = new Vector3().setFromMatrixPosition(bodies.all.get('c')!.world);
    assert.ok(after.sub(before).distanceTo(new Vector3(3, 0, -1)) < 1e-5);
    assert.deepEqual(Object.keys(written[0]!.place), ['position'], 'and nothing else of it is written');
});

test('several turn about their middle; each writes where it is and how it stands', () => {
    const { scene, bodies, session, written } = stage();
    scene.put('a', { position: [0, 0, 0] });
    scene.put('b', { position: [2, 0, 0] });
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a', 'b']);
    drag.turn(new Quaternion().setFromAxisAngle(new Vector3(0, 1, 0), Math.PI / 2), new Vector3(1, 0, 0));
    drag.end();
    assert.deepEqual(scene.place('a').position, [1, 0, -1]);
    assert.deepEqual(scene.place('b').position, [1, 0, 1]);
    assert.deepEqual(written.map(({ place }) => Object.keys(place).sort().join()), ['position,rotation', 'position,rotation']);
    assert.equal(new Set(written.map(({ step }) => step)).size, 1);
});

test('one that is turned stays where it is, and says only how it stands', () => {
    const { scene, bodies, session, written } = stage();
    scene.put('a', { position: [3, 0, 0] });
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a']);
    drag.turn(new Quaternion().setFromAxisAngle(new Vector3(0, 1, 0), 1), new Vector3(3, 0, 0));
    drag.end();
    assert.deepEqual(written.map(({ place }) => Object.keys(place).join()), ['rotation']);
});

test('several that grow keep their proportions, also those that stand across', () => {
    const { scene, bodies, session } = stage();
    scene.put('a', { position: [-1, 0, 0] });
    scene.put('b', { position: [1, 0, 0], rotation: [0, Math.SQRT1_2, 0, Math.SQRT1_2] });
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a', 'b']);
    drag.grow(new Vector3(2, 1, 1), new Quaternion(), new Vector3());
    drag.end();
    assert.deepEqual([scene.place('a').position, scene.place('b').position], [[-2, 0, 0], [2, 0, 0]]);
    assert.deepEqual([scene.place('a').scale, scene.place('b').scale], [[2, 1, 1], [1, 1, 2]]);
});

test('a drag that is cancelled leaves everything as it was', () => {
    const { scene, bodies, session } = stage();
    scene.put('a', { position: [1, 2, 3] });
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a']);
    drag.move(new Vector3(9, 9, 9));
    drag.cancel();
    assert.deepEqual(scene.place('a').position, [1, 2, 3]);
});

test('what is removed by somebody while it is dragged is not written again', () => {
    const { scene, bodies, session, written } = stage();
    scene.put('a', {});
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a']);
    scene.drop('a');
    scene.tell({ removed: ['a'], tree: true });
    bodies.step(16);
    drag.move(new Vector3(1, 0, 0));
    drag.end();
    assert.deepEqual(written, []);
});

test('motion is sent at twenty a second, and its end always', async () => {
    const { scene, bodies, session, written } = stage();
    scene.put('a', {});
    bodies.step(0);
    const drag = new Drag(session, bodies, ['a']);
    for (let i = 1; i <= 100; i++) {
        drag.move(new Vector3(i / 100, 0, 0));
    }
    assert.equal(written.length, 1, 'the first at once');
    await new Promise((done) => setTimeout(done, 150));
    assert.equal(written.length, 2, 'what came meanwhile in one');
    drag.move(new Vector3(5, 0, 0));
    drag.end();
    assert.deepEqual(scene.place('a').position, [5, 0, 0]);
});

test('what hangs below what is moved comes along by itself', () => {
    const { scene, session } = stage();
    scene.put('a', {});
    scene.put('b', {}, 'a');
    scene.put('c', {});
    assert.deepEqual(movable(session, ['b', 'a', 'c', 'gone']), ['a', 'c']);
});
