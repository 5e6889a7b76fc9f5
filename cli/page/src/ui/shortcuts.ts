/* The keys: one table, for what listens and for the help. A key that somebody took already (a
 * field, the tree, the view) is theirs. */
import type { Tool, Ui } from './context.ts';

interface Shortcut {
    readonly keys: string; /* as shown; alternatives after "or" */
    readonly about: string;
    readonly section: string;
    matches?(event: KeyboardEvent): boolean;
    run?(ui: Ui): void;
}

const plain = (key: string) => (event: KeyboardEvent): boolean =>
    event.key.toLowerCase() === key && !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
const shift = (key: string) => (event: KeyboardEvent): boolean =>
    event.key.toLowerCase() === key && event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
const control = (key: string, shifted = false) => (event: KeyboardEvent): boolean =>
    event.key.toLowerCase() === key && (event.ctrlKey || event.metaKey) && !event.altKey && event.shiftKey === shifted;
const tool = (name: Tool) => (ui: Ui): void => {
    const view = ui.viewport.peek();
    if (view) {
        view.tool.value = name;
    }
};

const GENERAL = 'General';
const TOOLS = 'Tools';
const EDIT = 'Edit';
const LIST = 'In the list';
const FIELDS = 'In fields';
const VIEW = 'View';
const POINTER = 'Pointer in the scene';

export const SHORTCUTS: readonly Shortcut[] = [
    { section: TOOLS, keys: 'Q', about: 'Select', matches: plain('q'), run: tool('select') },
    { section: TOOLS, keys: 'W', about: 'Move', matches: plain('w'), run: tool('move') },
    { section: TOOLS, keys: 'E', about: 'Rotate', matches: plain('e'), run: tool('rotate') },
    { section: TOOLS, keys: 'R', about: 'Scale', matches: plain('r'), run: tool('scale') },
    {
        section: TOOLS, keys: 'X', about: 'Snapping on or off (0.25 m, 15°, 0.1)', matches: plain('x'),
        run: (ui) => {
            const view = ui.viewport.peek();
            if (view) {
                view.snap.value = !view.snap.peek();
            }
        },
    },
    {
        section: TOOLS, keys: 'T', about: 'Along the world’s or its own axes', matches: plain('t'),
        run: (ui) => {
            const view = ui.viewport.peek();
            if (view) {
                view.space.value = view.space.peek() === 'world' ? 'local' : 'world';
            }
        },
    },
    { section: EDIT, keys: 'Ctrl Z', about: 'Undo your last step', matches: control('z'), run: (ui) => ui.blocked.peek() === null && ui.session.edits.undo() },
    {
        section: EDIT, keys: 'Ctrl Shift Z', about: 'Redo', matches: (event) => control('z', true)(event) || control('y')(event),
        run: (ui) => ui.blocked.peek() === null && ui.session.edits.redo(),
    },
    { section: EDIT, keys: 'Ctrl D', about: 'Duplicate', matches: control('d'), run: (ui) => ui.actions.duplicate() },
    { section: EDIT, keys: 'Del', about: 'Delete', matches: (event) => plain('delete')(event) || plain('backspace')(event), run: (ui) => ui.actions.remove() },
    { section: EDIT, keys: 'F2', about: 'Rename', matches: plain('f2'), run: (ui) => ui.actions.rename() },
    { section: EDIT, keys: 'Shift H', about: 'Hide or show', matches: shift('h'), run: (ui) => ui.actions.hide() },
    { section: EDIT, keys: 'Shift L', about: 'Lock or unlock', matches: shift('l'), run: (ui) => ui.actions.lock() },
    { section: EDIT, keys: 'Ctrl A', about: 'Select all', matches: control('a'), run: (ui) => ui.actions.selectAll() },
    { section: EDIT, keys: 'Arrow keys', about: 'Nudge the selection, in the scene' },
    { section: VIEW, keys: 'F', about: 'Frame the selection', matches: plain('f'), run: (ui) => ui.actions.frame() },
    { section: VIEW, keys: 'H or Home', about: 'See the whole scene', matches: (event) => plain('h')(event) || plain('home')(event), run: (ui) => ui.viewport.peek()?.home() },
    { section: VIEW, keys: '1, 3, 7', about: 'From south, east, above; with Shift from the other side' },
    { section: POINTER, keys: 'Click', about: 'Select; with Shift or Ctrl add or take away' },
    { section: POINTER, keys: 'Double click', about: 'Frame it' },
    { section: POINTER, keys: 'Shift drag', about: 'Select by a box' },
    { section: POINTER, keys: 'Left drag', about: 'Orbit' },
    { section: POINTER, keys: 'Right drag', about: 'Pan' },
    { section: POINTER, keys: 'Wheel', about: 'Zoom to the pointer' },
    { section: POINTER, keys: 'Alt drag', about: 'Of a handle: duplicate and move' },
    { section: LIST, keys: 'Up, Down', about: 'Go; with Shift select a range' },
    { section: LIST, keys: 'Left, Right', about: 'Fold, unfold' },
    { section: LIST, keys: 'Space', about: 'Add to the selection, or take away' },
    { section: LIST, keys: 'Enter', about: 'Frame it' },
    { section: FIELDS, keys: 'Drag a letter', about: 'Change a number; Shift tenfold, Alt a tenth' },
    { section: FIELDS, keys: '3/4+1', about: 'Sums; +=1 or *=2 for each of several' },
    { section: FIELDS, keys: 'Up, Down', about: 'Step a number' },
    { section: FIELDS, keys: 'Ctrl Enter', about: 'Done, in text of several lines' },
    {
        section: GENERAL, keys: '/', about: 'Search entities', matches: (event) => event.key === '/' && !event.ctrlKey && !event.metaKey,
        run: (ui) => {
            ui.settings.leftOpen.value = true;
            ui.searching.value++;
        },
    },
    { section: GENERAL, keys: 'Ctrl S', about: 'Save now', matches: control('s'), run: (ui) => ui.actions.save() },
    {
        section: GENERAL, keys: '?', about: 'These keys', matches: (event) => event.key === '?',
        run: (ui) => {
            ui.dialog.value = 'help';
        },
    },
    { section: GENERAL, keys: 'Esc', about: 'Back: closes, stops following, selects nothing', matches: plain('escape'), run: back },
];

function back(ui: Ui): void {
    const view = ui.viewport.peek();
    if (view && view.following.peek() !== null) {
        view.following.value = null;
    } else {
        ui.session.selection.value = [];
    }
}

/* Text is being typed: letters are text, and the field has its own undo. */
function isTyping(target: EventTarget | null): boolean {
    const element = target instanceof HTMLElement ? target : null;
    return element !== null && (element.matches('textarea, select, [contenteditable]') || (element.matches('input') && !element.matches('[type=checkbox], [type=color], [readonly]')));
}

export function listenForShortcuts(ui: Ui): () => void {
    const keys = (event: KeyboardEvent): void => {
        const save = control('s')(event);
        if (event.defaultPrevented || event.isComposing || ui.dialog.peek() !== null || ui.menu.peek() !== null || (isTyping(event.target) && !save)) {
            return;
        }
        const found = SHORTCUTS.find((shortcut) => shortcut.matches?.(event));
        if (found?.run) {
            event.preventDefault();
            found.run(ui);
        }
    };
    window.addEventListener('keydown', keys);
    return () => window.removeEventListener('keydown', keys);
}
