/* Where two edits met: what the worker says stands now, and what it told in passing since. */

import { signal, type ReadonlySignal } from '@preact/signals-core';
import { equal } from './json.ts';
import type { Conflict, EntityId, Json } from './types.ts';
import type { ToldConflict } from './wire.ts';

const PASSING_MAX = 200;
const KNOWN_MAX = 5000;

function keyOf(conflict: Omit<Conflict, 'mine'>): string {
    return JSON.stringify([conflict.kind, conflict.entity, conflict.component, conflict.field]);
}

export class Conflicts {
    private standing: readonly ToldConflict[] = [];
    private passing: readonly ToldConflict[] = [];
    private lost: readonly ToldConflict[] = []; /* one's own edits of what was gone: nobody else knows */
    private readonly dismissed = new Set<string>(); /* key and stamp */
    private readonly list = signal<readonly Conflict[]>([]);
    private readonly known = new Set<string>(); /* key and stamp of all that ever stood here */
    private repaired = new Map<EntityId, Conflict['kind']>();

    /* `marked`: these entities' repairs have changed. */
    constructor(private readonly me: () => string, private readonly marked: (ids: Iterable<EntityId>) => void) {}

    get all(): ReadonlySignal<readonly Conflict[]> {
        return this.list;
    }
    get repairs(): ReadonlyMap<EntityId, Conflict['kind']> {
        return this.repaired;
    }

    /* All that stands now: what was told in passing is among it, or is over. Those that are
     * news. */
    stand(conflicts: readonly ToldConflict[]): Conflict[] {
        this.standing = conflicts;
        this.passing = [];
        this.publish();
        return this.news(conflicts);
    }

    /* One more, as it happens. */
    pass(conflict: ToldConflict): Conflict[] {
        const key = keyOf(conflict);
        this.passing = [...this.passing.filter((other) => keyOf(other) !== key), conflict].slice(-PASSING_MAX);
        this.publish();
        return this.news([conflict]);
    }

    private news(conflicts: readonly ToldConflict[]): Conflict[] {
        const fresh = conflicts.filter((conflict) => !this.known.has(keyOf(conflict) + conflict.stamp));
        for (const conflict of fresh) {
            this.known.add(keyOf(conflict) + conflict.stamp);
            if (this.known.size > KNOWN_MAX) {
                this.known.delete(this.known.values().next().value!);
            }
        }
        return fresh.map((conflict) => this.own(conflict));
    }

    private own({ mine: _, ...rest }: ToldConflict): Conflict {
        return { ...rest, mine: rest.author !== undefined && rest.author === this.me() };
    }

    /* One's own edit was refused, since what it is about is gone. */
    lose(conflict: ToldConflict): void {
        this.dismissed.delete(keyOf(conflict) + (conflict.stamp ?? '')); /* it happened once more */
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
                byKey.set(key, this.own(told));
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
