/* The outliner: the scene's tree. Thousands of entities are no matter: only rows that are seen
 * exist (and the one that has the keyboard). */
import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import type { EntityId } from '../core/types.ts';
import { addMenu, entityMenu } from './entity_menu.ts';
import { IconButton } from './button.tsx';
import { useUi, type Ui } from './context.ts';
import { Icon } from './icon.tsx';
import { menuAt } from './menu.tsx';
import { plural } from './phrases.ts';
import { OutlinerRow, ROW_HEIGHT } from './outliner_row.tsx';
import { useTreeDrag } from './tree_drag.ts';
import { ancestors, flatten, type Row } from './tree_rows.ts';

const SPARE = 8; /* rows beyond what is seen */

export function Outliner(): JSX.Element {
    const ui = useUi();
    const search = useSignal('');
    const closed = useSignal<ReadonlySet<EntityId>>(new Set());
    /* The tree is made flat again when it changed, not when something moved. */
    const tree = useSignal(0);
    useEffect(
        () =>
            ui.session.scene.watch((change) => {
                if (change.all || change.tree || change.removed.size > 0 || search.peek() !== '') {
                    tree.value++;
                }
            }),
        [ui],
    );
    const rows = useComputed(() => {
        void tree.value;
        void ui.session.link.value.phase;
        return flatten(ui.session.scene, closed.value, search.value);
    });
    return (
        <aside class="panel left" aria-label="Outliner">
            <header class="panel-head">
                <h2>Entities</h2>
                <span class="count">{void ui.shown.value}{ui.session.scene.entities.size || ''}</span>
                <IconButton
                    small name="Add" tip={ui.blocked.value ?? 'Add entity'} icon="plus" menu at="left" disabled={ui.blocked.value !== null}
                    run={(event) => {
                        ui.menu.value = menuAt(event.currentTarget, 'Add entity', addMenu(ui), { search: 'Find a thing to add' });
                    }}
                />
            </header>
            <Search ui={ui} text={search} />
            <Tree ui={ui} rows={rows} closed={closed} searching={search.value !== ''} />
        </aside>
    );
}

function Search({ ui, text }: { ui: Ui; text: { value: string } }): JSX.Element {
    const input = useRef<HTMLInputElement>(null);
    useSignalEffect(() => {
        if (ui.searching.value > 0) {
            input.current?.focus();
            input.current?.select();
        }
    });
    return (
        <div class="search">
            <Icon name="search" size={14} />
            <input
                ref={input} type="search" aria-label="Search entities" placeholder="Search" spellcheck={false} value={text.value}
                onInput={(event) => {
                    text.value = event.currentTarget.value;
                }}
                onKeyDown={(event) => {
                    if (event.key === 'Escape') {
                        event.stopPropagation();
                        text.value = '';
                        event.currentTarget.blur();
                    } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
                        event.preventDefault();
                        event.stopPropagation();
                        document.querySelector<HTMLElement>('[role=treeitem][tabindex="0"]')?.focus();
                    }
                }}
            />
            {text.value !== '' && <IconButton small name="Clear search" icon="close" at="left" run={() => { text.value = ''; }} />}
        </div>
    );
}

interface Box {
    readonly current: HTMLDivElement | null;
}

interface TreeProps {
    ui: Ui;
    rows: { readonly value: readonly Row[]; peek(): readonly Row[] };
    closed: { value: ReadonlySet<EntityId>; peek(): ReadonlySet<EntityId> };
    searching: boolean;
}

function Tree({ ui, rows, closed, searching }: TreeProps): JSX.Element {
    const box = useRef<HTMLDivElement>(null);
    const active = useSignal<EntityId | null>(null); /* where the keyboard is */
    const anchor = useRef<EntityId | null>(null);    /* where a range began */
    const drag = useTreeDrag(ui, box);
    void ui.shown.value;
    const all = rows.value;
    const chosen = new Set(ui.session.selection.value);

    const seen = useSeen(box);
    useReveal(ui, rows, closed, box, active);

    const found = all.findIndex((row) => row.id === active.value);
    const lastAt = useRef(0);
    const activeAt = Math.max(0, found >= 0 ? found : Math.min(lastAt.current, all.length - 1));
    lastAt.current = activeAt;
    const drawn = drawnRows(all, seen.first, seen.last, activeAt);

    const stay = useStay(ui, box, all[activeAt]?.id);
    const focusRow = (index: number): void => {
        const row = rows.peek()[Math.max(0, Math.min(index, rows.peek().length - 1))];
        if (row) {
            active.value = row.id;
            reveal(box.current!, rows.peek().indexOf(row));
            requestAnimationFrame(() => focusElement(box.current, row.id));
        }
    };
    const press = (id: EntityId, event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }): void => {
        active.value = id;
        if (event.shiftKey && anchor.current !== null) {
            const from = all.findIndex((row) => row.id === anchor.current);
            const to = all.findIndex((row) => row.id === id);
            ui.session.selection.value = all.slice(Math.min(from, to), Math.max(from, to) + 1).map((row) => row.id);
        } else if (event.ctrlKey || event.metaKey) {
            ui.session.selection.value = chosen.has(id) ? [...chosen].filter((one) => one !== id) : [...chosen, id];
            anchor.current = id;
        } else {
            ui.session.selection.value = [id];
            anchor.current = id;
        }
    };
    const toggle = (id: EntityId, open?: boolean): void => {
        const made = new Set(closed.peek());
        if (open ?? made.has(id)) {
            made.delete(id);
        } else {
            made.add(id);
        }
        closed.value = made;
    };
    const keys = (event: KeyboardEvent): void => {
        const row = all[activeAt];
        if ((event.target as HTMLElement).closest('input') || !row) {
            return;
        }
        if (treeKey(event, { ui, all, at: activeAt, row, focusRow, press, toggle })) {
            event.preventDefault();
            event.stopPropagation();
        }
    };
    return (
        <div
            ref={box} class="tree" role="tree" aria-label="Entities" aria-multiselectable="true" data-drop-root={drag.over.value === '' || undefined}
            onScroll={seen.scrolled}
            onKeyDown={keys}
            {...stay}
            onPointerDown={(event) => {
                if (event.target === box.current || (event.target as HTMLElement).classList.contains('tree-space')) {
                    ui.session.selection.value = [];
                }
            }}
        >
            <div class="tree-space" role="presentation" style={{ height: `${all.length * ROW_HEIGHT + 24}px` }}>
                {drawn.map(({ row, index }) => (
                    <OutlinerRow
                        key={row.id} row={row} index={index} active={index === activeAt} selected={chosen.has(row.id)}
                        dropping={drag.over.value === row.id} press={press} toggle={toggle} grab={drag.grab}
                        menu={(opener, at) => {
                            if (!chosen.has(row.id)) {
                                ui.session.selection.value = [row.id];
                            }
                            active.value = row.id;
                            ui.menu.value = { name: 'Entity', items: entityMenu(ui), opener, at };
                        }}
                    />
                ))}
            </div>
            {all.length === 0 && (
                <p class="tree-none quiet">{searching ? 'Nothing is called that.' : ui.session.link.value.phase === 'live' ? 'No entities yet.' : ui.session.link.value.phase === 'closed' ? '' : 'Loading …'}</p>
            )}
            {drag.ghost.value && (
                <div class="drag-ghost" style={{ left: `${drag.ghost.value.x + 12}px`, top: `${drag.ghost.value.y + 8}px` }}>
                    {drag.ghost.value.ids.length === 1 ? ui.session.scene.label(drag.ghost.value.ids[0]!) : plural(drag.ghost.value.ids.length, 'entity', 'entities')}
                </div>
            )}
        </div>
    );
}

/* Which rows are seen, by their numbers; `last` is the first behind them. */
function useSeen(box: Box): { readonly first: number; readonly last: number; scrolled(): void } {
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

function drawnRows(all: readonly Row[], first: number, last: number, active: number): readonly { row: Row; index: number }[] {
    const drawn = all.slice(first, last).map((row, index) => ({ row, index: first + index }));
    if (all.length > 0 && (active < first || active >= last)) {
        drawn.push({ row: all[active]!, index: active });
    }
    return drawn;
}

/* A row that is gone leaves the keyboard to `next`, the one in its place. */
function useStay(ui: Ui, box: Box, next: EntityId | undefined): JSX.HTMLAttributes<HTMLDivElement> {
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
function useReveal(
    ui: Ui, rows: TreeProps['rows'], closed: TreeProps['closed'], box: Box, active: { value: EntityId | null },
): void {
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

interface KeyContext {
    ui: Ui;
    all: readonly Row[];
    at: number;
    row: Row;
    focusRow(index: number): void;
    press(id: EntityId, event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }): void;
    toggle(id: EntityId, open?: boolean): void;
}

const ALONE = { shiftKey: false, ctrlKey: false, metaKey: false };

/* True: the key was for the tree. */
function treeKey(event: KeyboardEvent, { ui, all, at, row, focusRow, press, toggle }: KeyContext): boolean {
    const go = (index: number): void => {
        const to = Math.max(0, Math.min(index, all.length - 1));
        if (!event.ctrlKey && !event.metaKey) {
            press(all[to]!.id, event.shiftKey ? event : ALONE);
        }
        focusRow(to);
    };
    const page = 12;
    switch (event.key) {
        case 'ArrowDown':
            go(at + 1);
            return true;
        case 'ArrowUp':
            go(at - 1);
            return true;
        case 'PageDown':
            go(at + page);
            return true;
        case 'PageUp':
            go(at - page);
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

