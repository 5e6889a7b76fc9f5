/* One's own doing: what shows, what is sent, what goes back. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json, SceneChange } from '../../../cli/page/src/core/types.ts';
import { nextName } from '../../../cli/page/src/core/names.ts';
import { Sim, type Page } from './support/sim.ts';

const still = { rotation: { x: 0, y: 0, z: 0, w: 1 }, scale: { x: 1, y: 1, z: 1 } };
const at = (x: number, parent?: string): Json => ({ position: { x, y: 0, z: 0 }, ...still, ...(parent !== undefined && { parent }) });

async function world(): Promise<{ sim: Sim; ana: Page }> {
    const sim = new Sim(3);
    for (const [id, parts] of [
        ['lamp', { Transform: at(8), Name: { value: 'Lamp', builderValue: 'lamp' } }],
        ['bulb', { Transform: at(1, 'lamp'), Name: { value: 'Bulb' } }],
        ['wire', { Transform: at(2, 'bulb') }],
        ['floor', { GLTFShape: { src: 'models/floor.glb' }, LockedOnEdit: { isLocked: true } }],
    ] as const) {
        sim.worker.doc.set(id, new Map(Object.entries(parts)));
    }
    const ana = sim.open('ana');
    await sim.settle();
    return { sim, ana };
}

test('a drag goes out twenty times a second, and a slow worker gets fewer', async () => {
    const { sim, ana } = await world();
    const { edits } = ana.session;
    const step = edits.step();
    const before = sim.worker.events.length;
    for (let i = 1; i <= 200; i++) { /* 200 moves within a second */
        edits.place('lamp', { position: [i, 0, 0] }, step);
        await sim.clock.run(5);
    }
    await sim.settle();
    const sent = sim.worker.events.slice(before).filter(({ payload }) => payload.type === 'SetComponent');
    assert.ok(sent.length >= 15 && sent.length <= 22, `${sent.length} events`);
    assert.ok(sent.every((event) => event.step === step && event.seen === sent[0].seen), 'one step, seen as it began');
    assert.equal((sim.worker.doc.get('lamp')!.get('Transform') as any).position.x, 200);
});

test('what is sent is the true value with the edit laid over it', async () => {
    const { sim, ana } = await world();
    const ben = sim.open('ben');
    await sim.settle();
    ana.session.edits.place('lamp', { position: [1, 1, 1] });
    ben.session.edits.place('lamp', { scale: [4, 4, 4] });
    await sim.settle();
    for (const { session } of [ana, ben]) {
        assert.deepEqual(session.scene.place('lamp'), { position: [1, 1, 1], rotation: [0, 0, 0, 1], scale: [4, 4, 4] });
    }
});

test('what says nothing new is not sent', async () => {
    const { sim, ana } = await world();
    const before = sim.worker.events.length;
    ana.session.edits.place('lamp', { position: [8, 0, 0] });
    ana.session.edits.rename('lamp', 'Lamp');
    ana.session.edits.set('nowhere', 'Name', { value: 'x' });
    ana.session.edits.remove(['nowhere']);
    await sim.clock.run(500);
    assert.equal(sim.worker.events.length, before);
});

test('a refused edit goes back, and says why', async () => {
    const { sim, ana } = await world();
    sim.worker.obstinate = true;
    ana.session.edits.rename('lamp', 'Bright');
    assert.equal(ana.session.scene.label('lamp'), 'Bright');
    await sim.settle();
    assert.equal(ana.session.scene.label('lamp'), 'Lamp');
    assert.match(ana.session.notices.value[0]!.text, /“Lamp” was taken back: refused/);
});

test('removed by another while it is edited: it stays removed, and can be restored', async () => {
    const { sim, ana } = await world();
    const ben = sim.open('ben');
    await sim.settle();
    sim.delayMax = 200;
    ben.session.edits.remove(['lamp']);
    await sim.clock.run(20);
    ana.session.edits.rename('lamp', 'Bright');
    await sim.settle();
    assert.ok(!sim.worker.doc.has('lamp'));
    assert.ok(!ana.session.scene.get('lamp'));
    const notice = ana.session.notices.value.find(({ action }) => action?.label === 'Restore')!;
    assert.match(notice.text, /removed while you changed it/);
    assert.deepEqual(ana.session.conflicts.value.map(({ kind, entity, mine }) => [kind, entity, mine]),
                     [['edited-while-removed', 'lamp', true]]);
    notice.action!.run();
    await sim.settle();
    assert.equal(ana.session.scene.label('lamp'), 'Bright', 'with what was refused');
    const [first, again] = sim.worker.events.filter(({ payload }) => payload.payload.componentId === 'Name');
    assert.notEqual(again.seen, first.seen, 'it is said again by somebody who has seen it come back');
    assert.deepEqual(ana.session.conflicts.value, []);
});

test('to move below another keeps where it is', async () => {
    const { sim, ana } = await world();
    const { edits, scene } = ana.session;
    edits.place('lamp', { rotation: [0, Math.SQRT1_2, 0, Math.SQRT1_2] });
    assert.equal(edits.move('wire', 'floor'), true);
    /* Turned a quarter about y, x becomes -z: 8 + 0, and 1 + 2 along -z. */
    const { position } = scene.place('wire');
    assert.deepEqual(position.map((x) => Math.round(x * 1e6) / 1e6 + 0), [8, 0, -3]);
    assert.equal(edits.move('lamp', 'bulb'), false, 'not below what hangs on it');
    assert.equal(edits.move('bulb', null), true);
    assert.equal(scene.parent('bulb'), null);
    await sim.settle();
    assert.equal((sim.worker.doc.get('wire')!.get('Transform') as any).parent, 'floor');
    assert.ok(!('parent' in (sim.worker.doc.get('bulb')!.get('Transform') as any)));
});

test('to move where nothing is turned changes the parent alone', async () => {
    const { sim, ana } = await world();
    ana.session.edits.move('floor', 'lamp');
    await sim.settle();
    ana.session.edits.move('wire', 'floor');
    ana.session.edits.move('wire', 'bulb');
    await sim.settle();
    assert.deepEqual(sim.worker.doc.get('wire')!.get('Transform'), at(2, 'bulb'));
});

test('copies have names of their own, and hang together as the others do', async () => {
    const { sim, ana } = await world();
    const { edits, scene } = ana.session;
    const [lamp, wire] = edits.duplicate(['lamp', 'wire']);
    assert.equal(scene.label(lamp!), 'Lamp 2');
    assert.equal(scene.label(scene.children(lamp!)[0]!), 'Bulb');
    assert.equal(scene.parent(scene.parent(wire!)!), lamp);
    assert.equal(scene.label(edits.duplicate([lamp!])[0]!), 'Lamp 3');
    await sim.settle();
    assert.equal((sim.worker.doc.get(lamp!)!.get('Name') as any).builderValue, undefined, 'scripts name one alone');
});

test('all below goes along when an entity is removed; what is locked stays', async () => {
    const { sim, ana } = await world();
    ana.session.selection.value = ['lamp', 'floor'];
    ana.session.edits.remove(['lamp', 'floor']);
    assert.deepEqual([...ana.session.scene.entities.keys()], ['floor']);
    assert.deepEqual(ana.session.selection.value, ['floor'], 'what is gone leaves the selection');
    assert.match(ana.session.notices.value[0]!.text, /locked/);
    await sim.settle();
    assert.deepEqual([...sim.worker.doc.keys()], ['floor']);
});

test('what cannot be sent is not taken', async () => {
    const { ana } = await world();
    const { edits, scene } = ana.session;
    edits.set('lamp', 'Name', { value: NaN });
    assert.match(ana.session.notices.value.at(-1)!.text, /no number/);
    edits.set('lamp', 'Name', { value: 'x'.repeat(1_000_000) });
    assert.match(ana.session.notices.value.at(-1)!.text, /too large/);
    assert.equal(scene.label('lamp'), 'Lamp');
});

test('what is done together shows as one change', async () => {
    const { ana } = await world();
    const changes: SceneChange[] = [];
    ana.session.scene.watch((change) => changes.push(change));
    const revision = ana.session.scene.revision.value;
    ana.session.edits.together(() => {
        ana.session.edits.place('lamp', { position: [1, 0, 0] });
        ana.session.edits.place('bulb', { position: [2, 0, 0] });
        ana.session.edits.remove(['wire']);
        assert.equal(ana.session.scene.place('lamp').position[0], 1, 'it is there at once');
    });
    assert.equal(changes.length, 1);
    assert.deepEqual([[...changes[0]!.changed], [...changes[0]!.removed], changes[0]!.tree, changes[0]!.mine],
                     [['lamp', 'bulb'], ['wire'], true, true]);
    assert.equal(ana.session.scene.revision.value, revision + 1);
});

test('hidden is what hangs below the hidden too', async () => {
    const { ana } = await world();
    ana.session.edits.hide(['lamp'], true);
    assert.equal(ana.session.scene.hidden('wire'), true);
    ana.session.edits.hide(['lamp'], false);
    assert.equal(ana.session.scene.hidden('wire'), false);
    assert.equal(ana.session.scene.locked('floor'), true);
});

test('an undo that was under way when the link broke is not done twice', async () => {
    const { sim, ana } = await world();
    ana.session.edits.undo();
    await sim.clock.run(1);
    sim.cut();
    await sim.clock.run(200);
    assert.equal(ana.session.link.value.pending, 0);
    assert.match(ana.session.notices.value[0]!.text, /look whether it was done/);
});

/* One more than 2^53 is 2^53: it was counted for ever. */
test('a name may end in any number', () => {
    assert.equal(nextName('x 9007199254740992', new Set(['x 9007199254740992'])), 'x 9007199254740992 2');
    assert.equal(nextName('Lamp 09', new Set(['Lamp 10'])), 'Lamp 11');
    assert.equal(nextName('7', new Set(['7'])), '7 2');
    assert.equal(nextName('999999999', new Set()), '999999999 2');
});
