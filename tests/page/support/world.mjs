/* One folder, all programs that run in it, and the people who look at them in browsers.
 *
 *      person (a browser context) ── relay ── worker ── relay ── worker ── servers
 *
 * A flow gets a world of its own; nothing of it is left when the flow is over. */

import { mkdtempSync, mkdirSync, rmSync, writeFileSync, readdirSync, readFileSync, existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Program, ROOT, verb } from './program.mjs';
import { Person } from './person.mjs';
import { Relay } from './relay.mjs';
import { WAIT_MS } from './wait.mjs';

const REPORT = /Sanitizer|runtime error:|Assertion .* failed/;

export class Skip extends Error {}

export class World {
    constructor(name, browser) {
        this.name = name;
        this.browser = browser;
        this.folder = mkdtempSync(path.join(os.tmpdir(), 'scenesync-page-'));
        this.programs = [];
        this.relays = [];
        this.people = [];
        this.scale = 0.5; /* of pixels: drawing in software is dear */
        this.figures = []; /* what is printed with the verdict */
        this.environment = { ...process.env, SCENESYNC_STATE_DIR: this.path('state'), SCENESYNC_AS: 'tester' };
        delete this.environment.SCENESYNC_MASTER_TOKEN;
    }

    path(...names) {
        return path.join(this.folder, ...names);
    }

    write(name, value) {
        const file = this.path(name);
        writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
        return file;
    }

    verb(...args) {
        return verb(this.environment, ...args);
    }

    tell(text) {
        this.figures.push(text);
    }

    /* Asks again until it holds; gives what it gave. */
    async until(what, condition, ms = WAIT_MS) {
        const end = Date.now() + ms;
        let trouble;
        for (;;) {
            try {
                const found = await condition();
                if (found) {
                    return found;
                }
                trouble = undefined;
            } catch (error) {
                trouble = error;
            }
            if (Date.now() > end) {
                throw new Error(`in vain: ${what}`, { cause: trouble });
            }
            await new Promise((resolve) => setTimeout(resolve, 30));
        }
    }

    /* ---- programs ---- */

    async program(name, which, args) {
        const program = new Program(which, args, this.path(`${name}.log`), this.environment);
        program.name = name;
        this.programs.push(program);
        return program.start();
    }

    /* A content and a builder server, with the models of the sample scenes; `scenes`: "X,Y=FILE". */
    servers(...scenes) {
        return this.program('servers', 'servers', ['--dir', this.path('servers'), '--http', '127.0.0.1:0',
            '--files', path.join(ROOT, 'docs/scenes/models'), ...scenes.flatMap((scene) => ['--deploy', scene])]);
    }

    /* An edition worker. `scene`: a value or a file that is there at the start. Browsers reach it
     * by `relay` where that is given. Without `listen` nobody dials it back: the way to its peer
     * is the only one, and can be cut. */
    async worker(name, { scene, file, peers = [], listen = true, relay, role = 'edit', servers, args = [] } = {}) {
        const store = this.path(name);
        if (scene) {
            file = this.write(`${name}.json`, scene);
        }
        if (file) {
            await this.verb('import', '--store', store, '--scene', '0,0', file);
        }
        const worker = await this.program(name, 'worker', [
            '--scene', '0,0', '--store', store, '--http', '127.0.0.1:0', ...(listen ? ['--listen', 'tcp://127.0.0.1:0'] : []),
            ...(relay ? calledBy(relay) : []), ...(role ? ['--loopback-role', role] : []),
            ...(servers ? ['--content', servers.http, '--builder', servers.http] : []),
            ...peers.flatMap((peer) => ['--peer', peer]), ...args]);
        worker.store = store;
        if (relay) {
            relay.target = Number(new URL(worker.http).port);
        }
        await this.until(`${name} has its scene`, async () => (await worker.status()).state === 'editing');
        return worker;
    }

    /* A worker that lets in whom its access file names; `token`: for the calls of the test. */
    async guarded(name, { scene, file, token }) {
        const store = this.path(name);
        await this.verb('import', '--store', store, '--scene', '0,0', this.write(`${name}.json`, scene));
        const worker = await this.program(name, 'worker', ['--scene', '0,0', '--store', store,
            '--http', '127.0.0.1:0', '--access', file]);
        worker.token = token;
        await this.until(`${name} has its scene`, async () => (await worker.status()).state === 'editing');
        return worker;
    }

    /* A kernel that edits scene 0,0; `edition` is where its worker is. */
    async kernel({ servers, relay, args = [] } = {}) {
        const kernel = await this.program('kernel', 'kernel', [
            '--dir', this.path('kernel'), '--http', '127.0.0.1:0',
            ...(relay ? calledBy(relay) : []),
            ...(servers ? ['--content', servers.http, '--builder', servers.http] : []), ...args]);
        const answer = await kernel.call('POST', '/scenes/0,0/edit', {});
        if (answer.status !== 200) {
            throw new Error(`the kernel does not edit: ${answer.text}`);
        }
        kernel.scene = () => kernel.get('/scenes/0,0');
        kernel.edition = answer.json.http;
        return kernel;
    }

    /* A way for browsers to a worker, or (count 2) for workers to one another. */
    async relay(port = 0, count = 1) {
        const relay = await new Relay(port).open(count);
        this.relays.push(relay);
        return relay;
    }

    /* A way to a worker's peers' ports: its URL. */
    async peerRelay(worker) {
        const relay = await this.relay(Number(worker.url.split(':').pop()), 2);
        relay.url = `tcp://127.0.0.1:${relay.port}`;
        return relay;
    }

    /* All these workers hold one state. */
    equal(...workers) {
        return this.until('the workers are equal', async () => {
            const marks = await Promise.all(workers.map(async (worker) => {
                const { version, digest } = await worker.status();
                return JSON.stringify([Object.entries(version).sort(), digest]);
            }));
            return new Set(marks).size === 1;
        });
    }

    /* ---- people ---- */

    /* Somebody opens the page: in a browser of their own, or (`beside`) in another tab of somebody. */
    async person(name, at, options = {}) {
        const context = options.beside?.context ?? await this.browser.newContext({
            viewport: options.viewport ?? { width: 1280, height: 720 }, colorScheme: options.scheme ?? 'light',
            deviceScaleFactor: options.scale ?? this.scale, reducedMotion: options.reducedMotion ?? 'reduce',
            ...options.context });
        context.setDefaultTimeout(WAIT_MS);
        const person = new Person(this, name, context, options);
        this.people.push(person);
        await person.open(at);
        return person;
    }

    /* All these people see the same scene, with nothing on its way. */
    same(...people) {
        let seen = [];
        return this.until('all see the same', async () => {
            seen = await Promise.all(people.map((person) => person.sees()));
            return seen.every((one) => one !== null && one === seen[0]);
        }).catch((error) => {
            throw new Error(`${error.message}:\n${firstDifference(seen)}`);
        });
    }

    /* ---- the end ---- */

    /* How things stand with each person, a line each; for when a flow failed. */
    states() {
        return Promise.all(this.people.map(async (person) => {
            const late = new Promise((resolve) => { setTimeout(() => resolve('the page does not answer'), 5000); });
            const state = await Promise.race([person.state().catch((error) => String(error)), late]);
            return `---- ${person.name}: ${typeof state === 'string' ? state : JSON.stringify(state)}`;
        }));
    }

    async pictures(folder) {
        mkdirSync(folder, { recursive: true });
        for (const person of this.people) {
            if (!person.page.isClosed()) {
                const file = path.join(folder, `failed-${this.name}-${person.name}.png`);
                await person.page.screenshot({ path: file, timeout: 5000 }).then(() => this.tell(file), () => {});
            }
        }
    }

    /* What nobody should have to see: errors of pages, reports of sanitizers. */
    troubles() {
        const logs = this.programs.map((program) => program.log);
        const scenes = this.path('kernel', 'scenes', '0,0');
        if (existsSync(scenes)) {
            logs.push(...readdirSync(scenes).filter((file) => file.startsWith('log')).map((file) => path.join(scenes, file)));
        }
        const reports = logs.filter(existsSync).flatMap((log) => readFileSync(log, 'utf8').split('\n')
            .filter((line) => REPORT.test(line)).map((line) => `${path.basename(log)}: ${line}`));
        return [...reports, ...this.people.flatMap((person) => person.troubles.map((text) => `${person.name}: ${text}`))];
    }

    async close() {
        const contexts = new Set(this.people.map((person) => person.context));
        await Promise.all([...contexts].map((context) => context.close().catch(() => {})));
        /* Who leaves saves: the servers go last. */
        const servers = this.programs.filter((program) => program.verb === 'servers');
        await Promise.all(this.programs.filter((program) => !servers.includes(program)).map((program) => program.stop()));
        await Promise.all(servers.map((program) => program.stop()));
        this.relays.forEach((relay) => relay.close());
        if (!process.env.SCENESYNC_KEEP) {
            rmSync(this.folder, { recursive: true, force: true });
        }
    }
}

/* A server that is reached through a relay is called by another port than its own. */
function calledBy(relay) {
    return ['--host', `127.0.0.1:${relay.port}`, '--origin', `http://127.0.0.1:${relay.port}`];
}

function firstDifference(texts) {
    const [a, b] = [texts[0], texts.find((text) => text !== texts[0])];
    if (a == null || b == null) {
        return texts.map((text) => (text == null ? 'has edits on their way' : `${text.length} characters`)).join('; ');
    }
    const left = a.split('\n');
    const right = b.split('\n');
    const at = left.findIndex((line, i) => line !== right[i]);
    return `${left[at]}\n${right[at] ?? '(ends)'}`;
}
