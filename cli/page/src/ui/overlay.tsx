/* What lies over the view when there is something to say about the whole of it. */
import type { JSX } from 'preact';
import { now } from './beat.ts';
import { useUi } from './context.ts';
import { addMenu } from './entity_menu.ts';
import { Icon } from './icon.tsx';
import { menuAt } from './menu.tsx';
import { linkWords } from './statusline.tsx';

export function Overlay(): JSX.Element | null {
    const ui = useUi();
    void ui.shown.value;
    const link = ui.session.link.value;
    const empty = ui.session.scene.entities.size === 0;
    if (link.phase === 'closed') {
        return <Closed text={link.text} />;
    }
    if (empty && (link.phase === 'connecting' || link.phase === 'loading' || (link.phase === 'live' && link.mode === 'loading'))) {
        return (
            <div class="overlay">
                <div class="card">
                    <span class="spinner" aria-hidden="true" />
                    <h2>{link.phase === 'connecting' ? 'Connecting' : `Loading scene ${ui.session.sceneName}`}</h2>
                    <p class="quiet">{link.text ?? 'Everything others have edited comes along.'}</p>
                </div>
            </div>
        );
    }
    if (empty && link.phase === 'live' && link.mode === 'editing') {
        return <EmptyScene />;
    }
    return <Banner />;
}

function Closed({ text }: { text?: string }): JSX.Element {
    return (
        <div class="overlay solid">
            <div class="card">
                <span class="card-icon bad"><Icon name="bad" size={28} /></span>
                <h2>The link is closed</h2>
                <p class="quiet">{text ?? 'The worker does not let this page in.'}</p>
                <button type="button" class="button primary" onClick={() => location.reload()}>Try again</button>
            </div>
        </div>
    );
}

function EmptyScene(): JSX.Element {
    const ui = useUi();
    const blocked = ui.blocked.value;
    return (
        <div class="overlay through">
            <div class="card">
                <span class="card-icon"><Icon name="box" size={28} /></span>
                <h2>Nothing is here yet</h2>
                <p class="quiet">{blocked ?? 'Add a first thing. Whoever has the link sees it at once.'}</p>
                {blocked === null && (
                    <button
                        type="button" class="button primary" aria-haspopup="true"
                        onClick={(event) => { ui.menu.value = menuAt(event.currentTarget, 'Add entity', addMenu(ui), { search: 'Find a thing to add' }); }}
                    >
                        <Icon name="plus" size={14} /> Add
                    </button>
                )}
            </div>
        </div>
    );
}

/* What one should know while one goes on working. */
function Banner(): JSX.Element | null {
    const ui = useUi();
    const link = ui.session.link.value;
    const following = ui.viewport.value?.following.value;
    const person = ui.session.people.value.find((one) => one.id === following);
    if (link.phase === 'reconnecting' || (link.phase === 'connecting' && ui.session.scene.entities.size > 0)) {
        return (
            <div class="pill warning">
                <Icon name="warning" size={14} /> {linkWords(link, now.value).text}. {link.readOnly ? '' : 'Edits are kept and sent then.'}
                <button type="button" class="link" onClick={() => ui.session.retry()}>Try now</button>
            </div>
        );
    }
    if (link.mode === 'running') {
        return <div class="pill accent"><Icon name="play" size={14} /> The scene’s code is running. Stop it to edit.</div>;
    }
    if (person) {
        return (
            <div class="pill" style={{ '--pill': person.color } as JSX.CSSProperties}>
                <Icon name="camera" size={14} /> Following {person.name}
                <button type="button" class="link" onClick={() => { ui.viewport.value!.following.value = null; }}>Stop</button>
            </div>
        );
    }
    return null;
}
