/* The status page: what is odd, how the replicas are, the last ten minutes. */

import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import type { Settings, Theme } from '../ui/settings.ts';
import { Figures } from './figures.tsx';
import { nearest, PlotFigure } from './plot.tsx';
import { apartSince } from './recording.ts';
import { Replicas } from './replicas.tsx';
import type { Status } from './status_text.ts';
import { bytes, duration, shown } from './units.ts';
import { verdict, type Finding } from './verdict.ts';
import type { Watch } from './watch.ts';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const THEME_ICONS = { system: 'screen', light: 'sun', dark: 'moon' } as const;

function ThemeButton({ settings }: { readonly settings: Settings }): JSX.Element {
    const theme = settings.theme.value;
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
    return (
        <IconButton
            name="Theme" tip={`Theme: ${theme}`} icon={THEME_ICONS[theme]} at="left"
            run={() => (settings.theme.value = next)}
        />
    );
}

function FindingItem({ finding }: { readonly finding: Finding }): JSX.Element {
    return (
        <li class={`finding ${finding.tone}`} data-tone={finding.tone}>
            <Icon name={finding.tone} size={18} />
            <p>
                <strong>{finding.title}</strong>
                <span>{finding.text}</span>
            </p>
        </li>
    );
}

function unreachable(watch: Watch): Finding {
    const seen = watch.heardAt.value > 0;
    const last = watch.samples.value.at(-1)?.at ?? 0;
    return {
        tone: 'bad',
        title: 'The worker does not answer',
        text: seen ? `${watch.trouble.value}; its last word came ${duration(last - watch.heardAt.value)} ago. It is asked again every second.`
            : `${watch.trouble.value}. It is asked again every second.`,
    };
}

function Verdict({ watch }: { readonly watch: Watch }): JSX.Element {
    const status = watch.status.value;
    const silent = watch.trouble.value !== '';
    const now = watch.samples.value.at(-1)?.at ?? 0;
    const since = apartSince(watch.samples.value);
    const findings = silent ? [unreachable(watch)] : status ? verdict(status, since === undefined ? 0 : now - since, watch.recording.settled) : [];
    return (
        <section aria-labelledby="verdict">
            <h2 id="verdict" class="unseen">How it stands</h2>
            <ul class="findings" aria-live="polite">
                {findings.map((finding) => <FindingItem finding={finding} key={finding.title + finding.tone} />)}
            </ul>
        </section>
    );
}

function Tiles({ status }: { readonly status: Status }): JSX.Element {
    const conflicts = (status.number('conflicts') ?? 0) + (status.number('clashes') ?? 0);
    const fields = status.number('fields');
    const store = status.number('storeBytes');
    const threads = status.number('process.threads');
    const { save, people, uptimeMs } = status;
    const all: readonly (readonly [string, string, string] | undefined)[] = [
        ['Entities', shown(status.number('entities'), 'count'),
         fields === undefined ? '' : `${shown(status.number('components'), 'count')} components, ${shown(fields, 'count')} fields`],
        ['People', shown(people.length, 'count'), [...new Set(people)].slice(0, 4).join(', ') + (people.length > 4 ? ', …' : '')],
        fields === undefined ? undefined : ['Conflicts', shown(conflicts, 'count'), conflicts === 0 ? 'none stands' : 'that stand now'],
        save.state === '' ? undefined
            : ['Saving', save.state, save.at ? `last at ${new Date(save.at).toLocaleTimeString()}` : save.state === 'off' ? 'to no server or file' : ''],
        store === undefined ? undefined : ['Store', bytes(store), `${shown(status.number('since.commits'), 'count')} syncs`],
        uptimeMs === undefined ? undefined
            : ['Running for', duration(uptimeMs), threads === undefined ? '' : `${threads} threads, ${status.number('process.files')} open files`],
    ];
    const tiles = all.filter((tile) => tile !== undefined);
    return (
        <dl class="tiles">
            {tiles.map(([name, value, more]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd><b>{value}</b><span class="quiet">{more}</span></dd>
                </div>
            ))}
        </dl>
    );
}

function Plots({ watch }: { readonly watch: Watch }): JSX.Element {
    const cursor = useSignal<number | null>(null);
    const samples = watch.samples.value;
    const at = cursor.value === null ? undefined : nearest(samples, cursor.value);
    return (
        <section aria-labelledby="plots">
            <h2 id="plots">
                The last minutes
                <span class="quiet">{at ? `at ${new Date(at.at).toLocaleTimeString()}` : 'now; point at a plot for what was'}</span>
            </h2>
            <div class="plots">
                {watch.recording.known().map((plot) => <PlotFigure plot={plot} samples={samples} cursor={cursor} key={plot.id} />)}
            </div>
        </section>
    );
}

/* The worker wants to know who asks. */
function TokenForm({ watch, unlock }: { readonly watch: Watch; readonly unlock: (token: string) => void }): JSX.Element {
    return (
        <form
            class="token"
            onSubmit={(event) => {
                event.preventDefault();
                const field = event.currentTarget.elements.namedItem('token') as HTMLInputElement;
                unlock(field.value.trim());
            }}
        >
            <Icon name="lock" size={18} />
            <label for="token">This worker tells its status to people it knows. Your token:</label>
            <input id="token" name="token" type="password" autocomplete="off" spellcheck={false} />
            <button class="button primary" type="submit">Show the status</button>
            {watch.refused.value && <p role="alert">The worker does not know this token, or not any more.</p>}
        </form>
    );
}

function Head({ watch, settings }: { readonly watch: Watch; readonly settings: Settings }): JSX.Element {
    const status = watch.status.value;
    const live = watch.trouble.value === '' && status !== undefined;
    return (
        <header class="head">
            <h1>Status{status?.scene ? <span> of scene {status.scene}</span> : ''}</h1>
            <span class={`live ${live ? 'on' : 'off'}`} role="status">
                <i aria-hidden="true" />
                {watch.locked.value ? 'locked' : live ? `${status.state}, live` : watch.heardAt.value > 0 ? 'no answer' : 'connecting'}
            </span>
            <span class="room" />
            <a class="button ghost" href={`/${location.search}`}><Icon name="box" size={16} />Open the scene</a>
            <ThemeButton settings={settings} />
        </header>
    );
}

interface StatusPageProps {
    readonly watch: Watch;
    readonly settings: Settings;
    unlock(token: string): void;
}

export function StatusPage({ watch, settings, unlock }: StatusPageProps): JSX.Element {
    const status = watch.status.value;
    return (
        <>
            <Head watch={watch} settings={settings} />
            <main>
                {watch.locked.value ? <TokenForm watch={watch} unlock={unlock} /> : <Verdict watch={watch} />}
                {status && !watch.locked.value && (
                    <>
                        <Tiles status={status} />
                        {status.sum !== undefined && <Replicas status={status} settled={watch.recording.settled} />}
                        <Plots watch={watch} />
                        <Figures recording={watch.recording} />
                    </>
                )}
            </main>
        </>
    );
}
