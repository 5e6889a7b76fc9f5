/* Somebody who looks at a scene in a browser: what they see, and what they do with mouse and
 * keys. Things are found as a screen reader finds them, by role and name. */

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { WAIT_MS } from './wait.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/* What Chromium itself writes to the console where a network is away. */
const NETWORK = /WebSocket connection to|net::ERR_|Failed to load resource/;

/* In the page, before its scripts: breaches of its policy go to the console, and what it says in
 * notices, which go by themselves, is kept in `window.said`. */
function watch() {
    addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`);
    });
    const said = new Map();
    let page;
    window.said = said;
    Object.defineProperty(window, 'scenesync', {
        get: () => page,
        set: (value) => {
            if (!page) {
                value.session.notices.subscribe((list) => list.forEach(({ id, tone, text }) => said.set(id, { tone, text })));
            }
            page = value;
        },
    });
}

export class Person {
    constructor(world, name, context, options) {
        this.world = world;
        this.name = name;
        this.context = context;
        this.options = options;
        this.troubles = [];
        this.cutOff = options.cutOff ?? false; /* their network may be away */
    }

    /* `at`: a worker, or what has `port` (a relay), or an address. */
    async open(at) {
        this.at = at;
        this.page = await this.context.newPage();
        this.listen();
        await this.page.addInitScript(watch);
        if (this.options.without) { /* URLs that are not answered */
            await this.page.route(this.options.without, (route) => route.abort());
        }
        await this.page.goto(this.address());
        if (this.options.wait !== false) {
            await this.live();
        }
    }

    address() {
        const { token, path = '/', color, quality } = this.options;
        const base = typeof this.at === 'string' ? this.at : this.at.http ?? `http://127.0.0.1:${this.at.port}`;
        const url = new URL(path, base);
        url.searchParams.set('scene', '0,0');
        url.searchParams.set('name', this.name);
        if (color) {
            url.searchParams.set('color', color);
        }
        if (quality) {
            url.searchParams.set('quality', quality);
        }
        if (token) {
            url.hash = `token=${token}`;
        }
        return url.href;
    }

    listen() {
        this.page.on('pageerror', (error) => this.troubles.push(`uncaught: ${error.stack ?? error}`));
        this.page.on('crash', () => this.troubles.push('the page crashed'));
        this.page.on('console', (message) => {
            const text = message.text();
            const network = this.cutOff && NETWORK.test(text);
            if (['error', 'warning'].includes(message.type()) && !network && !/GPU stall|swiftshader|SwiftShader/i.test(text)) {
                this.troubles.push(`console ${message.type()}: ${text} (${message.location().url})`);
            }
        });
    }

    async reload() {
        await this.page.reload();
    }

    async close() {
        await this.page.close();
    }

    /* ---- what they see ---- */

    in(fn, argument) {
        return this.page.evaluate(fn, argument);
    }

    until(what, condition, ms) {
        return this.world.until(`${this.name}: ${what}`, condition, ms);
    }

    link() {
        return this.in(() => window.scenesync?.session.link.value ?? null);
    }

    phase(phase) {
        return this.until(`the link is ${phase}`, async () => (await this.link())?.phase === phase);
    }

    /* And the view is there, which the page loads beside it. */
    live() {
        return this.until('the link is live', () => this.in(() => window.scenesync?.view !== undefined
            && window.scenesync.session.link.value.phase === 'live'));
    }

    /* All own edits are answered. */
    settled() {
        return this.until('nothing waits', async () => {
            const link = await this.link();
            return link?.phase === 'live' && link.pending === 0;
        });
    }

    /* The scene as text, a line for each entity and component; null while own edits wait. */
    sees() {
        return this.in(() => {
            const sorted = (value) => (Array.isArray(value) ? value.map(sorted)
                : value && typeof value === 'object'
                    ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value);
            const session = window.scenesync?.session;
            if (!session || session.link.value.phase !== 'live' || session.link.value.pending !== 0) {
                return null;
            }
            const { scene } = session;
            return [...scene.entities.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((entity) => [
                `${entity.id} below ${scene.parent(entity.id)} repair ${scene.repair(entity.id)}`,
                ...[...entity.components.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
                    .map((c) => `  ${c.name} ${JSON.stringify(sorted(c.data))}`)].join('\n')).join('\n');
        });
    }

    ids() {
        return this.in(() => [...window.scenesync.session.scene.entities.keys()]);
    }

    /* A component's value; undefined where it is not. */
    data(id, component) {
        return this.in(([i, c]) => window.scenesync.session.scene.get(i)?.components.get(c)?.data, [id, component]);
    }

    place(id) {
        return this.in((i) => window.scenesync.session.scene.place(i), id);
    }

    parent(id) {
        return this.in((i) => window.scenesync.session.scene.parent(i), id);
    }

    selection() {
        return this.in(() => [...window.scenesync.session.selection.value]);
    }

    /* All that was said since the page was loaded, whether it still shows or not. */
    notices() {
        return this.in(() => [...window.said.values()]);
    }

    notice(pattern) {
        return this.until(`is told ${pattern}`, async () => (await this.notices()).find(({ text }) => pattern.test(text)));
    }

    conflicts() {
        return this.in(() => window.scenesync.session.conflicts.value.map((conflict) => ({ ...conflict })));
    }

    others() {
        return this.in(() => window.scenesync.session.people.value.map((person) => ({ ...person })));
    }

    /* All that may tell why something did not come. */
    state() {
        return this.in(() => {
            const { session, view } = window.scenesync ?? {};
            return { address: location.pathname + location.search, ready: document.readyState, ms: Math.round(performance.now()),
                link: session?.link.value, me: session?.me.value, selection: session?.selection.value, save: session?.save.value,
                notices: session?.notices.value.map(({ text }) => text), frames: view?.frames(),
                focus: document.activeElement?.outerHTML.slice(0, 200) };
        });
    }

    /* Where an entity is on the page, in CSS pixels; null: not in sight. */
    async screen(id) {
        await this.drawn();
        return this.in((i) => window.scenesync.view.screen(i), id);
    }

    /* What moves has come to rest, and is drawn. */
    drawn() {
        return this.in((ms) => Promise.race([
            window.scenesync.view.settled(),
            new Promise((_, reject) => { setTimeout(() => reject(new Error('the view does not settle')), ms); }),
        ]), WAIT_MS);
    }

    /* ---- finding ---- */

    button(name, within = this.page) {
        return within.getByRole('button', { name, exact: typeof name === 'string' });
    }

    get canvas() {
        return this.page.locator('canvas').first();
    }

    get inspector() {
        return this.page.getByRole('region', { name: 'Inspector' });
    }

    component(name) {
        return this.inspector.locator(`[data-component="${name}"]`);
    }

    field(component, field) {
        return this.component(component).locator(`[data-field="${field}"]`);
    }

    row(id) {
        return this.page.getByRole('tree', { name: 'Entities' }).locator(`[role=treeitem][data-entity="${id}"]`);
    }

    get stateLine() {
        return this.page.getByRole('status', { name: 'State' });
    }

    /* ---- doing ---- */

    /* Selects by a click in the outliner. */
    async select(id, modifiers = []) {
        await this.row(id).click({ modifiers });
        await this.until(`${id} is selected`, async () => (await this.selection()).includes(id));
    }

    async type(component, field, text) {
        const input = this.field(component, field);
        await input.click({ clickCount: 3 });
        await input.fill(String(text));
        await input.press('Enter');
    }

    key(keys) {
        return this.page.keyboard.press(keys);
    }

    /* With the 3D view in focus. */
    async keyInView(keys) {
        await this.canvas.focus();
        await this.key(keys);
    }

    /* Drags what is at an entity by so many pixels, in steps as of a hand: each is a frame of the
     * page, for moves within one frame come as one. `between`: what is waited for after each. */
    async drag(id, dx, dy, steps = 8, between = async () => {}) {
        const from = await this.screen(id);
        if (!from) {
            throw new Error(`${id} is not in sight`);
        }
        const { mouse } = this.page;
        await mouse.move(from.x, from.y);
        await mouse.down();
        for (let i = 1; i <= steps; ++i) {
            await mouse.move(from.x + dx * i / steps, from.y + dy * i / steps);
            await this.in(() => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 40)); }));
            await between(i);
        }
        await mouse.up();
    }

    /* Serious findings of axe-core, one line each. */
    async unreachable() {
        await this.page.evaluate(AXE);
        const found = await this.in(() => window.axe.run(document, { resultTypes: ['violations'] }));
        return found.violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
            .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? node.all[0]?.message ?? ''}`).join(' | ')}`);
    }
}
