/* Where two edits met: what is listed, what is said, what can be done about it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { Sim, type Page } from './support/sim.ts';

const lost = { kind: 'concurrent', entityId: 'lamp', component: 'Name', field: 'value', value: 'Mine', author: { name: 'ana' },
               by: { name: 'ben' }, stamp: '5@a' };

async function world(): Promise<{ sim: Sim; ana: Page; tell(event: string, payload: object): Promise<void> }> {
    const sim = new Sim(5);
    sim.worker.doc.set('lamp', new Map<string, Json>([['Name', { value: 'Lamp' }], ['Box', { size: 2, color: 'red' }]]));
    const ana = sim.open('ana');
    await sim.settle();
    return { sim, ana, tell: async (eventType, payload) => {
        sim.worker.say({ eventType, payload });
        await sim.clock.run(300);
    } };
}

test('what stood when the page was opened is listed, what comes is said too', async () => {
    const { ana, tell } = await world();
    const { session } = ana;
    await tell('Conflicts', { conflicts: [lost] });
    assert.deepEqual(session.conflicts.value.map(({ field, mine, by }) => [field, mine, by]), [['value', true, 'ben']]);
    assert.deepEqual(session.notices.value, []);
    await tell('Conflict', { ...lost, stamp: '6@a' });
    await tell('Conflicts', { conflicts: [{ ...lost, stamp: '6@a' }] });
    assert.deepEqual(session.notices.value.map(({ text }) => text), ['ben changed value of “Lamp” at the same time.']);
    await tell('Conflicts', { conflicts: [] });
    assert.deepEqual(session.conflicts.value, []);
});

test("others' losses are listed, not said", async () => {
    const { ana, tell } = await world();
    await tell('Conflicts', { conflicts: [] });
    await tell('Conflict', { ...lost, author: { name: 'ben' } });
    assert.deepEqual(ana.session.conflicts.value.map(({ mine }) => mine), [false]);
    assert.deepEqual(ana.session.notices.value, []);
});

test('take mine: it is written again, and no conflict any more', async () => {
    const { sim, ana, tell } = await world();
    await tell('Conflicts', { conflicts: [] });
    await tell('Conflict', lost);
    ana.session.notices.value[0]!.action!.run();
    assert.equal(ana.session.scene.label('lamp'), 'Mine');
    assert.deepEqual(ana.session.conflicts.value, []);
    await sim.settle();
    assert.deepEqual(sim.worker.doc.get('lamp')!.get('Name'), { value: 'Mine' });
});

test('dismissed: gone at once, and the worker is told', async () => {
    const { sim, ana, tell } = await world();
    await tell('Conflicts', { conflicts: [lost] });
    ana.session.dismissConflict(ana.session.conflicts.value[0]!);
    assert.deepEqual(ana.session.conflicts.value, []);
    await sim.clock.run(200);
    const told = sim.worker.events.find(({ payload }) => payload.type === 'DismissConflict');
    assert.deepEqual(told.payload.payload, { entityId: 'lamp', component: 'Name', field: 'value', stamp: '5@a' });
});

test('a component that was removed under the one who edits it comes back with all it had', async () => {
    const { sim, ana, tell } = await world();
    await tell('Conflicts', { conflicts: [] });
    const ben = sim.open('ben');
    await sim.settle();
    ben.session.edits.removeComponent('lamp', 'Box');
    await sim.settle();
    await tell('Conflict', { kind: 'edited-while-removed', entityId: 'lamp', component: 'Box', field: 'size', value: 3, author: { name: 'ana' },
                             by: { name: 'ben' }, stamp: '7@a' });
    const notice = ana.session.notices.value.at(-1)!;
    assert.equal(notice.text, 'ben removed Box of “Lamp” while you changed it.');
    notice.action!.run();
    await sim.settle();
    assert.deepEqual(sim.worker.doc.get('lamp')!.get('Box'), { size: 3, color: 'red' });
});

test('repairs mark their entities', async () => {
    const { ana, tell } = await world();
    await tell('Conflicts', { conflicts: [{ kind: 'cycle', entityId: 'lamp', value: 'bulb' }] });
    assert.equal(ana.session.scene.repair('lamp'), 'cycle');
    await tell('Conflicts', { conflicts: [] });
    assert.equal(ana.session.scene.repair('lamp'), undefined);
});

test('what was dismissed and happens again is shown again', async () => {
    const { sim, ana } = await world();
    const lose = async (): Promise<void> => {
        sim.worker.doc.delete('lamp'); /* unheard of here */
        ana.session.edits.rename('lamp', 'Late');
        await sim.settle();
    };
    await lose();
    assert.equal(ana.session.conflicts.value.length, 1);
    ana.session.dismissConflict(ana.session.conflicts.value[0]!);
    assert.equal(ana.session.conflicts.value.length, 0);
    const ben = sim.open('ben');
    await sim.settle();
    sim.worker.doc.set('lamp', new Map<string, Json>([['Name', { value: 'Lamp' }]]));
    sim.worker.touch('lamp');
    await sim.settle();
    assert.ok(ben.session.scene.get('lamp'));
    await lose();
    assert.equal(ana.session.conflicts.value.length, 1);
});
