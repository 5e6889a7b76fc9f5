/* The page as a whole: bar, list, view, panels, line. */
import { computed, effect, signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { followInfo } from '../core/info.ts';
import type { SceneInfo, Session } from '../core/types.ts';
import { openActions } from './actions.ts';
import { oncePerFrame } from './beat.ts';
import { IconButton } from './button.tsx';
import { Conflicts } from './conflicts.tsx';
import { UiProvider, useUi, type DialogName, type Ui, type Viewport } from './context.ts';
import { Dialogs } from './dialogs.tsx';
import { History } from './history.tsx';
import { Icon, type IconName } from './icon.tsx';
import { Inspector } from './inspector.tsx';
import { MenuHost, type MenuState } from './menu.tsx';
import { Notices } from './notices.tsx';
import { Outliner } from './outliner.tsx';
import { Overlay } from './overlay.tsx';
import { WIDTH_MAX, WIDTH_MIN, type RightTab, type Settings } from './settings.ts';
import { listenForShortcuts } from './shortcuts.ts';
import { StatusLine } from './statusline.tsx';
import { Toolbar } from './toolbar.tsx';

export interface PageOptions {
    readonly session: Session;
    readonly settings: Settings;
    /* Called once, with an empty element in its place, which it fills. Fails with an Error for
     * people if it cannot draw. */
    openViewport(place: HTMLElement, info: Ui['info']): Promise<Viewport>;
}

export function openPage(root: HTMLElement, options: PageOptions): Ui {
    const { session, settings } = options;
    const tools = {
        session,
        settings,
        viewport: signal<Viewport | null>(null),
        dialog: signal<DialogName | null>(null),
        menu: signal<MenuState | null>(null),
        info: signal<SceneInfo | null>(null),
        shown: oncePerFrame(session.scene.revision),
        blocked: computed(() => blockedBy(session)),
        renaming: signal<string | null>(null),
        searching: signal(0),
    };
    const ui: Ui = { ...tools, actions: openActions(tools) };
    effect(() => {
        const { dataset } = document.documentElement;
        dataset.theme = settings.shownTheme.value;
        dataset.state = session.link.value.phase;
        dataset.mode = session.link.value.mode;
    });
    effect(() => {
        const title = ui.info.value?.title;
        document.title = `${title ? `${title} ` : ''}${session.sceneName} – scenesync`;
    });
    followInfo(ui.session, ui.info, (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
    });
    listenForShortcuts(ui);
    finishFieldsFirst();
    render(
        <UiProvider value={ui}>
            <App openViewport={options.openViewport} />
        </UiProvider>,
        root,
    );
    return ui;
}

/* A press elsewhere may select another thing, and with it the field goes that one is typing in:
 * what was typed is taken before that. */
function finishFieldsFirst(): void {
    document.addEventListener(
        'pointerdown',
        (event) => {
            const field = document.activeElement;
            if (field instanceof HTMLElement && field.matches('input, textarea') && event.target !== field) {
                field.blur();
            }
        },
        true,
    );
}

function blockedBy(session: Session): string | null {
    const link = session.link.value;
    if (link.mode === 'running') {
        return 'The scene is running; stop it to edit';
    }
    if (link.readOnly) {
        return session.me.value.role === 'view' ? 'You may look, not edit' : 'Read-only now';
    }
    return link.phase === 'closed' ? 'The link is closed' : null;
}

function App({ openViewport }: Pick<PageOptions, 'openViewport'>): JSX.Element {
    const ui = useUi();
    const { leftOpen, rightOpen, leftWidth, rightWidth } = ui.settings;
    return (
        <div
            class="page" data-left={leftOpen.value} data-right={rightOpen.value}
            style={{ '--left': `${leftOpen.value ? leftWidth.value : 0}px`, '--right': `${rightOpen.value ? rightWidth.value : 0}px` } as JSX.CSSProperties}
        >
            <Toolbar />
            {leftOpen.value && <Outliner />}
            {leftOpen.value && <Splitter name="Width of the list" side="left" width={leftWidth} />}
            <main class="view" aria-label="Scene">
                <Picture open={openViewport} />
                <Overlay />
                <IconButton
                    small class="fold left" name={leftOpen.value ? 'Fold the list' : 'Unfold the list'} icon="panelLeft" at="right" pressed={leftOpen.value}
                    run={() => { leftOpen.value = !leftOpen.value; }}
                />
                <IconButton
                    small class="fold right" name={rightOpen.value ? 'Fold the panel' : 'Unfold the panel'} icon="panelRight" at="left" pressed={rightOpen.value}
                    run={() => { rightOpen.value = !rightOpen.value; }}
                />
                <Notices />
            </main>
            {rightOpen.value && <Splitter name="Width of the panel" side="right" width={rightWidth} />}
            {rightOpen.value && <RightPanel />}
            <StatusLine />
            <MenuHost />
            <Dialogs />
        </div>
    );
}

function Picture({ open }: { open: PageOptions['openViewport'] }): JSX.Element {
    const ui = useUi();
    const place = useRef<HTMLDivElement>(null);
    const [trouble, setTrouble] = useState<string | null>(null);
    useEffect(() => {
        open(place.current!, ui.info).then(
            (viewport) => { ui.viewport.value = viewport; },
            (error: unknown) => setTrouble(error instanceof Error ? error.message : String(error)),
        );
    }, []);
    if (trouble !== null) {
        return (
            <div class="overlay solid">
                <div class="card">
                    <span class="card-icon"><Icon name="box" size={28} /></span>
                    <h2>The scene cannot be drawn here</h2>
                    <p class="quiet">{trouble}</p>
                    <p class="quiet">List and inspector work all the same.</p>
                </div>
            </div>
        );
    }
    return <div ref={place} class="picture" />;
}

const TABS: readonly { tab: RightTab; name: string; icon: IconName }[] = [
    { tab: 'inspector', name: 'Inspector', icon: 'sliders' },
    { tab: 'history', name: 'History', icon: 'history' },
    { tab: 'conflicts', name: 'Conflicts', icon: 'conflict' },
];

function RightPanel(): JSX.Element {
    const ui = useUi();
    const { tab } = ui.settings;
    const conflicts = ui.session.conflicts.value.length;
    return (
        <aside class="panel right" aria-label="Details">
            <div class="tabs" role="group" aria-label="Panels">
                {TABS.map((one) => (
                    <button
                        key={one.tab} type="button" class="tab" aria-pressed={tab.value === one.tab} aria-label={one.name}
                        onClick={() => { tab.value = one.tab; }}
                    >
                        <Icon name={one.icon} size={14} /> {one.name}
                        {one.tab === 'conflicts' && conflicts > 0 && <span class="badge">{conflicts > 99 ? '99+' : conflicts}</span>}
                    </button>
                ))}
            </div>
            {tab.value === 'inspector' && <Inspector />}
            {tab.value === 'history' && <History />}
            {tab.value === 'conflicts' && <Conflicts />}
        </aside>
    );
}

interface SplitterProps {
    name: string;
    side: 'left' | 'right';
    width: { value: number; peek(): number };
}

/* The edge of a panel: dragged, or moved by the arrow keys. */
function Splitter({ name, side, width }: SplitterProps): JSX.Element {
    const sign = side === 'left' ? 1 : -1;
    const to = (wanted: number): void => {
        width.value = Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, Math.round(wanted)));
    };
    return (
        <div
            class={`splitter ${side}`} role="separator" aria-orientation="vertical" aria-label={name} tabIndex={0}
            aria-valuenow={width.value} aria-valuemin={WIDTH_MIN} aria-valuemax={WIDTH_MAX}
            onKeyDown={(event) => {
                const by = event.key === 'ArrowLeft' ? -16 : event.key === 'ArrowRight' ? 16 : 0;
                if (by !== 0) {
                    event.preventDefault();
                    to(width.peek() + by * sign);
                }
            }}
            onPointerDown={(event) => {
                const edge = event.currentTarget;
                const from = width.peek() - event.clientX * sign;
                event.preventDefault();
                edge.setPointerCapture(event.pointerId);
                edge.onpointermove = (move) => to(from + move.clientX * sign);
                edge.onpointerup = edge.onpointercancel = () => {
                    edge.onpointermove = null;
                };
            }}
        />
    );
}
