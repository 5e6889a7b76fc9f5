/* The outliner: the scene's tree. Thousands of entities are no matter: only rows that are seen
 * exist (and the one that has the keyboard). */
import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import type { EntityId } from '../core/types.ts';
import { addMenu, entityMenu } from './entity_menu.ts';
import { IconButton } from './button.tsx';
import { useUi, type Ui } from './context.ts';
import { Icon } from './icon.tsx';
import { menuAt, type MenuState } from './menu.tsx';
import { plural } from './phrases.ts';
import { OutlinerRow, ROW_HEIGHT } from './outliner_row.tsx';
import { useTreeDrag } from './tree_drag.ts';
import { treeKey } from './tree_keys.ts';
import { flatten, type Row } from './tree_rows.ts';
import { focusAt, useActiveAt, usePress, useReveal, useSeen, useStay, type Box, type Closed, type Rows } from './tree_use.ts';

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

interface TreeProps {
    ui: Ui;
    rows: Rows;
    closed: Closed;
    searching: boolean;
}

function Tree({ ui, rows, closed, searching }: TreeProps): JSX.Element {
    const box = useRef<HTMLDivElement>(null);
    const active = useSignal<EntityId | null>(null); /* where the keyboard is */
    const drag = useTreeDrag(ui, box);
    void ui.shown.value;
    const all = rows.value;
    const chosen = new Set(ui.session.selection.value);
    const seen = useSeen(box);
    useReveal(ui, rows, closed, box, active);
    const activeAt = useActiveAt(all, active.value);
    const stay = useStay(ui, box, all[activeAt]?.id);
    const press = usePress(ui, all, active);
    const toggle = (id: EntityId, open?: boolean): void => fold(closed, id, open);
    const keys = (event: KeyboardEvent): void => {
        const row = all[activeAt];
        if ((event.target as HTMLElement).closest('input') || !row) {
            return;
        }
        const focusRow = (index: number): void => focusAt(rows.peek(), index, box, active);
        if (treeKey(event, { ui, all, at: activeAt, row, focusRow, press, toggle })) {
            event.preventDefault();
            event.stopPropagation();
        }
    };
    const menu = (id: EntityId, opener: HTMLElement | null, at: MenuState['at']): void => {
        if (!chosen.has(id)) {
            ui.session.selection.value = [id];
        }
        active.value = id;
        ui.menu.value = { name: 'Entity', items: entityMenu(ui), opener, at };
    };
    return (
        <div
            ref={box} class="tree" role="tree" aria-label="Entities" aria-multiselectable="true" data-drop-root={drag.over.value === '' || undefined}
            onScroll={seen.scrolled} onKeyDown={keys} onPointerDown={(event) => leaveOff(ui, event, box)} {...stay}
        >
            <div class="tree-space" role="presentation" style={{ height: `${all.length * ROW_HEIGHT + 24}px` }}>
                {drawnRows(all, seen.first, seen.last, activeAt).map(({ row, index }) => (
                    <OutlinerRow
                        key={row.id} row={row} index={index} active={index === activeAt} selected={chosen.has(row.id)}
                        dropping={drag.over.value === row.id} press={press} toggle={toggle} grab={drag.grab}
                        menu={(opener, at) => menu(row.id, opener, at)}
                    />
                ))}
            </div>
            {all.length === 0 && <NoRows ui={ui} searching={searching} />}
            {drag.ghost.value && <Ghost ui={ui} {...drag.ghost.value} />}
        </div>
    );
}

/* A press beside all rows selects nothing. */
function leaveOff(ui: Ui, event: JSX.TargetedPointerEvent<HTMLDivElement>, box: Box): void {
    if (event.target === box.current || (event.target as HTMLElement).classList.contains('tree-space')) {
        ui.session.selection.value = [];
    }
}

function NoRows({ ui, searching }: { ui: Ui; searching: boolean }): JSX.Element {
    const { phase } = ui.session.link.value;
    const empty = phase === 'live' ? 'No entities yet.' : phase === 'closed' ? '' : 'Loading …';
    return <p class="tree-none quiet">{searching ? 'Nothing is called that.' : empty}</p>;
}

/* What is dragged, beside the pointer. */
function Ghost({ ui, x, y, ids }: { ui: Ui; x: number; y: number; ids: readonly EntityId[] }): JSX.Element {
    return (
        <div class="drag-ghost" style={{ left: `${x + 12}px`, top: `${y + 8}px` }}>
            {ids.length === 1 ? ui.session.scene.label(ids[0]!) : plural(ids.length, 'entity', 'entities')}
        </div>
    );
}

/* Opened or folded; without `open` the other of both. */
function fold(closed: Closed, id: EntityId, open?: boolean): void {
    const made = new Set(closed.peek());
    if (open ?? made.has(id)) {
        made.delete(id);
    } else {
        made.add(id);
    }
    closed.value = made;
}

function drawnRows(all: readonly Row[], first: number, last: number, active: number): readonly { row: Row; index: number }[] {
    const drawn = all.slice(first, last).map((row, index) => ({ row, index: first + index }));
    if (all.length > 0 && (active < first || active >= last)) {
        drawn.push({ row: all[active]!, index: active });
    }
    return drawn;
}
