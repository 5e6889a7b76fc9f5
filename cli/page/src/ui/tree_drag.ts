/* Dragging rows of the outliner: onto a row they go below it, beside all rows to the top. */
import { useSignal, type Signal } from '@preact/signals';
import type { EntityId } from '../core/types.ts';
import type { Ui } from './context.ts';
import { isWithin, topmost } from './tree_rows.ts';

const FAR_ENOUGH = 5; /* pixels; less is a click */
const EDGE = 28;      /* pixels at the ends of the list where it scrolls by itself */

export interface TreeDrag {
    /* The row that would take what is dragged; '' the top; null none. */
    readonly over: Signal<EntityId | null>;
    readonly ghost: Signal<{ readonly x: number; readonly y: number; readonly ids: readonly EntityId[] } | null>;
    grab(id: EntityId, event: PointerEvent): void;
}

export function useTreeDrag(ui: Ui, box: { readonly current: HTMLElement | null }): TreeDrag {
    const over = useSignal<EntityId | null>(null);
    const ghost = useSignal<{ x: number; y: number; ids: readonly EntityId[] } | null>(null);

    const grab = (id: EntityId, down: PointerEvent): void => {
        if (ui.blocked.peek() !== null || down.button !== 0 || down.pointerType === 'touch') {
            return;
        }
        const { scene } = ui.session;
        const end = (): void => {
            over.value = null;
            ghost.value = null;
            delete document.documentElement.dataset.dragging;
            window.removeEventListener('pointermove', move);
            window.removeEventListener('pointerup', up);
            window.removeEventListener('pointercancel', end);
            window.removeEventListener('keydown', cancel, true);
        };
        const move = (event: PointerEvent): void => {
            if (ghost.peek() === null) {
                if (Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < FAR_ENOUGH) {
                    return;
                }
                document.documentElement.dataset.dragging = 'tree';
            }
            const chosen = ui.session.selection.peek();
            const ids = topmost(scene, chosen.includes(id) ? chosen : [id]);
            ghost.value = { x: event.clientX, y: event.clientY, ids };
            over.value = targetAt(event, ids);
            scrollAtEdges(box.current!, event.clientY);
        };
        const targetAt = (event: PointerEvent, ids: readonly EntityId[]): EntityId | null => {
            const under = document.elementFromPoint(event.clientX, event.clientY);
            if (!box.current?.contains(under)) {
                return null;
            }
            const row = under?.closest<HTMLElement>('[role=treeitem]')?.dataset.entity;
            if (row === undefined) {
                return '';
            }
            return ids.some((one) => isWithin(scene, row, one)) ? null : row;
        };
        const up = (): void => {
            const parent = over.peek();
            const ids = ghost.peek()?.ids ?? [];
            end();
            if (parent !== null && ids.length > 0) {
                dropInto(ui, ids, parent === '' ? null : parent);
            }
        };
        const cancel = (event: KeyboardEvent): void => {
            if (event.key === 'Escape') {
                event.preventDefault();
                event.stopPropagation();
                end();
            }
        };
        window.addEventListener('pointermove', move);
        window.addEventListener('pointerup', up);
        window.addEventListener('pointercancel', end);
        window.addEventListener('keydown', cancel, true);
    };
    return { over, ghost, grab };
}

export function dropInto(ui: Ui, ids: readonly EntityId[], parent: EntityId | null): void {
    const { scene, edits } = ui.session;
    const step = edits.step();
    edits.together(() => {
        for (const id of ids) {
            if (scene.parent(id) !== parent && !edits.move(id, parent, step)) {
                ui.session.say('warning', `${scene.label(id)} cannot go below itself`);
            }
        }
    });
}

function scrollAtEdges(box: HTMLElement, y: number): void {
    const { top, bottom } = box.getBoundingClientRect();
    if (y < top + EDGE) {
        box.scrollTop -= 8;
    } else if (y > bottom - EDGE) {
        box.scrollTop += 8;
    }
}
