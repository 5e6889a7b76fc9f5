/* Entities as they are shown: places in the world, glides, holds, hiding; and the slots of what
 * is drawn, against a scene that changes at random. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { InstancedMesh } from 'three';
import { Matrix4, Vector3 } from 'three';
import { Bodies } from '../../../cli/page/src/view/bodies.ts';
import { Crowd } from '../../../cli/page/src/view/crowd.ts';
import { Models } from '../../../cli/page/src/view/model.ts';
import { composeLocal, newLocal, toLocal } from '../../../cli/page/src/view/space.ts';
import { Wardrobe } from '../../../cli/page/src/view/wardrobe.ts';
import { draw, seeded, TestScene } from './support.ts';
import type { Random } from './support.ts';

function stage() {
    const scene = new TestScene();
    const crowd = new Crowd();
    const wardrobe = new Wardrobe();
    const bodies = new Bodies(scene, crowd, wardrobe, new Models({ told: () => undefined, beside: () => null, headers: () => ({}), plain: false }), [], () => undefined);
    const at = (id: string) => new Vector3().setFromMatrixPosition(bodies.all.get(id)!.world).toArray().map((value) => Math.round(value * 1e6) / 1e6 + 0);
    return { scene, crowd, wardrobe, bodies, at };
}

test('children stand in their parents, and follow them', () => {
    const { scene, bodies, at } = stage();
    scene.put('cart', { position: [4, 0, 6], rotation: [0, Math.SQRT1_2, 0, Math.SQRT1_2] });
    scene.put('lamp', { position: [1, 2, 0] }, 'cart');
    bodies.step(0);
    assert.deepEqual(at('lamp'), [4, 2, -5]); /* a quarter turn: the scene's x becomes -z */
    scene.put('cart', { position: [10, 0, 6] });
    scene.tell({ changed: ['cart'], mine: true });
    bodies.step(16);
    assert.deepEqual(at('lamp'), [11, 2, -6]);
    scene.drop('cart');
    scene.tell({ removed: ['cart'], tree: true });
    bodies.step(32);
    assert.deepEqual(at('lamp'), [1, 2, 0]);
});

test('what others move glides, what one moves oneself is there', () => {
    const { scene, bodies, at } = stage();
    scene.put('a', {});
    bodies.step(0);
    scene.put('a', { position: [10, 0, 0] });
    scene.tell({ changed: ['a'], mine: false });
    bodies.step(1000);
    const early = at('a')[0]!;
    assert.ok(early > 0 && early < 5, String(early));
    assert.ok(bodies.busy);
    bodies.step(1050);
    assert.ok(at('a')[0]! > early);
    bodies.step(1200);
    assert.deepEqual(at('a'), [10, 0, 0]);
    assert.ok(!bodies.busy);
    scene.put('a', { position: [0, 0, 0] });
    scene.tell({ changed: ['a'], mine: true });
    bodies.step(1300);
    assert.deepEqual(at('a'), [0, 0, 0]);
});

test('what is held is placed by its holder, and by the scene after that', () => {
    const { scene, bodies, at } = stage();
    scene.put('a', {});
    bodies.step(0);
    bodies.hold('a');
    const local = newLocal();
    local.position.set(3, 0, 0);
    bodies.placeHeld('a', local);
    scene.put('a', { position: [7, 0, 0] });
    scene.tell({ changed: ['a'], mine: false });
    bodies.step(16);
    assert.deepEqual(at('a'), [3, 0, 0]);
    bodies.release('a');
    bodies.step(32);
    assert.deepEqual(at('a'), [7, 0, 0]);
});

test('what hangs below something hidden is hidden, and comes back with it', () => {
    const { scene, bodies } = stage();
    scene.put('a', {});
    scene.put('b', {}, 'a');
    scene.put('c', {}, 'b');
    bodies.step(0);
    const shown = () => ['a', 'b', 'c'].filter((id) => bodies.all.get(id)!.slots.length > 0).join('');
    assert.equal(shown(), 'abc');
    scene.veiled.add('b');
    scene.tell({ changed: ['b'], mine: true });
    bodies.step(16);
    assert.equal(shown(), 'a');
    scene.veiled.delete('b');
    scene.tell({ changed: ['b'], mine: true });
    bodies.step(32);
    assert.equal(shown(), 'abc');
});

/* All places that are drawn, as text, sorted. */
function drawn(crowd: Crowd): string[] {
    const places: string[] = [];
    const matrix = new Matrix4();
    for (const mesh of crowd.group.children as InstancedMesh[]) {
        for (let i = 0; i < mesh.count; i++) {
            mesh.getMatrixAt(i, matrix);
            assert.ok(mesh.matrix.determinant() * matrix.determinant() !== 0);
            assert.ok(matrix.determinant() > 0, 'an instance never mirrors');
            places.push(matrix.premultiply(mesh.matrix).elements.map((value) => value.toFixed(2)).join());
        }
    }
    return places.sort();
}

function meant(scene: TestScene): string[] {
    const world = (id: string): Matrix4 => {
        const parent = scene.parent(id);
        const local = composeLocal(toLocal(scene.place(id), newLocal()), new Matrix4());
        return parent === null ? local : local.premultiply(world(parent));
    };
    return [...scene.things.keys()].filter((id) => !scene.hidden(id))
        .map((id) => world(id).elements.map((value) => Math.fround(value).toFixed(2)).join()).sort();
}

function change(scene: TestScene, random: Random): void {
    const ids = [...scene.things.keys()];
    const id = ids[draw.below(random, ids.length)] ?? 'none';
    const kind = draw.below(random, 6);
    const shapes = [{ BoxShape: {} }, { PlaneShape: {} }, { BoxShape: {}, Material: { albedoColor: { r: 1, g: 0, b: 0, a: 0.4 } } }];
    if (kind < 2 || ids.length === 0) {
        const made = `e${draw.below(random, 40)}`;
        const parent = random() < 0.4 && Number(id.slice(1)) < Number(made.slice(1)) ? id : null; /* never a circle */
        const scale = [0, 0, 0].map(() => (random() < 0.2 ? -1 : 1) * (0.5 + random()));
        scene.put(made, { position: draw.vector(random, 4) as never, scale: scale as never }, parent, shapes[draw.below(random, 3)]);
        scene.tell({ changed: [made], tree: true, mine: true });
    } else if (kind === 2) {
        scene.drop(id);
        scene.veiled.delete(id);
        scene.tell({ removed: [id], tree: true });
    } else if (kind === 3) {
        scene.veiled[scene.veiled.has(id) ? 'delete' : 'add'](id);
        scene.tell({ changed: [id], mine: true });
    } else if (kind === 4) {
        const thing = scene.things.get(id)!;
        thing.place = { ...thing.place, position: draw.vector(random, 4) as never };
        scene.tell({ changed: [id], mine: random() < 0.5 });
    } else {
        scene.tell({ all: true });
    }
}

test('what is drawn is what the scene says, whatever happened', () => {
    const random = seeded('bodies');
    const { scene, crowd, bodies } = stage();
    let now = 0;
    for (let round = 0; round < 400; round++) {
        for (let edits = 1 + draw.below(random, 3); edits > 0; edits--) {
            change(scene, random);
        }
        bodies.step((now += 16));
        if (round % 10 === 9) {
            bodies.step((now += 500)); /* glides begin */
            bodies.step((now += 500)); /* and end */
            assert.deepEqual(drawn(crowd), meant(scene), random.repeat);
        }
    }
});

/* Every radius that somebody dragged a number through was kept on the graphics card. */
test('what nobody wears any more is thrown away', () => {
    const { scene, wardrobe, bodies } = stage();
    scene.put('a', {});
    for (let i = 0; i < 100; i++) {
        scene.put('b', {}, null, { CylinderShape: { radiusTop: i / 10 } });
        scene.tell({ changed: ['b'], mine: true });
        bodies.step(16 * i);
        assert.equal(wardrobe.size, 2);
    }
    scene.drop('a');
    scene.drop('b');
    scene.tell({ removed: ['a', 'b'], tree: true });
    bodies.step(5000);
    assert.equal(wardrobe.size, 0);
});
