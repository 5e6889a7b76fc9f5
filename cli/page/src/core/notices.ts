/* What is said to people in passing. */

import { signal, type ReadonlySignal } from '@preact/signals-core';
import type { Platform } from './platform.ts';
import type { Notice } from './types.ts';

const NOTICES_MAX = 8;
const STAYS_MS: Readonly<Record<Notice['tone'], number>> = { info: 5000, good: 4000, warning: 12_000, bad: 20_000 };

export class Notices {
    private readonly list = signal<readonly Notice[]>([]);
    private next = 1;

    constructor(private readonly platform: Platform) {}

    get all(): ReadonlySignal<readonly Notice[]> {
        return this.list;
    }

    /* The same text is not said twice at once. It goes by itself after a while. */
    say(tone: Notice['tone'], text: string, action?: Notice['action']): number {
        const id = this.next++;
        const others = this.list.value.filter((notice) => notice.text !== text).slice(-(NOTICES_MAX - 1));
        this.list.value = [...others, { id, tone, text, ...(action && { action }) }];
        this.platform.after(STAYS_MS[tone] * (action ? 2 : 1), () => this.dismiss(id));
        return id;
    }

    dismiss(id: number): void {
        if (this.list.value.some((notice) => notice.id === id)) {
            this.list.value = this.list.value.filter((notice) => notice.id !== id);
        }
    }
}
