/* What the outliner's tree keeps between two pictures: which rows are seen, where the keyboard
 * is, where a range began. */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import type { EntityId } from '../core/types.ts';
import type { Ui } from './context.ts';
import { ROW_HEIGHT } from './outliner_row.tsx';
import { ancestors, type Row } from './tree_rows.ts';

const SPARE = 8; /* rows beyond what is seen */

/* The element of the tree. */
export interface Box {
    readonly current: HTMLDivElement | null;
}

export interface Rows {
    readonly value: readonly Row[];
    peek(): readonly Row[];
}

/* Which entities hide what hangs below them. */
export interface Closed {
    value: ReadonlySet<EntityId>;
    peek(): ReadonlySet<EntityId>;
}

interface Active {
    value: EntityId | null;
}

/* With which keys a row was pressed: Shift selects a range, Ctrl one more or one less. */
export interface Held {
    readonly shiftKey: boolean;
    readonly ctrlKey: boolean;
    readonly metaKey: boolean;
}

/* Which rows are seen, by their numbers; `last` is the first behind them. */
export function useSeen(box: Box): { readonly first: number; readonly last: number; scrolled(): void } {
    const top = useSignal(0);
    const height = useSignal(600);
    useLayoutEffect(() => {
        const watch = new ResizeObserver(() => {
            height.value = box.current!.clientHeight;
        });
        watch.observe(box.current!);
        return () => watch.disconnect();
    }, []);
    return {
        first: Math.max(0, Math.floor(top.value / ROW_HEIGHT) - SPARE),
        last: Math.ceil((top.value + height.value) / ROW_HEIGHT) + SPARE,
        scrolled: () => {
            top.value = box.current!.scrollTop;
        },
    };
}

/* The number of the row that the keyboard is at; where that one is gone, of the one in its place. */
export function useActiveAt(all: readonly Row[], active: EntityId | null): number {
    const last = useRef(0);
    const found = all.findIndex((row) => row.id === active);
    last.current = Math.max(0, found >= 0 ? found : Math.min(last.current, all.length - 1));
    return last.current;
}

/* Selects as lists do. */
export function usePress(ui: Ui, all: readonly Row[], active: Active): (id: EntityId, held: Held) => void {
    const anchor = useRef<EntityId | null>(null); /* where a range began */
    const { selection } = ui.session;
    return (id, { shiftKey, ctrlKey, metaKey }) => {
        active.value = id;
        if (shiftKey && anchor.current !== null) {
            const from = all.findIndex((row) => row.id === anchor.current);
            const to = all.findIndex((row) => row.id === id);
            selection.value = all.slice(Math.min(from, to), Math.max(from, to) + 1).map((row) => row.id);
            return;
        }
        if (ctrlKey || metaKey) {
            const chosen = selection.peek();
            selection.value = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id];
        } else {
            selection.value = [id];
        }
        anchor.current = id;
    };
}

/* The keyboard goes to a row, by its number; it is scrolled to. */
export function focusAt(rows: readonly Row[], index: number, box: Box, active: Active): void {
    const at = Math.max(0, Math.min(index, rows.length - 1));
    const row = rows[at];
    if (row) {
        active.value = row.id;
        reveal(box.current!, at);
        requestAnimationFrame(() => focusElement(box.current, row.id));
    }
}

/* A row that is gone leaves the keyboard to `next`, the one in its place. */
export function useStay(ui: Ui, box: Box, next: EntityId | undefined): JSX.HTMLAttributes<HTMLDivElement> {
    const focused = useRef(false);
    useLayoutEffect(() => {
        if (focused.current && document.activeElement === document.body && next !== undefined && ui.renaming.peek() === null) {
            focusElement(box.current, next);
        }
    });
    return {
        onFocusIn: () => {
            focused.current = true;
        },
        onFocusOut: ({ target, relatedTarget }) =>
            queueMicrotask(() => {
                if (relatedTarget !== null || (target as HTMLElement).isConnected) {
                    focused.current = box.current?.contains(document.activeElement) ?? false;
                }
            }),
    };
}

/* What is selected elsewhere is shown here: opened, and scrolled to. */
export function useReveal(ui: Ui, rows: Rows, closed: Closed, box: Box, active: Active): void {
    const seen = useRef<EntityId | undefined>(undefined);
    useSignalEffect(() => {
        const selection = ui.session.selection.value;
        const last = selection[selection.length - 1];
        if (last === seen.current || last === undefined) {
            seen.current = last;
            return;
        }
        seen.current = last;
        active.value = last;
        const above = ancestors(ui.session.scene, last).filter((id) => closed.peek().has(id));
        if (above.length > 0) {
            closed.value = new Set([...closed.peek()].filter((id) => !above.includes(id)));
        }
        requestAnimationFrame(() => {
            const at = rows.peek().findIndex((row) => row.id === last);
            if (at >= 0 && box.current) {
                reveal(box.current, at);
            }
        });
    });
    /* A row that is renamed has its box at once, wherever it was scrolled to. */
    useEffect(() => ui.renaming.subscribe((id) => id !== null && (active.value = id)), [ui]);
}

function reveal(box: HTMLElement, index: number): void {
    const begin = index * ROW_HEIGHT;
    if (begin < box.scrollTop) {
        box.scrollTop = begin - ROW_HEIGHT;
    } else if (begin + ROW_HEIGHT > box.scrollTop + box.clientHeight) {
        box.scrollTop = begin + 2 * ROW_HEIGHT - box.clientHeight;
    }
}

function focusElement(box: HTMLElement | null, id: EntityId): void {
    for (const row of box?.querySelectorAll<HTMLElement>('[role=treeitem]') ?? []) {
        if (row.dataset.entity === id) {
            row.focus({ preventScroll: true });
        }
    }
}
