/* Who is here, and what others are told of oneself. */

import { signal, type ReadonlySignal } from '@preact/signals-core';
import { compareText, equal } from './json.ts';
import type { Platform } from './platform.ts';
import type { EntityId, Json, Person } from './types.ts';

export const PRESENCE_MS = 100; /* at most every so often */
const SELECTION_CHARS_MAX = 1900; /* the worker takes 2,048 bytes of JSON */

export class People {
    private readonly known = new Map<string, Person>();
    private readonly list = signal<readonly Person[]>([]);

    get all(): ReadonlySignal<readonly Person[]> {
        return this.list;
    }

    /* `all`: who is not among them is not here. */
    hear(people: readonly Person[], left: readonly string[], all: boolean): void {
        const before = new Map(this.known);
        if (all) {
            this.known.clear();
        }
        for (const id of left) {
            this.known.delete(id);
        }
        for (const person of people) {
            const old = before.get(person.id);
            this.known.set(person.id, old && equal(old as unknown as Json, person as unknown as Json) ? old : person);
        }
        this.publish();
    }

    clear(): void {
        this.known.clear();
        this.publish();
    }

    private publish(): void {
        const list = [...this.known.values()].sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id));
        const old = this.list.value;
        if (list.length !== old.length || list.some((person, i) => person !== old[i])) {
            this.list.value = list;
        }
    }
}

/* As many of them as others can be told. */
function shortened(selection: readonly EntityId[]): EntityId[] {
    let size = 0;
    const told: EntityId[] = [];
    for (const id of selection) {
        size += new TextEncoder().encode(JSON.stringify(id)).length + 1;
        if (size > SELECTION_CHARS_MAX) {
            break;
        }
        told.push(id);
    }
    return told;
}

function rounded(numbers: readonly number[]): number[] {
    return numbers.map((number) => (Number.isFinite(number) ? Math.round(number * 1000) / 1000 : 0));
}

/* What others are told of oneself: what changed, at most ten times a second. */
export class Self {
    private readonly wanted = new Map<string, Json>();
    private readonly told = new Map<string, Json>();
    private timer: (() => void) | undefined;
    private sentAt = 0;

    /* `send`: false where there is no link; then it is told with the next one. */
    constructor(private readonly platform: Platform, private readonly send: (payload: Json) => boolean) {}

    select(selection: readonly EntityId[]): void {
        this.want('selection', shortened(selection));
    }
    look(position: readonly number[], rotation: readonly number[]): void {
        this.want('camera', { position: rounded(position), rotation: rounded(rotation) });
    }
    edit(what: Person['editing'] | null): void {
        this.want('editing', what ? { ...what } : null);
    }

    private want(key: string, value: Json): void {
        this.wanted.set(key, value);
        const wait = this.sentAt + PRESENCE_MS - this.platform.now();
        this.timer ??= this.platform.after(Math.max(0, wait), () => this.flush());
    }

    /* A new link knows nothing of it yet. */
    renew(): void {
        this.told.clear();
        this.flush();
    }

    private flush(): void {
        this.timer?.();
        this.timer = undefined;
        const news = [...this.wanted].filter(([key, value]) => !equal(this.told.get(key), value));
        if (news.length > 0 && this.send(Object.fromEntries(news))) {
            this.sentAt = this.platform.now();
            news.forEach(([key, value]) => this.told.set(key, value));
        }
    }
}
