/* What buttons, menus and keys do, in one place. Those that edit do nothing while editing is
 * not possible; the buttons say why. */
import type { Json } from '../core/types.ts';
import type { Actions, Ui } from './context.ts';
import { topmost } from './tree_rows.ts';

type Tools = Omit<Ui, 'actions'>;

const PLACE = ['Transform', 'core::Transform'];

export function openActions(ui: Tools): Actions {
    const { session } = ui;
    const { scene, edits, selection } = session;
    const editing = (run: () => void) => (): void => {
        const why = ui.blocked.peek();
        if (why !== null) {
            session.say('warning', why);
        } else {
            run();
        }
    };
    const withSelection = (run: (ids: readonly string[]) => void): (() => void) =>
        editing(() => {
            if (selection.peek().length > 0) {
                run(selection.peek());
            }
        });
    const removable = (ids: readonly string[]): readonly string[] => {
        const free = ids.filter((id) => !scene.locked(id));
        if (free.length < ids.length) {
            session.say('info', free.length === 0 ? 'It is locked. Unlock it first.' : 'Locked ones stay.');
        }
        return free;
    };
    const call = (name: string, promise: Promise<void>): void => {
        promise.catch((error: unknown) => session.say('bad', `${name}: ${error instanceof Error ? error.message : String(error)}`));
    };
    return {
        add: (components) => editing(() => add(ui, components))(),
        duplicate: withSelection((ids) => {
            selection.value = edits.duplicate(topmost(scene, ids));
        }),
        remove: withSelection((ids) => {
            const gone = removable(topmost(scene, ids));
            if (gone.length > 0) {
                edits.remove(gone);
            }
        }),
        frame: (entities) => {
            const ids = entities ?? selection.peek();
            if (ids.length > 0) {
                ui.viewport.peek()?.frame(ids);
            } else {
                ui.viewport.peek()?.home();
            }
        },
        rename: withSelection((ids) => {
            if (ids.length === 1) {
                ui.settings.leftOpen.value = true;
                ui.renaming.value = ids[0]!;
            }
        }),
        lock: withSelection((ids) => edits.lock(ids, !ids.every((id) => scene.locked(id)))),
        hide: withSelection((ids) => edits.hide(ids, !ids.every((id) => scene.hidden(id)))),
        unparent: withSelection((ids) => {
            const step = edits.step();
            edits.together(() => ids.forEach((id) => scene.parent(id) !== null && edits.move(id, null, step)));
        }),
        selectAll: () => {
            selection.value = [...scene.entities.keys()];
        },
        save: (force) => call('Not saved', session.saveNow(force)),
        play: () => call('Cannot play', session.play()),
        stop: () => call('Cannot stop', session.stop()),
    };
}

/* In the middle of what one looks at, and selected. */
function add(ui: Tools, components: { readonly [name: string]: Json }): void {
    const { session } = ui;
    const [x, y, z] = (ui.viewport.peek()?.dropPoint() ?? [8, 0, 8]).map((part) => Math.round(part * 4) / 4) as [number, number, number];
    const transform = Object.keys(components).some((name) => name.includes('::')) ? PLACE[1]! : PLACE[0]!;
    const lift = ['BoxShape', 'SphereShape', 'core::MeshRenderer'].some((name) => name in components) ? 0.5 : ['TextShape', 'core::TextShape'].some((name) => name in components) ? 1.5 : 0;
    const id = session.edits.add({
        [transform]: { position: { x, y: y + lift, z }, rotation: { x: 0, y: 0, z: 0, w: 1 }, scale: { x: 1, y: 1, z: 1 } },
        ...named(ui, components),
    });
    session.selection.value = [id];
}

/* "Box", or "Box 2" where there is one: equal names are allowed, but help nobody. */
function named(ui: Tools, components: { readonly [name: string]: Json }): { [name: string]: Json } {
    const made: { [name: string]: Json } = { ...components };
    for (const name of ['Name', 'core-schema::Name']) {
        const wanted = (made[name] as { value?: string } | undefined)?.value;
        if (wanted !== undefined) {
            const { scene } = ui.session;
            const taken = new Set([...scene.entities.keys()].map((id) => scene.label(id)));
            let unique = wanted;
            for (let count = 2; taken.has(unique); count++) {
                unique = `${wanted} ${count}`;
            }
            made[name] = { value: unique };
        }
    }
    return made;
}
