/* Accessibility of each main state, light and dark: no serious finding of axe-core. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

async function states(world, scheme) {
    const relay = await world.relay();
    const worker = await world.worker('one', { scene: playground(), relay });
    const ana = await world.person('Ana', relay, { scheme, cutOff: true });
    const ben = await world.person('Ben', worker, { scheme });
    const found = [];
    const check = async (what, person = ana) => {
        found.push(...(await person.unreachable()).map((text) => `${what}: ${text}`));
    };
    await check('at first');
    await ana.select('ball');
    await ben.select('ball');
    await ben.field('Transform', 'position.x').focus();
    await ana.component('Transform').locator('[data-editor]').first().waitFor();
    await check('with a selection');
    await ana.select('lamp', ['Control']);
    await check('with two selected');
    for (const name of ['History', 'Conflicts']) {
        await ana.button(new RegExp(`^${name}`)).click();
        await ana.page.getByRole('region', { name: new RegExp(name) }).waitFor();
        await check(name);
    }
    for (const name of ['Share', 'Help']) {
        await ana.button(new RegExp(`^${name}`)).first().click();
        await ana.page.getByRole('dialog').waitFor();
        await check(`dialog ${name}`);
        await ana.key('Escape');
        await ana.page.getByRole('dialog').waitFor({ state: 'detached' });
    }
    relay.cut();
    await ana.phase('reconnecting');
    await ana.in(() => window.scenesync.session.say('bad', 'Something that is wrong'));
    await check('reconnecting');
    const eye = await world.person('Eye', worker, { scheme, path: '/status', wait: false });
    await eye.page.getByRole('table').first().waitFor();
    await check('status', eye);
    assert.deepEqual(found, [], `\n  ${found.join('\n  ')}\n`);
}

export const accessible_in_light = (world) => states(world, 'light');
export const accessible_in_dark = (world) => states(world, 'dark');
