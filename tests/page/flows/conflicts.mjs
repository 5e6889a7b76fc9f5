/* Two workers that do not hear each other: what people do meanwhile meets when they do. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

/* Ana at one worker, Ben at another; `relay` is what lies between these. */
async function apart(world, scene = playground()) {
    const one = await world.worker('one', { scene });
    const relay = await world.peerRelay(one);
    const two = await world.worker('two', { peers: [relay.url], listen: false });
    await world.equal(one, two);
    const [ana, ben] = await Promise.all([world.person('Ana', one), world.person('Ben', two)]);
    relay.cut();
    return { one, two, relay, ana, ben, async heal() {
        await Promise.all([ana.settled(), ben.settled()]);
        relay.mend();
        await world.equal(one, two);
        await world.same(ana, ben);
    } };
}

export async function take_mine(world) {
    const { one, two, ana, ben, heal } = await apart(world);
    await ana.select('lamp');
    await ben.select('lamp');
    await ana.type('Transform', 'scale.x', 3);
    await ben.type('Transform', 'scale.x', 5);
    await heal();
    const shown = (await ana.place('lamp')).scale[0];
    const [loser, value] = shown === 3 ? [ben, 5] : [ana, 3];
    const row = loser.component('Transform').locator('[data-conflict]');
    await row.first().waitFor();
    await loser.component('Transform').getByRole('button', { name: /^Take mine/ }).first().click();
    await world.until('the other value is back', async () => (await ana.place('lamp')).scale[0] === value
        && (await ben.place('lamp')).scale[0] === value);
    await row.first().waitFor({ state: 'detached' });
    await world.equal(one, two);
    assert.equal(await one.snapshot(), await two.snapshot());
    assert.ok(!JSON.parse(await one.snapshot()).conflicts, 'a conflict stands that was decided');
}

export async function delete_against_edit(world) {
    const { one, two, ana, ben, heal } = await apart(world);
    await ana.select('ball');
    await ana.keyInView('Delete');
    await ana.until('the ball is gone', async () => !(await ana.ids()).includes('ball'));
    await ben.select('ball');
    await ben.type('Transform', 'position.z', 3);
    await heal();
    assert.ok(!(await ben.ids()).includes('ball'), 'what was removed came back');
    /* Ben hears of it, and can have it back. */
    await ben.notice(/Ball/);
    await ben.button(/^Conflicts/).click();
    await ben.page.getByRole('region', { name: 'Conflicts' }).getByRole('button', { name: /^Restore/ }).click();
    await world.until('both have the ball again', async () => (await ana.ids()).includes('ball') && (await ben.ids()).includes('ball'));
    await world.same(ana, ben);
    assert.equal((await ana.place('ball')).position[2], 3, "Ben's edit is lost");
    assert.ok(await ana.data('ball', 'Material'), 'it came back without its material');
    await world.equal(one, two);
    assert.equal(await one.snapshot(), await two.snapshot());
}

export async function a_cycle_of_parents(world) {
    const { one, two, ana, ben, heal } = await apart(world);
    await ana.in(() => window.scenesync.session.edits.move('lamp', 'ball'));
    await ben.in(() => window.scenesync.session.edits.move('ball', 'lamp'));
    assert.equal(await ana.parent('lamp'), 'ball');
    assert.equal(await ben.parent('ball'), 'lamp');
    await heal();
    const parents = [await ana.parent('lamp'), await ana.parent('ball')];
    assert.equal(parents.filter((parent) => parent === null).length, 1, `parents ${parents}`);
    const marked = parents[0] === null ? 'lamp' : 'ball';
    for (const person of [ana, ben]) {
        await person.page.locator(`[role=treeitem][data-entity="${marked}"][data-repair=cycle]`).waitFor();
    }
    assert.equal(await one.snapshot(), await two.snapshot());
    /* Who moves it somewhere else ends the cycle. */
    await ana.in((id) => window.scenesync.session.edits.move(id, 'tower'), marked);
    await ben.until('the mark is gone', async () => (await ben.in((id) => window.scenesync.session.scene.repair(id) === undefined, marked)));
    await world.same(ana, ben);
}

export async function an_orphan_is_marked(world) {
    const { ana, ben, heal } = await apart(world);
    await ana.in(() => window.scenesync.session.edits.remove(['tower']));
    await ben.in(() => window.scenesync.session.edits.move('sign', 'tower'));
    await heal();
    assert.equal(await ana.parent('sign'), null);
    for (const person of [ana, ben]) {
        await person.page.locator('[role=treeitem][data-entity="sign"][data-repair=orphan]').waitFor();
    }
}
