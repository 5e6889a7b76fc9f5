/* What a person should know at the first look: what is odd, the worst first. */

import { isUpToDate, type Status } from './status_text.ts';
import { duration, shortActor } from './units.ts';

export interface Finding {
    readonly tone: 'good' | 'info' | 'warning' | 'bad';
    readonly title: string;
    readonly text: string;
}

const some = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const APART_MS = 10_000; /* longer than a burst of edits needs to be told of */

function ofPeers(status: Status, apartMs: number): Finding[] {
    const found: Finding[] = [];
    for (const peer of status.peers) {
        const name = peer.url || `replica ${shortActor(peer.actor)}`;
        if (peer.heard && peer.versionEqual && !peer.digestEqual) {
            found.push({
                tone: 'bad', title: 'Replicas disagree',
                text: `${name} has the same version and another state. They compare and heal by themselves; if this lasts, run “scenesync verify” on both stores.`,
            });
        } else if (!peer.heard && peer.trouble !== '') {
            found.push({ tone: 'warning', title: 'A replica is not there', text: `${name}: ${peer.trouble}.` });
        } else if (!peer.heard && peer.heardMs !== undefined) {
            found.push({ tone: 'warning', title: 'A replica is silent', text: `${name} was heard last ${duration(peer.heardMs)} ago.` });
        }
    }
    const behind = status.number('lag') ?? 0;
    if (apartMs > APART_MS) {
        found.push({
            tone: 'info', title: 'Replicas are not up to date',
            text: behind > 0 ? `For ${duration(apartMs)} others have had what this worker lacks. It is being fetched.`
                : `For ${duration(apartMs)} others have not told that they have all. People may be editing, or they catch up.`,
        });
    }
    return found;
}

function ofSaving(status: Status): Finding[] {
    switch (status.save.state) {
        case 'failing':
            return [{ tone: 'warning', title: 'Saving fails', text: `${status.save.error || 'no reason was given'}. Nothing is lost: the store has it, and it is tried again.` }];
        case 'unsaved':
            return [{ tone: 'info', title: 'Not saved yet', text: 'The last edits are in the store and will be saved in a moment.' }];
        default:
            return [];
    }
}

function ofScene(status: Status): Finding[] {
    const found: Finding[] = [];
    if (status.poisoned) {
        found.push({ tone: 'bad', title: 'The disk failed', text: 'Nothing can be written any more. What was acknowledged is safe; the worker ends, and its kernel starts it again.' });
    }
    if (status.state === 'loading') {
        found.push({ tone: 'info', title: 'The scene is being loaded', text: status.text || 'Edits are kept until it is there.' });
    } else if (status.text !== '') {
        found.push({ tone: 'warning', title: 'The worker says', text: status.text });
    }
    const conflicts = (status.number('conflicts') ?? 0) + (status.number('clashes') ?? 0);
    if (conflicts > 0) {
        found.push({ tone: 'info', title: `${some(conflicts, 'conflict')} to look at`, text: 'Two edits met, and one does not show. The editor lists them under Conflicts.' });
    }
    return found;
}

const ORDER = ['bad', 'warning', 'info', 'good'];

/* `apartMs`: for how long some replica has not been up to date; `settled`: see isUpToDate. */
export function verdict(status: Status, apartMs: number, settled = status.sum): readonly Finding[] {
    const found = [...ofScene(status), ...ofPeers(status, apartMs), ...ofSaving(status)];
    if (!found.some(({ tone }) => tone === 'bad' || tone === 'warning')) {
        const replicas = status.peers.filter((peer) => peer.heard).length + 1;
        const agree = status.peers.every((peer) => !peer.heard || isUpToDate(peer, settled));
        const state = status.state === 'running' ? 'The scene is running.'
            : replicas === 1 ? 'This is the only worker of the scene.'
            : agree ? `${replicas} replicas agree.` : `${replicas} replicas are there; edits are on their way.`;
        const saved = status.save.state === 'saved' ? ' All is saved.' : '';
        found.push({ tone: 'good', title: 'All is well', text: state + saved });
    }
    return found.sort((a, b) => ORDER.indexOf(a.tone) - ORDER.indexOf(b.tone));
}
