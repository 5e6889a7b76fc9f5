/* The bar at the top: what the scene is, the tools, who is here, and what can be done with it. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { IconButton } from './button.tsx';
import { useUi, type Tool, type Ui } from './context.ts';
import { addMenu } from './entity_menu.ts';
import { Icon, type IconName } from './icon.tsx';
import { menuAt } from './menu.tsx';
import { People } from './people.tsx';
import type { Theme } from './settings.ts';

export function Toolbar(): JSX.Element {
    const ui = useUi();
    const running = ui.session.link.value.mode === 'running';
    return (
        <header class="toolbar">
            <Title />
            <div class="tools" role="toolbar" aria-label="Tools" onKeyDown={roam}>
                {!running && <Tools />}
            </div>
            <div class="doings">
                <People />
                <span class="rule" />
                <PlayButton />
                {!running && <SaveButtons />}
                {ui.session.link.value.phase !== 'closed' && <ShareButton />}
                <span class="rule" />
                <ThemeButton />
                <IconButton name="Help" tip="Keyboard shortcuts" keys="?" icon="help" at="left" run={() => { ui.dialog.value = 'help'; }} />
            </div>
        </header>
    );
}

function Title(): JSX.Element {
    const ui = useUi();
    const title = ui.info.value?.title;
    return (
        <div class="brand">
            <Mark />
            <h1 title={`Scene ${ui.session.sceneName}`}>
                {title || 'Scene'} <span class="quiet">{ui.session.sceneName}</span>
            </h1>
        </div>
    );
}

/* Three copies of one thing, as one. */
function Mark(): JSX.Element {
    return (
        <svg class="mark" width="20" height="20" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
            <path d="M10 1.5 17.5 5.8 10 10.1 2.5 5.8z" fill="currentColor" />
            <path d="m2.5 9.9 7.5 4.3 7.5-4.3" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" opacity=".7" />
            <path d="m2.5 13.9 7.5 4.3 7.5-4.3" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" opacity=".4" />
        </svg>
    );
}

const TOOLS: readonly { tool: Tool; name: string; icon: IconName; keys: string }[] = [
    { tool: 'select', name: 'Select', icon: 'select', keys: 'Q' },
    { tool: 'move', name: 'Move', icon: 'move', keys: 'W' },
    { tool: 'rotate', name: 'Rotate', icon: 'rotate', keys: 'E' },
    { tool: 'scale', name: 'Scale', icon: 'scale', keys: 'R' },
];

function Tools(): JSX.Element {
    const ui = useUi();
    const view = ui.viewport.value;
    const blocked = ui.blocked.value;
    const nothing = ui.session.selection.value.length === 0;
    const tool = view?.tool.value ?? 'select';
    const world = view?.space.value !== 'local';
    const editing = { disabled: blocked !== null, tip: blocked ?? undefined };
    const chosen = { disabled: blocked !== null || nothing, tip: blocked ?? (nothing ? 'Nothing is selected' : undefined) };
    return (
        <>
            <span class="segments">
                {TOOLS.map((one) => (
                    <IconButton
                        key={one.tool} name={one.name} icon={one.icon} keys={one.keys} pressed={tool === one.tool} disabled={!view}
                        run={() => { view!.tool.value = one.tool; }}
                    />
                ))}
            </span>
            <IconButton name="Snap" tip="Snap to 0.25 m, 15°, 0.1" icon="snap" keys="X" pressed={view?.snap.value ?? false} disabled={!view} run={() => { view!.snap.value = !view!.snap.value; }} />
            <IconButton
                name={world ? 'World axes' : 'Own axes'} tip={world ? 'Along the world’s axes' : 'Along its own axes'} keys="T" icon={world ? 'world' : 'local'}
                disabled={!view} run={() => { view!.space.value = world ? 'local' : 'world'; }}
            />
            <span class="rule" />
            <IconButton name="Undo" icon="undo" keys="Ctrl Z" {...editing} run={() => ui.session.edits.undo()} />
            <IconButton name="Redo" icon="redo" keys="Ctrl Shift Z" {...editing} run={() => ui.session.edits.redo()} />
            <span class="rule" />
            <IconButton
                name="Add entity" icon="plus" menu {...editing}
                run={(event) => { ui.menu.value = menuAt(event.currentTarget, 'Add entity', addMenu(ui), { search: 'Find a thing to add' }); }}
            />
            <IconButton name="Duplicate" icon="duplicate" keys="Ctrl D" {...chosen} run={() => ui.actions.duplicate()} />
            <IconButton name="Delete" icon="trash" keys="Del" {...chosen} run={() => ui.actions.remove()} />
        </>
    );
}

/* Arrow keys go from tool to tool, as in every toolbar. */
function roam(event: JSX.TargetedKeyboardEvent<HTMLElement>): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('button')];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    if (by !== 0 && at >= 0) {
        event.preventDefault();
        event.stopPropagation();
        buttons[(at + by + buttons.length) % buttons.length]!.focus();
    }
}

function ShareButton(): JSX.Element {
    const ui = useUi();
    return (
        <button type="button" class="button" onClick={() => { ui.dialog.value = 'share'; }}>
            <Icon name="share" size={14} /><span class="word">Share</span>
        </button>
    );
}

/* Why the scene cannot be played from here, or stopped. */
function hindranceToPlay({ session, info }: Ui): string | undefined {
    const { mode, phase } = session.link.value;
    if (info.value?.canPlay === false && mode !== 'running') {
        return 'This worker has no kernel, which would run the code:\nplay from the page of one that has';
    }
    return session.me.value.role === 'view' ? 'You may look, not play' : phase !== 'live' ? 'There is no connection' : undefined;
}

function PlayButton(): JSX.Element {
    const ui = useUi();
    const [waiting, setWaiting] = useState(false);
    const running = ui.session.link.value.mode === 'running';
    const why = hindranceToPlay(ui);
    const run = async (): Promise<void> => {
        setWaiting(true);
        try {
            await (running ? ui.session.stop() : ui.session.play());
        } catch (error) {
            ui.session.say('bad', error instanceof Error ? error.message : String(error));
        }
        setWaiting(false);
    };
    const busy = waiting || why !== undefined;
    return (
        <button
            type="button" class={`button${running ? ' primary' : ''}`} aria-disabled={busy || undefined} data-tip={why ?? (running ? 'Back to editing' : 'Run the scene’s code')}
            onClick={() => !busy && void run()}
        >
            <Icon name={running ? 'stop' : 'play'} size={14} /><span class="word">{running ? 'Stop' : 'Play'}</span>
        </button>
    );
}

function SaveButtons(): JSX.Element {
    const ui = useUi();
    const { state } = ui.session.save.value;
    const blocked = ui.blocked.value;
    const saved = state === 'saved';
    const info = ui.info.value;
    const role = ui.session.me.value.role;
    const mayPublish = role === 'publish' || role === 'admin';
    return (
        <>
            {info?.canSave !== false && state !== 'off' && (
                <button
                    type="button" class="button" aria-disabled={blocked !== null || state === 'saving' || undefined}
                    data-tip={blocked ?? (saved ? 'All is saved  Ctrl S' : 'Save now  Ctrl S')} onClick={() => blocked === null && ui.actions.save()}
                >
                    <Icon name={saved ? 'check' : 'save'} size={14} /><span class="word">Save</span>
                </button>
            )}
            {info?.canPublish !== false && (
                <button
                    type="button" class="button" aria-disabled={!mayPublish || undefined} data-tip={mayPublish ? 'Publish to the content server' : 'Your role does not allow to publish'}
                    onClick={() => { if (mayPublish) { ui.dialog.value = 'publish'; } }}
                >
                    <Icon name="publish" size={14} /><span class="word">Publish</span>
                </button>
            )}
        </>
    );
}

const THEMES: readonly { theme: Theme; name: string; icon: IconName }[] = [
    { theme: 'system', name: 'As the system', icon: 'screen' },
    { theme: 'light', name: 'Light', icon: 'sun' },
    { theme: 'dark', name: 'Dark', icon: 'moon' },
];

function ThemeButton(): JSX.Element {
    const ui = useUi();
    const { theme } = ui.settings;
    return (
        <IconButton
            name="Theme" icon={ui.settings.shownTheme.value === 'dark' ? 'moon' : 'sun'} menu at="left"
            run={(event) => {
                const items = THEMES.map((one) => ({
                    label: one.name,
                    icon: one.icon,
                    checked: theme.peek() === one.theme,
                    run: () => { theme.value = one.theme; },
                }));
                ui.menu.value = menuAt(event.currentTarget, 'Theme', items);
            }}
        />
    );
}
