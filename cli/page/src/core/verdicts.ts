/* What became of one's own edits, in words: refused, met by others', undone in part. What was
 * refused because somebody removed its entity is kept, for who restores it. */

import type { Conflicts } from './conflicts.ts';
import type { Edit } from './edit.ts';
import type { Editing } from './edits.ts';
import { listOf, numberOf, textOf } from './json.ts';
import type { SceneStore } from './scene.ts';
import type { Refusal } from './sender.ts';
import type { Conflict, EntityId, Json, Notice } from './types.ts';
import type { ToldConflict } from './wire.ts';

const ANNOUNCED_MAX = 3; /* conflicts at once, each in a notice of its own */
const LOST_MAX = 100;    /* entities whose refused edits are kept, and edits of each */

export class Verdicts {
    private readonly lost = new Map<EntityId, Edit[]>();
    private oriented = false; /* it is known which conflicts were there already */

    constructor(private readonly scene: SceneStore, private readonly edits: Editing, private readonly conflicts: Conflicts,
                private readonly me: () => string, private readonly soon: (run: () => void) => void,
                private readonly say: (tone: Notice['tone'], text: string, action?: Notice['action']) => void) {}

    /* ---- refused ---- */

    /* All that came together. */
    refused(refusals: readonly Refusal[]): void {
        const removed = new Set<EntityId>();
        const texts = new Map<string, number>();
        for (const refusal of refusals) {
            const { edit } = refusal;
            if (this.isGone(refusal)) {
                removed.add(edit.entity);
                this.lose(edit);
            } else {
                const text = this.refusalText(refusal);
                texts.set(text, (texts.get(text) ?? 0) + 1);
            }
        }
        for (const entity of removed) {
            this.say('warning', `“${this.scene.label(entity)}” was removed while you changed it.`,
                     { label: 'Restore', run: () => this.edits.restore(entity) });
        }
        for (const [text, count] of texts) {
            this.say(text.startsWith('There is nothing') ? 'info' : 'warning', count > 1 ? `${text} (${count} times)` : text);
        }
    }

    /* Was it refused since its entity was removed? The word of that may come only now, and the
     * entity be there still. */
    private isGone({ edit, code, error }: Refusal): boolean {
        return code === 'not-found' && edit.entity !== '' && edit.kind !== 'restore' &&
               (!this.scene.has(edit.entity) || error.includes('the entity was removed'));
    }

    private refusalText({ edit, code, error }: Refusal): string {
        if (edit.entity === '') {
            const sentence = error.charAt(0).toUpperCase() + error.slice(1);
            return /[.!]$/.test(sentence) ? sentence : `${sentence}.`;
        }
        const what = `“${this.scene.label(edit.entity)}”`;
        return code === 'forbidden' ? `${what} was not changed: ${error}.`
             : edit.kind === 'restore' ? `${what} was not restored: ${error}.`
             : `The change of ${what} was taken back: ${error}.`;
    }

    private lose(edit: Edit): void {
        this.lost.set(edit.entity, [...(this.lost.get(edit.entity) ?? []), edit].slice(-LOST_MAX));
        if (this.lost.size > LOST_MAX) {
            this.lost.delete(this.lost.keys().next().value!);
        }
        this.conflicts.lose({ kind: 'edited-while-removed', entity: edit.entity, author: this.me(),
                              ...(edit.component !== undefined && { component: edit.component }) });
    }

    /* The entity is there again. If it was restored from here, with what was refused. */
    cameBack(entity: EntityId): void {
        this.conflicts.found(entity);
        const edits = this.lost.get(entity);
        this.lost.delete(entity);
        if (this.edits.restoring.delete(entity) && edits) {
            this.soon(() => this.again(entity, edits));
        }
    }

    /* As a step of its own: what its person has seen by now is the entity as it came back. */
    private again(entity: EntityId, edits: readonly Edit[]): void {
        const step = this.edits.step();
        this.edits.together(() => edits.forEach(({ component, fields, data }) => {
            if (component !== undefined && fields) {
                this.edits.set(entity, component, fields, step);
            } else if (component !== undefined && data !== undefined) {
                this.edits.replace(entity, component, data, step);
            }
        }));
    }

    /* It is not to be brought back. */
    forget(entity: EntityId): void {
        this.lost.delete(entity);
    }

    /* ---- undone ---- */

    /* What the worker says of an undo or redo: some of it may be left alone. */
    undone(edit: Edit, payload: Json): void {
        const skips = listOf(payload, 'skips');
        if (skips.length === 0) {
            return;
        }
        const count = skips.length + (numberOf(payload, 'more') ?? 0);
        const label = this.scene.label(textOf(skips[0], 'entityId') ?? textOf(skips[0], 'entity') ?? '');
        const reason = textOf(skips[0], 'reason') ?? 'somebody else has changed it since';
        const what = count === 1 ? `“${label}” was left alone` : `${count} changes were left alone, the first at “${label}”`;
        this.say('info', `${edit.kind === 'undo' ? 'Undo' : 'Redo'}: ${what}: ${reason}.`);
    }

    /* ---- met by others' ---- */

    /* One, as it happens. */
    clash(told: ToldConflict): void {
        this.announce(this.conflicts.pass(told));
    }

    /* All that stands now. What stood already when the page was opened is not announced. */
    stand(told: readonly ToldConflict[]): void {
        const news = this.conflicts.stand(told);
        if (this.oriented) {
            this.announce(news);
        }
        this.oriented = true;
    }

    private announce(conflicts: readonly Conflict[]): void {
        const mine = conflicts.filter((conflict) => conflict.mine);
        mine.slice(0, ANNOUNCED_MAX).forEach((conflict) => this.announceOne(conflict));
        if (mine.length > ANNOUNCED_MAX) {
            this.say('warning', `${mine.length} of your changes met changes of others: see Conflicts.`);
        }
    }

    private announceOne(conflict: Conflict): void {
        const { entity, component, field, kind, value } = conflict;
        const body = this.scene.get(entity);
        const label = `“${this.scene.label(entity)}”`;
        const shown = body?.components.get(component ?? '');
        if (kind === 'edited-while-removed' || kind === 'removed') {
            const what = body ? `${component ?? 'a part'} of ${label}` : label;
            this.say('warning', `${conflict.by ?? 'Somebody'} removed ${what} while you changed it.`,
                     { label: 'Restore', run: () => this.edits.take(conflict) });
        } else if (shown && (kind === 'concurrent' || kind === 'stale')) {
            const by = conflict.by ?? shown.author ?? 'Somebody';
            this.say('warning', `${by} changed ${field ?? component} of ${label} at the same time.`,
                     value === undefined ? undefined : { label: 'Take mine', run: () => this.edits.take(conflict) });
        }
    }
}
