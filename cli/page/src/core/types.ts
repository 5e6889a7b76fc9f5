/* What the parts of the page say to each other.
 *
 *      core   the scene as the worker tells it, with one's own edits laid over it; the link;
 *             what waits to be sent. No DOM, no three, no preact: runs under node's tests.
 *      view   the scene in 3D (three)
 *      ui     panels, toolbar, dialogs (preact)
 *
 * core <- view, core <- ui; view and ui never meet; main.tsx wires them.
 *
 * State that people look at lies in signals (@preact/signals-core): read `.value` in a
 * component or an effect and it follows. Everything is read-only outside of core. */

import type { ReadonlySignal, Signal } from '@preact/signals-core';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
export type EntityId = string;
/* As the scene spells it: "Transform", "GLTFShape", "Script#2". */
export type ComponentName = string;
/* "812@<actor>": time and actor of the newest write in something. */
export type Stamp = string;
export type Role = 'view' | 'edit' | 'publish' | 'admin';

export interface Component {
    readonly name: ComponentName;
    readonly id: number | string; /* as the worker names it in events */
    readonly data: Json;          /* with one's own edits on their way laid over it */
    readonly author?: string;     /* who wrote in it last */
    readonly stamp?: Stamp;
    readonly pending: boolean;    /* holds an edit of one's own that is not answered yet */
}

export interface Entity {
    readonly id: EntityId;
    readonly components: ReadonlyMap<ComponentName, Component>;
    readonly order: number; /* place in the snapshot's order */
}

/* Position in metres, rotation as a quaternion, both in the parent's space. */
export interface Place {
    readonly position: readonly [number, number, number];
    readonly rotation: readonly [number, number, number, number];
    readonly scale: readonly [number, number, number];
}

export interface SceneChange {
    readonly all: boolean; /* everything is to be looked at again */
    readonly changed: ReadonlySet<EntityId>; /* made or changed */
    readonly removed: ReadonlySet<EntityId>;
    /* The tree is another: parents or children of some entity. */
    readonly tree: boolean;
    /* Who made it: others' moves are shown smoothly, one's own at once. */
    readonly mine: boolean;
}

/* The scene as it is to be shown. */
export interface Scene {
    readonly entities: ReadonlyMap<EntityId, Entity>;
    /* Counts up with every change; for effects that need no more than that. */
    readonly revision: ReadonlySignal<number>;
    /* Called after each change, once for all of one message or one edit. */
    watch(told: (change: SceneChange) => void): () => void;
    get(id: EntityId): Entity | undefined;
    place(id: EntityId): Place;            /* identity where it has no transform */
    parent(id: EntityId): EntityId | null; /* as shown: cycles and orphans resolved */
    children(id: EntityId | null): readonly EntityId[];
    /* What the tree had to decide about it. */
    repair(id: EntityId): 'cycle' | 'orphan' | undefined;
    label(id: EntityId): string; /* its name, else the name of its shape, else its id */
    hidden(id: EntityId): boolean; /* VisibleOnEdit is false, of it or an ancestor */
    locked(id: EntityId): boolean; /* LockedOnEdit is true */
}

export interface Person {
    readonly id: string;
    readonly worker: string;
    readonly name: string;
    readonly color: string; /* #rrggbb; never missing */
    readonly role: Role;
    readonly selection: readonly EntityId[];
    readonly camera?: { position: readonly number[]; rotation: readonly number[] };
    readonly editing?: { entityId: EntityId; componentId: string; field?: string };
}

/* Two edits met, and this value does not show. */
export interface Conflict {
    readonly kind: 'concurrent' | 'removed' | 'stale' | 'cycle' | 'orphan' | 'edited-while-removed';
    readonly entity: EntityId;
    readonly component?: ComponentName;
    readonly field?: string;
    readonly value?: Json; /* missing: too long, or none */
    readonly author?: string;
    readonly by?: string;   /* whose write shows instead, or who removed it; where that is known */
    readonly mine: boolean; /* it is one's own write that does not show */
    readonly stamp?: Stamp;
}

/* How things stand, for the line at the bottom. */
export interface LinkState {
    readonly phase: 'connecting' | 'loading' | 'live' | 'reconnecting' | 'closed';
    readonly mode: 'loading' | 'editing' | 'running';
    readonly readOnly: boolean; /* the role is view, or the scene is running */
    readonly pending: number;   /* one's own edits that are not answered yet */
    readonly retryAt?: number;  /* ms since 1970; while reconnecting */
    readonly text?: string;     /* what the worker said of its state; why it is closed */
}

export interface SaveState {
    readonly state: 'saved' | 'unsaved' | 'saving' | 'failing' | 'off' | 'unknown';
    readonly at?: number;
    readonly where?: string;
    readonly error?: string;
}

export interface Notice {
    readonly id: number;
    readonly tone: 'info' | 'good' | 'warning' | 'bad';
    readonly text: string;
    readonly action?: { readonly label: string; run(): void };
}

export interface HistoryEntry {
    readonly stamp: Stamp;
    readonly at: number; /* ms since 1970 */
    readonly who: string;
    readonly origin: 'edit' | 'undo' | 'redo' | 'import' | 'housekeeping' | 'remote' | 'answer';
    readonly step?: string;
    readonly changes: readonly { entity: EntityId; component?: ComponentName; field?: string;
                                 what: 'add' | 'remove' | 'set' | 'unset' }[];
    readonly more: number; /* changes that are not listed */
}

export interface Prepared {
    readonly id: string;
    readonly entityId: string;
    readonly pointers: readonly string[];
    readonly files: readonly { file: string; hash: string; size: number }[];
    readonly size: number;
    readonly missing: readonly string[];
    readonly warnings: readonly string[];
    readonly expires?: number;
    readonly sign?: string; /* the text to sign */
    readonly unsigned: boolean; /* the server verifies no signatures: it takes it without */
}

/* What a component's field is to become; undefined: it goes. */
export type Fields = { readonly [field: string]: Json | undefined };

/* One's own doing. All edits of one `step` (a drag, a paste) are undone together. An edit shows
 * at once, is kept over a lost link and a reload, and goes back with a notice if refused. */
export interface Edits {
    /* A new name for a step: edits that carry it are one. */
    step(): string;
    /* What is edited in `deed` shows as one change. */
    together(deed: () => void): void;
    set(entity: EntityId, component: ComponentName, fields: Fields, step?: string): void;
    /* The whole value, of a component that is no object or is to be replaced. */
    replace(entity: EntityId, component: ComponentName, data: Json, step?: string): void;
    removeComponent(entity: EntityId, component: ComponentName, step?: string): void;
    /* The id of the new entity. */
    add(components: { readonly [name: ComponentName]: Json }, step?: string): EntityId;
    /* With all below them. */
    remove(entities: readonly EntityId[], step?: string): void;
    /* With all below them; the new ids, in the order given. */
    duplicate(entities: readonly EntityId[], step?: string): EntityId[];
    /* Keeps where it is in the world. False: it would hang below itself. */
    move(entity: EntityId, parent: EntityId | null, step?: string): boolean;
    place(entity: EntityId, place: Partial<Place>, step?: string): void;
    rename(entity: EntityId, name: string): void;
    lock(entities: readonly EntityId[], locked: boolean): void;
    hide(entities: readonly EntityId[], hidden: boolean): void;
    undo(): void;
    redo(): void;
    /* Write again the value of a conflict. */
    take(conflict: Conflict): void;
    /* Make again an entity that somebody removed while it was edited here. */
    restore(entity: EntityId): void;
}

export interface Session {
    readonly sceneName: string; /* "0,0" */
    readonly token: string; /* of the calls; "": none is needed */
    readonly me: ReadonlySignal<{ id: string; name: string; color: string; role: Role }>;
    readonly scene: Scene;
    readonly edits: Edits;
    readonly link: ReadonlySignal<LinkState>;
    readonly save: ReadonlySignal<SaveState>;
    readonly people: ReadonlySignal<readonly Person[]>; /* others; not oneself */
    readonly conflicts: ReadonlySignal<readonly Conflict[]>;
    readonly notices: ReadonlySignal<readonly Notice[]>;
    /* What is selected; set it, and others see it. Gone entities leave by themselves. */
    readonly selection: Signal<readonly EntityId[]>;
    say(tone: Notice['tone'], text: string, action?: Notice['action']): void;
    dismiss(id: number): void;
    /* It is decided: nobody is shown it any more, unless it comes anew. */
    dismissConflict(conflict: Conflict): void;
    /* Try again at once, while reconnecting. */
    retry(): void;
    /* Told to others, at most ten times a second. */
    showCamera(position: readonly number[], rotation: readonly number[]): void;
    showEditing(what: Person['editing'] | null): void;
    setName(name: string): void; /* reconnects, and is remembered */
    /* Calls of the worker. Errors: an Error whose message is for people. */
    saveNow(force?: boolean): Promise<void>;
    /* Done when the scene runs, or is edited again. */
    play(): Promise<void>;
    stop(): Promise<void>;
    preparePublish(): Promise<Prepared>;
    confirmPublish(id: string, authChain?: Json, asPrepared?: boolean): Promise<void>;
    history(before?: Stamp): Promise<{ entries: readonly HistoryEntry[]; complete: boolean }>;
    info(): Promise<SceneInfo>;
    shareLink(): string; /* carries the scene and the token, in the fragment */
    close(): void;
}

/* What the page needs to know beside the entities. */
export interface SceneInfo {
    readonly title?: string;
    readonly parcels: readonly { x: number; y: number }[]; /* at least one; 16 m each */
    readonly base: { x: number; y: number };
    /* Has a kernel: play and stop work. Has a builder project or a file: save works. */
    readonly canPlay: boolean;
    readonly canSave: boolean;
    readonly canPublish: boolean;
    readonly models: ModelTable;
}

/* The files of the scene's models, as hashes that GET /v1/contents/{hash} takes:
 * core/models.ts makes a ModelUrl of it. */
export interface ModelTable {
    /* Assets of the Builder by id: the path of the model, and all files by path. */
    readonly assets: { readonly [id: string]: { readonly model?: string;
                                                readonly files: { readonly [path: string]: string } } };
    /* Files of the scene by path, as a `src` names them. */
    readonly files: { readonly [path: string]: string };
}

/* Where the file of a shape is; null: nobody has it. `entity` has the component with it. */
export type ModelUrl = (entity: Entity) => string | null;
