/* The link to the worker: opened again whenever it breaks.
 *
 *      connecting ──▶ open ──▶ broken ──(0.25 s .. 10 s)──▶ connecting
 *                                 └─▶ refused: no token, no right; not tried again
 *
 * A link that is cut somewhere on the way says nothing: where nothing has been heard for a
 * while something is asked, and without an answer it counts as broken. */

import { numberOf, parse, textOf } from './json.ts';
import type { Platform, Socket } from './platform.ts';

export const RETRY_MS_MIN = 250;
export const RETRY_MS_MAX = 10_000;
const LOOK_MS = 1000;
const QUIET_MS = 5000;  /* then it is asked whether it lives */
const ANSWER_MS = 5000; /* and this long is waited for a sign of life */
const BYTES_A_MS = 20;  /* what even a slow network takes away: 160 kbit/s */
const HURRY_MS = 2000;  /* so long where the browser says that the network is gone */

export interface LinkEvents {
    address(): string;      /* where to, now */
    opened(): void;
    message(text: string): void;
    broken(retryAt: number): void;
    refused(text: string): void;
    ask(): void;            /* send something that is answered */
    status(): Promise<{ status: number; text: string }>; /* ask the worker by HTTP */
}

/* What an HTTP status that will not change by itself means to people. */
const REFUSALS: Readonly<Record<number, string>> = {
    401: 'This link does not let you in: its token is missing, wrong or no longer valid.',
    403: 'This page may not talk to the worker.',
    421: 'The worker does not answer to this host name.',
};

export class Link {
    private socket: Socket | undefined;
    private generation = 0;
    private attempts = 0;
    private heardAt = 0;
    private askedAt = 0; /* 0: nothing is asked */
    private lookedAt = 0;
    private drainedAt = 0; /* by then all that was sent has left, on a slow network too */
    private patience = ANSWER_MS;
    private stopRetry: (() => void) | undefined;
    private stopLook: (() => void) | undefined;
    private over = false;
    open = false;

    constructor(private readonly platform: Platform, private readonly events: LinkEvents) {}

    connect(): void {
        this.stopRetry?.();
        this.stopRetry = undefined;
        this.drop();
        const generation = ++this.generation;
        const mine = (run: () => void) => (): void => {
            if (generation === this.generation) {
                run();
            }
        };
        try {
            this.socket = this.platform.connect(this.events.address(), {
                opened: mine(() => this.opened()),
                message: (text) => mine(() => this.heard(text))(),
                closed: (code, reason) => mine(() => this.closed(code, reason))(),
            });
        } catch {
            this.closed(1006, '');
            return;
        }
        this.watch();
    }

    /* `answered`: something will come back, if the link lives. */
    send(text: string, answered = false): void {
        this.socket?.send(text);
        this.drainedAt = Math.max(this.drainedAt, this.platform.now()) + text.length / BYTES_A_MS;
        if (answered && this.askedAt === 0) {
            this.patience = ANSWER_MS;
            this.askedAt = this.platform.now();
        }
    }

    /* The network is back, or somebody does not want to wait. */
    hurry(): void {
        if (this.over) {
            return;
        }
        if (this.stopRetry) {
            this.connect();
        } else if (this.open) {
            this.ask(HURRY_MS);
        }
    }

    close(): void {
        this.over = true;
        this.stopRetry?.();
        this.generation++;
        this.drop();
    }

    private drop(): void {
        this.open = false;
        this.stopLook?.();
        const { socket } = this;
        this.socket = undefined;
        socket?.close();
    }

    private opened(): void {
        this.open = true;
        this.heardAt = this.platform.now();
        this.askedAt = 0;
        this.events.opened();
    }

    private heard(text: string): void {
        this.attempts = 0;
        this.heardAt = this.platform.now();
        this.askedAt = 0;
        this.events.message(text);
    }

    /* ---- does it live? ---- */

    private watch(): void {
        this.stopLook?.();
        this.heardAt = this.platform.now();
        this.askedAt = 0;
        this.drainedAt = 0;
        this.lookedAt = this.heardAt;
        this.look();
    }

    private look(): void {
        this.stopLook = this.platform.after(LOOK_MS, () => {
            const now = this.platform.now();
            const asleep = now - this.lookedAt > 4 * LOOK_MS; /* we were: it is not its fault */
            this.lookedAt = now;
            if (asleep) {
                this.heardAt = now;
                this.askedAt = 0;
            }
            if (this.open && this.askedAt === 0 && now - this.heardAt >= QUIET_MS) {
                this.ask(ANSWER_MS);
            }
            const asked = this.askedAt === 0 ? now : Math.max(this.askedAt, this.drainedAt);
            if (this.open ? now - asked >= this.patience : now - this.heardAt >= RETRY_MS_MAX) {
                this.broken();
            } else {
                this.look();
            }
        });
    }

    private ask(patience: number): void {
        this.patience = patience;
        this.askedAt = this.platform.now();
        this.events.ask();
    }

    /* ---- it broke ---- */

    private closed(code: number, reason: string): void {
        const wasOpen = this.open;
        if (code === 1008) {
            this.refuse(reason ? `The worker closed the link: ${reason}.` : REFUSALS[401]!);
            return;
        }
        this.broken();
        if (!wasOpen) {
            this.inquire();
        }
    }

    private broken(): void {
        this.generation++;
        this.drop();
        const full = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.attempts++);
        const wait = Math.round(full * (0.75 + 0.5 * this.platform.chance()));
        this.stopRetry = this.platform.after(wait, () => this.connect());
        this.events.broken(this.platform.now() + wait);
    }

    private refuse(text: string): void {
        this.close();
        this.events.refused(text);
    }

    /* A browser does not tell why a link was not opened: HTTP does. */
    private inquire(): void {
        const generation = this.generation;
        this.events.status().then(({ status, text }) => {
            const refusal = REFUSALS[status];
            if (refusal !== undefined && generation === this.generation && !this.over) {
                this.refuse(refusal);
            } else if (status === 503 && numberOf(parse(text), 'retryMs') === undefined) {
                this.attempts = Math.max(this.attempts, 4); /* full: do not press */
            }
        }, () => undefined);
    }
}

/* Where the link of a page is: `name` and `color` are how others see who has no entry of
 * their own in the access file. */
export function linkAddress(page: string, token: string, name: string, color: string): string {
    const url = new URL('/renderer', page);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = '';
    url.hash = '';
    for (const [key, value] of [['token', token], ['name', name], ['color', color]] as const) {
        if (value !== '') {
            url.searchParams.set(key, value);
        }
    }
    return url.href;
}

/* What an answer of the worker says went wrong. */
export function errorText(answer: { status: number; text: string }): string {
    const said = textOf(parse(answer.text), 'error');
    return said ?? REFUSALS[answer.status] ?? `the worker answered with status ${answer.status}`;
}
