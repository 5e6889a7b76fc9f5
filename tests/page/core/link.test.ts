/* The link: opened again and again, given up when there is no right to it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { Sim } from './support/sim.ts';

async function world(): Promise<Sim> {
    const sim = new Sim(11);
    sim.delayMax = 5;
    sim.worker.doc.set('lamp', new Map<string, Json>([['Name', { value: 'Lamp' }]]));
    sim.open('ana');
    await sim.settle();
    return sim;
}

test('it is tried again after 0.25 s, then less often, at most every 10 s', async () => {
    const sim = await world();
    const { session } = sim.pages[0]!;
    sim.cut();
    const tries: number[] = [];
    let last = 0;
    for (let i = 0; i < 60_000; i += 10) {
        await sim.clock.run(10);
        const { retryAt } = session.link.value;
        if (retryAt !== undefined && retryAt !== last) {
            tries.push(retryAt - sim.clock.now);
            last = retryAt;
        }
    }
    assert.equal(session.link.value.phase, 'reconnecting');
    assert.ok(tries[0]! >= 170 && tries[0]! <= 320, `${tries}`);
    assert.ok(tries.at(-1)! >= 7000 && tries.at(-1)! <= 12_500, `${tries}`);
    assert.ok(tries.length >= 8 && tries.length < 20, `${tries}`);
    sim.mend();
    sim.pages[0]!.platform.online();
    await sim.clock.run(300);
    assert.equal(session.link.value.phase, 'live', 'at once when the network is back');
});

test('a link that died silently is found out, sooner when an edit waits', async () => {
    for (const [edits, most] of [[true, 7500], [false, 12_500]] as const) {
        const sim = await world();
        const { session } = sim.pages[0]!;
        sim.worker.deaf = true; /* takes all, says nothing */
        if (edits) {
            session.edits.rename('lamp', 'Bright');
        }
        const begun = sim.clock.now;
        while (session.link.value.phase === 'live' && sim.clock.now - begun < 60_000) {
            await sim.clock.run(100);
        }
        assert.ok(sim.clock.now - begun <= most, `${sim.clock.now - begun} ms`);
        sim.worker.deaf = false;
        await sim.settle();
        assert.deepEqual(sim.worker.doc.get('lamp')!.get('Name'), { value: edits ? 'Bright' : 'Lamp' });
    }
});

test('a quiet scene stays live', async () => {
    const sim = await world();
    await sim.clock.run(120_000);
    assert.equal(sim.pages[0]!.session.link.value.phase, 'live');
});

test('a token that was taken away closes it for good', async () => {
    const sim = await world();
    const { session } = sim.pages[0]!;
    [...sim.wires][0]!.end(1008, 'your token is not valid any more');
    await sim.clock.run(30_000);
    assert.equal(session.link.value.phase, 'closed');
    assert.match(session.link.value.text!, /your token is not valid any more/);
    session.edits.rename('lamp', 'Bright');
    assert.match(session.notices.value.at(-1)!.text, /closed/);
});

test('who is not let in is told why', async () => {
    const sim = new Sim(12);
    sim.worker.alive = true;
    sim.refusing = true;
    sim.status = 401;
    const { session } = sim.open('eve');
    await sim.clock.run(2000);
    assert.equal(session.link.value.phase, 'closed');
    assert.match(session.link.value.text!, /token/);
});

test('the role decides what may be done', async () => {
    const sim = await world();
    sim.worker.role = 'view';
    const page = sim.open('vera');
    await sim.settle();
    assert.equal(page.session.link.value.readOnly, true);
    page.session.edits.rename('lamp', 'Bright');
    page.session.edits.undo();
    assert.equal(page.session.scene.label('lamp'), 'Lamp');
    assert.match(page.session.notices.value[0]!.text, /not edit/);
});

/* The patience with a link that says nothing ended before a large edit was on its way: it was
 * sent again and again, for ever. */
test('a slow network is no dead one', async () => {
    const sim = await world();
    const { session } = sim.pages[0]!;
    sim.bytesPerMs = 25; /* 200 kbit/s up */
    session.edits.rename('lamp', 'x'.repeat(600_000));
    let broken = 0;
    for (let i = 0; i < 600 && session.link.value.pending > 0; i++) {
        await sim.clock.run(100);
        broken += session.link.value.phase === 'live' ? 0 : 1;
    }
    assert.equal(broken, 0);
    assert.equal((sim.worker.doc.get('lamp')!.get('Name') as any).value.length, 600_000);
});
