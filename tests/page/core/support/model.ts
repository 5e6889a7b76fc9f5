/* The worker as docs/RENDERER.md describes it, as small as can be: one scene of plain maps.
 *
 * What an edit means is what its sender changed of what it was shown. The model knows what that
 * was: it is told how many messages the page had taken when it sent (`heard`), and follows, for
 * each page, what it was told until then and what it has said itself. */

import { equal, isObject } from '../../../../cli/page/src/core/json.ts';
import type { Fields, Json } from '../../../../cli/page/src/core/types.ts';

type Value = Json;
type Parts = Map<string, Value>;

interface World {
    after(ms: number, run: () => void): () => void;
    chance(): number;
}

/* What a page does to what it is told, until it is answered. */
interface Said {
    readonly id: number;
    readonly apply: (shown: Map<string, Parts>) => void;
}

export interface Renderer {
    readonly name: string;
    readonly send: (text: string) => void;
    readonly end: (code: number, reason: string) => void;
    queue: string[]; /* events of the next message */
    effects: ((renderer: Renderer) => void)[]; /* what the page knows once it took that message */
    sent: ((renderer: Renderer) => void)[][]; /* of the messages sent and not known to be taken */
    taken: number;
    told: Map<string, Parts>; /* what it was told, of the messages that it took */
    said: Said[]; /* of its own, not answered in what it took */
    dirty: Map<string, Set<string> | null>; /* what changed since it was told; null: all of the entity */
    gone: boolean;
}

export const REFUSAL = 'refused for the sake of it';

function withFields(value: Value | undefined, fields: Fields): Value {
    const all = new Map(isObject(value) ? Object.entries(value) : []);
    for (const [name, field] of Object.entries(fields)) {
        if (field === undefined) {
            all.delete(name);
        } else {
            all.set(name, field);
        }
    }
    return Object.fromEntries(all);
}

export class ModelWorker {
    readonly doc = new Map<string, Parts>();
    readonly refusedIds = new Set<string>(); /* of edits: what was never done */
    readonly madeAgain = new Set<string>(); /* entities: their maker did not hear that they were made and removed */
    private readonly graves = new Map<string, Parts>(); /* what was removed, as it was */
    alive = true;
    obstinate = false; /* refuses all */
    readonly events: any[] = []; /* all that it heard */
    deaf = false; /* its links died, and nobody noticed */
    time = 0;
    role = 'edit';
    scene = '0,0';
    private readonly renderers = new Set<Renderer>();
    private ticking = false;

    /* `refuse`: the share of edits that is refused for no reason. */
    constructor(private readonly world: World, private readonly refuse: number) {}

    /* ---- coming and going ---- */

    join(name: string, send: (text: string) => void, end: (code: number, reason: string) => void): Renderer {
        const renderer: Renderer = { name, send, end, queue: [], effects: [], sent: [], taken: 0, told: new Map(), said: [],
                                     dirty: new Map(), gone: false };
        this.renderers.add(renderer);
        this.tell(renderer, { eventType: 'Welcome', payload: { protocol: 1, scene: this.scene, state: 'editing', tickMs: 50,
                                                               you: { id: `r${this.time}`, name, role: this.role } } });
        for (const id of this.doc.keys()) {
            this.tellEntity(renderer, id);
        }
        this.tell(renderer, { type: 'InitMessagesFinished', tag: 'scene', payload: '{}' });
        this.tick();
        return renderer;
    }
    leave(renderer: Renderer): void {
        renderer.gone = true;
        this.renderers.delete(renderer);
    }
    start(): void {
        this.alive = true;
    }

    /* Tell everybody something else. */
    say(event: object): void {
        this.renderers.forEach((renderer) => this.tell(renderer, event));
        this.tick();
    }

    /* The entity was changed from without. */
    touch(id: string): void {
        this.change(id, null);
        this.tick();
    }

    /* ---- telling ---- */

    private tell(renderer: Renderer, event: object, effect: (renderer: Renderer) => void = () => undefined): void {
        renderer.queue.push(JSON.stringify(event));
        renderer.effects.push(effect);
    }
    private stateEvent(type: string, payload: object): object {
        return { sceneId: '0,0', eventType: 'stateEvent', payload: { type, payload }, author: { name: 'somebody' },
                 stamp: `${this.time}@model` };
    }
    private tellEntity(renderer: Renderer, id: string): void {
        const parts = new Map(this.doc.get(id)!);
        this.tell(renderer, this.stateEvent('AddEntity', { entityId: id, components: [...parts].map(([name, data]) =>
            ({ componentId: name, component: name, data })) }), ({ told }) => told.set(id, parts));
    }
    private tellPart(renderer: Renderer, id: string, name: string): void {
        const value = this.doc.get(id)!.get(name);
        if (value === undefined) {
            this.tell(renderer, this.stateEvent('RemoveComponent', { entityId: id, componentId: name, component: name }),
                      ({ told }) => told.get(id)?.delete(name));
        } else {
            this.tell(renderer, this.stateEvent('SetComponent', { entityId: id, componentId: name, component: name, data: value }),
                      ({ told }) => told.get(id)?.set(name, value));
        }
    }

    /* What changed is told with the next tick, as it is then. */
    private change(id: string, name: string | null): void {
        this.time++;
        this.renderers.forEach((renderer) => this.mark(renderer, id, name));
    }
    private mark({ dirty }: Renderer, id: string, name: string | null): void {
        const names = dirty.get(id);
        dirty.set(id, name === null || names === null ? null : (names ?? new Set()).add(name));
    }

    private tick(): void {
        if (!this.ticking) {
            this.ticking = true;
            this.world.after(50, () => {
                this.ticking = false;
                this.renderers.forEach((renderer) => this.write(renderer));
            });
        }
    }
    private write(renderer: Renderer): void {
        for (const [id, names] of renderer.dirty) {
            if (!this.doc.has(id)) {
                this.tell(renderer, this.stateEvent('RemoveEntity', { entityId: id }), ({ told }) => told.delete(id));
            } else if (names === null) {
                this.tellEntity(renderer, id);
            } else {
                names.forEach((name) => this.tellPart(renderer, id, name));
            }
        }
        renderer.dirty.clear();
        if (renderer.queue.length > 0) {
            renderer.send(`[${renderer.queue.join(',')}]`);
            renderer.sent.push(renderer.effects);
            renderer.queue = [];
            renderer.effects = [];
        }
    }

    /* ---- hearing ---- */

    receive(renderer: Renderer, text: string, heard: number): void {
        if (this.deaf) {
            return;
        }
        while (renderer.taken < heard) {
            renderer.sent.shift()!.forEach((effect) => effect(renderer));
            renderer.taken++;
        }
        const message = JSON.parse(text);
        for (const event of Array.isArray(message) ? message : [message]) {
            this.event(renderer, event);
        }
        this.tick();
    }

    /* What the page shows: what it was told, with its own edits laid over it. */
    private shown(renderer: Renderer): Map<string, Parts> {
        const shown = new Map([...renderer.told].map(([id, parts]) => [id, new Map(parts)]));
        renderer.said.forEach(({ apply }) => apply(shown));
        return shown;
    }

    private event(renderer: Renderer, event: any): void {
        const { type, payload } = event.payload;
        this.events.push(event);
        const answer = (ok: boolean, code = '', error = ''): void => this.tell(renderer,
            { eventType: 'Answer', payload: ok ? { id: event.id, ok, stamp: `${this.time}@model` } : { id: event.id, ok, code, error } },
            (other) => {
                const said = other.said.find(({ id }) => id === event.id);
                if (ok) {
                    said?.apply(other.told);
                }
                other.said = other.said.filter(({ id }) => id !== event.id);
            });
        if (type === 'Presence' || type === 'DismissConflict') {
            if (event.id !== undefined) {
                answer(true);
            }
            return;
        }
        if (type === 'Restore') {
            this.doc.set(payload.entityId, this.graves.get(payload.entityId)!);
            this.change(payload.entityId, null);
            answer(true);
            return;
        }
        if (type === 'Undo' || type === 'Redo') {
            answer(false, 'not-found', 'there is nothing to undo');
            return;
        }
        const id: string = payload.entityId;
        const shown = this.shown(renderer);
        const apply = this.meaning(type, payload, shown);
        renderer.said.push({ id: event.id, apply });
        const reason = this.obstinate || this.world.chance() < this.refuse ? REFUSAL : this.obstacle(type, payload, shown);
        if (reason !== undefined) {
            this.refusedIds.add(JSON.stringify(payload));
            answer(false, reason === REFUSAL ? 'invalid' : 'not-found', reason);
            this.mark(renderer, id, this.doc.has(id) && renderer.told.has(id) ? payload.componentId ?? null : null);
            return;
        }
        if (type === 'AddEntity' && this.graves.has(id)) {
            this.madeAgain.add(id);
        } else if (type === 'RemoveEntity') {
            this.graves.set(id, this.doc.get(id) ?? this.graves.get(id) ?? new Map());
        }
        apply(this.doc);
        this.change(id, type === 'SetComponent' || type === 'RemoveComponent' ? payload.componentId : null);
        answer(true);
    }

    /* Where its sender shows the entity or component, it must be there still. */
    private obstacle(type: string, payload: any, shown: Map<string, Parts>): string | undefined {
        const { entityId, componentId } = payload;
        if (type !== 'SetComponent') {
            return undefined;
        }
        if (shown.has(entityId) && !this.doc.has(entityId)) {
            return 'the entity was removed meanwhile';
        }
        return shown.get(entityId)?.has(componentId) && !this.doc.get(entityId)!.has(componentId)
            ? 'the component was removed meanwhile' : undefined;
    }

    /* What the event changes of what its sender was shown, to be done to anything. */
    private meaning(type: string, payload: any, shown: Map<string, Parts>): (to: Map<string, Parts>) => void {
        const { entityId: id, componentId: name, data } = payload;
        switch (type) {
        case 'AddEntity': {
            /* What its sender was shown and does not say is removed; nothing else is. */
            const parts: [string, Value][] = payload.components.map((part: any) => [part.componentId, part.data]);
            const said = new Set(parts.map(([part]) => part));
            const removed = [...(shown.get(id)?.keys() ?? [])].filter((part) => !said.has(part));
            return (to) => {
                const there = partsOf(to, id);
                removed.forEach((part) => there.delete(part));
                parts.forEach(([part, value]) => there.set(part, isObject(value) && isObject(there.get(part))
                    ? withFields(there.get(part), value) : value));
            };
        }
        case 'RemoveEntity':
            return (to) => to.delete(id);
        case 'RemoveComponent':
            return (to) => to.get(id)?.delete(name);
        case 'SetComponent': {
            const before = shown.get(id)?.get(name);
            if (!isObject(data) || !isObject(before)) {
                return (to) => partsOf(to, id).set(name, data);
            }
            const names = new Set([...Object.keys(before), ...Object.keys(data)]);
            const touched = [...names].filter((field) => !equal(before[field], data[field]));
            const fields = Object.fromEntries(touched.map((field) => [field, data[field]]));
            return (to) => partsOf(to, id).set(name, withFields(partsOf(to, id).get(name), fields));
        }
        default:
            throw new Error(`the model knows no ${type}`);
        }
    }
}

function partsOf(to: Map<string, Parts>, id: string): Parts {
    const parts = to.get(id) ?? new Map();
    to.set(id, parts);
    return parts;
}
