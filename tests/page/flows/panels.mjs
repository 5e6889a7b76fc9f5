/* Outliner and inspector, with the mouse and without. */

import assert from 'node:assert/strict';
import { boxes, entity, named, playground, transform } from '../support/scenes.mjs';

export async function the_outliner(world) {
    const worker = await world.worker('one', { scene: playground() });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, worker)));
    const tree = ana.page.getByRole('tree', { name: 'Entities' });
    await tree.getByRole('treeitem').filter({ hasText: 'Lamp' }).waitFor();

    const search = ana.page.getByRole('searchbox', { name: 'Search entities' });
    await search.fill('tow');
    await ana.until('only the tower is listed', async () => (await tree.getByRole('treeitem').count()) === 1);
    await search.fill('');
    await ana.row('lamp').waitFor();

    await ana.select('lamp');
    await ana.key('F2');
    await ana.page.keyboard.press('Control+a');
    await ana.page.keyboard.type('Street lamp');
    await ana.key('Enter');
    await ben.row('lamp').filter({ hasText: 'Street lamp' }).waitFor();

    await ana.row('lamp').hover();
    await ana.row('lamp').getByRole('button', { name: /^Lock/ }).click();
    await ben.until('it is locked', () => ben.in(() => window.scenesync.session.scene.locked('lamp')));
    await ana.row('ball').hover();
    await ana.row('ball').getByRole('button', { name: /^Hide/ }).click();
    await ben.until('it is hidden', () => ben.in(() => window.scenesync.session.scene.hidden('ball')));

    /* Dragged onto another it hangs below it, and stays where it is in the world. */
    await ana.row('sign').dragTo(ana.row('tower'));
    await ben.until('the sign hangs below the tower', async () => (await ben.parent('sign')) === 'tower');
    const { position } = await ben.place('sign');
    assert.deepEqual([...position].map(Math.round), [-4, 0, 4]);
    await ana.until('it is listed so', async () => (await ana.row('sign').getAttribute('aria-level')) === '2');
    await world.same(ana, ben);
}

export async function the_inspector(world) {
    const worker = await world.worker('one', { scene: playground() });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, worker)));
    await ana.select('ball');
    await ana.type('Transform', 'position.x', '5.25');
    await ana.type('Transform', 'rotation.y', '90');
    await ben.until('the turn', async () => String((await ben.place('ball')).rotation.map((n) => n.toFixed(3))) === '0.000,0.707,0.000,0.707');
    assert.equal((await ben.place('ball')).position[0], 5.25);
    await ana.type('Material', 'roughness', '0.25');
    await ben.until('the roughness', async () => (await ben.data('ball', 'Material')).roughness === 0.25);

    /* Not a number: it says so, changes nothing, and Esc goes back. */
    await ana.type('Transform', 'position.x', 'up');
    const x = ana.field('Transform', 'position.x');
    await ana.until('it says so', async () => (await x.getAttribute('aria-invalid')) === 'true');
    await x.press('Escape');
    await ana.until('it goes back', async () => (await x.inputValue()) === '5.25');
    assert.equal((await ana.place('ball')).position[0], 5.25);
    await x.blur();

    /* What comes from others shows. */
    await ben.in(() => window.scenesync.session.edits.place('ball', { position: [7, 1, 8] }));
    await ana.until('the field follows', async () => Number(await ana.field('Transform', 'position.x').inputValue()) === 7);

    /* A component more, one less. */
    await ana.button('Add component').click();
    await ana.page.getByRole('option', { name: /TextShape/ }).or(ana.page.getByRole('menuitem', { name: /TextShape/ })).first().click();
    await ben.until('the component', async () => (await ben.data('ball', 'TextShape')) !== undefined);
    await ana.component('TextShape').getByRole('button', { name: /^Remove/ }).click();
    await ben.until('it is gone', async () => (await ben.data('ball', 'TextShape')) === undefined);

    /* Two at once: the field that is set is set in both. */
    await ana.select('lamp');
    await ana.select('tower', ['Control']);
    await ana.type('Transform', 'position.y', '2');
    await ben.until('both have moved', async () => (await ben.place('lamp')).position[1] === 2 && (await ben.place('tower')).position[1] === 2);
    assert.equal((await ben.place('tower')).position[0], 12);
    await ana.button('Undo').click();
    await ben.until('one step back', async () => (await ben.place('lamp')).position[1] === 1 && (await ben.place('tower')).position[1] === 1);
    await world.same(ana, ben);
}

export async function by_keys_alone(world) {
    const worker = await world.worker('one', { scene: playground() });
    const ana = await world.person('Ana', worker);
    const focus = () => ana.in(() => document.activeElement?.getAttribute('role') ?? document.activeElement?.tagName ?? '');
    /* Tab comes to the tree, and out of it. */
    const met = [];
    for (let i = 0; i < 80 && !met.includes('treeitem'); ++i) {
        await ana.key('Tab');
        met.push(await focus());
    }
    assert.ok(met.includes('treeitem'), `Tab never came to the tree: ${met}`);
    const visible = await ana.in(() => {
        const style = getComputedStyle(document.activeElement);
        return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    });
    assert.ok(visible, 'the focus is not to be seen');
    await ana.key('Home');
    await ana.key('ArrowDown');
    await ana.key('Enter');
    const [id] = await ana.until('something is selected', async () => (await ana.selection()).length > 0 && ana.selection());
    await ana.key('Delete');
    await ana.until('it is gone', async () => !(await ana.ids()).includes(id));
    await ana.key('Control+z');
    await ana.until('it is back', async () => (await ana.ids()).includes(id));

    /* In the view: nudge, duplicate, tools. */
    await ana.select('lamp');
    const before = (await ana.place('lamp')).position;
    await ana.keyInView('ArrowRight');
    await ana.until('it was nudged', async () => String((await ana.place('lamp')).position) !== String(before));
    const count = (await ana.ids()).length;
    await ana.keyInView('Control+d');
    await ana.until('a copy', async () => (await ana.ids()).length === count + 1);

    /* Esc closes, and focus goes back to where it was. */
    await ana.keyInView('?');
    const help = ana.page.getByRole('dialog');
    await help.waitFor();
    await ana.key('Escape');
    await help.waitFor({ state: 'detached' });
    await ana.until('focus is not lost after a dialog', () => ana.in(() => document.activeElement !== document.body));
}

export async function picking_in_the_view(world) {
    const worker = await world.worker('one', { scene: playground() });
    const ana = await world.person('Ana', worker);
    const at = async (id) => ana.screen(id);
    const { mouse } = ana.page;
    for (const id of ['ball', 'tower']) {
        const { x, y } = await at(id);
        await mouse.click(x, y);
        await ana.until(`${id} is selected`, async () => String(await ana.selection()) === id);
    }
    const { x, y } = await at('ball');
    await ana.page.keyboard.down('Shift');
    await mouse.click(x, y);
    await ana.page.keyboard.up('Shift');
    await ana.until('both', async () => (await ana.selection()).length === 2);
    await ana.keyInView('f');
    await ana.drawn();
    assert.ok(await at('ball') && await at('tower'));
    await ana.key('Escape');
    await ana.until('nothing is selected', async () => (await ana.selection()).length === 0);
    /* Nothing is drawn while nothing moves; what came last may be drawn a moment later. */
    await ana.drawn();
    const counts = [];
    for (let i = 0; i < 5 && !(counts.at(-1) <= 1); ++i) {
        const { count } = await ana.in(() => window.scenesync.view.frames());
        await ana.page.waitForTimeout(600);
        counts.push((await ana.in(() => window.scenesync.view.frames())).count - count);
    }
    assert.ok(counts.at(-1) <= 1, `${counts} frames while nothing moved`);
}

export async function history_and_conflicts_panels(world) {
    const worker = await world.worker('one', { scene: playground() });
    const [ana, ben] = await Promise.all(['Ana', 'Ben'].map((name) => world.person(name, worker)));
    await ana.in(() => window.scenesync.session.edits.rename('lamp', 'First'));
    await ana.settled();
    await ben.in(() => window.scenesync.session.edits.rename('ball', 'Second'));
    await ben.settled();
    await ana.button(/^History/).click();
    const region = ana.page.getByRole('region', { name: /History/ });
    const items = region.getByRole('listitem');
    await items.filter({ hasText: 'Ben' }).first().waitFor();
    await items.filter({ hasText: 'Ana' }).first().waitFor();
    await ana.button(/^Conflicts/).click();
    await ana.page.getByRole('region', { name: /Conflicts/ }).waitFor();
}

export async function foreign_names_are_text(world) {
    const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
    const scene = { schemaVersion: 1, entities: [
        entity('a', transform(8, 1, 8), named(evil), { type: 'TextShape', value: { value: evil } }),
        entity(evil, transform(4, 1, 4), { type: evil, value: { [evil]: evil } }),
        entity('__proto__', transform(2, 1, 2), { type: 'constructor', value: { toString: 1, ['__proto__']: 2 } }),
        entity('odd', { type: 'Transform', value: { position: 'up', rotation: [1], scale: null } },
            { type: 'GLTFShape', value: { src: 'javascript:alert(1)' } }, { type: 'Material', value: { albedoColor: 'x' } }),
        entity('far', transform(1e300, -1e300, 5e-324)),
        entity('\u202egnp.exe', named('\u202egnp.exe\u0000\n\t')),
    ] };
    const worker = await world.worker('one', { scene });
    const ana = await world.person('Ana', worker);
    for (const id of await ana.ids()) {
        await ana.in((i) => { window.scenesync.session.selection.value = [i]; }, id);
        await ana.drawn();
        await ana.inspector.locator('[data-component]').first().waitFor();
    }
    assert.equal((await ana.ids()).length, 6);
    assert.equal(await ana.in(() => window.hacked), undefined);
}

export async function thousands_in_the_outliner(world) {
    const worker = await world.worker('one', { scene: boxes(3000) });
    const ana = await world.person('Ana', worker);
    const tree = ana.page.getByRole('tree', { name: 'Entities' });
    const rows = await ana.until('the list is there', async () => {
        const count = await tree.getByRole('treeitem').count();
        return count > 5 && count;
    });
    assert.ok(rows > 5 && rows < 200, `${rows} rows for 3,000 entities`);
    await tree.getByRole('treeitem').first().click();
    await ana.key('End');
    await ana.row('box2999').waitFor();
    await ana.page.getByRole('searchbox', { name: 'Search entities' }).fill('box 1234');
    await ana.row('box1234').waitFor();
}
