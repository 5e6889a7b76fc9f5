/* Core at a real worker: what a page sees is what the worker has. */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openSession } from '../../../cli/page/src/core/session.ts';
import type { Json, Session } from '../../../cli/page/src/core/types.ts';
import { realPlatform, type RealPlatform } from './support/real.ts';
import { doSomething, plain, seen, type Ledger } from './support/deeds.ts';
import { Browser } from './support/memory.ts';
import { Random } from './support/sim.ts';
// @ts-ignore: plain JavaScript, of the tests in browsers
import { World } from '../support/world.mjs';
// @ts-ignore
import { playground } from '../support/scenes.mjs';

const world = new World('core', undefined);
after(() => world.close());
const until = (what: string, holds: () => unknown): Promise<void> => world.until(what, async () => holds());

interface Page {
    readonly platform: RealPlatform;
    readonly session: Session;
    readonly name: string;
    readonly browser: Browser;
}
const pages: Page[] = [];
after(() => pages.forEach((page) => page.platform.crash()));

function open(at: string, name: string, browser = new Browser()): Page {
    const platform = realPlatform(`${at}/?scene=0,0&name=${name}`, browser);
    const page = { platform, name, browser, session: openSession(platform) };
    pages.push(page);
    return page;
}

function live(page: Page): Promise<void> {
    return until('the page is live', () => page.session.link.value.phase === 'live');
}

function settled(...all: Page[]): Promise<void> {
    return until('nothing is on its way', () => all.every(({ session }) => session.link.value.phase === 'live' &&
                                                                           session.link.value.pending === 0));
}

function data(page: Page, entity: string, component: string): Json | undefined {
    return page.session.scene.get(entity)?.components.get(component)?.data;
}

/* Without what it tells of conflicts. */
async function snapshot(worker: { get(path: string): Promise<{ entities: any[] }> }): Promise<Map<string, Map<string, Json>>> {
    const { entities } = await worker.get('/v1/snapshot');
    return new Map(entities.map((entity) => [entity.id, new Map(entity.components.map((part: any) => [part.type, part.value]))]));
}

function shows(page: Page, worker: Parameters<typeof snapshot>[0]): Promise<void> {
    return until(`${page.name} sees what the worker has`, async () => {
        assert.deepEqual(plain(seen(page)), plain(await snapshot(worker)));
        return true;
    });
}

test('two pages at one worker', async (t) => {
    const relay = await world.relay();
    const worker = await world.worker('one', { scene: playground(), relay });
    const at = `http://127.0.0.1:${relay.port}`;
    const ana = open(at, 'Ana');
    const ben = open(at, 'Ben');
    await Promise.all([live(ana), live(ben)]);

    await t.test('see what there is, and each other', async () => {
        await shows(ana, worker);
        assert.equal(ana.session.scene.label('lamp'), 'Lamp');
        await until('they see each other', () => ana.session.people.value[0]?.name === 'Ben' && ben.session.people.value[0]?.name === 'Ana');
    });

    await t.test('an edit shows at once, and at the other soon', async () => {
        ana.session.edits.place('lamp', { position: [1, 2, 3] });
        assert.deepEqual(ana.session.scene.place('lamp').position, [1, 2, 3]);
        assert.equal(ana.session.scene.get('lamp')!.components.get('Transform')!.pending, true);
        await settled(ana);
        await until('Ben sees it', () => ben.session.scene.place('lamp').position[0] === 1);
        assert.equal(ana.session.scene.get('lamp')!.components.get('Transform')!.pending, false);
        assert.equal(ben.session.scene.get('lamp')!.components.get('Transform')!.author, 'Ana');
    });

    await t.test('fields of one component that both edit both stay', async () => {
        ana.session.edits.place('ball', { position: [9, 9, 9] });
        ben.session.edits.place('ball', { scale: [2, 2, 2] });
        await settled(ana, ben);
        await until('both see both', () => [ana, ben].every(({ session }) =>
            session.scene.place('ball').position[0] === 9 && session.scene.place('ball').scale[0] === 2));
    });

    await t.test('an entity is added, copied, moved below another, and removed', async () => {
        const { edits, scene } = ana.session;
        const box = edits.add({ Transform: { position: { x: 1, y: 0, z: 0 } }, BoxShape: {} });
        assert.equal(edits.move(box, 'lamp'), true);
        assert.equal(edits.move('lamp', box), false, 'not below itself');
        const [copy] = edits.duplicate(['lamp']);
        assert.equal(scene.label(copy!), 'Lamp 2');
        assert.equal(scene.children(copy!).length, 1);
        await settled(ana);
        await until('Ben sees the copy', () => ben.session.scene.children(copy!).length === 1);
        await shows(ben, worker);
        edits.remove([copy!]);
        await settled(ana);
        await until('Ben sees that it is gone', () => !ben.session.scene.get(copy!));
        await shows(ana, worker);
    });

    await t.test('undo and redo', async () => {
        const before = data(ana, 'sign', 'TextShape');
        ana.session.edits.set('sign', 'TextShape', { value: 'Bye' });
        ana.session.edits.undo();
        await settled(ana);
        await until('it is as before', () => JSON.stringify(data(ana, 'sign', 'TextShape')) === JSON.stringify(before));
        ana.session.edits.redo();
        await settled(ana);
        await until('it is done again', () => (data(ben, 'sign', 'TextShape') as any)?.value === 'Bye');
    });

    await t.test('edits while the link is cut are kept, over a reload too', async () => {
        const browser = new Browser();
        const cleo = open(at, 'Cleo', browser);
        await live(cleo);
        relay.cut();
        await until('it is noticed', () => cleo.session.link.value.phase === 'reconnecting');
        const made = cleo.session.edits.add({ Name: { value: 'Made offline' } });
        cleo.session.edits.set('ball', 'Material', { metallic: 0.75 });
        cleo.platform.leave();
        relay.mend();
        const again = open(at, 'Cleo', browser);
        await settled(again);
        await until('all see it', () => [ana, ben, again].every((page) =>
            page.session.scene.label(made) === 'Made offline' && (data(page, 'ball', 'Material') as any).metallic === 0.75));
        again.platform.leave();
        assert.equal([...browser.local.items.keys()].filter((key) => key.startsWith('scenesync/0,0/')).length, 0);
        again.session.close();
    });

    await t.test('kill -9 of the worker under both', async () => {
        await settled(ana, ben);
        ana.session.edits.place('tower', { position: [5, 5, 5] });
        await worker.kill();
        ben.session.edits.place('tower', { scale: [3, 3, 3] });
        await worker.start();
        await settled(ana, ben);
        await until('nothing is lost', () => [ana, ben].every(({ session }) =>
            session.scene.place('tower').position[0] === 5 && session.scene.place('tower').scale[0] === 3));
        await shows(ana, worker);
        await shows(ben, worker);
    });

    await t.test('deleted under the one who edits it: said, and restored with what was refused', async () => {
        await settled(ana, ben);
        ben.session.edits.remove(['sign']);
        await until('it is done', () => !ben.session.link.value.pending);
        /* Ana may not know yet, or does: either way her edit does not bring half of it back. */
        const knew = !ana.session.scene.get('sign');
        ana.session.edits.set('sign', 'TextShape', { value: 'Late' });
        await settled(ana);
        await until('it is gone', () => !ana.session.scene.get('sign'));
        await shows(ana, worker);
        ana.session.edits.restore('sign');
        await until('it is back, with what was refused', () => [ana, ben].every((page) =>
            (data(page, 'sign', 'TextShape') as any)?.value === (knew ? 'Bye' : 'Late') && page.session.scene.label('sign') === 'Sign'));
        await settled(ana, ben);
        await shows(ben, worker);
    });
});

/* The worker's own idea of what an edit means, with links that break: what crosses what is up to
 * this machine's clock, so a seed repeats what is done, not when. */
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

test(`two pages that do anything (SEED=${seed})`, async () => {
    const random = new Random(seed);
    const relay = await world.relay();
    const worker = await world.worker('two', { scene: playground(), relay });
    const at = `http://127.0.0.1:${relay.port}`;
    const both = [open(at, 'ana'), open(at, 'ben')] as [Page, Page];
    await Promise.all(both.map(live));
    const ledger: Ledger = new Map();
    for (let n = 1; n <= 250; n++) {
        const i = random.below(2);
        doSomething(random, both[i]!, ledger, n);
        const dice = random.below(100);
        if (dice < 3) {
            relay.cut();
        } else if (dice < 9) {
            relay.mend();
        } else if (dice === 9) {
            both[i]!.platform.leave();
            both[i] = open(at, both[i]!.name, both[i]!.browser);
        }
        await new Promise((done) => setTimeout(done, random.pick([0, 0, 5, 20, 60])));
    }
    relay.mend();
    await settled(...both);
    for (const page of both) {
        await until(`SEED=${seed} node tests/page/core/run.mjs worker: ${page.name} sees what the worker has`, async () => {
            assert.deepEqual(plain(seen(page)), plain(await snapshot(worker)));
            return true;
        });
    }
});
