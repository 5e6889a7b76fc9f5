/* Two sessions at a model of the worker, with delays, cuts, crashes, reloads and refusals: in the
 * end both show what the worker has, and nothing that was made is lost.
 *
 *      SEED=n node tests/page/core/run.mjs session      the run of this seed alone */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { doSomething, plain, seen, type Ledger } from './support/deeds.ts';
import { Sim } from './support/sim.ts';

const RUNS = Number(process.env.RUNS ?? 60);
const first = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

async function upset(world: Sim): Promise<void> {
    const { random } = world;
    const dice = random.below(100);
    const page = random.pick(world.pages);
    if (dice < 20) {
        world.cut();
    } else if (dice < 60) {
        world.mend();
        world.worker.start();
    } else if (dice < 68) {
        world.kill();
    } else if (dice < 76) {
        page.platform.leave();
        world.reopen(page);
    } else if (dice < 82) { /* a crash: what was made in the last moment may be gone */
        await world.clock.run(300);
        page.platform.crash();
        world.reopen(page);
    } else if (dice < 90) {
        page.platform.online();
    } else {
        world.delayMax = random.pick([5, 60, 400]);
    }
}

async function play(seed: number): Promise<void> {
    const world = new Sim(seed, seed % 2 === 0 ? 0 : 0.03);
    const ledger: Ledger = new Map();
    for (let i = 0; i < 4; i++) {
        world.worker.doc.set(`e${i}`, new Map<string, Json>([['Thing', { made: 0 }], ['Transform', { position: { x: i, y: 0, z: 0 } }]]));
    }
    world.open('ana');
    world.open('ben');
    await world.settle();
    for (let n = 1; n <= 150; n++) {
        if (world.random.below(100) < 6) {
            await upset(world);
        }
        const page = world.random.pick(world.pages);
        for (let burst = world.random.below(4); burst >= 0; burst--) {
            doSomething(world.random, page, ledger, n * 10 + burst);
        }
        await world.clock.run(world.random.pick([0, 5, 30, 120]));
    }
    world.mend();
    world.worker.start();
    world.delayMax = 60;
    await world.settle();
    for (const page of world.pages) {
        assert.deepEqual(plain(seen(page)), plain(world.worker.doc), `${page.name} shows what the worker has`);
    }
    const refused = [...world.worker.refusedIds].join('\n');
    for (const [key, written] of ledger) {
        const [entity, name] = key.split(' ') as [string, string];
        const parts = world.worker.doc.get(entity);
        const shown = (parts?.get('Thing') as Record<string, number> | undefined)?.[name];
        const whole = parts && !world.worker.madeAgain.has(entity) && !refused.includes(entity);
        if (whole && shown !== written.at(-1)) {
            assert.fail(`${name} wrote ${written.at(-1)} in ${entity} last, and the worker has ${shown}`);
        }
    }
}

test('two sessions come to agree with the worker', async (t) => {
    for (let seed = first; seed < first + (process.env.SEED ? 1 : RUNS); seed++) {
        await t.test(`seed ${seed}: SEED=${seed} node tests/page/core/run.mjs session`, () => play(seed));
    }
});
