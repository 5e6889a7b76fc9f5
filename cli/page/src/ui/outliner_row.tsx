/* A row of the outliner. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import type { EntityId } from '../core/types.ts';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { entityIcon } from './known.ts';
import type { MenuState } from './menu.tsx';
import type { Row } from './tree_rows.ts';

export const ROW_HEIGHT = 26;
const INDENT = 14;
const DOTS_MAX = 3;

interface RowProps {
    row: Row;
    index: number;
    active: boolean;
    selected: boolean;
    dropping: boolean;
    press(id: EntityId, event: { shiftKey: boolean; ctrlKey: boolean; metaKey: boolean }): void;
    toggle(id: EntityId): void;
    grab(id: EntityId, event: PointerEvent): void;
    menu(opener: HTMLElement, at: MenuState['at']): void;
}

export function OutlinerRow({ row, index, active, selected, dropping, press, toggle, grab, menu }: RowProps): JSX.Element {
    const ui = useUi();
    const { scene } = ui.session;
    const { id } = row;
    const label = scene.label(id);
    const hidden = scene.hidden(id);
    const locked = scene.locked(id);
    const repair = scene.repair(id);
    const renaming = ui.renaming.value === id;
    const element = useRef<HTMLDivElement>(null);
    const conflicts = ui.session.conflicts.value.some((one) => one.entity === id && one.kind !== 'cycle' && one.kind !== 'orphan');
    return (
        <div
            ref={element} class="row" role="treeitem" aria-label={label} aria-level={row.depth + 1} aria-posinset={row.position} aria-setsize={row.siblings}
            aria-selected={selected} aria-expanded={row.children > 0 ? row.open : undefined} tabIndex={active ? 0 : -1}
            data-entity={id} data-repair={repair} data-hidden={hidden || undefined} data-dim={!row.matches || undefined} data-drop={dropping || undefined}
            style={{ top: `${index * ROW_HEIGHT}px`, paddingLeft: `${6 + Math.min(row.depth, 24) * INDENT}px` }}
            onPointerDown={(event) => {
                if (event.button === 0 && !(event.target as HTMLElement).closest('button,input')) {
                    /* Of several that are selected one may begin to drag: then they stay. */
                    if (!selected || event.shiftKey || event.ctrlKey || event.metaKey) {
                        press(id, event);
                    }
                    grab(id, event);
                }
            }}
            onClick={(event) => {
                if (!(event.target as HTMLElement).closest('button,input') && selected && !event.shiftKey && !event.ctrlKey && !event.metaKey) {
                    press(id, event);
                }
            }}
            onDblClick={(event) => {
                if (!(event.target as HTMLElement).closest('button,input')) {
                    ui.actions.frame([id]);
                }
            }}
            onContextMenu={(event) => {
                event.preventDefault();
                const { left, bottom } = element.current!.getBoundingClientRect();
                const [x, y] = event.clientX || event.clientY ? [event.clientX, event.clientY] : [left + 24, bottom];
                menu(element.current!, { left: x, right: x, top: y, bottom: y });
            }}
        >
            <span class="row-fold" onPointerDown={(event) => event.stopPropagation()} onClick={() => row.children > 0 && toggle(id)} aria-hidden="true">
                {row.children > 0 && <span class="chevron" data-open={row.open}><Icon name="chevron" size={12} /></span>}
            </span>
            <span class="row-icon"><Icon name={entityIcon(scene.get(id))} size={14} /></span>
            {renaming ? <RenameBox id={id} label={label} /> : <span class="row-label">{label}</span>}
            {repair && (
                <span class="row-mark" title={repair === 'cycle' ? 'Would hang below itself; shown at the top' : 'Its parent was removed; shown at the top'}>
                    <Icon name="warning" size={13} />
                </span>
            )}
            {conflicts && <span class="row-mark" title="Two edits met here"><Icon name="conflict" size={13} /></span>}
            <Others id={id} />
            <RowButton id={id} on={locked} name={locked ? 'Unlock' : 'Lock'} icon={locked ? 'lock' : 'unlock'} run={() => ui.session.edits.lock([id], !locked)} />
            <RowButton id={id} on={hidden} name={hidden ? 'Show' : 'Hide'} icon={hidden ? 'eyeOff' : 'eye'} run={() => ui.session.edits.hide([id], !hidden)} />
        </div>
    );
}

/* Who else has it selected. */
function Others({ id }: { id: EntityId }): JSX.Element | null {
    const ui = useUi();
    const people = ui.session.people.value.filter((person) => person.selection.includes(id));
    if (people.length === 0) {
        return null;
    }
    return (
        <span class="row-people" title={`Selected by ${people.map((person) => person.name).join(', ')}`}>
            {people.slice(0, DOTS_MAX).map((person) => <i key={person.id} style={{ background: person.color }} />)}
        </span>
    );
}

interface RowButtonProps {
    id: EntityId;
    on: boolean;
    name: string;
    icon: 'lock' | 'unlock' | 'eye' | 'eyeOff';
    run(): void;
}

/* For the pointer; the keyboard has Shift+H and Shift+L, and the inspector. */
function RowButton({ on, name, icon, run }: RowButtonProps): JSX.Element {
    const ui = useUi();
    const blocked = ui.blocked.value;
    return (
        <button
            type="button" class="row-button" data-on={on || undefined} aria-label={name} title={blocked ?? name} tabIndex={-1}
            aria-disabled={blocked !== null || undefined} onClick={() => blocked === null && run()}
        >
            <Icon name={icon} size={13} />
        </button>
    );
}

function RenameBox({ id, label }: { id: EntityId; label: string }): JSX.Element {
    const ui = useUi();
    const input = useRef<HTMLInputElement>(null);
    const done = useRef(false);
    /* At once: what is typed behind F2 is the name. */
    useLayoutEffect(() => {
        input.current!.focus();
        input.current!.select();
    }, []);
    const finish = (keep: boolean): void => {
        if (done.current) {
            return;
        }
        done.current = true;
        const name = input.current!.value.trim();
        const row = input.current!.closest<HTMLElement>('[role=treeitem]');
        ui.renaming.value = null;
        if (keep && name !== '' && name !== label) {
            ui.session.edits.rename(id, name);
        }
        row?.focus();
    };
    return (
        <input
            ref={input} class="row-rename" type="text" aria-label={`New name of ${label}`} defaultValue={label} spellcheck={false} maxLength={1000}
            onBlur={() => finish(true)}
            onKeyDown={(event) => {
                event.stopPropagation();
                if (event.key === 'Enter' || event.key === 'Escape') {
                    event.preventDefault();
                    finish(event.key === 'Enter');
                }
            }}
        />
    );
}
