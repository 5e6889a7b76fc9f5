/* Links that break, workers that die, pages that are closed: nothing that somebody did is lost. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

/* One worker; Ana sits beside it, Ben behind a relay. */
async function behind(world) {
    const relay = await world.relay();
    const worker = await world.worker('one', { scene: playground(), relay });
    const [ana, ben] = await Promise.all([
        world.person('Ana', worker), world.person('Ben', relay, { cutOff: true })]);
    return { relay, worker, ana, ben };
}

/* What the snapshot says of a place. */
async function stored(worker, id) {
    const found = JSON.parse(await worker.snapshot()).entities.find((entity) => entity.id === id);
    return found?.components.find(({ type }) => type === 'Transform')?.value.position;
}

export async function cut_off_and_healed(world) {
    const { relay, worker, ana, ben } = await behind(world);
    await ben.select('ball');
    relay.cut();
    await ben.phase('reconnecting');
    await ben.type('Transform', 'position.x', 2);
    await ben.type('Transform', 'position.y', 4);
    await ana.select('ball');
    await ana.type('Transform', 'position.y', 7);
    await ana.in(() => window.scenesync.session.edits.add({ Name: { value: 'New' } }));
    await ben.page.locator('[data-phase=reconnecting]').first().waitFor();
    await ben.until('the state line counts', async () => Number(await ben.stateLine.getAttribute('data-pending')) > 0);
    assert.equal((await ben.place('ball')).position[0], 2, 'an edit does not show while the link is down');
    await ana.settled();
    relay.mend();
    await ben.settled();
    await world.same(ana, ben);
    const place = (await ana.place('ball')).position;
    assert.equal(place[0], 2, "Ben's edit is lost");
    assert.ok([4, 7].includes(place[1]), String(place));
    const { x, y, z } = await stored(worker, 'ball');
    assert.deepEqual([x, y, z], [...place]);
    assert.equal((await ana.ids()).length, 5);
}

/* A cable that is pulled tells nobody: an edit that is not answered has to. */
export async function a_silent_cut(world) {
    const { relay, ana, ben } = await behind(world);
    relay.freeze();
    await ben.in(() => window.scenesync.session.edits.place('lamp', { position: [2, 2, 2] }));
    await ben.phase('reconnecting');
    relay.mend();
    await ben.settled();
    await world.same(ana, ben);
    assert.deepEqual([...(await ana.place('lamp')).position], [2, 2, 2]);
}

export async function a_reload_keeps_what_waits(world) {
    const { relay, worker, ana, ben } = await behind(world);
    relay.cutLinks();
    await ben.phase('reconnecting');
    await ben.in(() => {
        const { edits } = window.scenesync.session;
        edits.place('lamp', { position: [1, 2, 3] });
        edits.add({ Name: { value: 'Made offline' } });
        edits.removeComponent('sign', 'TextShape');
    });
    await ben.reload();
    await ben.until('the page is there again', async () => (await ben.link()) !== null);
    const waiting = await ben.until('edits wait still', async () => (await ben.link()).pending);
    assert.ok(waiting >= 3, `${waiting} wait`);
    relay.mend();
    await ben.live();
    await ben.settled();
    await world.same(ana, ben);
    assert.deepEqual([...(await ana.place('lamp')).position], [1, 2, 3]);
    assert.equal((await ana.ids()).length, 5, 'made twice, or not at all');
    assert.equal(await ana.data('sign', 'TextShape'), undefined);
    assert.deepEqual(await stored(worker, 'lamp'), { x: 1, y: 2, z: 3 });
}

export async function a_closed_tab_leaves_its_edits(world) {
    const { relay, ana, ben } = await behind(world);
    relay.cutLinks();
    await ben.phase('reconnecting');
    await ben.in(() => window.scenesync.session.edits.add({ Name: { value: 'Left behind' } }));
    /* A browser that has much to do ends a page without telling it. */
    await ben.until('it is kept', () => ben.in(() => Object.values(localStorage).some((text) => text.includes('Left behind'))));
    await ben.close();
    relay.mend();
    const again = await world.person('Ben', relay, { beside: ben, cutOff: true });
    await again.settled();
    await ana.until('what was left behind', async () => (await ana.ids()).length === 5);
    await world.same(ana, again);
}

export async function two_tabs_send_nothing_twice(world) {
    const { relay, ana, ben } = await behind(world);
    const other = await world.person('Ben', relay, { beside: ben, cutOff: true });
    relay.cutLinks();
    await Promise.all([ben.phase('reconnecting'), other.phase('reconnecting')]);
    for (const tab of [ben, other]) {
        await tab.in(() => window.scenesync.session.edits.add({ Name: { value: 'One each' } }));
    }
    await other.reload();
    await other.until('the page is there again', async () => (await other.link()) !== null);
    relay.mend();
    /* What waits in a browser is taken up a moment after the link is there. */
    await ana.until('what both made', async () => (await ana.ids()).length >= 6);
    await Promise.all([ben.settled(), other.settled()]);
    await world.same(ana, ben, other);
    assert.equal((await ana.ids()).length, 6);
}

export async function the_worker_is_killed(world) {
    const servers = await world.servers(`0,0=${world.write('scene.json', playground())}`);
    const kernel = await world.kernel({ servers });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, kernel.edition, { cutOff: true })));
    await ana.select('lamp');
    await ana.type('Transform', 'position.x', 5);
    await ana.settled();
    const { pid } = await kernel.scene();
    process.kill(pid, 'SIGKILL');
    /* At once, whether the page has noticed or not. */
    await ana.type('Transform', 'position.y', 6);
    await ben.in(() => window.scenesync.session.edits.add({ Name: { value: 'While it was dead' } }));
    await world.until('another worker is there', async () => {
        const scene = await kernel.scene();
        return scene.state === 'editing' && scene.pid !== pid;
    });
    await Promise.all([ana.settled(), ben.settled()]);
    await world.same(ana, ben);
    assert.deepEqual([...(await ben.place('lamp')).position], [5, 6, 8]);
    assert.equal((await ana.ids()).length, 5);
}

export async function a_refused_edit_goes_back(world) {
    const worker = await world.worker('one', { scene: playground() });
    const ana = await world.person('Ana', worker);
    const before = await ana.data('ball', 'Transform');
    const shown = ana.page.getByRole('log').locator('[data-tone=warning], [data-tone=bad]').first().waitFor();
    await ana.in(() => window.scenesync.session.edits.set('ball', 'Transform', { parent: 'ball', position: { x: 1, y: 1, z: 1 } }));
    await shown;
    const notice = (await ana.notices()).find(({ tone }) => ['warning', 'bad'].includes(tone));
    assert.ok(notice?.text.length > 10, JSON.stringify(notice));
    await ana.settled();
    assert.deepEqual(await ana.data('ball', 'Transform'), before);
}
