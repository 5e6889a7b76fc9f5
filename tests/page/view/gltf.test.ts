/* Models whose bytes lie: they are refused before the loader believes them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { checkModel } from '../../../cli/page/src/view/gltf.ts';
import { draw, seeded } from './support.ts';

const plain = (gltf: unknown): ArrayBuffer => new TextEncoder().encode(JSON.stringify(gltf)).buffer as ArrayBuffer;

function glb(gltf: unknown, claim?: number): ArrayBuffer {
    const json = new Uint8Array(plain(gltf));
    const bytes = new Uint8Array(20 + json.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x46546c67, true);
    view.setUint32(4, 2, true);
    view.setUint32(8, bytes.length, true);
    view.setUint32(12, claim ?? json.length, true);
    view.setUint32(16, 0x4e4f534a, true);
    bytes.set(json, 20);
    return bytes.buffer;
}

test('an honest model passes', () => {
    const good = { asset: { version: '2.0' }, nodes: [{ children: [1], mesh: 0 }, { mesh: 0 }], accessors: [{ count: 36 }],
                   meshes: [{ primitives: [{ attributes: { POSITION: 0 }, indices: 0 }] }] };
    checkModel(glb(good));
    checkModel(plain(good));
});

test('each lie is refused by its name', () => {
    const chain = Array.from({ length: 100 }, (_, i) => (i < 99 ? { children: [i + 1] } : {}));
    const lies: [unknown, RegExp][] = [
        [{ accessors: [{ count: 1e9 }] }, /too many vertices/],
        [{ accessors: [{ count: 'x' }] }, /without a count/],
        [{ accessors: [null] }, /without a count/],
        [{ accessors: [{ count: -5 }] }, /without a count/],
        [{ nodes: [{ children: [1] }, { children: [0] }] }, /circle/],
        [{ nodes: [{ children: [0] }] }, /circle/],
        [{ nodes: [{ children: [2] }, { children: [2] }, {}] }, /no tree/],
        [{ nodes: [{ children: [7] }] }, /no tree/],
        [{ nodes: [{ children: ['0'] }] }, /no tree/],
        [{ nodes: chain }, /too deep/],
        [{ nodes: new Array(20_001).fill({}) }, /too many nodes/],
        [{ extensionsRequired: ['KHR_draco_mesh_compression'] }, /needs KHR_draco/],
        [{ accessors: [{ count: 8e6 }], meshes: [{ primitives: [{ attributes: { POSITION: 0 } }] }], /* 1 MB that would be 10^11 */
           nodes: new Array(20_000).fill({ mesh: 0 }) }, /shows too much/],
        [{ accessors: [{ count: 1e6 }], meshes: [{ primitives: new Array(9).fill({ attributes: { POSITION: 0 } }) }], nodes: [{ mesh: 0 }] },
         /shows too much/],
        [{ accessors: [{ count: 1e6 }], meshes: [{ primitives: [{ attributes: { POSITION: 0 }, targets: new Array(9).fill({}) }] }],
           nodes: [{ mesh: 0 }] }, /shows too much/],
        [{ meshes: [{ primitives: new Array(300).fill({}) }], nodes: new Array(300).fill({ mesh: 0 }) }, /shows too much/],
        [null, /no glTF/],
        [7, /no glTF/],
    ];
    for (const [lie, reason] of lies) {
        assert.throws(() => checkModel(glb(lie)), reason, JSON.stringify(lie)?.slice(0, 80));
    }
    assert.throws(() => checkModel(glb({}, 1e9)), /not a GLB/);
    assert.throws(() => checkModel(new ArrayBuffer(0)));
});

test('bytes that are anything end in an error or pass', () => {
    const random = seeded('gltf');
    const good = new Uint8Array(glb({ nodes: [{ children: [1] }, { mesh: 0 }], accessors: [{ count: 3 }],
                                      meshes: [{ primitives: [{ attributes: { POSITION: 0 } }] }] }));
    for (let i = 0; i < 3000; i++) {
        const bytes = good.slice();
        for (let flips = 1 + draw.below(random, 4); flips > 0; flips--) {
            bytes[draw.below(random, bytes.length)] = draw.below(random, 256);
        }
        try {
            checkModel(bytes.slice(0, draw.below(random, 4) === 0 ? draw.below(random, bytes.length) : bytes.length).buffer);
        } catch (error) {
            assert.ok(error instanceof Error && !(error instanceof TypeError), `${String(error)}: ${random.repeat}`);
        }
    }
});
