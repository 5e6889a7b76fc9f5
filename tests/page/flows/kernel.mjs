/* Play, stop, save and publish, by the buttons, through a kernel and servers. */

import assert from 'node:assert/strict';
import path from 'node:path';
import { ROOT } from '../support/program.mjs';
import { call } from '../support/http.mjs';

const COURTYARD = path.join(ROOT, 'docs/scenes/courtyard.builder.json');

async function started(world) {
    const servers = await world.servers(`0,0=${COURTYARD}`);
    const kernel = await world.kernel({ servers, args: ['--loopback-role', 'admin'] });
    const ana = await world.person('Ana', kernel.edition, { cutOff: true });
    return { servers, kernel, ana };
}

export async function play_and_stop(world) {
    const { kernel, ana } = await started(world);
    const ben = await world.person('Ben', kernel.edition, { cutOff: true });
    const before = await ana.ids();
    await ana.in((id) => window.scenesync.session.edits.rename(id, 'Renamed'), before[1]);
    await ana.button('Play').click();
    for (const person of [ana, ben]) {
        await person.until('the scene runs', async () => (await person.link())?.mode === 'running' && (await person.link()).phase === 'live');
        await person.page.locator('[data-mode=running]').first().waitFor();
    }
    await world.until('the kernel says so', async () => (await kernel.scene()).state === 'running');
    await ben.until('nobody edits', async () => (await ben.stateLine.getAttribute('data-readonly')) === 'true');
    await ben.button('Stop').click();
    for (const person of [ana, ben]) {
        await person.until('it is edited again', async () => (await person.link())?.mode === 'editing' && (await person.link()).phase === 'live');
    }
    await ana.until('all is there', async () => (await ana.ids()).length === before.length);
    assert.deepEqual(await ana.ids(), before);
    await world.same(ana, ben);
}

export async function save_and_publish(world) {
    const { servers, ana } = await started(world);
    const [id] = (await ana.ids()).slice(1);
    await ana.in((i) => window.scenesync.session.edits.rename(i, 'Published bench'), id);
    await ana.settled();
    await ana.button('Save').click();
    await ana.until('it is saved', async () => (await ana.stateLine.getAttribute('data-save')) === 'saved');
    const active = async () => (await call('POST', `${servers.http}/content/entities/active`, { pointers: ['0,0'] })).json[0];
    const before = await active();
    await ana.button('Publish').click();
    const dialog = ana.page.getByRole('dialog', { name: /Publish/ });
    await dialog.waitFor();
    const prepare = dialog.getByRole('button', { name: /^Prepare/ });
    if (await prepare.isVisible()) {
        await prepare.click();
    }
    /* What will be published is shown before anything is. */
    await dialog.getByText(/game\.js/).first().waitFor();
    assert.equal((await active()).id, before.id, 'something was deployed before it was confirmed');
    await dialog.getByRole('button', { name: /^Publish/ }).click();
    await world.until('it is published', async () => (await active()).id !== before.id);
    await dialog.getByText(/published/i).first().waitFor();
}
