/* What can be done with entities, as menus. */
import type { Ui } from './context.ts';
import { isCore, sceneModels, things } from './known.ts';
import type { MenuItem } from './menu.tsx';

export function addMenu(ui: Ui): readonly MenuItem[] {
    const { scene } = ui.session;
    const of = (section: string) => (thing: ReturnType<typeof things>[number]): MenuItem => ({
        label: thing.label,
        icon: thing.icon,
        section,
        run: () => ui.actions.add(thing.components),
    });
    return [...things(isCore(scene)).map(of('Basic')), ...sceneModels(scene).map(of('Models of this scene'))];
}

/* Of what is selected. */
export function entityMenu(ui: Ui): readonly MenuItem[] {
    const { scene, selection } = ui.session;
    const ids = selection.peek();
    const blocked = ui.blocked.peek() !== null;
    const locked = ids.every((id) => scene.locked(id));
    const hidden = ids.every((id) => scene.hidden(id));
    return [
        { label: 'Frame', icon: 'frame', keys: 'F', run: () => ui.actions.frame() },
        { label: 'Rename', icon: 'pen', keys: 'F2', section: '', disabled: blocked || ids.length !== 1, run: () => ui.actions.rename() },
        { label: 'Duplicate', icon: 'duplicate', keys: 'Ctrl D', section: '', disabled: blocked, run: () => ui.actions.duplicate() },
        { label: hidden ? 'Show' : 'Hide', icon: hidden ? 'eye' : 'eyeOff', keys: 'Shift H', section: '', disabled: blocked, run: () => ui.actions.hide() },
        { label: locked ? 'Unlock' : 'Lock', icon: locked ? 'unlock' : 'lock', keys: 'Shift L', section: '', disabled: blocked, run: () => ui.actions.lock() },
        {
            label: 'Move to the top',
            icon: 'up',
            section: '',
            disabled: blocked || ids.every((id) => scene.parent(id) === null),
            run: () => ui.actions.unparent(),
        },
        { label: 'Delete', icon: 'trash', keys: 'Del', section: ' ', danger: true, disabled: blocked, run: () => ui.actions.remove() },
    ];
}
