/* A platform on this machine's clock and sockets: core at a real worker. */

import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { Duplex } from 'node:stream';
import type { Answer, Platform, Socket, SocketEvents } from '../../../../cli/page/src/core/platform.ts';
import { Browser, MemoryStore } from './memory.ts';

/* One frame of a client (RFC 6455): masked, with zeros, which mask nothing. */
function frame(kind: number, payload: Buffer): Buffer {
    const size = payload.length;
    const head = size < 126 ? Buffer.from([0x80 | kind, 0x80 | size])
               : size < 65536 ? Buffer.from([0x80 | kind, 0xfe, size >> 8, size & 255])
               : Buffer.concat([Buffer.from([0x80 | kind, 0xff, 0, 0, 0, 0]), Buffer.from(new Uint32Array([size]).buffer).swap32()]);
    return Buffer.concat([head, Buffer.alloc(4), payload]);
}

class Frames {
    private data = Buffer.alloc(0);
    private text: Buffer[] = [];

    constructor(private readonly stream: Duplex, private readonly events: SocketEvents) {}

    take(piece: Buffer): void {
        this.data = Buffer.concat([this.data, piece]);
        for (;;) {
            const short = (this.data[1] ?? 0) & 127;
            const head = short < 126 ? 2 : short === 126 ? 4 : 10;
            if (this.data.length < head) {
                return;
            }
            const size = short < 126 ? short : short === 126 ? this.data.readUInt16BE(2) : Number(this.data.readBigUInt64BE(2));
            if (this.data.length < head + size) {
                return;
            }
            const first = this.data[0]!;
            const payload = this.data.subarray(head, head + size);
            this.data = this.data.subarray(head + size);
            this.frame(first, payload);
        }
    }

    private frame(first: number, payload: Buffer): void {
        const kind = first & 15;
        if (kind === 8) {
            this.events.closed(payload.length >= 2 ? payload.readUInt16BE(0) : 1005, payload.subarray(2).toString());
        } else if (kind === 9) {
            this.stream.write(frame(10, payload));
        } else if (kind <= 1) {
            this.text.push(payload);
            if (first & 128) {
                const text = Buffer.concat(this.text).toString();
                this.text = [];
                this.events.message(text);
            }
        }
    }
}

function connect(url: string, events: SocketEvents): Socket {
    let over = false;
    let stream: Duplex | undefined;
    const guarded: SocketEvents = {
        opened: () => over || events.opened(),
        message: (text) => over || events.message(text),
        closed: (code, reason) => {
            if (!over) {
                over = true;
                events.closed(code, reason);
            }
        },
    };
    const request = http.request(url.replace(/^ws/, 'http'), { headers: {
        Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    } });
    request.on('upgrade', (_, opened: Duplex, head: Buffer) => {
        stream = opened;
        const frames = new Frames(opened, guarded);
        opened.on('data', (piece: Buffer) => frames.take(piece));
        opened.on('error', () => undefined);
        opened.on('close', () => guarded.closed(1006, ''));
        guarded.opened();
        frames.take(head);
    });
    request.on('response', (answer) => {
        answer.resume();
        guarded.closed(1006, '');
    });
    request.on('error', () => guarded.closed(1006, ''));
    request.end();
    return {
        send: (text) => stream?.write(frame(1, Buffer.from(text))),
        close: () => {
            over = true;
            stream?.destroy();
            request.destroy();
        },
    };
}

function call(base: string, method: string, path: string, headers: Readonly<Record<string, string>>,
              body?: string): Promise<Answer> {
    return new Promise((done, failed) => {
        const request = http.request(new URL(path, base), { method, headers }, (answer) => {
            const pieces: Buffer[] = [];
            answer.on('data', (piece: Buffer) => pieces.push(piece));
            answer.on('end', () => done({ status: answer.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
        });
        request.on('error', failed);
        request.end(body);
    });
}

export interface RealPlatform extends Platform {
    /* The page goes: as it should, or it crashes. */
    leave(): void;
    crash(): void;
}

/* A page of `browser` at `address`. */
export function realPlatform(address: string, browser = new Browser()): RealPlatform {
    const timers = new Set<NodeJS.Timeout>();
    const sockets = new Set<Socket>();
    const names: string[] = [];
    let over = false;
    let listener: { leave(): void } | undefined;
    const end = (): void => {
        over = true;
        timers.forEach(clearTimeout);
        sockets.forEach((socket) => socket.close());
        names.forEach((name) => browser.held.delete(name));
    };
    return {
        address, local: browser.local, session: new MemoryStore(),
        now: () => Date.now(),
        random: (length) => randomBytes(length).toString('hex').slice(0, length),
        uuid: () => randomUUID(),
        chance: () => Math.random(),
        after: (ms, run) => {
            if (over) {
                return () => undefined;
            }
            const timer = setTimeout(() => {
                timers.delete(timer);
                run();
            }, ms);
            timers.add(timer);
            return () => {
                clearTimeout(timer);
                timers.delete(timer);
            };
        },
        soon: (run) => queueMicrotask(() => over || run()),
        connect: (url, events) => {
            const socket = connect(url, events);
            sockets.add(socket);
            return socket;
        },
        fetch: (method, path, headers, body) => call(address, method, path, headers, body),
        claim: async (name, left, take) => {
            if (!over && (left || !browser.held.has(name))) {
                take();
            }
        },
        hold: (name) => {
            names.push(name);
            browser.held.add(name);
        },
        listen: (events) => {
            listener = events;
            return () => undefined;
        },
        showAddress: () => undefined,
        leave: () => {
            listener?.leave();
            end();
        },
        crash: end,
    };
}
