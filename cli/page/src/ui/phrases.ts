/* Sentences: what was done, and what stands against it. */
import type { Conflict, EntityId, HistoryEntry, Json } from '../core/types.ts';
import { fieldLabel, hintOf, knownOf } from './known.ts';
import { writeNumber } from './arithmetic.ts';
import { degreesOf } from './euler.ts';

type LabelOf = (id: EntityId) => string;

export function plural(count: number, one: string, many = `${one}s`): string {
    return `${count} ${count === 1 ? one : many}`;
}

/* "lamp", or "lamp and 3 others"; with `cut` there may be more than are listed. */
function named(ids: readonly EntityId[], label: LabelOf, cut: boolean): string {
    const others = ids.length - 1;
    const first = label(ids[0]!);
    return others > 0 ? `${first} and ${cut ? 'at least ' : ''}${plural(others, 'other')}` : first;
}

const DONE: { readonly [origin in HistoryEntry['origin']]: string } = {
    edit: '',
    undo: 'Undid: ',
    redo: 'Redid: ',
    import: 'Imported: ',
    housekeeping: 'Tidied up: ',
    remote: '',
    answer: '',
};

export function phraseOf(entry: HistoryEntry, label: LabelOf): string {
    const said = whatOf(entry, label);
    const begin = DONE[entry.origin];
    return begin === '' ? said : begin + said[0]!.toLowerCase() + said.slice(1);
}

function whatOf(entry: HistoryEntry, label: LabelOf): string {
    const { changes } = entry;
    if (changes.length === 0) {
        return entry.more > 0 ? `Changed ${plural(entry.more, 'value')}` : 'Changed nothing that shows';
    }
    const ids = (of: readonly { entity: EntityId }[]): readonly EntityId[] => [...new Set(of.map((one) => one.entity))];
    const added = changes.filter((one) => one.what === 'add' && one.component === undefined);
    if (added.length > 0) {
        return `Added ${named(ids(added), label, entry.more > 0)}`;
    }
    const gone = changes.filter((one) => one.what === 'remove' && one.component === undefined);
    if (gone.length > 0) {
        return `Removed ${named(ids(gone), label, entry.more > 0)}`;
    }
    const who = named(ids(changes), label, entry.more > 0);
    const parts = [...new Set(changes.map((one) => one.component ?? ''))];
    const fields = [...new Set(changes.map((one) => one.field ?? ''))];
    if (parts.length > 1) {
        return `Changed ${plural(parts.length, 'component')} of ${who}`;
    }
    const title = knownOf(parts[0]!).title;
    if (changes.every((one) => one.what === 'add' && one.field === undefined)) {
        return `Added ${title.toLowerCase()} to ${who}`;
    }
    if (changes.every((one) => one.what === 'remove' && one.field === undefined)) {
        return `Removed ${title.toLowerCase()} from ${who}`;
    }
    return fieldsPhrase(parts[0]!, fields, who);
}

function fieldsPhrase(component: string, fields: readonly string[], who: string): string {
    const { title, fields: hints } = knownOf(component);
    if (title === 'Transform') {
        const verbs: { [field: string]: string } = { position: 'Moved', rotation: 'Turned', scale: 'Scaled', parent: 'Re-parented' };
        if (fields.includes('parent')) {
            return `Re-parented ${who}`;
        }
        const known = fields.map((field) => verbs[field]).filter((verb) => verb !== undefined);
        return known.length === 1 ? `${known[0]} ${who}` : `Placed ${who}`;
    }
    if (title === 'Name') {
        return `Named ${who}`;
    }
    if (title === 'Locked' || title === 'Visible' || title === 'Hidden') {
        return `Changed ${title.toLowerCase()} of ${who}`;
    }
    const field = fields.length === 1 && fields[0] !== '' ? fieldLabel(fields[0]!, hintOf(hints, fields[0]!)).toLowerCase() : '';
    return field ? `Set ${field} of ${who}` : `Changed ${title.toLowerCase()} of ${who}`;
}

/* A value in a few characters. */
export function brief(value: Json | undefined, field?: string): string {
    if (value === undefined) {
        return 'a long value';
    }
    if (typeof value === 'number') {
        return writeNumber(value);
    }
    if (typeof value === 'string') {
        return value.length > 32 ? `“${value.slice(0, 31)}…”` : `“${value}”`;
    }
    if (typeof value === 'boolean') {
        return value ? 'on' : 'off';
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        const parts = Object.keys(value).sort().join('');
        const numbers = Object.values(value);
        if (numbers.every((part) => typeof part === 'number')) {
            if (parts === 'wxyz' && field === 'rotation') {
                const angles = degreesOf([value.x, value.y, value.z, value.w] as [number, number, number, number]);
                return angles.map((part) => `${writeNumber(part, 1)}°`).join(' ');
            }
            if (parts === 'xyz' || parts === 'xy') {
                return numbers.map((part) => writeNumber(part as number, 2)).join(', ');
            }
            if (parts === 'bgr' || parts === 'abgr') {
                return hexOf(value as { r: number; g: number; b: number });
            }
        }
    }
    const text = JSON.stringify(value);
    return text.length > 40 ? text.slice(0, 39) + '…' : text;
}

/* #rrggbb of parts from 0 to 1 */
export function hexOf(color: { readonly r?: Json; readonly g?: Json; readonly b?: Json }): string {
    const byte = (part: Json | undefined): string =>
        Math.round(Math.min(1, Math.max(0, typeof part === 'number' ? part : 0)) * 255).toString(16).padStart(2, '0');
    return `#${byte(color.r)}${byte(color.g)}${byte(color.b)}`;
}

/* What a conflict is about, for the list and for the field it is at. */
export function conflictPhrase(conflict: Conflict, label: LabelOf): string {
    const whose = conflict.mine ? 'Your' : `${conflict.author ?? 'Somebody'}’s`;
    const who = label(conflict.entity);
    switch (conflict.kind) {
        case 'concurrent':
            return conflict.mine
                ? `${conflict.by ?? 'Somebody'} wrote this at the same time, and theirs shows.`
                : `${conflict.author ?? 'Somebody'} wrote this at the same time; it does not show.`;
        case 'stale':
            return conflict.mine ? `Replaced by ${conflict.by ?? 'somebody'}, who had not seen yours.` : `${whose} edit was replaced before anybody saw it.`;
        case 'removed':
            return `${whose} edit was in what ${conflict.by ?? 'somebody'} removed.`;
        case 'edited-while-removed':
            return `${who} was removed${conflict.by ? ` by ${conflict.by}` : ''} while ${conflict.mine ? 'you' : (conflict.author ?? 'somebody')} edited it.`;
        case 'cycle':
            return `${who} hangs below itself by two people’s moves; it is shown at the top.`;
        case 'orphan':
            return `The parent of ${who} was removed; it is shown at the top.`;
    }
}

/* A size in bytes, for people. */
export function sizeOf(bytes: number): string {
    if (bytes < 1000) {
        return `${bytes} B`;
    }
    return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function initialsOf(name: string): string {
    const words = name.trim().split(/[\s._-]+/).filter((word) => word !== '');
    const letters = words.length > 1 ? [words[0]!, words[words.length - 1]!] : [words[0] ?? '?'];
    return letters.map((word) => [...word][0] ?? '').join('').toUpperCase() || '?';
}

/* Black or white: what can be read on this colour. */
export function inkOn(color: string): string {
    const part = (at: number): number => {
        const byte = Number.parseInt(color.slice(at, at + 2), 16) / 255;
        return byte <= 0.04045 ? byte / 12.92 : ((byte + 0.055) / 1.055) ** 2.4;
    };
    const light = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
    return Number.isNaN(light) || light > 0.179 ? '#101114' : '#ffffff';
}
