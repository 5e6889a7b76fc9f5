/* JSON as people type it: the value, or where and why it is none. JSON.parse tells no position
 * that all browsers agree on, so the text is looked at here first; depth and size are bounded. */
import type { Json } from '../core/types.ts';

export interface JsonFault {
    readonly text: string;
    readonly offset: number;
    readonly line: number; /* from 1, as the column */
    readonly column: number;
}

export type JsonRead = { readonly value: Json } | { readonly fault: JsonFault };

const DEPTH_MAX = 100;
const SIZE_MAX = 512 * 1024;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[A-Za-z_][A-Za-z_0-9]*/y;

class Fault extends Error {
    constructor(
        message: string,
        readonly offset: number,
    ) {
        super(message);
    }
}

class Reader {
    private at = 0;

    constructor(private readonly text: string) {}

    read(): void {
        this.value(0);
        this.space();
        if (this.at < this.text.length) {
            throw new Fault('more text after the end of the value', this.at);
        }
    }

    private value(depth: number): void {
        this.space();
        const next = this.text[this.at];
        if (next === undefined) {
            throw new Fault('the text ends where a value should be', this.at);
        }
        if (depth > DEPTH_MAX) {
            throw new Fault(`more than ${DEPTH_MAX} levels`, this.at);
        }
        if (next === '{') {
            this.list('}', depth, true);
        } else if (next === '[') {
            this.list(']', depth, false);
        } else if (next === '"') {
            this.string();
        } else if (next === '-' || (next >= '0' && next <= '9')) {
            this.number();
        } else {
            this.word();
        }
    }

    private list(end: string, depth: number, named: boolean): void {
        this.at++;
        this.space();
        if (this.text[this.at] === end) {
            this.at++;
            return;
        }
        for (;;) {
            if (named) {
                this.space();
                if (this.text[this.at] !== '"') {
                    throw new Fault('a name in double quotes should be here', this.at);
                }
                this.string();
                this.space();
                if (this.text[this.at] !== ':') {
                    throw new Fault('a colon is missing', this.at);
                }
                this.at++;
            }
            this.value(depth + 1);
            this.space();
            const next = this.text[this.at];
            if (next === end) {
                this.at++;
                return;
            }
            if (next !== ',') {
                throw new Fault(`a comma or ${end} should be here`, this.at);
            }
            this.at++;
            this.space();
            if (this.text[this.at] === end) {
                throw new Fault('nothing follows the comma', this.at);
            }
        }
    }

    private string(): void {
        const begin = this.at;
        this.at++;
        for (;;) {
            const next = this.text[this.at];
            if (next === undefined || next === '\n') {
                throw new Fault('the text that begins here has no closing quote', begin);
            }
            if (next === '"') {
                this.at++;
                return;
            }
            if (next < ' ') {
                throw new Fault('a control character; write it as \\u00..', this.at);
            }
            if (next === '\\') {
                const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
                escape.lastIndex = this.at;
                const found = escape.exec(this.text);
                if (!found) {
                    throw new Fault('a backslash that stands for nothing', this.at);
                }
                this.at += found[0].length;
            } else {
                this.at++;
            }
        }
    }

    private number(): void {
        NUMBER.lastIndex = this.at;
        const found = NUMBER.exec(this.text);
        if (!found || !Number.isFinite(Number(found[0]))) {
            throw new Fault('no number that can be kept', this.at);
        }
        this.at += found[0].length;
        const next = this.text[this.at] ?? '';
        if (/[0-9.A-Za-z]/.test(next)) {
            throw new Fault('no such number', this.at);
        }
    }

    private word(): void {
        WORD.lastIndex = this.at;
        const found = WORD.exec(this.text)?.[0];
        if (found !== 'true' && found !== 'false' && found !== 'null') {
            throw new Fault(found ? `“${found}” needs quotes` : 'a value should be here', this.at);
        }
        this.at += found.length;
    }

    private space(): void {
        SPACE.lastIndex = this.at;
        this.at += SPACE.exec(this.text)?.[0].length ?? 0;
    }
}

export function readJson(text: string): JsonRead {
    if (text.length > SIZE_MAX) {
        return { fault: { text: 'too long', offset: 0, line: 1, column: 1 } };
    }
    try {
        new Reader(text).read();
        return { value: JSON.parse(text) as Json };
    } catch (error) {
        const offset = error instanceof Fault ? error.offset : 0;
        const before = text.slice(0, offset);
        return {
            fault: {
                text: error instanceof Error ? error.message : String(error),
                offset,
                line: before.split('\n').length,
                column: offset - before.lastIndexOf('\n'),
            },
        };
    }
}

export function writeJson(value: Json | undefined): string {
    return value === undefined ? '' : JSON.stringify(value, null, 2);
}
