/* What core needs of the world around it. The page gives the browser's (src/browser.ts), tests
 * give their own, with a clock that they turn. */

/* As localStorage and sessionStorage. setItem may throw: full, or forbidden. */
export interface Store {
    readonly length: number;
    key(index: number): string | null;
    getItem(key: string): string | null;
    setItem(key: string, value: string): void;
    removeItem(key: string): void;
}

/* A link that is being opened or open. After `closed` nothing more is told. */
export interface Socket {
    send(text: string): void;
    close(): void;
}
export interface SocketEvents {
    opened(): void;
    message(text: string): void;
    /* Code and reason as of WebSocket; 1006 without a reason: it broke, or never was. */
    closed(code: number, reason: string): void;
}

export interface Answer {
    readonly status: number;
    readonly text: string;
}

export interface Platform {
    /* Of this page: "http://127.0.0.1:8000/?scene=0,0#token=...". */
    readonly address: string;
    readonly local: Store;   /* shared by all pages of the browser, and stays */
    readonly session: Store; /* of this tab */
    now(): number; /* ms since 1970 */
    /* Random text of so many lower case letters and digits. */
    random(length: number): string;
    uuid(): string;
    /* A number from 0 to below 1. */
    chance(): number;
    /* Call later; what is returned takes that back. */
    after(ms: number, run: () => void): () => void;
    /* Call when what is under way now is done. */
    soon(run: () => void): void;
    connect(url: string, events: SocketEvents): Socket;
    /* Rejects where there is no answer. */
    fetch(method: 'GET' | 'POST', path: string, headers: Readonly<Record<string, string>>, body?: string): Promise<Answer>;
    /* Run `take` alone in the browser, if nobody alive has this name; `left`: its owner said
     * that it is gone. Done when it ran, or is not to. */
    claim(name: string, left: boolean, take: () => void): Promise<void>;
    /* This page has the name as long as it lives. */
    hold(name: string): void;
    /* The network is back, or gone; the page goes. */
    listen(events: { online(): void; offline(): void; leave(): void }): () => void;
    /* Show another address, without loading it. */
    showAddress(address: string): void;
}
