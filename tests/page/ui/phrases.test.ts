/* What the page says of edits and values. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { HistoryEntry } from '../../../cli/page/src/core/types.ts';
import { brief, hexOf, initialsOf, inkOn, phraseOf, sizeOf } from '../../../cli/page/src/ui/phrases.ts';
import { fieldLabel, knownOf } from '../../../cli/page/src/ui/known.ts';

type Changes = HistoryEntry['changes'];
const label = (id: string): string => id;
const entry = (changes: Changes, origin: HistoryEntry['origin'] = 'edit', more = 0): HistoryEntry => ({ stamp: '1@a', at: 0, who: 'Ana', origin, changes, more });
const set = (entity: string, component: string, field: string): Changes[number] => ({ entity, component, field, what: 'set' });

test('who did what', () => {
    const cases: [HistoryEntry, string][] = [
        [entry([set('lamp', 'Transform', 'position')]), 'Moved lamp'],
        [entry([set('lamp', 'core::Transform', 'rotation')]), 'Turned lamp'],
        [entry([set('lamp', 'Transform', 'position'), set('lamp', 'Transform', 'parent')]), 'Re-parented lamp'],
        [entry([set('a', 'Transform', 'position'), set('b', 'Transform', 'position'), set('c', 'Transform', 'position')]), 'Moved a and 2 others'],
        [entry([set('lamp', 'Name', 'value')]), 'Named lamp'],
        [entry([set('lamp', 'PBRMaterial', 'albedoColor')]), 'Set colour of lamp'],
        [entry([{ entity: 'lamp', what: 'add' }, set('lamp', 'Transform', 'position')]), 'Added lamp'],
        [entry([{ entity: 'lamp', what: 'remove' }, { entity: 'bulb', what: 'remove' }], 'undo'), 'Undid: removed lamp and 1 other'],
        [entry([{ entity: 'lamp', component: 'Script', what: 'add' }]), 'Added script to lamp'],
        [entry([set('lamp', 'Name', 'value'), set('lamp', 'Script', 'values')]), 'Changed 2 components of lamp'],
        [entry([], 'remote', 7), 'Changed 7 values'],
        [entry([{ entity: 'a', what: 'add' }, { entity: 'b', what: 'add' }], 'import', 500), 'Imported: added a and at least 1 other'],
    ];
    for (const [one, wanted] of cases) {
        assert.equal(phraseOf(one, label), wanted);
    }
});

test('values in a few characters', () => {
    assert.equal(brief({ x: 1, y: 2.123456, z: 0 }), '1, 2.12, 0');
    assert.equal(brief({ x: 0, y: Math.SQRT1_2, z: 0, w: Math.SQRT1_2 }, 'rotation'), '0° 90° 0°');
    assert.equal(brief({ r: 1, g: 0.5, b: 0, a: 1 }), '#ff8000');
    assert.equal(brief('x'.repeat(99)).length, 34);
    assert.equal(brief(false), 'off');
    assert.equal(brief(undefined), 'a long value');
    assert.equal(hexOf({ r: 9, g: -1, b: 'no' }), '#ff0000');
});

test('sizes, initials, ink', () => {
    assert.deepEqual([999, 1000, 1234567].map(sizeOf), ['999 B', '1.0 kB', '1.2 MB']);
    assert.deepEqual(['Ana', 'Ben van Dyk', '', 'guest r7-1f', '👩 x'].map(initialsOf), ['A', 'BD', '?', 'G1', '👩X']);
    assert.deepEqual(['#ffffff', '#000000', '#e76f51', 'no colour'].map(inkOn), ['#101114', '#ffffff', '#101114', '#101114']);
});

/* Names of components and fields come from others; some are names that every object has. */
test('a component called constructor', () => {
    assert.equal(knownOf('constructor').title, 'constructor');
    assert.equal(knownOf('__proto__').title, '__proto__');
    assert.equal(knownOf('Script#2').title, 'Script');
    assert.equal(knownOf('asset-packs::Rewards').title, 'Rewards');
    assert.equal(fieldLabel('isPointerBlocker'), 'Is pointer blocker');
});
