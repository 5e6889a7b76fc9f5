/* A small world for core: a clock that is turned, pages in browsers, links that are slow and
 * break, and one worker as docs/RENDERER.md describes it.
 *
 *      page ──(delay)──▶ worker ──(tick, delay)──▶ page
 *
 * All that is random comes from one seed. */

import { openSession } from '../../../../cli/page/src/core/session.ts';
import type { Platform, Socket, SocketEvents } from '../../../../cli/page/src/core/platform.ts';
import type { Session } from '../../../../cli/page/src/core/types.ts';
import { Browser, MemoryStore } from './memory.ts';
import { ModelWorker, type Renderer } from './model.ts';

/* splitmix32: the same numbers for the same seed, everywhere. */
export class Random {
    constructor(private state: number) {}

    chance(): number {
        this.state = (this.state + 0x9e3779b9) | 0;
        let z = this.state;
        z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
        z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
        return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
    }
    below(count: number): number {
        return Math.floor(this.chance() * count);
    }
    pick<T>(list: readonly T[]): T {
        return list[this.below(list.length)]!;
    }
    text(length: number): string {
        return Array.from({ length }, () => this.below(36).toString(36)).join('');
    }
}

interface Event {
    at: number;
    order: number;
    run: () => void;
}

export class Clock {
    now = 1_700_000_000_000;
    private order = 0;
    private events: Event[] = [];

    after(ms: number, run: () => void): () => void {
        const event = { at: this.now + Math.max(0, ms), order: this.order++, run };
        this.events.push(event);
        return () => {
            this.events = this.events.filter((other) => other !== event);
        };
    }
    /* Let so much time go by. */
    async run(ms: number): Promise<void> {
        const end = this.now + ms;
        for (;;) {
            const next = this.events.reduce<Event | undefined>((first, event) =>
                first && (first.at < event.at || (first.at === event.at && first.order < event.order)) ? first : event, undefined);
            if (next === undefined || next.at > end) {
                break;
            }
            this.events.splice(this.events.indexOf(next), 1);
            this.now = Math.max(this.now, next.at);
            next.run();
            await new Promise<void>((done) => setImmediate(done)); /* promises that it kept */
        }
        this.now = end;
    }
}

/* A link between a page and the worker: messages in order, each way. */
class Wire implements Socket {
    private renderer: Renderer | undefined;
    private over = false;
    private toWorkerAt = 0;
    private toPageAt = 0;
    heard = 0; /* messages that the page has taken */

    constructor(private readonly world: Sim, url: string, private readonly events: SocketEvents) {
        world.wires.add(this);
        world.clock.after(world.delay(), () => {
            if (!this.over && world.up && world.worker.alive && !world.refusing) {
                const name = new URL(url).searchParams.get('name') ?? 'nobody';
                this.renderer = world.worker.join(name, (text) => this.toPage(text), (code, reason) => this.end(code, reason));
                this.events.opened();
            } else {
                this.end(1006, '');
            }
        });
    }

    send(text: string): void {
        const heard = this.heard;
        this.toWorkerAt = Math.max(this.toWorkerAt, this.world.clock.now + this.world.delay()) + text.length / this.world.bytesPerMs;
        this.world.clock.after(this.toWorkerAt - this.world.clock.now, () => {
            if (!this.over && this.renderer) {
                this.world.worker.receive(this.renderer, text, heard);
            }
        });
    }

    private toPage(text: string): void {
        this.toPageAt = Math.max(this.toPageAt, this.world.clock.now + this.world.delay());
        this.world.clock.after(this.toPageAt - this.world.clock.now, () => {
            if (!this.over) {
                this.heard++;
                this.events.message(text);
            }
        });
    }

    /* Both sides are told; what is on its way is lost. */
    end(code: number, reason: string): void {
        if (!this.over) {
            this.close();
            this.world.clock.after(this.world.delay(), () => this.events.closed(code, reason));
        }
    }
    close(): void {
        this.over = true;
        this.world.wires.delete(this);
        if (this.renderer) {
            this.world.worker.leave(this.renderer);
        }
    }
}

export interface Page {
    session: Session;
    platform: SimPlatform;
    browser: Browser;
    name: string;
}

export class SimPlatform implements Platform {
    readonly session = new MemoryStore();
    readonly local: MemoryStore;
    private listener: { online(): void; offline(): void; leave(): void } | undefined;
    private readonly names: string[] = [];
    over = false;
    address: string;

    constructor(private readonly world: Sim, readonly browser: Browser, name: string) {
        this.local = browser.local;
        this.address = `http://worker/?scene=0,0&name=${name}`;
    }

    now = (): number => this.world.clock.now;
    random = (length: number): string => this.world.random.text(length);
    uuid = (): string => `e-${this.world.random.text(12)}`;
    chance = (): number => this.world.random.chance();
    after = (ms: number, run: () => void): (() => void) => this.world.clock.after(ms, () => this.over || run());
    soon = (run: () => void): void => queueMicrotask(() => this.over || run());
    connect = (url: string, events: SocketEvents): Socket => new Wire(this.world, url, {
        opened: () => this.over || events.opened(),
        message: (text) => this.over || events.message(text),
        closed: (code, reason) => this.over || events.closed(code, reason),
    });
    fetch = async (): Promise<{ status: number; text: string }> => {
        if (!this.world.up || !this.world.worker.alive) {
            throw new Error('no network');
        }
        return { status: this.world.status, text: '{"ok":true}' };
    };
    claim = async (name: string, left: boolean, take: () => void): Promise<void> => {
        if (this.world.claimMs > 0) {
            await new Promise<void>((done) => this.world.clock.after(this.world.claimMs, done));
        }
        if (!this.over && (left || !this.browser.held.has(name))) {
            take();
        }
    };
    hold = (name: string): void => {
        this.names.push(name);
        this.browser.held.add(name);
    };
    listen = (events: { online(): void; offline(): void; leave(): void }): (() => void) => {
        this.listener = events;
        return () => undefined;
    };
    showAddress = (address: string): void => {
        this.address = address;
    };

    online(): void {
        this.listener?.online();
    }
    leave(): void {
        this.listener?.leave();
        this.crash();
    }
    crash(): void {
        this.over = true;
        this.names.forEach((name) => this.browser.held.delete(name));
    }
}

export class Sim {
    readonly clock = new Clock();
    readonly random: Random;
    readonly worker: ModelWorker;
    readonly wires = new Set<Wire>();
    readonly pages: Page[] = [];
    up = true;
    refusing = false; /* nobody is let in */
    delayMax = 60;
    bytesPerMs = Infinity; /* to the worker */
    claimMs = 0; /* until it is known whether a page lives */
    status = 200;

    constructor(seed: number, refuse = 0) {
        this.random = new Random(seed);
        this.worker = new ModelWorker({ after: (ms, run) => this.clock.after(ms, run),
                                        chance: () => this.random.chance() }, refuse);
    }

    delay(): number {
        return 1 + this.random.below(this.delayMax);
    }

    open(name: string, browser = new Browser()): Page {
        const platform = new SimPlatform(this, browser, name);
        const page = { platform, browser, name, session: openSession(platform) };
        this.pages.push(page);
        return page;
    }
    /* The same browser opens the page again. */
    reopen(page: Page): void {
        const platform = new SimPlatform(this, page.browser, page.name);
        page.platform = platform;
        page.session = openSession(platform);
    }

    cut(): void {
        this.up = false;
        [...this.wires].forEach((wire) => wire.end(1006, ''));
    }
    mend(): void {
        this.up = true;
    }
    kill(): void {
        this.worker.alive = false;
        [...this.wires].forEach((wire) => wire.end(1006, ''));
    }

    async settle(ms = 60_000): Promise<void> {
        for (let waited = 0; waited < ms; waited += 100) {
            await this.clock.run(100);
            if (this.pages.every(({ session }) => session.link.value.phase === 'live' && session.link.value.pending === 0)) {
                await this.clock.run(2000);
                return;
            }
        }
        throw new Error(`they do not come to rest: ${JSON.stringify(this.pages.map(({ session }) => session.link.value))}`);
    }
}
