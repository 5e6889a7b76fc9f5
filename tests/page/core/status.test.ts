/* The status page without a browser: what a status says, what is remembered, what is odd. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apartSince, KEPT_MS, PLOTS, Recording } from '../../../cli/page/src/status/recording.ts';
import { readStatus, type Status } from '../../../cli/page/src/status/status_text.ts';
import { bytes, duration, roundUp, shown } from '../../../cli/page/src/status/units.ts';
import { verdict } from '../../../cli/page/src/status/verdict.ts';

const peer = { url: 'tcp://b:1', actor: 'bb', connected: true, heard: true, versionEqual: true, digestEqual: true, lag: 0,
               version: { aa: 5, bb: 7 }, heardMs: 300, messagesIn: 1, bytesIn: 10, messagesOut: 2, bytesOut: 20 };
const whole = { ok: true, scene: '0,0', state: 'editing', worker: 'aa', digest: 'd', version: { aa: 5, bb: 7 }, entities: 3, conflicts: 0,
                clashes: 0, lag: 0, people: [{ name: 'Ana' }], peers: [peer], save: { state: 'saved', at: 5 }, uptimeMs: 1000,
                since: { edits: 100, bytesIn: 0 }, process: { cpuMs: 50 } };
const read = (more: object = {}): Status => readStatus(JSON.stringify({ ...whole, ...more }));
const tones = (status: Status, apartMs = 0): string[] => verdict(status, apartMs).map(({ tone, title }) => `${tone}: ${title}`);

test('a status is foreign: what makes no sense is missing', () => {
    for (const body of ['', '[]', '3', 'null', '{}', '{"ok":false,"error":"no"}']) {
        assert.throws(() => readStatus(body), body);
    }
    const odd = readStatus(JSON.stringify({ ok: true, peers: [3, null, { lag: -1, version: [] }], people: 'x', save: 7, uptimeMs: '1',
                                            since: { edits: -3, commits: 1e400 }, entities: 'many', version: { a: 'x' } }));
    assert.equal(odd.peers.length, 3);
    assert.equal(odd.number('since.edits'), undefined);
    assert.equal(odd.number('since.commits'), undefined);
    assert.equal(odd.number('entities'), undefined);
    assert.equal(odd.number('__proto__.constructor'), undefined);
    assert.deepEqual(odd.people, []);
    assert.doesNotThrow(() => verdict(odd, 0));
});

test('a replica that stands there twice is one', () => {
    const { peers } = read({ peers: [{ ...peer, connected: false, url: '' }, peer, { ...peer, actor: 'cc' }] });
    assert.equal(peers.length, 2);
    assert.equal(peers[0]!.connected, true);
    assert.equal(peers[0]!.bytesIn, 20);
    assert.equal(peers[0]!.url, 'tcp://b:1');
});

test('counts become rates, not over a gap in what is known, nor a new start', () => {
    const recording = new Recording();
    const made = (): number | undefined => recording.samples.at(-1)!.values.get('edits.made');
    recording.add(1000, read());
    assert.equal(made(), undefined, 'of the first nothing is known');
    recording.add(2000, read({ uptimeMs: 2000, since: { edits: 130 }, process: { cpuMs: 550 } }));
    assert.equal(made(), 30);
    assert.equal(recording.samples.at(-1)!.values.get('cpu.cpu'), 50);
    recording.add(3000, undefined);
    assert.equal(made(), undefined);
    recording.add(4000, read({ uptimeMs: 10, since: { edits: 4 } }));
    assert.ok(recording.samples.at(-1)!.restarted);
    assert.equal(made(), undefined);
    recording.add(6000, read({ uptimeMs: 2010, since: { edits: 10 } }));
    assert.equal(made(), 3);
    assert.deepEqual(recording.figure('edits.made'), { now: 3, minute: 16.5, least: 3, most: 30 });
});

test('ten minutes are kept', () => {
    const recording = new Recording();
    for (let at = 0; at < 2 * KEPT_MS; at += 1000) {
        recording.add(at, read({ uptimeMs: at }));
    }
    assert.equal(recording.samples.length, 600);
    for (let at = 0; at < 4000; at++) {
        recording.add(2 * KEPT_MS + at, read());
    }
    assert.ok(recording.samples.length < 1300, 'whatever the clock does');
    assert.deepEqual(Object.keys(recording.figure('no.such')), ['now']);
});

test('lines have names of their own', () => {
    const keys = PLOTS.flatMap((plot) => plot.lines.map((line) => `${plot.id}.${line.id}`));
    assert.equal(new Set(keys).size, keys.length);
});

test('what is odd is said, the worst first', () => {
    assert.deepEqual(tones(read()), ['good: All is well']);
    assert.deepEqual(tones(read({ peers: [{ ...peer, digestEqual: false }], save: { state: 'failing', error: 'no' } })),
                     ['bad: Replicas disagree', 'warning: Saving fails']);
    assert.deepEqual(tones(read({ poisoned: true })), ['bad: The disk failed']);
    assert.deepEqual(tones(read({ peers: [{ ...peer, heard: false, trouble: 'nobody listens there' }] })), ['warning: A replica is not there']);
    assert.deepEqual(tones(read({ peers: [{ ...peer, heard: false }] })), ['warning: A replica is silent']);
    assert.deepEqual(tones(read({ conflicts: 2, clashes: 1 })), ['info: 3 conflicts to look at', 'good: All is well']);
    assert.deepEqual(tones(read({ state: 'loading' })), ['info: The scene is being loaded', 'good: All is well']);
    const behind = read({ peers: [{ ...peer, versionEqual: false, version: { aa: 5, bb: 3 } }] });
    assert.deepEqual(tones(behind, 2000), ['good: All is well'], 'people edit');
    assert.deepEqual(tones(behind, 20000), ['info: Replicas are not up to date', 'good: All is well']);
    const recording = new Recording();
    recording.add(1000, read());
    recording.add(2000, behind);
    recording.add(3000, behind);
    assert.equal(apartSince(recording.samples), 2000);
    recording.add(4000, read());
    assert.equal(apartSince(recording.samples), undefined);
    const edited = (sum: number, told: number): Status =>
        read({ version: { aa: sum, bb: 0 }, peers: [{ ...peer, versionEqual: false, version: { aa: told, bb: 0 } }] });
    for (let second = 5; second < 30; second++) { /* beacons tell of what was made 2 s ago */
        recording.add(1000 * second, edited(100 * second, 100 * (second - 2)));
        assert.equal(apartSince(recording.samples), undefined, `at ${second} s`);
    }
    recording.add(30_000, edited(3000, 2300));
    assert.equal(apartSince(recording.samples), 30_000);
});

test('numbers as people read them', () => {
    assert.deepEqual([0, 999, 1000, 999_600, 12_345_678].map(bytes), ['0 B', '999 B', '1 kB', '1 MB', '12.3 MB']);
    assert.deepEqual([0, 59_999, 61_000, 3_600_000, 90_061_000].map(duration), ['0 s', '59 s', '1 min', '1 h', '1 d 1 h']);
    assert.deepEqual([0, 4.1, 99, 100.5].map((value) => roundUp(value, 'count')), [4, 5, 100, 200]);
    assert.equal(shown(undefined, 'rate'), '–');
    assert.equal(shown(0.256, 'rate'), '0.26/s');
});
