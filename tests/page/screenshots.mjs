/* Pictures of the page in its main states, for people who work on how it looks.
 *
 *      node tests/page/screenshots.mjs [WORD...]     out/page/NAME.png of all states, or those whose names contain a word
 *      node tests/page/screenshots.mjs --docs        the two of docs/ that README shows
 *
 * Made of the sample scenes with the ordinary programs. People, colours, places and window
 * sizes are fixed, so that two pictures of one version differ only where the page does. */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { launch } from './support/browser.mjs';
import { ROOT } from './support/program.mjs';
import { playground } from './support/scenes.mjs';
import { World } from './support/world.mjs';

const OUT = path.join(ROOT, 'out/page');
const VILLAGE = path.join(ROOT, 'docs/scenes/village.builder.json');
const COURTYARD = path.join(ROOT, 'docs/scenes/courtyard.builder.json');
const LAPTOP = { width: 1280, height: 800 };
const WIDE = { width: 1920, height: 1080 };
/* For who is seen only by others. */
const ASIDE = { viewport: { width: 800, height: 400 }, scale: 0.25, cutOff: true };

async function take(person, name, folder = OUT) {
    if ((await person.link())?.phase === 'live') {
        await person.drawn().catch((error) => console.log(`${name}: ${error.message}`));
    }
    await person.page.mouse.move(person.page.viewportSize().width / 2, 2);
    await person.page.waitForTimeout(400); /* transitions of the panels */
    await person.page.screenshot({ path: path.join(folder, `${name}.png`) });
    console.log(path.relative(ROOT, path.join(folder, `${name}.png`)));
}

/* Servers with a scene, a kernel that edits it, and its people. */
async function edited(world, scene) {
    const servers = await world.servers(`0,0=${scene}`);
    return world.kernel({ servers, args: ['--loopback-role', 'admin'] });
}

/* The ids of what has one of these names. */
function byName(person, ...names) {
    return person.in((wanted) => {
        const { scene } = window.scenesync.session;
        return wanted.map((name) => [...scene.entities.keys()].find((id) => scene.label(id) === name)).filter(Boolean);
    }, names);
}

function choose(person, ids) {
    return person.in((found) => { window.scenesync.session.selection.value = found; }, ids);
}

async function frame(person, ids) {
    await person.in((found) => window.scenesync.view.frame?.(found), ids);
    await person.drawn();
}

/* Three people in a scene, each with something selected. */
async function company(world, scene, scheme, viewport = LAPTOP) {
    const kernel = await edited(world, scene);
    const at = kernel.edition;
    const ana = await world.person('Ana', at, { scheme, viewport, color: '#e76f51', cutOff: true, quality: 'high' });
    const ben = await world.person('Ben', at, { ...ASIDE, color: '#2a9d8f' });
    const cyn = await world.person('Cyn', at, { ...ASIDE, color: '#7c5cff' });
    const ids = await ana.ids();
    return { kernel, ana, ben, cyn, ids };
}

const states = {
    async village_light(world) { await village(world, 'light'); },
    async village_dark(world) { await village(world, 'dark'); },

    async courtyard_wide(world) {
        const { ana, ben, ids } = await company(world, COURTYARD, 'light', WIDE);
        await choose(ana, ids.slice(3, 4));
        await choose(ben, ids.slice(5, 6));
        await take(ana, 'courtyard-wide');
        await ana.button('Rotate').click();
        await take(ana, 'courtyard-rotate');
        await ana.button(/^History/).first().click();
        await take(ana, 'courtyard-history');
        await ana.button(/^Publish/).first().click();
        await take(ana, 'publish');
    },

    async dialogs(world) {
        const worker = await world.worker('one', { scene: playground() });
        for (const scheme of ['light', 'dark']) {
            const ana = await world.person('Ana', worker, { scheme, viewport: LAPTOP, color: '#e76f51' });
            await choose(ana, ['lamp']);
            for (const name of ['Share', 'Help']) {
                await ana.button(new RegExp(`^${name}`)).first().click();
                await ana.page.getByRole('dialog').waitFor();
                await take(ana, `${name.toLowerCase()}-${scheme}`);
                await ana.key('Escape');
            }
            await ana.button('Add component').click();
            await take(ana, `add-component-${scheme}`);
            await ana.key('Escape');
            await choose(ana, ['lamp', 'ball']);
            await take(ana, `two-selected-${scheme}`);
            await ana.close();
        }
    },

    async conflict(world) {
        const one = await world.worker('one', { scene: playground() });
        const relay = await world.peerRelay(one);
        const two = await world.worker('two', { peers: [relay.url], listen: false });
        await world.equal(one, two);
        const ana = await world.person('Ana', one, { viewport: LAPTOP, color: '#e76f51' });
        const ben = await world.person('Ben', two, { viewport: LAPTOP, color: '#2a9d8f', scheme: 'dark' });
        relay.cut();
        const edit = (person, x) => person.in((value) => {
            const { edits } = window.scenesync.session;
            edits.set('lamp', 'Transform', { position: { x: value, y: 1, z: 8 } });
        }, x);
        await edit(ana, 6);
        await edit(ben, 10);
        await ana.in(() => window.scenesync.session.edits.remove(['ball']));
        await ben.in(() => window.scenesync.session.edits.set('ball', 'Material', { metallic: 0.9 }));
        await ana.in(() => window.scenesync.session.edits.move('sign', 'tower'));
        await ben.in(() => window.scenesync.session.edits.move('tower', 'sign'));
        await Promise.all([ana.settled(), ben.settled()]);
        relay.mend();
        await world.equal(one, two);
        await world.same(ana, ben);
        for (const person of [ana, ben]) {
            await choose(person, ['lamp']);
            await take(person, `conflict-${person.name.toLowerCase()}`);
            await person.button(/^Conflicts/).first().click();
            await take(person, `conflicts-panel-${person.name.toLowerCase()}`);
        }
    },

    async link(world) {
        const relay = await world.relay();
        const worker = await world.worker('one', { scene: playground(), relay });
        for (const scheme of ['light', 'dark']) {
            const ben = await world.person('Ben', relay, { scheme, viewport: LAPTOP, cutOff: true });
            relay.cutLinks();
            await ben.phase('reconnecting');
            await ben.in(() => window.scenesync.session.edits.place('lamp', { position: [5, 1, 8] }));
            await choose(ben, ['lamp']);
            await take(ben, `reconnecting-${scheme}`);
            await ben.reload();
            await take(ben, `offline-at-start-${scheme}`);
            relay.mend();
            await ben.live();
            await ben.close();
        }
        const file = world.path('access.json');
        const token = async (name, role) => JSON.parse(await world.verb('access', 'add', '--file', file, name, '--role', role, '--json')).token;
        const edit = await token('Ed', 'edit');
        const guarded = await world.guarded('two', { scene: playground(), file, token: edit });
        const vera = await world.person('Vera', guarded, { token: await token('Vera', 'view'), viewport: LAPTOP });
        await choose(vera, ['lamp']);
        await take(vera, 'viewer');
        const guest = await world.person('Guest', guarded, { wait: false, viewport: LAPTOP, cutOff: true });
        await take(guest, 'no-token');
        const empty = await world.worker('three', {});
        const eve = await world.person('Eve', empty, { viewport: LAPTOP });
        await take(eve, 'empty');
        await worker.status();
    },

    async running(world) {
        const { kernel, ana } = await company(world, COURTYARD, 'light');
        await kernel.call('POST', '/scenes/0,0/play', {});
        await ana.until('it runs', async () => (await ana.link())?.mode === 'running');
        await take(ana, 'running');
    },

    async status(world) {
        const one = await world.worker('one', { file: VILLAGE });
        const two = await world.worker('two', { peers: [one.url] });
        await world.equal(one, two);
        const ana = await world.person('Ana', one, { viewport: { width: 800, height: 500 } });
        const eyes = [];
        for (const scheme of ['light', 'dark']) {
            eyes.push([scheme, await world.person('Eye', two, { path: '/status', wait: false, scheme, viewport: LAPTOP })]);
        }
        for (let i = 0; i < 60; ++i) {
            await ana.in((n) => {
                const { scene, edits } = window.scenesync.session;
                [...scene.entities.keys()].slice(10, 12 + n % 7).forEach((id) => edits.place(id, { position: [n, n % 5, n] }));
            }, i);
            await ana.page.waitForTimeout(200);
        }
        for (const [scheme, eye] of eyes) {
            await take(eye, `status-${scheme}`);
        }
    },
};

async function village(world, scheme, folder = OUT, name = `village-${scheme}`) {
    const { ana, ben, cyn } = await company(world, VILLAGE, scheme);
    await choose(ana, await byName(ana, 'marketStall3'));
    await choose(ben, await byName(ben, 'chapel'));
    await choose(cyn, await byName(cyn, 'cart'));
    await frame(ben, await byName(ben, 'chapel', 'stoneHouse'));
    await frame(cyn, await byName(cyn, 'cart', 'bench'));
    if (folder === OUT) {
        await take(ana, `${name}-home`);
    }
    await frame(ana, await byName(ana, 'well', 'chapel', 'cart', 'bakery'));
    await take(ana, name, folder);
}

/* What README shows first: people in the village, and a conflict in it. */
const pictures = {
    async page(world) { await village(world, 'light', path.join(ROOT, 'docs'), 'page'); },

    async conflict(world) {
        const servers = await world.servers(`0,0=${VILLAGE}`);
        const one = await world.worker('one', { servers });
        const relay = await world.peerRelay(one);
        const two = await world.worker('two', { peers: [relay.url], listen: false });
        await world.equal(one, two);
        const look = { scheme: 'dark', viewport: LAPTOP, quality: 'high', cutOff: true };
        const people = [await world.person('Ana', one, { ...look, color: '#e76f51' }),
                        await world.person('Ben', two, { ...look, color: '#2a9d8f' })];
        const [stall, well] = await byName(people[0], 'marketStall3', 'well');
        relay.cut();
        for (const [i, person] of people.entries()) {
            await person.in(([id, x]) => {
                const { scene, edits } = window.scenesync.session;
                const [, y, z] = scene.place(id).position;
                edits.place(id, { position: [x, y, z] });
            }, [stall, 70 + 2 * i]);
            await person.settled();
        }
        relay.mend();
        await world.equal(one, two);
        await world.same(...people);
        const lost = await Promise.all(people.map(async (person) => (await person.conflicts()).some(({ mine }) => mine)));
        const [loser, winner] = lost[0] ? people : [...people].reverse();
        await choose(winner, [well]);
        await choose(loser, [stall]);
        await frame(loser, await byName(loser, 'marketStall3', 'well', 'marketStall'));
        await take(loser, 'page_conflict', path.join(ROOT, 'docs'));
    },
};

async function main() {
    const words = process.argv.slice(2);
    mkdirSync(OUT, { recursive: true });
    const browser = await launch();
    let failed = 0;
    const docs = words.includes('--docs');
    if (docs) {
        words.splice(words.indexOf('--docs'), 1);
    }
    for (const [name, state] of Object.entries(docs ? pictures : states)) {
        if (words.length > 0 && !words.some((word) => name.includes(word))) {
            continue;
        }
        const world = new World(name, browser);
        world.scale = 1;
        try {
            await state(world);
        } catch (error) {
            failed += 1;
            console.log(`${name}: ${error.stack}`);
            await world.pictures(OUT);
            world.figures.forEach((figure) => console.log(figure));
        }
        world.troubles().forEach((text) => console.log(`${name}: ${text}`));
        await world.close();
    }
    await browser.close();
    return failed > 0 ? 1 : 0;
}

process.exit(await main());
