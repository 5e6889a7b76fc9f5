/* Who did what, and when: newest first, older ones as one asks for them. */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { Fragment, type JSX } from 'preact';
import type { HistoryEntry } from '../core/types.ts';
import { agoOf, fullTimeOf, now } from './beat.ts';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { initialsOf, inkOn, phraseOf } from './phrases.ts';

const REFRESH_MS = 1000;
const KEPT_MAX = 1000;

export function History(): JSX.Element {
    const ui = useUi();
    const entries = useSignal<readonly HistoryEntry[]>([]);
    const complete = useSignal(false);
    const trouble = useSignal<string | null>(null);
    const loading = useSignal(false);
    const timer = useRef(0);

    const load = async (before?: string): Promise<void> => {
        loading.value = true;
        try {
            const found = await ui.session.history(before);
            trouble.value = null;
            if (before === undefined) {
                const known = new Set(found.entries.map((entry) => entry.stamp));
                const oldest = found.entries[found.entries.length - 1]?.stamp;
                const overlap = entries.peek().findIndex((entry) => entry.stamp === oldest);
                const older = overlap >= 0 ? entries.peek().slice(overlap + 1).filter((entry) => !known.has(entry.stamp)) : [];
                entries.value = [...found.entries, ...older].slice(0, KEPT_MAX);
                complete.value = older.length > 0 ? complete.peek() : found.complete;
            } else {
                entries.value = [...entries.peek(), ...found.entries].slice(0, KEPT_MAX);
                complete.value = found.complete || entries.peek().length >= KEPT_MAX;
            }
        } catch (error) {
            trouble.value = error instanceof Error ? error.message : String(error);
        }
        loading.value = false;
    };
    /* Again when something changed, but not for each of a drag's twenty edits a second. */
    useSignalEffect(() => {
        void ui.session.scene.revision.value;
        const live = ui.session.link.value.phase === 'live';
        if (live && timer.current === 0) {
            timer.current = window.setTimeout(() => {
                timer.current = 0;
                void load();
            }, entries.peek().length === 0 ? 0 : REFRESH_MS);
        }
    });
    return (
        <section class="panel-body" role="region" aria-label="History" id="panel-history">
            {trouble.value && <div class="banner warning" role="note"><Icon name="warning" size={14} /><span>{trouble.value}</span></div>}
            {entries.value.length === 0 && !trouble.value && (
                <div class="empty"><Icon name="history" size={24} /><p>{loading.value ? 'Loading …' : 'Nothing was edited yet.'}</p></div>
            )}
            {entries.value.length > 0 && <List entries={entries.value} />}
            {entries.value.length > 0 && !complete.value && (
                <div class="more">
                    <button type="button" class="button" aria-disabled={loading.value || undefined} onClick={() => void load(entries.value[entries.value.length - 1]!.stamp)}>
                        Older
                    </button>
                </div>
            )}
        </section>
    );
}

function List({ entries }: { entries: readonly HistoryEntry[] }): JSX.Element {
    const shown = joined(entries);
    const dayOf = (entry: HistoryEntry): string => (isDated(entry) ? new Date(entry.at).toLocaleDateString() : '');
    return (
        <ol class="history">
            {shown.map((entry, index) => (
                <Fragment key={entry.stamp}>
                    {index > 0 && dayOf(entry) !== '' && dayOf(entry) !== dayOf(shown[index - 1]!) && <li class="day" aria-hidden="true">{dayOf(entry)}</li>}
                    <Entry entry={entry} />
                </Fragment>
            ))}
        </ol>
    );
}

/* What was imported may have no time: it says 0. */
function isDated(entry: HistoryEntry): boolean {
    return entry.at > 1e12;
}

/* A drag is many batches and one step: it is told once. */
function joined(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
    return entries.filter((entry, index) => {
        const newer = entries[index - 1];
        return !(entry.step !== undefined && newer !== undefined && newer.step === entry.step && newer.who === entry.who && newer.origin === entry.origin);
    });
}

function Entry({ entry }: { entry: HistoryEntry }): JSX.Element {
    const ui = useUi();
    void ui.shown.value;
    const { scene, me, people, selection } = ui.session;
    const mine = entry.who === me.value.name;
    const color = mine ? me.value.color : (people.value.find((person) => person.name === entry.who)?.color ?? '#8b909b');
    const ids = [...new Set(entry.changes.map((change) => change.entity))].filter((id) => scene.get(id) !== undefined);
    return (
        <li class="entry" data-stamp={entry.stamp} data-origin={entry.origin}>
            <button
                type="button" title={ids.length > 0 ? 'Select what was changed' : 'What was changed is gone'}
                onClick={() => { if (ids.length > 0) { selection.value = ids; } }}
            >
                <span class="face small" style={{ background: color, color: inkOn(color) }} aria-hidden="true">{entry.who === '' ? <Icon name="save" size={11} /> : initialsOf(entry.who)}</span>
                <span class="entry-text">
                    <span class="entry-what">{phraseOf(entry, (id) => scene.label(id))}</span>
                    <span class="quiet">{entry.who || (entry.origin === 'import' ? 'From a file' : 'Somebody')}{mine && ' (you)'}{isDated(entry) && <When at={entry.at} />}</span>
                </span>
            </button>
        </li>
    );
}

function When({ at }: { at: number }): JSX.Element {
    return <><span aria-hidden="true"> · </span><time dateTime={new Date(at).toISOString()} title={fullTimeOf(at)}>{agoOf(at, now.value)}</time></>;
}
