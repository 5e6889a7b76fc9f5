/* How things stand, in one line at the bottom. */
import type { JSX } from 'preact';
import type { LinkState, SaveState } from '../core/types.ts';
import { fullTimeOf, now, timeOf } from './beat.ts';
import { useUi, type Ui } from './context.ts';
import { Icon } from './icon.tsx';
import { plural } from './phrases.ts';

type Tone = 'good' | 'busy' | 'warning' | 'bad';

/* The state of the link in a few words. */
export function linkWords(link: LinkState, at: number): { readonly tone: Tone; readonly text: string } {
    switch (link.phase) {
        case 'connecting':
            return { tone: 'busy', text: 'Connecting …' };
        case 'loading':
            return { tone: 'busy', text: 'Loading …' };
        case 'live':
            return link.mode === 'running' ? { tone: 'good', text: 'Running' } : { tone: 'good', text: 'Live' };
        case 'reconnecting': {
            const seconds = link.retryAt === undefined ? 0 : Math.ceil((link.retryAt - at) / 1000);
            return { tone: 'warning', text: seconds > 0 ? `Reconnecting in ${seconds} s` : 'Reconnecting …' };
        }
        case 'closed':
            return { tone: 'bad', text: link.text ? `Closed: ${link.text}` : 'Closed' };
    }
}

export function saveWords(save: SaveState): { readonly tone: Tone; readonly text: string } | null {
    switch (save.state) {
        case 'saved':
            return { tone: 'good', text: save.at === undefined ? 'Saved' : `Saved at ${timeOf(save.at)}` };
        case 'unsaved':
            return { tone: 'busy', text: 'Not saved yet' };
        case 'saving':
            return { tone: 'busy', text: 'Saving …' };
        case 'failing':
            return { tone: 'bad', text: `Cannot save${save.error ? `: ${save.error}` : ''}` };
        case 'off':
        case 'unknown':
            return null;
    }
}

export function StatusLine(): JSX.Element {
    const ui = useUi();
    const { session } = ui;
    const link = session.link.value;
    const save = session.save.value;
    const words = linkWords(link, link.phase === 'reconnecting' ? now.value : 0);
    const saved = link.mode === 'running' ? null : saveWords(save); /* what runs is not saved */
    return (
        <footer class="statusline">
            <div
                class="states" role="status" aria-label="State" data-phase={link.phase} data-pending={link.pending} data-save={save.state} data-readonly={link.readOnly}
            >
                <span class="state" data-tone={words.tone}><i class="lamp" aria-hidden="true" />{words.text}</span>
                {link.phase !== 'closed' && link.text && <span class="state quiet">{link.text}</span>}
                {link.readOnly && <span class="state" data-tone="warning"><Icon name="lock" size={12} />Read-only</span>}
                {link.pending > 0 && <span class="state" data-tone="busy" data-held={link.phase !== 'live' || undefined}>{pendingWords(link)}</span>}
                {saved && <span class="state save" data-tone={saved.tone} title={saveTitle(save)}>{saved.text}</span>}
            </div>
            <div class="facts">
                <ConflictCount ui={ui} />
                <Counts ui={ui} />
                {/* The token is in the fragment, which no server sees. */}
                <a class="link" href={session.token === '' ? '/status' : `/status#token=${encodeURIComponent(session.token)}`} target="_blank" rel="noopener" title="Replicas, lag, traffic"><Icon name="chart" size={12} />Status</a>
            </div>
        </footer>
    );
}

function pendingWords(link: LinkState): string {
    return link.phase === 'live' ? `${plural(link.pending, 'edit')} on the way` : `${plural(link.pending, 'edit')} waiting, kept here`;
}

function saveTitle(save: SaveState): string {
    return [save.error, save.where, save.at === undefined ? undefined : fullTimeOf(save.at)].filter((part) => part !== undefined).join(', ');
}

function ConflictCount({ ui }: { ui: Ui }): JSX.Element | null {
    const count = ui.session.conflicts.value.length;
    if (count === 0) {
        return null;
    }
    return (
        <button
            type="button" class="link" data-tone="warning"
            onClick={() => {
                ui.settings.rightOpen.value = true;
                ui.settings.tab.value = 'conflicts';
            }}
        >
            <Icon name="conflict" size={12} />{plural(count, 'conflict')}
        </button>
    );
}

function Counts({ ui }: { ui: Ui }): JSX.Element {
    void ui.shown.value;
    const selected = ui.session.selection.value.length;
    return (
        <span class="quiet">
            {selected > 0 && `${selected} of `}{plural(ui.session.scene.entities.size, 'entity', 'entities')}
        </span>
    );
}
