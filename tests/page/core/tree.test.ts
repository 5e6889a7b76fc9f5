/* The tree as it is shown: the rules of docs/SCENE.md. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Component, Entity } from '../../../cli/page/src/core/types.ts';
import { buildTree, withDescendants } from '../../../cli/page/src/core/tree.ts';

/* [id, parent, time of the stamp] */
type Row = [string, string | number | null, number?];

function scene(rows: readonly Row[]): Map<string, Entity> {
    return new Map(rows.map(([id, parent, time = 1], order) => {
        const data = { parent };
        const transform: Component = { name: 'Transform', id: 1, data, stamp: `${time}@a`, pending: false };
        return [id, { id, order, components: new Map([['Transform', transform]]) }];
    }));
}

test('children in the order of the scene', () => {
    const tree = buildTree(scene([['a', null], ['c', 'a'], ['b', 'a'], ['d', null]]));
    assert.deepEqual(tree.children(null), ['a', 'd']);
    assert.deepEqual(tree.children('a'), ['c', 'b']);
    assert.deepEqual(tree.children('c'), []);
});

test('whose parent is not there hangs under the root, and is marked', () => {
    const tree = buildTree(scene([['a', 'gone'], ['b', '0'], ['c', ''], ['d', 0]]));
    assert.deepEqual(tree.children(null), ['a', 'b', 'c', 'd']);
    assert.deepEqual([...tree.repairs], [['a', 'orphan']]);
});

test('a parent may be a number', () => {
    assert.deepEqual(buildTree(scene([['512', null], ['513', 512]])).children('512'), ['513']);
});

test('in a cycle the edge that was written last is ignored', () => {
    const tree = buildTree(scene([['a', 'b', 1], ['b', 'c', 9], ['c', 'a', 10], ['d', 'a', 11], ['e', 'e', 2]]));
    assert.deepEqual([...tree.repairs], [['c', 'cycle'], ['e', 'cycle']]);
    assert.deepEqual(withDescendants(tree, ['c']), ['c', 'b', 'a', 'd']);
    assert.deepEqual(tree.children(null), ['c', 'e']);
});

test('100,000 below one another', () => {
    const rows: Row[] = Array.from({ length: 100_000 }, (_, i) => [`e${i}`, i === 0 ? 'e99999' : `e${i - 1}`, i]);
    const tree = buildTree(scene(rows));
    assert.deepEqual(tree.children(null), ['e99999']);
    assert.equal(withDescendants(tree, ['e99999']).length, 100_000);
});
