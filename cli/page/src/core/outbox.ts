/* One's own edits that are not answered yet, in the order they were made.
 *
 *      push ──▶ unsent ──▶ sent ──▶ answered (gone)
 *                  ▲         │
 *                  └─────────┘ the link was lost
 *
 * An edit of a component joins the last unsent one of the same component and step, so a drag
 * waits as one edit, however long the worker takes. Bounded. */

import { mergeEdit, writeEdit, type Edit } from './edit.ts';
import type { EntityId } from './types.ts';

export const EDITS_MAX = 10_000;
export const SIZE_MAX = 3 << 20;       /* characters of them all, as they are kept */
export const EDIT_SIZE_MAX = 900_000;  /* a message to the worker is at most 1 MiB */

export interface Entry {
    readonly n: number; /* counts up; the id that the worker answers */
    readonly edit: Edit;
    size: number;
    sent: boolean;
}

const NONE: readonly Entry[] = [];

function keyOf(edit: Edit): string {
    return `${edit.entity}\n${edit.component}`;
}

export class Outbox {
    private readonly entries = new Map<number, Entry>();
    private readonly waiting = new Map<number, Entry>(); /* unsent ones */
    private readonly byEntity = new Map<EntityId, Entry[]>();
    private readonly last = new Map<string, Entry>(); /* of each component */
    private readonly barriers = new Map<EntityId, number>(); /* edits of the entity as a whole */
    private barrier = 0; /* the last undo or redo */
    private next = 1;
    private size = 0;

    /* `told` hears of each entry that is new, changed or gone: whoever keeps them. */
    constructor(private readonly told: (entry: Entry, gone: boolean) => void = () => {}) {}

    get count(): number {
        return this.entries.size;
    }
    get sentCount(): number {
        return this.entries.size - this.waiting.size;
    }
    all(): IterableIterator<Entry> {
        return this.entries.values();
    }
    unsent(): IterableIterator<Entry> {
        return this.waiting.values();
    }
    get(n: number): Entry | undefined {
        return this.entries.get(n);
    }
    of(entity: EntityId): readonly Entry[] {
        return this.byEntity.get(entity) ?? NONE;
    }
    entities(): IterableIterator<EntityId> {
        return this.byEntity.keys();
    }

    /* Room for so many more? */
    hasRoom(count: number): boolean {
        return this.entries.size + count <= EDITS_MAX && this.size < SIZE_MAX;
    }

    push(edit: Edit): Entry {
        return this.join(edit) ?? this.append(edit);
    }

    private join(edit: Edit): Entry | undefined {
        const entry = edit.component === undefined ? undefined : this.last.get(keyOf(edit));
        const barrier = Math.max(this.barrier, this.barriers.get(edit.entity) ?? 0);
        if (entry === undefined || entry.sent || entry.n < barrier || !mergeEdit(entry.edit, edit)) {
            return undefined;
        }
        this.resize(entry);
        this.told(entry, false);
        return entry;
    }

    /* As an entry of its own. */
    append(edit: Edit): Entry {
        const entry: Entry = { n: this.next++, edit, size: 0, sent: false };
        this.resize(entry);
        this.entries.set(entry.n, entry);
        this.waiting.set(entry.n, entry);
        if (edit.component !== undefined) {
            this.last.set(keyOf(edit), entry);
        } else if (edit.entity !== '') {
            this.barriers.set(edit.entity, entry.n);
        } else {
            this.barrier = entry.n;
        }
        if (edit.entity !== '') {
            const list = this.byEntity.get(edit.entity);
            if (list) {
                list.push(entry);
            } else {
                this.byEntity.set(edit.entity, [entry]);
            }
        }
        this.told(entry, false);
        return entry;
    }

    private resize(entry: Entry): void {
        const size = writeEdit(entry.edit)?.length ?? 0;
        this.size += size - entry.size;
        entry.size = size;
    }

    send(entry: Entry): void {
        this.waiting.delete(entry.n);
        entry.sent = true;
        entry.edit.tried = true;
        this.told(entry, false);
    }

    remove(entry: Entry): void {
        if (!this.entries.delete(entry.n)) {
            return;
        }
        this.waiting.delete(entry.n);
        this.size -= entry.size;
        const { edit } = entry;
        if (edit.component !== undefined && this.last.get(keyOf(edit)) === entry) {
            this.last.delete(keyOf(edit));
        }
        const list = this.byEntity.get(edit.entity);
        if (list) {
            list.splice(list.indexOf(entry), 1);
            if (list.length === 0) {
                this.byEntity.delete(edit.entity);
                this.barriers.delete(edit.entity);
            }
        }
        this.told(entry, true);
    }

    /* Know nothing of them any more: `told` hears nothing of it. */
    forget(): void {
        this.entries.clear();
        this.waiting.clear();
        this.byEntity.clear();
        this.last.clear();
        this.barriers.clear();
        this.size = 0;
    }

    /* The link was lost: whether those under way were done, nobody said. */
    unsend(): void {
        this.waiting.clear();
        for (const entry of this.entries.values()) {
            entry.sent = false;
            this.waiting.set(entry.n, entry);
        }
    }

    /* The last step, if none of it ever was on its way; else nothing. In the order made. */
    lastUntried(): Entry[] {
        const last = [...this.entries.values()].at(-1);
        const step = last && [...this.entries.values()].filter((entry) => entry.edit.step === last.edit.step);
        return step?.every((entry) => !entry.edit.tried) ? step : [];
    }
}
