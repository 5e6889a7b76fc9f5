/* Where the file of a shape is. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { openModels } from '../../../cli/page/src/core/models.ts';
import type { Component, Entity, Json, ModelTable } from '../../../cli/page/src/core/types.ts';

function entityOf(components: { [name: string]: Json }): Entity {
    const all = Object.entries(components).map(([name, data]): [string, Component] => [name, { name, id: name, data, pending: false }]);
    return { id: 'e', components: new Map(all), order: 0 };
}

const TABLE: ModelTable = {
    assets: {
        tree: { model: 'Tree/Lime.glb', files: { 'Tree/Lime.glb': 'h1', 'Tree/bark.png': 'h2', 'shared/leaf.png': 'h3' } },
        bare: { files: { 'x.glb': 'h4' } },
        __proto__: { files: {} },
    },
    files: { 'models/Cart.GLB': 'h5', 'assets/cart.bin': 'h6', 'bin/a b.png': 'h7' },
};

const url = (components: { [name: string]: Json }, options = {}): string | null =>
    openModels(TABLE, options).url(entityOf(components));

test('a path of the scene, in any case', () => {
    assert.equal(url({ GLTFShape: { src: 'models/cart.glb' } }), '/v1/contents/h5');
    assert.equal(url({ 'core::GltfContainer': { src: '/MODELS//./cart.glb' } }), '/v1/contents/h5');
    assert.equal(url({ GLTFShape: { src: '../models/cart.glb' } }), null);
    assert.equal(url({ GLTFShape: { src: 'https://evil.example/a.glb' } }), null);
    assert.equal(url({ GLTFShape: { src: '' } }), null);
});

test('an asset', () => {
    assert.equal(url({ Transform: {}, GLTFShape: { assetId: 'tree' } }), '/v1/contents/h1');
    assert.equal(url({ GLTFShape: { assetId: 'tree', src: 'models/gone.glb' } }), '/v1/contents/h1');
    assert.equal(url({ GLTFShape: { assetId: 'bare' } }), null, 'nobody knows which file is its model');
    for (const assetId of ['unknown', '__proto__', 'constructor', 'toString', 7, null]) {
        assert.equal(url({ GLTFShape: { assetId } }), null);
    }
    assert.equal(url({ NFTShape: { assetId: 'tree' } }), null, 'it is no model');
    assert.equal(url({ GLTFShape: 'tree' }), null);
    assert.equal(url({}), null);
});

test('as generated code names the files of assets', () => {
    assert.equal(url({ GLTFShape: { src: 'tree/Tree/Lime.glb' } }), '/v1/contents/h1');
    assert.equal(url({ GLTFShape: { src: 'models/Tree/Lime.glb' } }), '/v1/contents/h1');
});

/* An address is kept on disk for as long as the file may be, and written to logs. */
test('an address has no token, requests have', () => {
    assert.equal(url({ GLTFShape: { assetId: 'tree' } }, { base: 'http://h', token: 'a&b' }), 'http://h/v1/contents/h1');
    assert.deepEqual(openModels(TABLE, { token: 'a&b' }).headers, { Authorization: 'Bearer a&b' });
    assert.deepEqual(openModels(TABLE, { token: '' }).headers, {});
});

test('what a model names beside itself', () => {
    const models = openModels(TABLE);
    const tree = models.url(entityOf({ GLTFShape: { assetId: 'tree' } }))!;
    assert.equal(models.beside(tree, 'bark.png'), '/v1/contents/h2');
    assert.equal(models.beside(tree, './BARK.png'), '/v1/contents/h2');
    assert.equal(models.beside(tree, '../shared/leaf.png'), '/v1/contents/h3');
    assert.equal(models.beside(tree, '../../shared/leaf.png'), null);
    assert.equal(models.beside(tree, 'cart.bin'), null, 'that is another listing');
    assert.equal(models.beside('/v1/contents/h9', 'bark.png'), null, 'nobody was told of that model');
    const cart = openModels({ assets: {}, files: { 'bin/a.gltf': 'g', 'bin/a b.png': 'p' } });
    const at = cart.url(entityOf({ GLTFShape: { src: 'bin/a.gltf' } }))!;
    assert.equal(cart.beside(at, 'a%20b.png'), '/v1/contents/p');
    assert.equal(cart.beside(at, '%zz.png'), null);
});
