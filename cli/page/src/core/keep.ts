/* Keeps the outbox over a reload, and over a page that crashed.
 *
 * Each page ("tab") writes its edits under its own name, one key an edit:
 *
 *      scenesync/<scene>/<tab>       {"at":ms,"left":true?}     since when it has edits; it left properly
 *      scenesync/<scene>/<tab>/<n>   an edit
 *
 * A page that comes takes over the edits of those that are gone: of those that left at once, of
 * others when nobody answers for them (platform.ts: locks, or a word among tabs). They stay
 * where they stand, and whoever took them over answers for their name from then on: nothing is
 * copied, so a store that is full loses nothing, and nothing is sent twice.
 *
 * Written with a pause: an edit that is answered at once never touches the disk. */

import { compareText, member, numberOf, parse } from './json.ts';
import { readEdit, writeEdit, type Edit } from './edit.ts';
import type { Entry } from './outbox.ts';
import type { Platform, Store } from './platform.ts';

export const PAUSE_MS = 200;
const ADOPTED_MAX = 10_000;

export class Keep {
    private readonly changed = new Map<number, Entry | null>(); /* null: gone */
    private readonly keys = new Map<number, string>(); /* where what is written stands */
    private readonly base: string;
    /* Names that we answer for, ours and adopted ones: since when they have edits. What was made
     * earlier is done earlier, whoever takes it over. */
    private readonly names = new Map<string, number>();
    private timer: (() => void) | undefined;
    private full = false;
    private closed = false;

    /* `trouble`: the browser keeps no more. */
    constructor(private readonly platform: Platform, scene: string, private readonly tab: string,
                private readonly trouble: () => void) {
        this.base = `scenesync/${scene}/`;
    }

    private get store(): Store {
        return this.platform.local;
    }

    /* ---- one's own ---- */

    told(entry: Entry, gone: boolean): void {
        this.changed.set(entry.n, gone ? null : entry);
        this.timer ??= this.platform.after(PAUSE_MS, () => this.flush());
    }

    /* Write what changed: now. */
    flush(): void {
        this.timer?.();
        this.timer = undefined;
        for (const [n, entry] of this.changed) {
            const text = entry === null ? undefined : writeEdit(entry.edit);
            const key = this.keys.get(n);
            if (text !== undefined) {
                this.write(n, key ?? `${this.base}${this.tab}/${n}`, text);
            } else if (key !== undefined) {
                this.store.removeItem(key);
                this.keys.delete(n);
            }
        }
        this.changed.clear();
        if (this.keys.size === 0) {
            [...this.names.keys()].forEach((name) => this.store.removeItem(this.base + name));
            this.names.clear();
        }
    }

    private write(n: number, key: string, text: string): void {
        try {
            if (!this.names.has(this.tab)) {
                this.announce(this.tab, this.platform.now(), false);
                this.names.set(this.tab, this.platform.now());
            }
            this.store.setItem(key, text);
            this.keys.set(n, key);
            this.full = false;
        } catch {
            if (!this.full) {
                this.full = true;
                this.trouble();
            }
        }
    }

    private announce(name: string, at: number, left: boolean): void {
        this.store.setItem(this.base + name, JSON.stringify({ at, ...(left && { left }) }));
    }

    /* The page goes, or may not have them: who comes next may have what is left. */
    leave(): void {
        this.flush();
        this.closed = true;
        if (this.keys.size === 0) {
            return;
        }
        for (const [name, at] of this.names) {
            try {
                this.announce(name, at, true);
            } catch {
                /* then it counts as crashed */
            }
        }
    }

    /* ---- others' ---- */

    /* Edits of pages that are gone, each page's in its order. They are ours from now on: `take`
     * makes an entry of each. */
    async adopt(take: (edits: readonly Edit[]) => readonly Entry[]): Promise<void> {
        for (const tab of this.tabs()) {
            const left = this.hasLeft(tab);
            await this.platform.claim(`scenesync/${tab}`, left, () => {
                if (!this.closed && (!left || this.hasLeft(tab))) { /* nobody was quicker */
                    this.takeOver(tab, take);
                }
            });
        }
    }

    private hasLeft(tab: string): boolean {
        return member(parse(this.store.getItem(this.base + tab) ?? ''), 'left') === true;
    }
    private since(tab: string): number {
        return numberOf(parse(this.store.getItem(this.base + tab) ?? ''), 'at') ?? 0;
    }

    private found(): string[] {
        const found: string[] = [];
        for (let i = 0; i < this.store.length; i++) {
            const key = this.store.key(i);
            if (key?.startsWith(this.base)) {
                found.push(key.slice(this.base.length));
            }
        }
        return found;
    }

    /* Those of others, in the order in which they began. */
    private tabs(): string[] {
        const tabs = new Set(this.found().map((key) => key.split('/')[0]!));
        [this.tab, ...this.names.keys()].forEach((name) => tabs.delete(name));
        return [...tabs].sort((a, b) => this.since(a) - this.since(b) || compareText(a, b));
    }

    private takeOver(tab: string, take: (edits: readonly Edit[]) => readonly Entry[]): void {
        const numbers = this.found().filter((key) => key.startsWith(`${tab}/`)).map((key) => Number(key.slice(tab.length + 1)))
            .filter((n) => Number.isSafeInteger(n)).sort((a, b) => a - b).slice(0, ADOPTED_MAX);
        const edits: Edit[] = [];
        const keys: string[] = [];
        for (const n of numbers) {
            const key = `${this.base}${tab}/${n}`;
            const edit = readEdit(parse(this.store.getItem(key) ?? ''));
            if (edit) {
                edits.push(edit);
                keys.push(key);
            } else {
                this.store.removeItem(key);
            }
        }
        if (edits.length === 0) {
            this.store.removeItem(this.base + tab);
            return;
        }
        this.platform.hold(`scenesync/${tab}`);
        const since = this.since(tab);
        this.names.set(tab, since);
        try {
            this.announce(tab, since, false);
        } catch {
            this.store.removeItem(this.base + tab); /* it is not to say that nobody is here */
        }
        take(edits).forEach((entry, i) => this.keys.set(entry.n, keys[i]!));
    }
}
