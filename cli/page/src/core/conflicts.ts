/* Where two edits met: what the worker says stands now, and what it told in passing since. */

import { signal, type ReadonlySignal } from '@preact/signals-core';
import { equal } from './json.ts';
import type { Conflict, EntityId, Json } from './types.ts';
import type { ToldConflict } from './wire.ts';

const PASSING_MAX = 200;

function keyOf(conflict: Omit<Conflict, 'mine'>): string {
    return JSON.stringify([conflict.kind, conflict.entity, conflict.component, conflict.field]);
}

export class Conflicts {
    private standing: readonly ToldConflict[] = [];
    private passing: readonly ToldConflict[] = [];
    private lost: readonly ToldConflict[] = []; /* one's own edits of what was gone: nobody else knows */
    private readonly dismissed = new Set<string>(); /* key and stamp */
    private readonly list = signal<readonly Conflict[]>([]);
    private repaired = new Map<EntityId, Conflict['kind']>();

    /* `marked`: these entities' repairs have changed. */
    constructor(private readonly me: () => string, private readonly marked: (ids: Iterable<EntityId>) => void) {}

    get all(): ReadonlySignal<readonly Conflict[]> {
        return this.list;
    }
    get repairs(): ReadonlyMap<EntityId, Conflict['kind']> {
        return this.repaired;
    }

    /* All that stands now: what was told in passing is among it, or is over. */
    stand(conflicts: readonly ToldConflict[]): void {
        this.standing = conflicts;
        this.passing = [];
        this.publish();
    }

    /* One more, as it happens. True: it is news. */
    pass(conflict: ToldConflict): boolean {
        const key = keyOf(conflict);
        const known = [...this.standing, ...this.passing].some((other) => keyOf(other) === key &&
                                                                          other.stamp === conflict.stamp);
        this.passing = [...this.passing.filter((other) => keyOf(other) !== key), conflict].slice(-PASSING_MAX);
        this.publish();
        return !known;
    }

    /* One's own edit was refused, since what it is about is gone. */
    lose(conflict: ToldConflict): void {
        this.lost = [...this.lost.filter((other) => keyOf(other) !== keyOf(conflict)), conflict].slice(-PASSING_MAX);
        this.publish();
    }
    /* It is there again. */
    found(entity: EntityId): void {
        if (this.lost.some((conflict) => conflict.entity === entity)) {
            this.lost = this.lost.filter((conflict) => conflict.entity !== entity);
            this.publish();
        }
    }

    /* Somebody has decided: it is not shown any more, unless it comes anew. */
    dismiss(conflict: Conflict): void {
        this.dismissed.add(keyOf(conflict) + (conflict.stamp ?? ''));
        this.lost = this.lost.filter((other) => keyOf(other) !== keyOf(conflict));
        this.publish();
    }

    private publish(): void {
        const byKey = new Map<string, Conflict>();
        for (const told of [...this.standing, ...this.passing, ...this.lost]) {
            const key = keyOf(told);
            if (!this.dismissed.has(key + (told.stamp ?? ''))) {
                const { mine: _, ...rest } = told;
                byKey.set(key, { ...rest, mine: told.author !== undefined && told.author === this.me() });
            }
        }
        const list = [...byKey.values()];
        if (!equal(list as unknown as Json, this.list.value as unknown as Json)) {
            this.list.value = list;
            this.mark(list);
        }
    }

    private mark(list: readonly Conflict[]): void {
        const before = this.repaired;
        const repairs = list.filter((conflict) => conflict.kind === 'cycle' || conflict.kind === 'orphan');
        this.repaired = new Map(repairs.map((conflict) => [conflict.entity, conflict.kind]));
        const ids = new Set([...before.keys(), ...this.repaired.keys()]);
        const changed = [...ids].filter((id) => before.get(id) !== this.repaired.get(id));
        if (changed.length > 0) {
            this.marked(changed);
        }
    }
}
