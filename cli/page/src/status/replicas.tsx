/* The replicas of the scene as this worker knows them: itself first. */

import type { JSX } from 'preact';
import { Icon } from '../ui/icon.tsx';
import { isUpToDate, type Peer, type Status } from './status_text.ts';
import { bytes, duration, shortActor } from './units.ts';

type Tone = 'good' | 'info' | 'warning' | 'bad';

function Mark({ tone, children }: { readonly tone: Tone; readonly children: string }): JSX.Element {
    return (
        <span class={`mark ${tone}`}>
            <Icon name={tone === 'info' ? 'history' : tone} size={14} />
            {children}
        </span>
    );
}

function LinkMark({ peer }: { readonly peer: Peer }): JSX.Element {
    if (peer.heard && peer.connected) {
        return <Mark tone="good">connected</Mark>;
    }
    if (peer.heard) { /* by its own link to us, or by others'; without an address it is not dialed */
        return <Mark tone={peer.url === '' ? 'good' : 'info'}>{peer.url === '' ? 'dials us' : 'one way'}</Mark>;
    }
    return <Mark tone="warning">{peer.connected ? 'silent' : 'not connected'}</Mark>;
}

interface PeerProps {
    readonly peer: Peer;
    readonly settled: number | undefined; /* see isUpToDate */
}

function StateMark({ peer, settled }: PeerProps): JSX.Element {
    if (!peer.heard) {
        return <span class="quiet">not known</span>;
    }
    if (peer.versionEqual) {
        return peer.digestEqual ? <Mark tone="good">equal</Mark> : <Mark tone="bad">differs</Mark>;
    }
    if (isUpToDate(peer, settled)) {
        return <Mark tone="good">up to date</Mark>;
    }
    return <Mark tone="info">{peer.lag > 0 ? 'ahead of us' : 'catching up'}</Mark>;
}

function Row({ peer, settled }: PeerProps): JSX.Element {
    return (
        <tr data-peer={peer.actor}>
            <th scope="row">
                <span class="name">{peer.url || 'address not known'}</span>
                <span class="quiet mono">{shortActor(peer.actor) || 'not heard yet'}</span>
            </th>
            <td><LinkMark peer={peer} /></td>
            <td><StateMark peer={peer} settled={settled} /></td>
            <td class="right">{peer.sum ?? '–'}</td>
            <td class="right">{peer.heard ? peer.lag : '–'}</td>
            <td class="right">{bytes(peer.bytesIn)}<span class="quiet"> in {peer.messagesIn}</span></td>
            <td class="right">{bytes(peer.bytesOut)}<span class="quiet"> in {peer.messagesOut}</span></td>
            <td class="right">{peer.heardMs === undefined ? 'never' : `${duration(peer.heardMs)} ago`}</td>
        </tr>
    );
}

export function Replicas({ status, settled }: { readonly status: Status; readonly settled: number | undefined }): JSX.Element {
    return (
        <section class="replicas" aria-labelledby="replicas">
            <h2 id="replicas">Replicas</h2>
            <div class="scroll" role="region" aria-label="Table of replicas" tabIndex={0}>
                <table>
                    <thead>
                        <tr>
                            <th scope="col">Worker</th>
                            <th scope="col">Link</th>
                            <th scope="col">State</th>
                            <th scope="col" class="right" title="The sum of the times in its version: it grows with every edit">Version</th>
                            <th scope="col" class="right" title="What it has and this worker lacks, in times of operations">Lag</th>
                            <th scope="col" class="right">Received</th>
                            <th scope="col" class="right">Sent</th>
                            <th scope="col" class="right">Last heard</th>
                        </tr>
                    </thead>
                    <tbody>
                        <tr data-peer={status.worker} class="own">
                            <th scope="row">
                                <span class="name">{status.url || 'no peers are listened for'}</span>
                                <span class="quiet mono">{shortActor(status.worker)}</span>
                            </th>
                            <td><span class="mark">this worker</span></td>
                            <td><span class="mono" title={`The digest of the state: ${status.digest}`}>{status.digest.slice(0, 8) || '–'}</span></td>
                            <td class="right">{status.sum ?? '–'}</td>
                            <td class="right">–</td>
                            <td class="right">–</td>
                            <td class="right">–</td>
                            <td class="right">–</td>
                        </tr>
                        {status.peers.map((peer) => <Row peer={peer} settled={settled} key={peer.key} />)}
                    </tbody>
                </table>
            </div>
            {status.peers.length === 0 && <p class="quiet">No other worker of this scene is known.</p>}
        </section>
    );
}
