/* One's own doing: what people want becomes edits, which show at once and are sent. */

import { compareStamps, equal, fieldsThatDiffer, isSound, textOf, withFields } from './json.ts';
import { writeEdit, type Body, type Edit } from './edit.ts';
import { findComponent, nextName, parentOf } from './names.ts';
import { EDIT_SIZE_MAX, type Outbox } from './outbox.ts';
import type { Platform } from './platform.ts';
import type { SceneStore } from './scene.ts';
import { fieldsOf, IDENTITY, invert, matrixOf, multiply, placeFrom, type Matrix } from './space.ts';
import type { ComponentName, Conflict, Edits, EntityId, Fields, Json, Notice, Place, Stamp } from './types.ts';

const STASH_MAX = 100;

export interface EditingContext {
    /* Why nothing may be edited now; undefined: it may. */
    hindrance(): string | undefined;
    /* Is there a link that takes edits? */
    live(): boolean;
    say(tone: Notice['tone'], text: string): void;
    /* Something waits to be sent. */
    wake(): void;
    /* Somebody chose. */
    decided(conflict: Conflict): void;
}

export class Editing implements Edits {
    private readonly prefix: string;
    private steps = 0;
    private seenStep = '';
    private readonly seenOfStep = new Map<string, Stamp | undefined>();
    /* Entities that are being restored from here. */
    readonly restoring = new Set<EntityId>();
    private stash: Edit[][] = []; /* steps taken back before they were sent */

    constructor(private readonly platform: Platform, private readonly scene: SceneStore, private readonly outbox: Outbox,
                private readonly context: EditingContext) {
        this.prefix = platform.random(10);
    }

    step(): string {
        return `${this.prefix}-${++this.steps}`;
    }

    together(deed: () => void): void {
        this.scene.together(deed);
    }

    /* ---- making them ---- */

    private make(edits: readonly Edit[]): boolean {
        const reason = this.context.hindrance() ?? this.trouble(edits);
        if (reason !== undefined) {
            this.context.say('warning', reason);
            return false;
        }
        if (edits.length > 0) {
            this.stash = [];
            this.push(edits);
        }
        return true;
    }

    private trouble(edits: readonly Edit[]): string | undefined {
        if (!this.outbox.hasRoom(edits.length)) {
            return 'Too many changes wait to be sent. Wait until the connection is back.';
        }
        for (const edit of edits) {
            const values = [...Object.values(edit.fields ?? {}), edit.data, ...(edit.parts ?? []).map(([, data]) => data)];
            if (!values.every(isSound)) {
                return 'That is no number.';
            }
            if ((writeEdit(edit)?.length ?? 0) > EDIT_SIZE_MAX) {
                return 'That is too large to be sent.';
            }
        }
        return undefined;
    }

    private push(edits: readonly Edit[]): void {
        edits.forEach((edit) => this.outbox.push(edit));
        this.scene.layAll(edits);
        this.context.wake();
    }

    /* What was seen of it when the step began: what came since, the step may cover up. */
    private seen(step: string, entity: EntityId, component?: ComponentName): { seen?: Stamp } {
        if (this.seenStep !== step) {
            this.seenStep = step;
            this.seenOfStep.clear();
        }
        const key = `${entity}\n${component ?? ''}`;
        if (!this.seenOfStep.has(key)) {
            this.seenOfStep.set(key, toldStamp(this.scene.get(entity), component));
        }
        const seen = this.seenOfStep.get(key);
        return seen === undefined ? {} : { seen };
    }

    /* An edit of a component, as it is to be pushed; undefined: it would say nothing. */
    private setting(entity: EntityId, component: ComponentName, fields: Fields, step: string): Edit | undefined {
        const body = this.scene.get(entity);
        if (body === undefined) {
            return undefined;
        }
        const part = body.components.get(component);
        const news = part ? fieldsThatDiffer(part.data, fields) : fields;
        if (part && Object.keys(news).length === 0) {
            return undefined;
        }
        return { kind: 'set', entity, component, step, fields: news, tried: false, ...(!part && { makes: true }),
                 ...this.seen(step, entity, component) };
    }

    private setAll(entities: readonly EntityId[], component: ComponentName, fields: Fields, step: string): void {
        const edits = entities.map((entity) => this.setting(entity, component, fields, step));
        this.make(edits.filter((edit) => edit !== undefined));
    }

    /* ---- components ---- */

    set(entity: EntityId, component: ComponentName, fields: Fields, step = this.step()): void {
        this.setAll([entity], component, fields, step);
    }

    replace(entity: EntityId, component: ComponentName, data: Json, step = this.step()): void {
        const part = this.scene.get(entity)?.components.get(component);
        if (this.scene.get(entity) && (!part || !equal(part.data, data))) {
            this.make([{ kind: 'replace', entity, component, step, data, tried: false, ...(!part && { makes: true }),
                         ...this.seen(step, entity, component) }]);
        }
    }

    removeComponent(entity: EntityId, component: ComponentName, step = this.step()): void {
        if (this.scene.get(entity)?.components.has(component)) {
            this.make([{ kind: 'drop', entity, component, step, tried: false, ...this.seen(step, entity, component) }]);
        }
    }

    place(entity: EntityId, place: Partial<Place>, step = this.step()): void {
        const transform = findComponent(this.scene.get(entity), 'transform');
        const fields = transform ? fieldsOf(place) : fieldsOf({ ...IDENTITY, ...place });
        this.set(entity, transform?.name ?? this.scene.spelling.transform, fields, step);
    }

    rename(entity: EntityId, name: string): void {
        const named = findComponent(this.scene.get(entity), 'name')?.name ?? this.scene.spelling.name;
        this.set(entity, named, { value: name });
    }

    lock(entities: readonly EntityId[], locked: boolean): void {
        const { lock, lockField } = this.scene.spelling;
        this.setAll(entities, lock, { [lockField]: locked }, this.step());
    }

    hide(entities: readonly EntityId[], hidden: boolean): void {
        const { hide, hideField, hiddenWhen } = this.scene.spelling;
        this.setAll(entities, hide, { [hideField]: hidden === hiddenWhen }, this.step());
    }

    /* ---- entities ---- */

    add(components: { readonly [name: ComponentName]: Json }, step = this.step()): EntityId {
        const entity = this.platform.uuid();
        this.make([this.adding(entity, Object.entries(components), step)]);
        return entity;
    }

    private adding(entity: EntityId, parts: readonly (readonly [ComponentName, Json])[], step: string): Edit {
        return { kind: 'add', entity, step, parts, order: this.scene.newOrder(), tried: false };
    }

    remove(entities: readonly EntityId[], step = this.step()): void {
        const locked = entities.filter((id) => this.scene.locked(id));
        const free = entities.filter((id) => this.scene.get(id) && !this.scene.locked(id));
        if (locked.length > 0) {
            const what = locked.length === 1 ? `“${this.scene.label(locked[0]!)}” is` : `${locked.length} entities are`;
            this.context.say('info', `${what} locked. Unlock before deleting.`);
        }
        const below = this.scene.below(free).reverse();
        this.make(below.map((entity) => ({ kind: 'remove', entity, step, tried: false, ...this.seen(step, entity) })));
    }

    duplicate(entities: readonly EntityId[], step = this.step()): EntityId[] {
        const there = entities.filter((id) => this.scene.get(id));
        const copies = new Map(this.scene.below(there).map((id) => [id, this.platform.uuid()]));
        const names = new Set([...this.scene.entities.keys()].map((id) => this.scene.label(id)));
        const edits = [...copies].map(([id, copy]) => {
            const top = there.includes(id) && !copies.has(this.scene.parent(id) ?? '');
            return this.adding(copy, this.copied(this.scene.get(id)!, copies, top ? names : undefined), step);
        });
        return this.make(edits) ? there.map((id) => copies.get(id)!) : [];
    }

    /* The components of a copy: below the copy of its parent, with a name of its own. */
    private copied(body: Body, copies: ReadonlyMap<EntityId, EntityId>,
                   names: Set<string> | undefined): [ComponentName, Json][] {
        const parts = new Map<ComponentName, Json>();
        for (const [name, part] of body.components) {
            if (part.data !== null) { /* bytes, which are not told */
                parts.set(name, part.data);
            }
        }
        const transform = findComponent(body, 'transform');
        const parent = this.scene.parent(body.id);
        const copy = parent === null ? undefined : copies.get(parent);
        if (transform && copy !== undefined) {
            parts.set(transform.name, withFields(transform.data, { parent: copy }));
        }
        const named = findComponent(body, 'name');
        const called = textOf(named?.data, 'value') ?? body.ownName;
        if (called !== undefined) {
            const name = names ? nextName(called, names) : called;
            names?.add(name);
            parts.set(named?.name ?? this.scene.spelling.name, withFields(named?.data, { value: name, builderValue: undefined }));
        }
        return [...parts];
    }

    restore(entity: EntityId): void {
        if (this.scene.get(entity) === undefined) {
            this.restoring.add(entity);
            this.make([{ kind: 'restore', entity, step: this.step(), tried: false }]);
        }
    }

    /* ---- the tree ---- */

    move(entity: EntityId, parent: EntityId | null, step = this.step()): boolean {
        const { scene } = this;
        if (parent !== null && (!scene.get(parent) || scene.below([entity]).includes(parent))) {
            return false;
        }
        if (!scene.get(entity) || scene.parent(entity) === parent) {
            return true;
        }
        const world = this.worldOf(entity);
        const back = parent === null ? matrixOf(IDENTITY) : invert(this.worldOf(parent));
        const transform = findComponent(scene.get(entity), 'transform');
        const placed = back ? fieldsOf(placeFrom(multiply(back, world))) : {};
        const moved = Object.fromEntries(Object.entries(placed).filter(([name, value]) =>
            !nearlyEqual(fieldsOf(scene.place(entity))[name], value)));
        const id = parent === null ? undefined : scene.spelling.numericParents && /^[1-9]\d{0,15}$/.test(parent)
            ? Number(parent) : parent;
        this.set(entity, transform?.name ?? scene.spelling.transform,
                 { ...(transform ? moved : placed), parent: id }, step);
        return true;
    }

    private worldOf(entity: EntityId): Matrix {
        let world = matrixOf(this.scene.place(entity));
        for (let at = this.scene.parent(entity); at !== null; at = this.scene.parent(at)) {
            world = multiply(matrixOf(this.scene.place(at)), world);
        }
        return world;
    }

    /* ---- back and forth ---- */

    undo(): void {
        const reason = this.context.hindrance();
        if (reason !== undefined) {
            this.context.say('warning', reason);
            return;
        }
        if (this.context.live()) {
            this.stash = [];
            this.pushWord('undo');
            return;
        }
        const last = this.outbox.lastUntried();
        if (last.length === 0) {
            this.context.say('info', 'Nothing to undo here: what was sent can be undone when the connection is back.');
            return;
        }
        this.stash = [...this.stash, last.map((entry) => entry.edit)].slice(-STASH_MAX);
        last.forEach((entry) => {
            this.outbox.remove(entry);
            this.scene.touch(entry.edit.entity);
        });
        this.scene.show(true);
    }

    redo(): void {
        const reason = this.context.hindrance();
        const stashed = this.stash.at(-1);
        if (reason !== undefined) {
            this.context.say('warning', reason);
        } else if (stashed) {
            this.stash = this.stash.slice(0, -1);
            this.push(stashed);
        } else if (this.context.live()) {
            this.pushWord('redo');
        } else {
            this.context.say('info', 'Nothing to redo here: what was sent can be redone when the connection is back.');
        }
    }

    private pushWord(kind: 'undo' | 'redo'): void {
        this.outbox.push({ kind, entity: '', step: this.step(), tried: false });
        this.context.wake();
    }

    /* ---- conflicts ---- */

    take(conflict: Conflict): void {
        const { entity, component, field, value, kind } = conflict;
        if (this.scene.get(entity) === undefined) {
            this.restore(entity);
        } else if (kind === 'cycle' || kind === 'orphan') {
            const parent = parentOf(value ?? null);
            if (parent !== null && !this.move(entity, parent)) {
                this.context.say('info', 'That would hang it below itself.');
            }
        } else if (component !== undefined && value !== undefined) {
            this.context.decided(conflict);
            if (field !== undefined) { /* of a component that was removed, with all it had */
                this.set(entity, component, { ...this.scene.dropped(entity, component), [field]: value });
            } else {
                this.replace(entity, component, value);
            }
        } else {
            this.context.say('info', 'That value is too long to be kept, so it cannot be taken back.');
        }
    }
}

/* The newest that was told of it. */
function toldStamp(body: Body | undefined, component: ComponentName | undefined): Stamp | undefined {
    if (component !== undefined) {
        return body?.components.get(component)?.told;
    }
    let newest: Stamp | undefined;
    for (const part of body?.components.values() ?? []) {
        newest = compareStamps(part.told, newest) > 0 ? part.told : newest;
    }
    return newest;
}

/* Vectors that differ by what arithmetic leaves only. A rotation and its negative are one. */
function nearlyEqual(a: Json | undefined, b: Json): boolean {
    const far = (sign: number): boolean => Object.entries(b as Record<string, number>).some(([key, value]) =>
        Math.abs(((a as Record<string, number> | undefined)?.[key] ?? NaN) * sign - value) > 2e-6);
    return !far(1) || ('w' in (b as object) && !far(-1));
}
