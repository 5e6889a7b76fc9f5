/* Storage and addresses of a browser, in memory. */

import type { Store } from '../../../../cli/page/src/core/platform.ts';

export class MemoryStore implements Store {
    readonly items = new Map<string, string>();
    /* From here on setItem throws, as a full disk does. */
    full = false;

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
        if (this.full) {
            throw new Error('QuotaExceededError');
        }
        this.items.set(key, value);
    }
    removeItem(key: string): void {
        this.items.delete(key);
    }
}

/* What all pages of one browser share. */
export class Browser {
    readonly local = new MemoryStore();
    readonly held = new Set<string>(); /* names of pages that live */
}
