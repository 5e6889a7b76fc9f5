/* Who may only look, and what a share link carries. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

export async function a_viewer_cannot_edit(world) {
    const file = world.path('access.json');
    const token = async (name, role) => JSON.parse(await world.verb('access', 'add', '--file', file, name, '--role', role, '--json')).token;
    const [edit, view] = [await token('Ed', 'edit'), await token('Vera', 'view')];
    const worker = await world.guarded('one', { scene: playground(), file, token: edit });
    const ed = await world.person('Ed', worker, { token: edit });
    const vera = await world.person('Vera', worker, { token: view });
    const before = await worker.snapshot();
    await vera.until('it is said', async () => (await vera.stateLine.getAttribute('data-readonly')) === 'true');
    await vera.select('lamp');
    await vera.keyInView('Delete');
    await vera.keyInView('Control+d');
    await vera.keyInView('ArrowRight');
    await vera.drag('lamp', 80, 0);
    assert.ok(await vera.field('Transform', 'position.x').isDisabled()
        || await vera.field('Transform', 'position.x').getAttribute('readonly') !== null, 'a viewer can type in a field');
    assert.ok(await vera.button('Undo').isDisabled());
    /* Nor by the console. */
    await vera.in(() => {
        const { edits } = window.scenesync.session;
        edits.remove(['lamp']);
        edits.set('ball', 'Transform', { position: { x: 0, y: 0, z: 0 } });
        edits.add({ Name: { value: 'x' } });
    });
    await vera.settled();
    await ed.settled();
    await world.same(ed, vera);
    assert.equal(await worker.snapshot(), before);

    /* A role that changes is followed at once. */
    await world.verb('access', 'role', '--file', file, 'Vera', 'edit');
    await vera.until('she may edit', async () => (await vera.stateLine.getAttribute('data-readonly')) === 'false');
    await vera.type('Transform', 'position.x', 3);
    await vera.settled();
    await world.same(ed, vera);
    assert.equal((await ed.place('lamp')).position[0], 3);
    await world.verb('access', 'role', '--file', file, 'Vera', 'view');
    await vera.until('she may not', async () => (await vera.stateLine.getAttribute('data-readonly')) === 'true');
}

/* The view comes as a part of its own: whose link goes in between is told what to do. */
export async function a_part_that_does_not_come(world) {
    const worker = await world.worker('one', { scene: playground() });
    const without = /\/page\/view-[^/]*\.js$/;
    const eve = await world.person('Eve', worker, { wait: false, cutOff: true, without });
    await eve.page.getByText('Load the page again').waitFor();
    await eve.phase('live'); /* the list works all the same */
    await eve.select('lamp');
    await eve.field('Transform', 'position.x').waitFor();
    await eve.page.unroute(without);
    await eve.reload();
    await eve.live();
}

export async function a_share_link_opens_the_scene(world) {
    const file = world.path('access.json');
    const token = JSON.parse(await world.verb('access', 'add', '--file', file, 'Ed', '--role', 'edit', '--json')).token;
    const worker = await world.guarded('one', { scene: playground(), file, token });
    const ed = await world.person('Ed', worker, { token });
    assert.ok(!ed.page.url().includes(token), 'the token stays in the address bar');
    await ed.button('Share').click();
    const dialog = ed.page.getByRole('dialog', { name: /Share/ });
    const link = await dialog.getByRole('textbox').first().inputValue();
    assert.ok(link.includes('#') && link.split('#')[1].includes(token) && !link.split('#')[0].includes(token), link);
    assert.ok(link.includes('scene=0'), `${link} names no scene`);
    await ed.key('Escape');
    await dialog.waitFor({ state: 'detached' });
    const guest = await world.person('Gil', worker, { wait: false, cutOff: true });
    await guest.until('no link without a token', async () => ['closed', 'reconnecting'].includes((await guest.link())?.phase));
    await guest.page.goto('about:blank');
    await guest.page.goto(link);
    await guest.live();
    await world.same(ed, guest);
    /* A reload does not ask again. */
    await guest.reload();
    await guest.live();
}
