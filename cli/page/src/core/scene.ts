/* The scene as it is shown: what the worker told, with one's own edits laid over it.
 *
 *      told (bodies)  ⊕  outbox (edits, in order)  =  shown (entities)
 *
 * Only what changed is made anew: an entity that looks as before stays the same object. */

import { batch, signal } from '@preact/signals-core';
import { applyEdit, sameBody, type Body, type Edit, type Part } from './edit.ts';
import { isObject } from './json.ts';
import { isHidden, isLocked, isSdk7Name, labelOf, findComponent, SDK6, SDK7, type Spelling } from './names.ts';
import type { Outbox } from './outbox.ts';
import { placeOf } from './space.ts';
import { buildTree, saidParent, withDescendants, type Tree } from './tree.ts';
import type { ComponentName, Conflict, EntityId, JsonObject, Place, Scene, SceneChange, Stamp } from './types.ts';
import type { ToldPart } from './wire.ts';

const GONE_MAX = 1000; /* entities whose place and label are remembered after they went */
const NOTHING: ReadonlySet<EntityId> = new Set();

export class SceneStore implements Scene {
    private readonly shown = new Map<EntityId, Body>();
    private told = new Map<EntityId, Body>();
    private coming: Map<EntityId, Body> | undefined; /* told since a new link, not all yet */
    private readonly touched = new Set<EntityId>();
    private readonly watchers = new Set<(change: SceneChange) => void>();
    private readonly counter = signal(0);
    private readonly gone = new Map<EntityId, { order: number; label: string }>();
    private readonly droppedParts = new Map<string, JsonObject>(); /* by entity and name */
    private nextOrder = 0;
    private made: Tree | undefined;
    private depth = 0; /* of `together` */
    private held: SceneChange | undefined;
    private spelled: Spelling = SDK6;
    readonly revision = this.counter;

    /* `me`: under what name one's own edits count. `repairs`: what the worker says. */
    constructor(private readonly outbox: Outbox, private readonly me: () => string,
                private readonly repairs: () => ReadonlyMap<EntityId, Conflict['kind']>) {}

    /* ---- to look at ---- */

    get entities(): ReadonlyMap<EntityId, Body> {
        return this.shown;
    }
    get spelling(): Spelling {
        return this.spelled;
    }
    get tree(): Tree {
        this.made ??= buildTree(this.shown);
        return this.made;
    }
    get(id: EntityId): Body | undefined {
        return this.shown.get(id);
    }
    place(id: EntityId): Place {
        return placeOf(findComponent(this.shown.get(id), 'transform')?.data);
    }
    parent(id: EntityId): EntityId | null {
        return this.tree.parents.get(id) ?? null;
    }
    children(id: EntityId | null): readonly EntityId[] {
        return this.tree.children(id);
    }
    below(ids: readonly EntityId[]): EntityId[] {
        return withDescendants(this.tree, ids);
    }
    repair(id: EntityId): 'cycle' | 'orphan' | undefined {
        const said = this.repairs().get(id);
        return said === 'cycle' || said === 'orphan' ? said : this.tree.repairs.get(id);
    }
    label(id: EntityId): string {
        const entity = this.shown.get(id);
        return entity ? labelOf(entity, entity.ownName) : this.gone.get(id)?.label ?? id;
    }
    hidden(id: EntityId): boolean {
        for (let at: EntityId | null = id; at !== null; at = this.parent(at)) {
            if (isHidden(this.shown.get(at))) {
                return true;
            }
        }
        return false;
    }
    locked(id: EntityId): boolean {
        return isLocked(this.shown.get(id));
    }
    watch(watcher: (change: SceneChange) => void): () => void {
        this.watchers.add(watcher);
        return () => this.watchers.delete(watcher);
    }

    /* ---- what the worker told ---- */

    /* The entity as it was told last: what one's own edits lie on. */
    body(id: EntityId): Body | undefined {
        return this.told.get(id);
    }
    has(id: EntityId): boolean {
        return this.told.has(id);
    }

    /* A new link tells all anew. What is there stays to be seen until then; the first time
     * it is shown as it comes. */
    begin(): void {
        this.coming = this.told.size > 0 ? new Map() : undefined;
        this.nextOrder = 0;
    }
    /* All is told. */
    finish(): void {
        if (this.coming !== undefined) {
            const before = this.told;
            this.told = this.coming;
            this.coming = undefined;
            for (const [id, body] of before) {
                this.touched.add(id);
                if (!this.told.has(id)) {
                    this.remember(body);
                }
            }
            for (const id of this.told.keys()) {
                this.touched.add(id);
            }
        }
    }

    private orderOf(id: EntityId): number {
        const order = this.coming ? undefined : this.told.get(id)?.order ?? this.gone.get(id)?.order;
        return order ?? this.nextOrder++;
    }
    private put(id: EntityId, body: Body): void {
        (this.coming ?? this.told).set(id, body);
        this.touched.add(id);
    }
    private now(id: EntityId): Body | undefined {
        return (this.coming ?? this.told).get(id);
    }

    add(id: EntityId, parts: readonly ToldPart[], ownName: string | undefined, author: string | undefined,
        stamp: Stamp | undefined): void {
        const components = new Map(parts.map((part) => [part.name, partOf(part, author, stamp)]));
        this.put(id, { id, components, order: this.orderOf(id), ...(ownName !== undefined && { ownName }) });
        parts.forEach((part) => this.learn(part.name));
    }
    set(id: EntityId, part: ToldPart, author: string | undefined, stamp: Stamp | undefined): void {
        const body = this.now(id) ?? { id, components: new Map<ComponentName, Part>(), order: this.orderOf(id) };
        const components = new Map(body.components).set(part.name, partOf(part, author, stamp));
        this.put(id, { ...body, components });
        this.learn(part.name);
    }
    drop(id: EntityId, name: ComponentName): void {
        const body = this.now(id);
        if (body) {
            const components = new Map(body.components);
            const data = components.get(name)?.data;
            if (isObject(data)) {
                this.droppedParts.set(`${id}\n${name}`, data);
                trim(this.droppedParts);
            }
            components.delete(name);
            this.put(id, { ...body, components });
        }
    }
    remove(id: EntityId): void {
        const body = this.now(id);
        if (body) {
            this.remember(body);
            (this.coming ?? this.told).delete(id);
            this.touched.add(id);
        }
    }
    private remember(body: Body): void {
        this.gone.set(body.id, { order: body.order, label: labelOf(body, body.ownName) });
        trim(this.gone);
    }
    /* What a component had that somebody removed; nothing, if it is there. */
    dropped(id: EntityId, name: ComponentName): JsonObject {
        const there = this.shown.get(id)?.components.has(name);
        return there ? {} : this.droppedParts.get(`${id}\n${name}`) ?? {};
    }
    private learn(name: ComponentName): void {
        if (this.spelled === SDK6 && isSdk7Name(name)) {
            this.spelled = SDK7;
        }
    }

    /* An edit was accepted: it is part of what is told. */
    settle(edit: Edit, stamp: Stamp | undefined): void {
        const body = this.told.get(edit.entity);
        let after = applyEdit(body, edit, false, this.me());
        if (after === undefined) {
            if (body) {
                this.remember(body);
            }
            this.told.delete(edit.entity);
        } else {
            const part = edit.component !== undefined ? after.components.get(edit.component) : undefined;
            if (part && stamp !== undefined) {
                after = { ...after, components: new Map(after.components).set(part.name, { ...part, stamp }) };
            }
            this.told.set(edit.entity, after);
        }
        this.touched.add(edit.entity);
    }

    /* The place of an entity that is made here. */
    newOrder(): number {
        return this.nextOrder++;
    }

    /* ---- showing it ---- */

    /* The entity is to be looked at with the next `show`. */
    touch(id: EntityId): void {
        this.touched.add(id);
    }

    /* An edit was made: it shows at once. */
    lay(edit: Edit): void {
        const id = edit.entity;
        this.change(new Map([[id, applyEdit(this.shown.get(id), edit, true, this.me())]]), true);
    }
    /* Several at once, in their order. */
    layAll(edits: readonly Edit[]): void {
        const after = new Map<EntityId, Body | undefined>();
        for (const edit of edits) {
            const body = after.has(edit.entity) ? after.get(edit.entity) : this.shown.get(edit.entity);
            after.set(edit.entity, applyEdit(body, edit, true, this.me()));
        }
        this.change(after, true);
    }

    /* Look at all that was told or settled since. */
    show(mine: boolean): void {
        const after = new Map<EntityId, Body | undefined>();
        for (const id of this.touched) {
            let body = this.told.get(id);
            for (const entry of this.outbox.of(id)) {
                body = applyEdit(body, entry.edit, true, this.me());
            }
            after.set(id, body);
        }
        this.touched.clear();
        this.change(after, mine);
    }

    private change(after: ReadonlyMap<EntityId, Body | undefined>, mine: boolean): void {
        const changed = new Set<EntityId>();
        const removed = new Set<EntityId>();
        let tree = false;
        for (const [id, body] of after) {
            const before = this.shown.get(id);
            if (sameBody(before, body)) {
                continue;
            }
            tree = tree || before === undefined || body === undefined || before.order !== body.order ||
                   saidParent(before) !== saidParent(body);
            if (body === undefined) {
                this.shown.delete(id);
                removed.add(id);
            } else {
                this.shown.set(id, body);
                changed.add(id);
            }
        }
        if (changed.size + removed.size > 0) {
            this.tell({ all: false, changed, removed, tree, mine });
        }
    }

    /* All changes that `run` makes are told as one. */
    together(run: () => void): void {
        this.depth++;
        try {
            batch(run);
        } finally {
            this.depth--;
            const { held } = this;
            if (this.depth === 0 && held) {
                this.held = undefined;
                this.tell(held);
            }
        }
    }

    private tell(change: SceneChange): void {
        if (change.tree) {
            this.made = undefined;
        }
        if (this.depth > 0) {
            this.held = this.held ? joined(this.held, change) : change;
            return;
        }
        this.counter.value++;
        for (const watcher of [...this.watchers]) {
            watcher(change);
        }
    }

    /* What the worker says of repairs has changed: rows are to be marked anew. */
    remark(ids: Iterable<EntityId>): void {
        const changed = new Set([...ids].filter((id) => this.shown.has(id)));
        if (changed.size > 0) {
            this.tell({ all: false, changed, removed: NOTHING, tree: true, mine: false });
        }
    }
}

/* The oldest go first. */
function trim(map: Map<string, unknown>): void {
    if (map.size > GONE_MAX) {
        map.delete(map.keys().next().value!);
    }
}

/* Both, one after the other. */
function joined(a: SceneChange, b: SceneChange): SceneChange {
    const changed = new Set([...a.changed].filter((id) => !b.removed.has(id)));
    const removed = new Set([...a.removed].filter((id) => !b.changed.has(id)));
    b.changed.forEach((id) => changed.add(id));
    b.removed.forEach((id) => removed.add(id));
    return { all: a.all || b.all, changed, removed, tree: a.tree || b.tree, mine: a.mine && b.mine };
}

function partOf(part: ToldPart, author: string | undefined, stamp: Stamp | undefined): Part {
    return { ...part, pending: false, ...(author !== undefined && { author }),
             ...(stamp !== undefined && { stamp, told: stamp }) };
}
