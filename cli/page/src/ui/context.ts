/* What every panel needs at hand: the session, the page's own state, and the view in 3D as far
 * as panels may know it. One `Ui` a page, handed down by preact's context. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { ReadonlySignal, Signal } from '@preact/signals';
import type { EntityId, Json, SceneInfo, Session } from '../core/types.ts';
import type { MenuState } from './menu.tsx';
import type { Settings } from './settings.ts';

export type Tool = 'select' | 'move' | 'rotate' | 'scale';

/* The view in 3D, as panels see it (view/view.ts is shaped like this). */
export interface Viewport {
    readonly tool: Signal<Tool>;
    readonly snap: Signal<boolean>;
    readonly space: Signal<'world' | 'local'>;
    /* Id of the person whose camera is followed. */
    readonly following: Signal<string | null>;
    frame(entities: readonly EntityId[]): void;
    home(): void;
    /* Where the middle of the view meets the ground, in the scene's coordinates. */
    dropPoint(): readonly [number, number, number];
}

export type DialogName = 'share' | 'publish' | 'help' | 'name';

export interface Ui {
    readonly session: Session;
    readonly settings: Settings;
    readonly viewport: Signal<Viewport | null>;
    readonly dialog: Signal<DialogName | null>;
    readonly info: Signal<SceneInfo | null>;
    /* Follows the scene's revision, at most once a frame. */
    readonly shown: ReadonlySignal<number>;
    /* Why nothing can be edited now; null: one may. */
    readonly blocked: ReadonlySignal<string | null>;
    /* Which row of the outliner is being renamed. */
    readonly renaming: Signal<EntityId | null>;
    /* Set to put the keyboard into the search of the outliner. */
    readonly searching: Signal<number>;
    /* The menu that is open. */
    readonly menu: Signal<MenuState | null>;
    /* What people use the most, for buttons, menus and keys alike. */
    readonly actions: Actions;
}

export interface Actions {
    add(components: { readonly [name: string]: Json }): void;
    duplicate(): void;
    remove(): void;
    frame(entities?: readonly EntityId[]): void;
    rename(): void;
    lock(): void;
    hide(): void;
    unparent(): void;
    selectAll(): void;
    save(force?: boolean): void;
    play(): void;
    stop(): void;
}

const UiContext = createContext<Ui | null>(null);
export const UiProvider = UiContext.Provider;

export function useUi(): Ui {
    const ui = useContext(UiContext);
    if (!ui) {
        throw new Error('a panel outside of the page');
    }
    return ui;
}
