/* Several people in one scene: what one does the other sees. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

/* Keeps each place of an entity that a page is told, in `window.seen`. */
function record(person, id) {
    return person.in((i) => {
        const { scene } = window.scenesync.session;
        window.seen = [];
        scene.watch((change) => {
            if (change.all || change.changed.has(i)) {
                window.seen.push(scene.place(i).position.join(' '));
            }
        });
    }, id);
}

export async function a_drag_moves_in_the_other(world) {
    const worker = await world.worker('one', { scene: playground() });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, worker)));
    await ana.select('lamp');
    await ana.button('Move').click();
    const before = await ana.place('lamp');
    await record(ben, 'lamp');
    /* The mouse goes on once Ben has seen that it went: however slow a page is, it is no jump. */
    const count = () => ben.in(() => new Set(window.seen).size);
    await ana.drag('lamp', 160, 0, 20, async (i) => {
        if (i % 4 === 0) {
            await ben.until(`the drag after ${i} steps`, async () => (await count()) >= i / 4);
        }
    });
    await ana.settled();
    await world.same(ana, ben);
    const after = await ben.place('lamp');
    assert.notDeepEqual(after.position, before.position, 'the lamp did not move');
    assert.deepEqual([after.rotation, after.scale], [before.rotation, before.scale]);
    const seen = new Set(await ben.in(() => window.seen));
    assert.ok(seen.size >= 5, `Ben saw the drag in ${seen.size} places: it did not stream`);
    await ben.until('both show it at one place', async () => {
        const [a, b] = await Promise.all([ana.screen('lamp'), ben.screen('lamp')]);
        return Math.hypot(a.x - b.x, a.y - b.y) < 3;
    });
    const moved = after.position;

    /* A drag is one step. */
    await ana.keyInView('Control+z');
    await ben.until('the undone drag', async () => String((await ben.place('lamp')).position) === String(before.position));
    await ana.keyInView('Control+Shift+z');
    await ben.until('the drag again', async () => String((await ben.place('lamp')).position) === String(moved));
    await world.same(ana, ben);
}

export async function an_undo_leaves_others_alone(world) {
    const worker = await world.worker('one', { scene: playground() });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, worker)));
    await ana.select('lamp');
    await ana.type('Transform', 'position.x', 3);
    await ana.settled();
    await ben.select('lamp');
    await ben.type('Transform', 'scale.y', 2);
    await ben.settled();
    await ana.button('Undo').click();
    await ben.until('the lamp is back', async () => (await ben.place('lamp')).position[0] === 8);
    assert.equal((await ben.place('lamp')).scale[1], 2, "the undo took Ben's edit with it");
    await world.same(ana, ben);
    assert.deepEqual((await ana.place('lamp')).scale, [1, 2, 1]);
    /* Ben's own undo takes his, not hers. */
    await ben.button('Undo').click();
    await ana.until('the scale is back', async () => (await ana.place('lamp')).scale[1] === 1);
    await world.same(ana, ben);
}

export async function others_are_seen(world) {
    const one = await world.worker('one', { scene: playground() });
    const two = await world.worker('two', { peers: [one.url] });
    const ana = await world.person('Ana', one, { color: '#e76f51' });
    const ben = await world.person('Ben', two, { color: '#2a9d8f' });
    const people = ben.page.getByRole('list', { name: 'People' });
    await people.getByRole('listitem').filter({ hasText: /A/ }).first().waitFor();
    const her = await ben.until('Ana is here', async () => (await ben.others()).find(({ name }) => name === 'Ana'));
    assert.equal(her.color, '#e76f51');
    await ana.select('lamp');
    await ben.until("Ana's selection", async () => (await ben.others())[0].selection.includes('lamp'));
    await ben.until("Ana's camera", async () => (await ben.others())[0].camera);

    /* Who is editing which field. */
    await ben.select('lamp');
    await ana.field('Transform', 'position.x').focus();
    await ben.component('Transform').locator('[data-editor="Ana"]').first().waitFor();
    await ana.close();
    await ben.until('Ana has left', async () => (await ben.others()).length === 0);
    await ben.component('Transform').locator('[data-editor="Ana"]').first().waitFor({ state: 'detached' });
}

export async function position_and_colour_both_survive(world) {
    const one = await world.worker('one', { scene: playground() });
    const relay = await world.peerRelay(one);
    const two = await world.worker('two', { peers: [relay.url], listen: false });
    await world.equal(one, two);
    const ana = await world.person('Ana', one);
    const ben = await world.person('Ben', two);
    relay.cut();
    await ana.select('ball');
    await ana.type('Transform', 'position.x', 6.5);
    await ben.select('ball');
    await ben.in(() => window.scenesync.session.edits.set('ball', 'Material', { albedoColor: { r: 0, g: 1, b: 0, a: 1 } }));
    await Promise.all([ana.settled(), ben.settled()]);
    relay.mend();
    await world.equal(one, two);
    await world.same(ana, ben);
    assert.equal((await ana.place('ball')).position[0], 6.5);
    assert.deepEqual((await ana.data('ball', 'Material')).albedoColor, { r: 0, g: 1, b: 0, a: 1 });
    assert.equal(await one.snapshot(), await two.snapshot());
    assert.deepEqual(await ana.conflicts(), []);
}
