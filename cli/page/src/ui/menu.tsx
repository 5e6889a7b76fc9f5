/* Menus: one at a time, at a button or where the pointer is. Plain ones are a `menu`; long ones
 * have a search and are a `listbox`. Escape, a press elsewhere and Tab close them, and the
 * keyboard goes back to where it was. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { Icon, type IconName } from './icon.tsx';
import { useUi } from './context.ts';

export interface MenuItem {
    readonly label: string;
    readonly icon?: IconName;
    readonly detail?: string; /* said after the label, quieter */
    readonly about?: string;  /* in a tip */
    readonly keys?: string;
    readonly disabled?: boolean;
    readonly danger?: boolean;
    readonly checked?: boolean;
    readonly section?: string; /* a heading where it changes; '' is a line */
    run(): void;
}

export interface MenuState {
    readonly name: string;
    readonly at: { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number };
    readonly items: readonly MenuItem[];
    readonly head?: ComponentChildren;
    readonly search?: string; /* its placeholder */
    readonly opener: HTMLElement | null;
}

/* For a button: opens the menu below it, or closes it. */
export function menuAt(opener: HTMLElement, name: string, items: readonly MenuItem[], more?: Partial<MenuState>): MenuState {
    return { name, at: opener.getBoundingClientRect(), items, opener, ...more };
}

export function MenuHost(): JSX.Element | null {
    const ui = useUi();
    const menu = ui.menu.value;
    return menu ? <Menu key={menu.name + menu.at.left} menu={menu} /> : null;
}

function Menu({ menu }: { menu: MenuState }): JSX.Element {
    const ui = useUi();
    const box = useRef<HTMLDivElement>(null);
    const [text, setText] = useState('');
    const [active, setActive] = useState(0);
    const items = matching(menu.items, text);
    const at = Math.min(active, items.length - 1);
    const listbox = menu.search !== undefined;
    const close = (refocus: boolean): void => {
        ui.menu.value = null;
        if (refocus) {
            menu.opener?.focus();
        }
    };
    const choose = (item: MenuItem | undefined): void => {
        if (item && !item.disabled) {
            close(true);
            item.run();
        }
    };
    useMenuLife(box, menu, items.length, () => close(false));
    const go = (by: number): void => {
        if (items.length > 0) {
            const next = nextOf(items, at, by);
            setActive(next);
            showItem(box.current!, next, !listbox);
        }
    };
    return (
        <div
            ref={box} class={`menu${listbox ? ' menu-search' : ''}`} tabIndex={-1} role={listbox ? 'dialog' : undefined} aria-label={listbox ? menu.name : undefined}
            onKeyDown={(event) => menuKey(event, listbox, { go, close: () => close(true), choose: () => choose(items[at]) })}
        >
            {menu.head && <div class="menu-head">{menu.head}</div>}
            {menu.search !== undefined && (
                <SearchBox
                    about={menu.search} at={items.length > 0 ? at : -1} text={text}
                    change={(typed) => {
                        setText(typed);
                        setActive(0);
                    }}
                />
            )}
            <div class="menu-list" id="menu-list" role={listbox ? 'listbox' : 'menu'} aria-label={menu.name} tabIndex={listbox ? -1 : undefined}>
                {items.map((item, index) => (
                    <MenuRow
                        key={index} item={item} index={index} active={index === at} listbox={listbox}
                        heading={item.section !== undefined && item.section !== items[index - 1]?.section ? item.section : undefined}
                        choose={() => choose(item)} hover={() => setActive(index)}
                    />
                ))}
                {items.length === 0 && <div class="menu-none" role={listbox ? 'option' : undefined} aria-disabled="true" aria-selected="false">Nothing is called that</div>}
            </div>
        </div>
    );
}

function matching(items: readonly MenuItem[], text: string): readonly MenuItem[] {
    const wanted = text.trim().toLowerCase();
    return items.filter((item) => wanted === '' || `${item.label} ${item.detail ?? ''}`.toLowerCase().includes(wanted));
}

/* The item that is `by` (1 or -1) from `at`, around the ends, past those that cannot be chosen. */
function nextOf(items: readonly MenuItem[], at: number, by: number): number {
    let next = at;
    for (let tried = 0; tried < items.length; tried++) {
        next = (next + by + items.length) % items.length;
        if (!items[next]!.disabled) {
            break;
        }
    }
    return next;
}

function showItem(box: HTMLElement, index: number, focus: boolean): void {
    const row = box.querySelectorAll<HTMLElement>('[data-item]')[index];
    row?.scrollIntoView({ block: 'nearest' });
    if (focus) {
        row?.focus();
    }
}

interface Doings {
    go(by: number): void;
    close(): void;
    choose(): void;
}

/* `typing`: letters and blanks are for the search. */
function menuKey(event: KeyboardEvent, typing: boolean, { go, close, choose }: Doings): void {
    event.stopPropagation();
    const does: { [key: string]: () => void } = {
        ArrowDown: () => go(1), ArrowUp: () => go(-1), Escape: close, Tab: close, Enter: choose, ...(!typing && { ' ': choose }),
    };
    const act = does[event.key];
    if (act) {
        event.preventDefault();
        act();
    }
}

/* `at`: the item that Enter chooses; -1: none. */
function SearchBox({ about, at, text, change }: { about: string; at: number; text: string; change(typed: string): void }): JSX.Element {
    return (
        <input
            type="text" role="combobox" class="menu-input" placeholder={about} aria-label={about}
            aria-expanded="true" aria-controls="menu-list" aria-autocomplete="list" spellcheck={false}
            aria-activedescendant={at >= 0 ? `menu-item-${at}` : undefined} value={text}
            onInput={(event) => change(event.currentTarget.value)}
        />
    );
}

/* Put in its place, given the keyboard, and closed by a press elsewhere. */
function useMenuLife(box: { readonly current: HTMLDivElement | null }, menu: MenuState, count: number, close: () => void): void {
    useLayoutEffect(() => placeAt(box.current!, menu.at), [menu, count]);
    useLayoutEffect(() => {
        const focus = menu.search !== undefined ? 'input' : '[role^=menuitem]:not([aria-disabled=true])';
        (box.current!.querySelector<HTMLElement>(focus) ?? box.current!).focus();
        const outside = (event: Event): void => {
            const target = event.target as Node;
            if (!box.current?.contains(target) && !menu.opener?.contains(target)) {
                close();
            }
        };
        document.addEventListener('pointerdown', outside, true);
        window.addEventListener('resize', close);
        return () => {
            document.removeEventListener('pointerdown', outside, true);
            window.removeEventListener('resize', close);
        };
    }, [menu]);
}

interface RowProps {
    item: MenuItem;
    index: number;
    active: boolean;
    listbox: boolean;
    heading?: string;
    choose(): void;
    hover(): void;
}

function MenuRow({ item, index, active, listbox, heading, choose, hover }: RowProps): JSX.Element {
    const role = listbox ? 'option' : item.checked === undefined ? 'menuitem' : 'menuitemcheckbox';
    return (
        <>
            {heading !== undefined && <div class={heading.trim() === '' ? 'menu-line' : 'menu-heading'} role="presentation">{heading.trim()}</div>}
            <div
                class="menu-item" data-item id={`menu-item-${index}`} role={role} tabIndex={-1} data-danger={item.danger || undefined}
                data-active={active || undefined} aria-disabled={item.disabled || undefined}
                aria-checked={!listbox && item.checked !== undefined ? item.checked : undefined}
                aria-selected={listbox ? active : undefined} aria-label={item.detail ? `${item.label}, ${item.detail}` : item.label} title={item.about} onClick={choose} onPointerMove={active ? undefined : hover}
            >
                <span class="menu-icon">{item.checked ? <Icon name="check" /> : item.icon && <Icon name={item.icon} />}</span>
                <span class="menu-label">{item.label}</span>
                {item.detail && <span class="menu-detail">{item.detail}</span>}
                {item.keys && <kbd>{item.keys}</kbd>}
            </div>
        </>
    );
}

/* Below the opener if there is room for a good part of it, else above; never beyond the window. */
function placeAt(box: HTMLElement, at: MenuState['at']): void {
    const gap = 4;
    const edge = 8;
    const enough = 260;
    const tallest = 460;
    const below = innerHeight - edge - gap - at.bottom;
    const above = at.top - gap - edge;
    box.style.maxHeight = `${tallest}px`;
    const wanted = box.getBoundingClientRect().height;
    const under = wanted <= below || below >= enough || below >= above;
    const height = Math.min(wanted, under ? below : above);
    box.style.maxHeight = `${height}px`;
    box.style.top = `${under ? at.bottom + gap : at.top - gap - height}px`;
    const { width } = box.getBoundingClientRect();
    const left = at.left + width > innerWidth - edge ? at.right - width : at.left;
    box.style.left = `${Math.max(edge, Math.min(left, innerWidth - edge - width))}px`;
}
