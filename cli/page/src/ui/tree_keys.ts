/* The keys of the outliner's tree, as trees have them (WAI-ARIA Authoring Practices, "Tree View"). */
import type { EntityId } from '../core/types.ts';
import type { Ui } from './context.ts';
import type { Row } from './tree_rows.ts';
import type { Held } from './tree_use.ts';

export interface KeyContext {
    ui: Ui;
    all: readonly Row[];
    at: number;
    row: Row;
    focusRow(index: number): void;
    press(id: EntityId, held: Held): void;
    toggle(id: EntityId, open?: boolean): void;
}

const ALONE: Held = { shiftKey: false, ctrlKey: false, metaKey: false };
const PAGE = 12; /* rows */

/* True: the key was for the tree. */
export function treeKey(event: KeyboardEvent, { ui, all, at, row, focusRow, press, toggle }: KeyContext): boolean {
    const go = (index: number): void => {
        const to = Math.max(0, Math.min(index, all.length - 1));
        if (!event.ctrlKey && !event.metaKey) {
            press(all[to]!.id, event.shiftKey ? event : ALONE);
        }
        focusRow(to);
    };
    switch (event.key) {
        case 'ArrowDown':
            go(at + 1);
            return true;
        case 'ArrowUp':
            go(at - 1);
            return true;
        case 'PageDown':
            go(at + PAGE);
            return true;
        case 'PageUp':
            go(at - PAGE);
            return true;
        case 'Home':
            go(0);
            return true;
        case 'End':
            go(all.length - 1);
            return true;
        case 'ArrowRight':
            if (row.children > 0 && !row.open) {
                toggle(row.id, true);
            } else if (row.open) {
                go(at + 1);
            }
            return true;
        case 'ArrowLeft':
            if (row.open) {
                toggle(row.id, false);
            } else {
                const above = ui.session.scene.parent(row.id);
                const index = all.findIndex((one) => one.id === above);
                if (index >= 0) {
                    go(index);
                }
            }
            return true;
        case ' ':
            press(row.id, { ...ALONE, ctrlKey: true });
            return true;
        case 'Enter':
            press(row.id, ALONE);
            ui.actions.frame([row.id]);
            return true;
        default:
            return false;
    }
}
