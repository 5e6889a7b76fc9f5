/* What entities look like, in the spellings of all scene formats. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Json } from '../../../cli/page/src/core/types.ts';
import { Wardrobe } from '../../../cli/page/src/view/wardrobe.ts';
import { looksOf, tintOf, typeOf } from '../../../cli/page/src/view/look.ts';
import { entityOf } from './support.ts';

const looks = (components: { readonly [name: string]: Json }) => looksOf(entityOf('e', components));
const first = (components: { readonly [name: string]: Json }) => looks(components)[0];

test('names are read in every spelling', () => {
    assert.equal(typeOf('core::Material#2'), 'Material');
    assert.equal(typeOf('Script#2'), 'Script');
    assert.equal(typeOf('#'), '#');
    assert.equal(first({ GLTFShape: { assetId: 'a' } })?.kind, 'model');
    assert.equal(first({ 'core::GltfContainer': { src: 'a.glb' } })?.kind, 'model');
});

test('a form has the size that its engine gives it, and the colour of its material', () => {
    const red = { albedoColor: { r: 1, g: 0, b: 0, a: 0.5 } };
    assert.deepEqual(first({ SphereShape: {}, Material: red }),
                     { kind: 'form', form: { shape: 'sphere', radius: 1 }, color: 0xff0000, opacity: 0.5, lit: true });
    assert.deepEqual(first({ 'core::MeshRenderer': { mesh: { $case: 'sphere', sphere: {} } },
                             'core::Material': { material: { $case: 'pbr', pbr: red } } }),
                     { kind: 'form', form: { shape: 'sphere', radius: 0.5 }, color: 0xff0000, opacity: 0.5, lit: true });
    assert.deepEqual(first({ 'core::MeshRenderer': { box: {} }, 'core::Material': { material: { unlit: { diffuseColor: { r: 0, g: 0, b: 1 } } } } }),
                     { kind: 'form', form: { shape: 'box' }, color: 0x0000ff, opacity: 1, lit: false });
});

test('what shows nothing in the world has a mark, and only then', () => {
    assert.deepEqual(looks({ Transform: {}, Script: {} }).map((look) => look.kind === 'mark' && look.mark), ['script']);
    assert.deepEqual(looks({ Transform: {}, Script: {}, AudioSource: {} }).map((look) => look.kind === 'mark' && look.mark), ['sound']);
    assert.deepEqual(looks({ Transform: {}, Script: {}, GLTFShape: {} }).map(({ kind }) => kind), ['model']);
    assert.deepEqual(looks({ Transform: {} }).map((look) => look.kind === 'mark' && look.mark), ['place']);
    assert.deepEqual(looks({ Name: { value: 'a' } }), []);
});

/* A component type of the name "constructor" was shown by what every object has of that name: no
 * mark at all, and each frame ended in an error. Found by foreign_names_are_text. */
test('values of any kind are read without harm', () => {
    const wardrobe = new Wardrobe();
    const odd: Json[] = [null, true, 7, 'text', [], [1], {}, { r: 'x' }, { $case: 'box' }, { material: [], mesh: null, value: 5, radiusTop: 'NaN', fontSize: -1 }];
    const names = ['GLTFShape', 'BoxShape', 'ConeShape', 'TextShape', 'Material', 'core::Material', 'core::MeshRenderer',
                   'core::TextShape', 'core::VisibilityComponent', 'Transform', 'NFTShape', '__proto__', 'constructor', 'toString'];
    for (const name of names) {
        for (const value of odd) {
            for (const found of [looks({ Transform: value, CylinderShape: value, [name]: value }), looks({ Transform: value, [name]: value })]) {
                const { pieces, box } = wardrobe.dress(found.filter(({ kind }) => kind !== 'text'), null, 0); /* a text wants a canvas */
                assert.ok(pieces.every(({ part }) => part.geometry && part.material));
                assert.ok([...box.min.toArray(), ...box.max.toArray()].every(Number.isFinite));
            }
        }
    }
});

test('a text is bounded, and its colour its own', () => {
    const look = first({ 'core::TextShape': { text: 'x'.repeat(10_000), textColor: { r: 1, g: 1, b: 1, a: 1 }, fontSize: 1e9 } });
    assert.ok(look?.kind === 'text' && look.text.length === 400 && look.size === 40 && look.color === '#ffffff');
    assert.deepEqual(looks({ TextShape: { value: '  ' } }), []);
});

test('one name has one tint', () => {
    assert.equal(tintOf('oak'), tintOf('oak'));
    assert.notEqual(tintOf('oak'), tintOf('elm'));
    assert.ok(tintOf('') >= 0 && tintOf('oak') <= 0xffffff);
});
