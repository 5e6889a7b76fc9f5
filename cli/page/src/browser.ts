/* The browser, as core needs it (core/platform.ts). */

import type { Answer, Platform, Socket, SocketEvents, Store } from './core/platform.ts';

const CHANNEL = 'scenesync/tabs';
const WORD_MS = 300; /* another page has this long to say that it lives */

/* Where storage is forbidden (private windows, settings), this page keeps for itself. */
class MemoryStore implements Store {
    private readonly items = new Map<string, string>();

    get length(): number {
        return this.items.size;
    }
    key(index: number): string | null {
        return [...this.items.keys()][index] ?? null;
    }
    getItem(key: string): string | null {
        return this.items.get(key) ?? null;
    }
    setItem(key: string, value: string): void {
        this.items.set(key, value);
    }
    removeItem(key: string): void {
        this.items.delete(key);
    }
}

function storeOf(get: () => Storage): Store {
    try {
        const store = get();
        store.getItem('');
        return store;
    } catch {
        return new MemoryStore();
    }
}

function randomBytes(length: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(length));
}

/* crypto.randomUUID is there for secure pages only; a page on the local network is none. */
function uuid(): string {
    const bytes = randomBytes(16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function connect(url: string, events: SocketEvents): Socket {
    const socket = new WebSocket(url);
    let over = false;
    socket.onopen = () => over || events.opened();
    socket.onmessage = (event) => over || typeof event.data !== 'string' || events.message(event.data);
    socket.onclose = (event) => {
        if (!over) {
            over = true;
            events.closed(event.code, event.reason);
        }
    };
    return {
        send: (text) => socket.readyState === WebSocket.OPEN && socket.send(text),
        close: () => {
            over = true;
            socket.close();
        },
    };
}

async function call(method: string, path: string, headers: Readonly<Record<string, string>>,
                    body?: string): Promise<Answer> {
    const answer = await fetch(path, { method, headers, cache: 'no-store', credentials: 'omit',
                                       ...(body !== undefined && { body }) });
    return { status: answer.status, text: await answer.text() };
}

/* ---- who of the browser's pages lives ---- */

/* Where the browser has locks, a page holds one under its name. Else the pages talk. */
class Tabs {
    private readonly held = new Set<string>();
    private readonly channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel(CHANNEL);
    private readonly asked = new Map<string, () => void>(); /* called when somebody answers for the name */

    constructor(private readonly store: Store) {
        this.channel?.addEventListener('message', (event: MessageEvent<unknown>) => {
            const [word, name] = Array.isArray(event.data) ? (event.data as unknown[]) : [];
            if (typeof name !== 'string') {
                return;
            }
            if (word === 'who' && this.held.has(name)) {
                this.channel?.postMessage(['me', name]);
            } else if (word === 'me') {
                this.asked.get(name)?.();
            }
        });
    }

    hold(name: string): void {
        this.held.add(name);
        if (navigator.locks) {
            void navigator.locks.request(name, () => new Promise<void>(() => undefined));
        }
    }

    async claim(name: string, left: boolean, take: () => void): Promise<void> {
        if (!left && this.held.has(name)) {
            return;
        }
        if (navigator.locks) {
            const wanted = left ? `${name}/heir` : name;
            await navigator.locks.request(wanted, { ifAvailable: true }, (lock) => lock && take());
        } else if ((left || !(await this.lives(name))) && (await this.alone(name))) {
            take();
        }
    }

    private lives(name: string): Promise<boolean> {
        return new Promise((done) => {
            this.asked.set(name, () => done(true));
            this.channel?.postMessage(['who', name]);
            setTimeout(() => done(false), WORD_MS);
        }).then((alive) => {
            this.asked.delete(name);
            return alive as boolean;
        });
    }

    /* Of several that want it at once, the one that wrote last has it. */
    private async alone(name: string): Promise<boolean> {
        const mine = uuid();
        const key = `scenesync-claim/${name}`;
        this.store.setItem(key, mine);
        await new Promise((done) => setTimeout(done, WORD_MS));
        const won = this.store.getItem(key) === mine;
        if (won) {
            this.store.removeItem(key);
        }
        return won;
    }
}

export function browserPlatform(): Platform {
    const local = storeOf(() => localStorage);
    const tabs = new Tabs(local);
    return {
        address: location.href,
        local,
        session: storeOf(() => sessionStorage),
        now: () => Date.now(),
        random: (length) => [...randomBytes(length)].map((byte) => (byte % 36).toString(36)).join(''),
        uuid,
        chance: () => Math.random(),
        after: (ms, run) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
        soon: (run) => queueMicrotask(run),
        connect,
        fetch: call,
        claim: (name, left, take) => tabs.claim(name, left, take),
        hold: (name) => tabs.hold(name),
        listen: ({ online, offline, leave }) => {
            const stop = new AbortController();
            const { signal } = stop;
            addEventListener('online', online, { signal });
            addEventListener('offline', offline, { signal });
            addEventListener('pagehide', leave, { signal });
            /* A page that comes back as it was has given its edits away. */
            addEventListener('pageshow', (event) => event.persisted && location.reload(), { signal });
            return () => stop.abort();
        },
        showAddress: (address) => history.replaceState(history.state, '', address),
    };
}
