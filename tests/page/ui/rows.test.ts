/* The rows of the outliner: the tree as it is open, and what a search leaves of it. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { signal } from '@preact/signals-core';
import type { Entity, EntityId, Scene } from '../../../cli/page/src/core/types.ts';
import { ancestors, flatten, isWithin, topmost } from '../../../cli/page/src/ui/tree_rows.ts';

/* A scene of `[id, parent]`, as far as rows look at it. */
function sceneOf(...pairs: readonly [EntityId, EntityId | null][]): Scene {
    const entities = new Map<EntityId, Entity>(pairs.map(([id], order) => [id, { id, order, components: new Map() }]));
    const parents = new Map(pairs);
    const children = new Map<EntityId | null, EntityId[]>();
    for (const [id, parent] of pairs) {
        children.set(parent, [...(children.get(parent) ?? []), id]);
    }
    const none = { position: [0, 0, 0], rotation: [0, 0, 0, 1], scale: [1, 1, 1] } as const;
    return {
        entities,
        revision: signal(0),
        watch: () => () => undefined,
        get: (id) => entities.get(id),
        place: () => none,
        parent: (id) => parents.get(id) ?? null,
        children: (id) => children.get(id) ?? [],
        repair: () => undefined,
        label: (id) => id,
        hidden: () => false,
        locked: () => false,
    };
}

const village = sceneOf(['square', null], ['well', 'square'], ['bucket', 'well'], ['bench', 'square'], ['road', null]);
const shown = (closed: readonly EntityId[], search = ''): string =>
    flatten(village, new Set(closed), search).map((row) => `${' '.repeat(row.depth)}${row.id}${row.matches ? '' : '~'}`).join('\n');

test('open, and closed', () => {
    assert.equal(shown([]), 'square\n well\n  bucket\n bench\nroad');
    assert.equal(shown(['well']), 'square\n well\n bench\nroad');
    assert.equal(shown(['square']), 'square\nroad');
    const [square, well] = flatten(village, new Set(['well']), '');
    assert.deepEqual([square!.position, square!.siblings, square!.children], [1, 2, 2]);
    assert.deepEqual([well!.open, well!.children, well!.position, well!.siblings], [false, 1, 1, 2]);
});

test('a search shows what it finds and what is above, open or not', () => {
    assert.equal(shown(['square', 'well'], ' BUCK '), 'square~\n well~\n  bucket');
    assert.equal(shown([], 'b'), 'square~\n well~\n  bucket\n bench');
    assert.equal(shown([], 'nothing like it'), '');
});

test('above, within, topmost', () => {
    assert.deepEqual(ancestors(village, 'bucket'), ['well', 'square']);
    assert.ok(isWithin(village, 'bucket', 'square') && isWithin(village, 'well', 'well'));
    assert.ok(!isWithin(village, 'square', 'bucket') && !isWithin(village, null, 'square'));
    assert.deepEqual(topmost(village, ['bucket', 'square', 'road']), ['square', 'road']);
});

/* How deep it hangs is others' doing. */
test('ten thousand levels', () => {
    const deep = sceneOf(...Array.from({ length: 10000 }, (_, i): [string, string | null] => [`e${i}`, i === 0 ? null : `e${i - 1}`]));
    const rows = flatten(deep, new Set(), '');
    assert.equal(rows.length, 10000);
    assert.equal(rows[9999]!.depth, 9999);
    assert.equal(flatten(deep, new Set(), 'e9999').length, 10000);
});
