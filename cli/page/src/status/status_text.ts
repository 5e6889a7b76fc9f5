/* What GET /v1/status of a worker says, checked: it comes from outside, and a running worker
 * says less than an edition. What is missing or makes no sense is undefined. */

type Found = Record<string, unknown>;

export interface Peer {
    readonly key: string;
    readonly url: string;
    readonly actor: string;
    readonly connected: boolean;
    readonly heard: boolean;
    readonly versionEqual: boolean;
    readonly digestEqual: boolean;
    readonly lag: number;
    readonly sum?: number; /* of its version's times */
    readonly heardMs?: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly messagesIn: number;
    readonly messagesOut: number;
    readonly trouble: string;
}

export interface Status {
    readonly scene: string;
    readonly state: string;
    readonly text: string; /* what was said of the state */
    readonly worker: string;
    readonly digest: string;
    readonly url: string;
    readonly sum?: number; /* of the version's times: an edit more, one more at least */
    readonly people: readonly string[];
    readonly peers: readonly Peer[];
    readonly save: { readonly state: string; readonly at?: number; readonly error: string };
    readonly poisoned: boolean;
    readonly uptimeMs?: number;
    /* A number by its path: "since.edits", "process.cpuMs", "entities". */
    number(path: string): number | undefined;
}

function object(found: unknown): Found {
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Found) : {};
}

function text(found: unknown): string {
    return typeof found === 'string' ? found : '';
}

function count(found: unknown): number | undefined {
    return typeof found === 'number' && Number.isFinite(found) && found >= 0 ? found : undefined;
}

function sumOf(version: unknown): number | undefined {
    const times = Object.values(object(version)).map(count);
    return times.length > 0 ? times.reduce<number>((sum, time) => sum + (time ?? 0), 0) : undefined;
}

function peerOf(found: unknown, index: number): Peer {
    const peer = object(found);
    return {
        key: `${index} ${text(peer.url)} ${text(peer.actor)}`,
        url: text(peer.url),
        actor: text(peer.actor),
        connected: peer.connected === true,
        heard: peer.heard === true,
        versionEqual: peer.versionEqual === true,
        digestEqual: peer.digestEqual === true,
        lag: count(peer.lag) ?? 0,
        sum: sumOf(peer.version),
        heardMs: count(peer.heardMs),
        bytesIn: count(peer.bytesIn) ?? 0,
        bytesOut: count(peer.bytesOut) ?? 0,
        messagesIn: count(peer.messagesIn) ?? 0,
        messagesOut: count(peer.messagesOut) ?? 0,
        trouble: text(peer.trouble),
    };
}

/* A replica that is dialed and dials us may stand there twice: once is enough. */
function joinPeers(peers: readonly Peer[]): Peer[] {
    const joined: Peer[] = [];
    for (const peer of peers) {
        const at = joined.findIndex((other) => peer.actor !== '' && other.actor === peer.actor);
        const other = joined[at];
        if (!other) {
            joined.push(peer);
            continue;
        }
        const first = peer.connected && !other.connected ? peer : other;
        joined[at] = {
            ...first,
            url: other.url || peer.url,
            heard: other.heard || peer.heard,
            bytesIn: other.bytesIn + peer.bytesIn,
            bytesOut: other.bytesOut + peer.bytesOut,
            messagesIn: other.messagesIn + peer.messagesIn,
            messagesOut: other.messagesOut + peer.messagesOut,
        };
    }
    return joined;
}

/* It has all that this worker had some seconds ago (`settled`, a sum as Status.sum), and nothing
 * that this one lacks: what was made since then it may just not have told of. The sums alone do not
 * tell; of what we lack nothing is known then. */
export function isUpToDate(peer: Peer, settled: number | undefined): boolean {
    return peer.versionEqual ? peer.digestEqual : peer.lag === 0 && peer.sum !== undefined && settled !== undefined && peer.sum >= settled;
}

/* Throws if it is no status at all. */
export function readStatus(body: string): Status {
    const root = object(JSON.parse(body));
    if (root.ok !== true) {
        throw new Error(text(root.error) || 'Its answer makes no sense');
    }
    const save = object(root.save);
    const list = (found: unknown): unknown[] => (Array.isArray(found) ? (found as unknown[]) : []);
    return {
        scene: text(root.scene),
        state: text(root.state),
        text: text(root.text),
        worker: text(root.worker),
        digest: text(root.digest),
        url: text(root.url),
        sum: sumOf(root.version),
        people: list(root.people).map((person) => text(object(person).name)),
        peers: joinPeers(list(root.peers).map(peerOf)),
        save: { state: text(save.state), at: count(save.at), error: text(save.error) },
        poisoned: root.poisoned === true,
        uptimeMs: count(root.uptimeMs),
        number: (path) => count(path.split('.').reduce<unknown>((at, key) => object(at)[key], root)),
    };
}
