/* What was seen in the last ten minutes: one sample a poll, of each line of each plot. */

import { isUpToDate, type Status } from './status_text.ts';

export const KEPT_MS = 10 * 60 * 1000;
const SETTLED_MS = 3000; /* beacons come once a second, later on a busy machine */
const KEPT_MAX = 1200; /* samples, whatever the clock does */

export type Unit = 'count' | 'rate' | 'bytes' | 'byteRate' | 'percent';

export interface Line {
    readonly id: string;
    readonly label: string;
    /* What the status says: of a rate (per second) the count that it is the growth of. `settled`:
     * the version's sum some seconds ago. */
    read(status: Status, settled: number | undefined): number | undefined;
}

export interface Plot {
    readonly id: string;
    readonly title: string;
    readonly about: string; /* a sentence for who does not know it */
    readonly unit: Unit;
    readonly lines: readonly Line[];
}

const of = (path: string) => (status: Status) => status.number(path);
const refused = (status: Status): number | undefined => {
    const reasons = ['forbidden', 'invalid', 'other', 'token', 'host', 'origin', 'size', 'path', 'full'];
    const counts = reasons.map((reason) => status.number(`refused.${reason}`));
    return counts.some((n) => n !== undefined) ? counts.reduce<number>((sum, n) => sum + (n ?? 0), 0) : undefined;
};
const heard = (status: Status): number => status.peers.filter((peer) => peer.heard).length;
const upToDate = (status: Status, settled: number | undefined): number =>
    status.peers.filter((peer) => peer.heard && isUpToDate(peer, settled)).length;

export const PLOTS: readonly Plot[] = [
    {
        id: 'edits', title: 'Edits', about: 'Batches of edits a second.', unit: 'rate',
        lines: [
            { id: 'made', label: 'made here', read: of('since.edits') },
            { id: 'received', label: 'from others', read: of('since.batchesIn') },
        ],
    },
    {
        id: 'replicas', title: 'Replicas', about: 'Workers of the scene that are heard, and those that have what was made until some seconds ago.', unit: 'count',
        lines: [
            { id: 'heard', label: 'heard', read: (status) => (status.sum === undefined ? undefined : heard(status) + 1) },
            { id: 'equal', label: 'up to date', read: (status, settled) => (status.sum === undefined ? undefined : upToDate(status, settled) + 1) },
        ],
    },
    {
        id: 'lag', title: 'Lag', about: 'Operations that others have and this worker lacks; batches that wait for them.', unit: 'count',
        lines: [
            { id: 'behind', label: 'operations', read: of('lag') },
            { id: 'held', label: 'batches held', read: of('held') },
        ],
    },
    {
        id: 'conflicts', title: 'Conflicts', about: 'Fields with a write that does not show, and edits replaced unseen.', unit: 'count',
        lines: [
            { id: 'fields', label: 'fields', read: of('conflicts') },
            { id: 'clashes', label: 'replaced unseen', read: of('clashes') },
        ],
    },
    {
        id: 'people', title: 'People', about: 'People in the scene, and pages connected to this worker.', unit: 'count',
        lines: [
            { id: 'people', label: 'in the scene', read: (status) => status.people.length },
            { id: 'renderers', label: 'connected here', read: of('renderers') },
        ],
    },
    {
        id: 'links', title: 'Between replicas', about: 'Bytes a second from and to other workers.', unit: 'byteRate',
        lines: [
            { id: 'in', label: 'in', read: of('since.bytesIn') },
            { id: 'out', label: 'out', read: of('since.bytesOut') },
        ],
    },
    {
        id: 'http', title: 'To pages', about: 'Bytes a second from and to pages and programs, this one too.', unit: 'byteRate',
        lines: [
            { id: 'in', label: 'in', read: of('http.bytesIn') },
            { id: 'out', label: 'out', read: of('http.bytesOut') },
        ],
    },
    {
        id: 'events', title: 'Events', about: 'Events of pages a second, and what was refused.', unit: 'rate',
        lines: [
            { id: 'events', label: 'taken', read: of('events') },
            { id: 'refused', label: 'refused', read: refused },
        ],
    },
    {
        id: 'queues', title: 'Waiting', about: 'Events that are not answered yet, and what waits for the replica.', unit: 'count',
        lines: [
            { id: 'unanswered', label: 'unanswered', read: of('queues.unanswered') },
            { id: 'tasks', label: 'for the replica', read: of('tasks') },
        ],
    },
    {
        id: 'store', title: 'Store', about: 'Size of the store on disk.', unit: 'bytes',
        lines: [{ id: 'store', label: 'on disk', read: of('storeBytes') }],
    },
    {
        id: 'memory', title: 'Memory', about: 'Resident memory of the worker.', unit: 'bytes',
        lines: [{ id: 'memory', label: 'resident', read: of('process.memoryBytes') }],
    },
    {
        id: 'cpu', title: 'Processor', about: 'Time of the worker on a processor: 100 % is one of them.', unit: 'percent',
        lines: [{ id: 'cpu', label: 'of one', read: of('process.cpuMs') }],
    },
];

/* Is what the status says the sum since the start, and the growth of it shown? */
export function isRate(unit: Unit): boolean {
    return unit === 'rate' || unit === 'byteRate' || unit === 'percent';
}

/* Poll after poll somebody was not up to date: since when. */
export function apartSince(samples: readonly Sample[]): number | undefined {
    let since: number | undefined;
    for (let index = samples.length - 1; index >= 0; index--) {
        const { at, values } = samples[index]!;
        if (values.get('replicas.equal') === values.get('replicas.heard')) {
            break;
        }
        since = at;
    }
    return since;
}

export interface Sample {
    readonly at: number; /* ms, of the page's clock */
    readonly restarted: boolean; /* the worker has begun anew since the one before */
    readonly values: ReadonlyMap<string, number>; /* by "plot.line"; missing: not known */
}

export interface Figure {
    readonly now?: number;
    readonly minute?: number; /* mean of the last minute */
    readonly least?: number;
    readonly most?: number;
}

export class Recording {
    private counts = new Map<string, number>();
    private readonly met = new Set<string>(); /* lines that were ever told */
    private sums: { readonly at: number; readonly sum: number }[] = []; /* of the version, lately */
    private last?: { at: number; uptimeMs?: number };
    samples: readonly Sample[] = [];

    /* The version's sum some seconds ago; less is known at first. */
    get settled(): number | undefined {
        return this.sums[0]?.sum;
    }

    private settle(at: number, sum: number | undefined): void {
        if (sum !== undefined) {
            this.sums.push({ at, sum });
        }
        while (this.sums.length > 1 && this.sums[1]!.at <= at - SETTLED_MS) {
            this.sums.shift();
        }
    }

    /* One poll's answer; undefined: there was none. */
    add(at: number, status: Status | undefined): void {
        const restarted =
            status?.uptimeMs !== undefined && this.last?.uptimeMs !== undefined && status.uptimeMs < this.last.uptimeMs;
        const seconds = this.last ? (at - this.last.at) / 1000 : 0;
        this.settle(at, status?.sum);
        const counts = new Map<string, number>();
        const values = new Map<string, number>();
        for (const plot of status ? PLOTS : []) {
            for (const line of plot.lines) {
                const found = line.read(status!, this.settled);
                const key = `${plot.id}.${line.id}`;
                if (found === undefined) {
                    continue;
                }
                const before = restarted ? undefined : this.counts.get(key);
                counts.set(key, found);
                this.met.add(key);
                if (!isRate(plot.unit)) {
                    values.set(key, found);
                } else if (before !== undefined && found >= before && seconds > 0) {
                    /* ms of processor time in a second, as percent */
                    values.set(key, (found - before) / seconds / (plot.unit === 'percent' ? 10 : 1));
                }
            }
        }
        this.counts = counts;
        this.last = status ? { at, uptimeMs: status.uptimeMs } : this.last;
        const kept = this.samples.filter((sample) => sample.at > at - KEPT_MS && sample.at <= at);
        this.samples = [...kept.slice(-KEPT_MAX), { at, restarted, values }];
    }

    /* The plots of which anything is known: a running worker says less than an edition. */
    known(): readonly Plot[] {
        return PLOTS.filter((plot) => plot.lines.some((line) => this.met.has(`${plot.id}.${line.id}`)));
    }

    figure(key: string): Figure {
        const all: number[] = [];
        const minute: number[] = [];
        const end = this.samples.at(-1)?.at ?? 0;
        for (const sample of this.samples) {
            const value = sample.values.get(key);
            if (value !== undefined) {
                all.push(value);
                if (sample.at > end - 60_000) {
                    minute.push(value);
                }
            }
        }
        return {
            now: this.samples.at(-1)?.values.get(key),
            ...(minute.length > 0 && { minute: minute.reduce((sum, value) => sum + value, 0) / minute.length }),
            ...(all.length > 0 && { least: Math.min(...all), most: Math.max(...all) }),
        };
    }
}
