/* Sends what waits in the outbox, and takes the answers.
 *
 * At once after a quiet moment, else with the next of twenty a second. What is under way is
 * bounded: where the worker is slow, edits go on joining in the outbox. */

import { applyEdit, eventOf, hasTarget, isDone, type Body, type Edit } from './edit.ts';
import type { Entry, Outbox } from './outbox.ts';
import type { Platform } from './platform.ts';
import type { SceneStore } from './scene.ts';
import type { EntityId, Json, Stamp } from './types.ts';
import { stateEvent } from './wire.ts';

export const PAUSE_MS = 50;
export const UNDER_WAY_MAX = 512;
const EVENTS_MAX = 500;           /* in one message; the worker takes 1,000 */
const MESSAGE_SIZE_MAX = 100_000; /* characters; the worker takes 1 MiB, but answers each */
const EVENT_BYTES_MAX = 1_000_000;

/* An edit that was not done, and why. */
export interface Refusal {
    readonly edit: Edit;
    readonly code: string;
    readonly error: string;
}

export interface SenderEvents {
    send(text: string): void;
    sceneName(): string;
    refused(refusals: readonly Refusal[]): void;
    /* What the worker said of an undo or redo. */
    undone(edit: Edit, payload: Json): void;
}

const GONE: Readonly<Record<'entity' | 'component', string>> = {
    entity: 'the entity was removed meanwhile',
    component: 'the component was removed meanwhile',
};

export class Sender {
    private ready = false;
    private stopTimer: (() => void) | undefined;
    private due = false;
    private sentAt = 0;
    private refusals: Refusal[] = [];

    constructor(private readonly platform: Platform, private readonly outbox: Outbox, private readonly scene: SceneStore,
                private readonly events: SenderEvents) {}

    /* ---- out ---- */

    /* Something waits. */
    wake(): void {
        if (!this.ready || this.due || this.stopTimer) {
            return;
        }
        const wait = this.sentAt + PAUSE_MS - this.platform.now();
        if (wait > 0) {
            this.stopTimer = this.platform.after(wait, () => this.flush());
        } else {
            this.due = true; /* all that one deed makes goes together */
            this.platform.soon(() => this.due && this.flush());
        }
    }

    flush(): void {
        this.stopTimer?.();
        this.stopTimer = undefined;
        this.due = false;
        if (!this.ready) {
            return;
        }
        const bodies = new Map<EntityId, Body | undefined>();
        let room = UNDER_WAY_MAX - this.outbox.sentCount;
        let message: string[] = [];
        let size = 0;
        for (const entry of [...this.take(room)]) {
            const text = this.write(entry, bodies);
            if (text === undefined) {
                continue;
            }
            if (size + text.length > MESSAGE_SIZE_MAX || message.length === EVENTS_MAX) {
                this.post(message);
                message = [];
                size = 0;
            }
            message.push(text);
            size += text.length;
            this.outbox.send(entry);
            room--;
        }
        this.post(message);
        this.report();
    }

    private *take(room: number): Iterable<Entry> {
        for (const entry of this.outbox.unsent()) {
            if (room-- <= 0) {
                return;
            }
            yield entry;
        }
    }

    private post(message: readonly string[]): void {
        if (message.length > 0) {
            this.sentAt = this.platform.now();
            this.events.send(message.length === 1 ? message[0]! : `[${message.join(',')}]`);
        }
    }

    /* The event of an edit: with what the entity is after it and all before it. Undefined: it
     * is not sent. `bodies`: the entities as of the edits looked at so far. */
    private write(entry: Entry, bodies: Map<EntityId, Body | undefined>): string | undefined {
        const { edit } = entry;
        const before = bodies.has(edit.entity) ? bodies.get(edit.entity) : this.bodyBefore(entry);
        if (!hasTarget(before, edit)) {
            this.giveUp(entry, before);
            return undefined;
        }
        const after = applyEdit(before, edit, false, '');
        const { type, payload } = eventOf(edit, after);
        const text = stateEvent(this.events.sceneName(), type, payload, {
            id: entry.n, ...(edit.entity !== '' && { step: edit.step }), ...(edit.seen !== undefined && { seen: edit.seen }),
        });
        if (text.length * 3 > EVENT_BYTES_MAX && new TextEncoder().encode(text).length > EVENT_BYTES_MAX) {
            this.refuse(entry, 'invalid', 'it is too large');
            return undefined;
        }
        if (edit.entity !== '') {
            bodies.set(edit.entity, after);
        }
        return text;
    }

    private bodyBefore(entry: Entry): Body | undefined {
        let body = this.scene.body(entry.edit.entity);
        for (const other of this.outbox.of(entry.edit.entity)) {
            if (other.n < entry.n) {
                body = applyEdit(body, other.edit, false, '');
            }
        }
        return body;
    }

    /* What it is about is gone. */
    private giveUp(entry: Entry, body: Body | undefined): void {
        const { kind, entity } = entry.edit;
        if (kind === 'remove' || kind === 'drop') {
            this.outbox.remove(entry);
            this.scene.touch(entity);
        } else {
            this.refuse(entry, 'not-found', GONE[body === undefined ? 'entity' : 'component']);
        }
    }

    private refuse(entry: Entry, code: string, error: string): void {
        this.outbox.remove(entry);
        if (entry.edit.entity !== '') {
            this.scene.touch(entry.edit.entity);
        }
        this.refusals.push({ edit: entry.edit, code, error });
    }

    /* Tell of refusals, all that came together at once. */
    report(): void {
        if (this.refusals.length > 0) {
            const refusals = this.refusals;
            this.refusals = [];
            this.scene.show(true);
            this.events.refused(refusals);
        }
    }

    /* ---- in ---- */

    answered(n: number, ok: boolean, stamp: Stamp | undefined, code: string, error: string, payload: Json): void {
        const entry = this.outbox.get(n);
        if (entry === undefined || !entry.sent) {
            return;
        }
        const { edit } = entry;
        if (edit.kind === 'undo' || edit.kind === 'redo') {
            this.events.undone(edit, payload);
        }
        if (!ok) {
            this.refuse(entry, code, error);
            return;
        }
        this.outbox.remove(entry);
        if (edit.kind !== 'undo' && edit.kind !== 'redo' && edit.kind !== 'restore') {
            this.scene.settle(edit, stamp);
        }
    }

    /* The entity was told: so it was made, though the answer is not here yet. Should the link
     * break now, and somebody remove it, it is not to be made again. (Where nothing was told,
     * and the answer is lost, it is: better something twice than something lost.) */
    confirmed(entity: EntityId): void {
        for (const entry of this.outbox.of(entity)) {
            if (entry.sent && entry.edit.kind === 'add') {
                this.outbox.remove(entry);
                return;
            }
        }
    }

    /* ---- the link ---- */

    /* All is told: send what waits. What the scene shows to be done already is not done twice. */
    start(): void {
        this.settleDone();
        this.ready = true;
        this.flush();
    }

    settleDone(): void {
        for (const entry of [...this.outbox.all()]) {
            const { edit } = entry;
            if (!entry.sent && edit.entity !== '' && isDone(this.bodyBefore(entry), edit)) {
                this.outbox.remove(entry);
                this.scene.touch(edit.entity);
            }
        }
    }

    /* The link is lost. An undo that was under way may be done or not: it is not tried again. */
    stop(): number {
        this.ready = false;
        this.due = false;
        this.stopTimer?.();
        this.stopTimer = undefined;
        let unknown = 0;
        for (const entry of [...this.outbox.all()]) {
            if (entry.sent && entry.edit.entity === '') {
                this.outbox.remove(entry);
                unknown++;
            }
        }
        this.outbox.unsend();
        return unknown;
    }
}
