/* Edits are kept over reloads and crashes, and sent once however many pages there are. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { Sim, type Page } from './support/sim.ts';

async function world(): Promise<{ sim: Sim; ana: Page }> {
    const sim = new Sim(7);
    sim.worker.doc.set('lamp', new Map<string, Json>([['Name', { value: 'Lamp' }]]));
    const ana = sim.open('ana');
    await sim.settle();
    return { sim, ana };
}

function named(sim: Sim): Json | undefined {
    return sim.worker.doc.get('lamp')?.get('Name');
}

test('a reload while the link is cut keeps what waits', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.rename('lamp', 'Bright');
    const box = ana.session.edits.add({ Box: {} });
    ana.platform.leave();
    sim.reopen(ana);
    await sim.clock.run(100);
    assert.equal(ana.session.link.value.pending, 2, 'it is seen that they wait, before there is a link');
    sim.mend();
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Bright' });
    assert.ok(sim.worker.doc.has(box));
    ana.platform.leave();
    assert.deepEqual([...ana.browser.local.items.keys()].filter((key) => key.startsWith('scenesync/0,0/')), []);
});

test('a page that crashed is followed by the next', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.rename('lamp', 'Bright');
    await sim.clock.run(300);
    ana.platform.crash();
    sim.mend();
    sim.reopen(ana);
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Bright' });
});

test('of a page that lives nothing is taken', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.rename('lamp', 'Bright');
    await sim.clock.run(300);
    const beside = sim.open('ana', ana.browser);
    await sim.clock.run(300);
    assert.equal(beside.session.link.value.pending, 0);
    assert.equal(ana.session.link.value.pending, 1);
    /* It leaves: who is there gets them with the next link. */
    ana.platform.leave();
    sim.pages.splice(0, 1);
    sim.mend();
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Bright' });
});

test('a step that waits can be undone and redone without a link, after a reload too', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    const step = ana.session.edits.step();
    ana.session.edits.set('lamp', 'Name', { value: 'One' }, step);
    ana.session.edits.set('lamp', 'Box', {}, step);
    ana.session.edits.rename('lamp', 'Two');
    ana.session.edits.undo();
    assert.equal(ana.session.scene.label('lamp'), 'One');
    ana.session.edits.undo();
    assert.equal(ana.session.scene.label('lamp'), 'Lamp');
    assert.equal(ana.session.link.value.pending, 0);
    ana.session.edits.undo();
    assert.match(ana.session.notices.value[0]!.text, /Nothing to undo here/);
    ana.session.edits.redo();
    assert.equal(ana.session.scene.label('lamp'), 'One');
    assert.ok(ana.session.scene.get('lamp')!.components.has('Box'));
    sim.mend();
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'One' });
});

test('where the browser keeps nothing it is said once, and edits go on', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.browser.local.full = true;
    for (let i = 0; i < 5; i++) {
        ana.session.edits.rename('lamp', `Name ${i}`);
        await sim.clock.run(300);
    }
    assert.equal(ana.session.notices.value.filter(({ text }) => text.includes('keeps no more')).length, 1);
    sim.mend();
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Name 4' });
});

test('what somebody else wrote into storage does no harm', async () => {
    const { sim, ana } = await world();
    for (const [key, value] of [['x', '{'], ['x/1', 'null'], ['x/2', '{"kind":"set","entity":"lamp","step":"s"}'], ['x/y', '3'],
                                ['x/3', '{"kind":"add","entity":"q","step":"s","parts":[3,["Box"],["Box",{}]]}']] as const) {
        ana.browser.local.items.set(`scenesync/0,0/${key}`, value);
    }
    sim.open('ben', ana.browser);
    await sim.settle();
    assert.deepEqual([...sim.worker.doc.keys()], ['lamp', 'q']);
    assert.deepEqual([...sim.worker.doc.get('q')!], [['Box', {}]]);
});

/* A page with the role view took over what an editor's page left, sent it, and all was refused
 * and gone. */
test('who may only look takes over nothing', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.rename('lamp', 'Bright');
    ana.platform.leave();
    sim.worker.role = 'view';
    sim.mend();
    sim.reopen(ana);
    await sim.settle();
    assert.equal(ana.session.scene.label('lamp'), 'Lamp', 'nor shows it');
    assert.equal(ana.session.link.value.pending, 0);
    assert.deepEqual(sim.worker.events.filter(({ payload }) => payload.type === 'SetComponent'), []);
    /* The role comes: so do the edits. */
    sim.worker.role = 'edit';
    sim.worker.say({ eventType: 'Role', payload: { role: 'edit' } });
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Bright' });
});

/* They were written under a new name, which failed, and removed under the old one all the same. */
test('what is taken over needs no room', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.rename('lamp', 'Bright');
    ana.platform.leave();
    ana.browser.local.full = true;
    for (let i = 0; i < 3; i++) {
        sim.reopen(ana);
        await sim.clock.run(500);
        ana.platform.crash();
    }
    sim.mend();
    sim.reopen(ana);
    await sim.settle();
    assert.deepEqual(named(sim), { value: 'Bright' });
    ana.platform.leave();
    assert.deepEqual([...ana.browser.local.items.keys()].filter((key) => key.startsWith('scenesync/0,0/')), []);
});

/* Taking over takes a moment: meanwhile the worker may turn out to have another scene. */
test('edits of one scene are not made in another', async () => {
    const { sim, ana } = await world();
    sim.cut();
    await sim.clock.run(100);
    ana.session.edits.add({ Box: {} });
    ana.platform.leave();
    sim.claimMs = 500;
    sim.worker.scene = '5,5';
    sim.mend();
    sim.reopen(ana);
    await sim.settle();
    assert.deepEqual([...sim.worker.doc.keys()], ['lamp']);
    ana.platform.leave();
    sim.worker.scene = '0,0';
    sim.reopen(ana);
    await sim.settle();
    assert.equal(sim.worker.doc.size, 2, 'it waited for its own');
});

/* Edits stay under the name of the page that made them: the names were gone through by text. */
test('what is made in one page after another is done in that order', async () => {
    for (let seed = 0; seed < 20; seed++) {
        const sim = new Sim(seed);
        sim.worker.doc.set('lamp', new Map<string, Json>([['Name', { value: 'Lamp' }]]));
        const ana = sim.open('ana');
        await sim.settle();
        sim.cut();
        await sim.clock.run(100);
        ana.session.edits.rename('lamp', 'One');
        for (const name of ['Two', 'Three']) {
            ana.platform.leave();
            sim.mend();
            sim.worker.deaf = true; /* it tells the scene, and hears nothing */
            sim.reopen(ana);
            await sim.clock.run(1000);
            ana.session.edits.rename('lamp', name);
            sim.worker.deaf = false;
            sim.cut();
            await sim.clock.run(500);
        }
        ana.platform.leave();
        sim.mend();
        sim.reopen(ana);
        await sim.settle();
        assert.deepEqual(named(sim), { value: 'Three' }, `seed ${seed}`);
    }
});
