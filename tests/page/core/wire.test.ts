/* What the worker says is foreign: whatever comes, it is read or left out. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal, withFields } from '../../../cli/page/src/core/json.ts';
import { readMessage } from '../../../cli/page/src/core/wire.ts';
import { Random } from './support/sim.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));

const GOOD = [
    { eventType: 'Welcome', payload: { protocol: 1, scene: '0,0', state: 'editing', tickMs: 50, you: { id: 'r1', name: 'Ana', role: 'edit' } } },
    { sceneId: '0,0', eventType: 'stateEvent', author: { name: 'Ben' }, stamp: '8@a', payload: { type: 'AddEntity', payload: {
        entityId: 'lamp', name: 'lamp1', components: [{ componentId: 1, component: 'Transform', data: { position: { x: 1, y: 2, z: 3 } } }] } } },
    { sceneId: '0,0', eventType: 'stateEvent', payload: { type: 'RemoveEntity', payload: { entityId: 'lamp' } } },
    { eventType: 'Presence', payload: { all: true, left: ['r2'], people: [{ id: 'r3', worker: 'w', name: 'Ben', color: '#e76f51', role: 'view',
        selection: ['lamp'], camera: { position: [1, 2, 3], rotation: [0, 0, 0, 1] }, editing: { entityId: 'lamp', componentId: 1, field: 'x' } }] } },
    { eventType: 'Answer', payload: { id: 4, ok: false, code: 'invalid', error: 'no' } },
    { eventType: 'Conflicts', payload: { conflicts: [{ kind: 'stale', entityId: 'lamp', component: 'Transform', field: 'position', value: null,
        author: { name: 'Ana' }, by: { name: 'Ben' }, stamp: '8@a' }], more: 2 } },
    { eventType: 'SaveResult', payload: { ok: true, where: 'http://x', at: 1763884800000 } },
    { type: 'InitMessagesFinished', tag: 'scene', payload: '{}' },
];

test('each kind of event is understood', () => {
    const kinds = readMessage(JSON.stringify(GOOD)).map(({ type }) => type);
    assert.deepEqual(kinds, ['welcome', 'add', 'remove', 'presence', 'answer', 'conflicts', 'saved', 'finished']);
    const [, , , presence] = readMessage(JSON.stringify(GOOD)) as any[];
    assert.deepEqual(presence.people[0], { id: 'r3', worker: 'w', name: 'Ben', color: '#e76f51', role: 'view', selection: ['lamp'],
        camera: { position: [1, 2, 3], rotation: [0, 0, 0, 1] }, editing: { entityId: 'lamp', componentId: '1', field: 'x' } });
});

test('what makes no sense is left out', () => {
    for (const text of ['', 'null', '3', '"x"', '[[]]', '{', '[null,1,"x",{}]', '{"eventType":"stateEvent"}', '{"eventType":"Conflict","payload":{"kind":"new"}}']) {
        assert.deepEqual(readMessage(text), [], text);
    }
});

test('a person without a colour has one, and it is always the same', () => {
    const read = (): any => readMessage('{"eventType":"Presence","payload":{"people":[{"id":"a","name":"Ben","color":"red; x"}]}}')[0];
    assert.match(read().people[0].color, /^#[0-9a-f]{6}$/);
    assert.deepEqual(read(), read());
});

/* Members and items replaced by others at random: nothing is thrown. */
test(`events with anything in them (SEED=${seed})`, () => {
    const random = new Random(seed);
    const odd = (): unknown => random.pick([null, 0, -1, 1e300, '', 'x', [], {}, [[]], true, { __proto__: null, x: 1 }, ['lamp', 3]]);
    const spoil = (value: any): any => {
        if (random.chance() < 0.1) {
            return odd();
        }
        if (Array.isArray(value)) {
            return value.map(spoil);
        }
        return typeof value === 'object' && value !== null
            ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoil(item)])) : value;
    };
    for (let i = 0; i < 3000; i++) {
        readMessage(JSON.stringify(spoil(GOOD)));
    }
});

test('a key may be called __proto__', () => {
    const data = JSON.parse('{"__proto__":{"polluted":1},"a":1}');
    const after = withFields(data, JSON.parse('{"constructor":2}'));
    assert.deepEqual(Object.keys(after), ['__proto__', 'a', 'constructor']);
    assert.equal(({} as any).polluted, undefined);
    assert.equal(equal(after, after), true);
    assert.equal(equal(JSON.parse('{"__proto__":1}'), {}), false);
});
