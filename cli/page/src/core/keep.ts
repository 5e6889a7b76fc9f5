/* Keeps the outbox over a reload, and over a page that crashed.
 *
 * Each page ("tab") writes its edits under its own name, one key an edit:
 *
 *      scenesync/<scene>/<tab>       {"at":ms,"left":true?}     the page lives; or left properly
 *      scenesync/<scene>/<tab>/<n>   an edit
 *
 * A page that comes takes over the edits of those that are gone: of those that left at once, of
 * others when nobody answers for them (platform.ts: locks, or a word among tabs). To take over
 * is to remove the keys; whoever does so must be alone (`claim`), so nothing is sent twice.
 *
 * Written with a pause: an edit that is answered at once never touches the disk. */

import { isObject, member, parse } from './json.ts';
import { readEdit, writeEdit, type Edit } from './edit.ts';
import type { Entry } from './outbox.ts';
import type { Platform, Store } from './platform.ts';

export const PAUSE_MS = 200;
const ADOPTED_MAX = 10_000;

export class Keep {
    private readonly changed = new Map<number, Entry | null>(); /* null: gone */
    private readonly written = new Set<number>();
    private readonly base: string;
    private readonly own: string;
    private timer: (() => void) | undefined;
    private announced = false;
    private full = false;

    /* `trouble`: the browser keeps no more. */
    constructor(private readonly platform: Platform, scene: string, private readonly tab: string,
                private readonly trouble: () => void) {
        this.base = `scenesync/${scene}/`;
        this.own = this.base + tab;
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
            if (text !== undefined) {
                this.write(n, text);
            } else if (this.written.delete(n)) {
                this.store.removeItem(`${this.own}/${n}`);
            }
        }
        this.changed.clear();
        if (this.announced && this.written.size === 0) {
            this.store.removeItem(this.own);
            this.announced = false;
        }
    }

    private write(n: number, text: string): void {
        try {
            if (!this.announced) {
                this.announce(false);
            }
            this.store.setItem(`${this.own}/${n}`, text);
            this.written.add(n);
            this.full = false;
        } catch {
            if (!this.full) {
                this.full = true;
                this.trouble();
            }
        }
    }

    private announce(left: boolean): void {
        this.store.setItem(this.own, JSON.stringify({ at: this.platform.now(), ...(left && { left }) }));
        this.announced = true;
    }

    /* The page goes: who comes next may have what is left. */
    leave(): void {
        this.flush();
        if (this.written.size > 0) {
            this.announce(true);
        }
    }

    /* ---- others' ---- */

    /* Edits of pages that are gone, each page's in its order. They are ours from now on: the
     * caller pushes them, which keeps them again. */
    async adopt(take: (edits: readonly Edit[]) => void): Promise<void> {
        for (const tab of this.tabs()) {
            const left = member(parse(this.store.getItem(this.base + tab) ?? ''), 'left') === true;
            await this.platform.claim(`scenesync/${tab}`, left, () => this.takeOver(tab, take));
        }
    }

    private keys(): string[] {
        const found: string[] = [];
        for (let i = 0; i < this.store.length; i++) {
            const key = this.store.key(i);
            if (key?.startsWith(this.base)) {
                found.push(key.slice(this.base.length));
            }
        }
        return found;
    }

    private tabs(): string[] {
        const tabs = new Set(this.keys().map((key) => key.split('/')[0]!));
        tabs.delete(this.tab);
        return [...tabs].sort();
    }

    private takeOver(tab: string, take: (edits: readonly Edit[]) => void): void {
        const numbers = this.keys().filter((key) => key.startsWith(`${tab}/`)).map((key) => Number(key.slice(tab.length + 1)))
            .filter((n) => Number.isSafeInteger(n)).sort((a, b) => a - b).slice(0, ADOPTED_MAX);
        const read = numbers.map((n) => readEdit(parse(this.store.getItem(`${this.base}${tab}/${n}`) ?? '')));
        const edits = read.filter((edit) => isObject(edit));
        take(edits);
        this.flush(); /* first under our name, then no more under the other */
        for (const n of numbers) {
            this.store.removeItem(`${this.base}${tab}/${n}`);
        }
        this.store.removeItem(this.base + tab);
    }
}
