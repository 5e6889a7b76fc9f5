/* The page of what is going on, and the figures for machines. */

import assert from 'node:assert/strict';
import { playground } from '../support/scenes.mjs';

export async function the_status_page(world) {
    const one = await world.worker('one', { scene: playground() });
    const relay = await world.peerRelay(one);
    const two = await world.worker('two', { peers: [relay.url], listen: false });
    await world.equal(one, two);
    const ana = await world.person('Ana', one);
    const eye = await world.person('Eye', two, { path: '/status', wait: false });
    await eye.page.getByRole('table').first().waitFor();
    await eye.page.getByText(/equal/i).first().waitFor();
    relay.cut();
    await ana.in(() => window.scenesync.session.edits.rename('lamp', 'Elsewhere'));
    await eye.until('it shows that a peer is away', async () => /not connected|away|disconnected|unreachable|lost/i.test(await eye.page.locator('body').innerText()));
    relay.mend();
    await world.equal(one, two);

    const text = (await one.call('GET', '/metrics')).text;
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
    assert.ok(lines.length > 10, text.slice(0, 500));
    for (const line of lines) {
        assert.match(line, /^(scenesync|process)_[a-z0-9_]+(\{[a-z_]+="(?:[^"\\]|\\.)*"(,[a-z_]+="(?:[^"\\]|\\.)*")*\})? -?[0-9.e+-]+$/, line);
    }
}
