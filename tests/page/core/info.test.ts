/* What the page knows of the scene: when it is asked for. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { signal } from '@preact/signals-core';
import { followInfo } from '../../../cli/page/src/core/info.ts';
import type { Component, Entity, Json, LinkState, Scene, SceneChange, SceneInfo } from '../../../cli/page/src/core/types.ts';

const LIVE: LinkState = { phase: 'live', mode: 'editing', readOnly: false, pending: 0 };

function infoOf(files: { [path: string]: string }): SceneInfo {
    return { parcels: [{ x: 1, y: 2 }], base: { x: 1, y: 2 }, canPlay: true, canSave: true, canPublish: true, models: { assets: {}, files } };
}

/* A session, as far as it is looked at; time goes on by hand. */
class Stage {
    readonly link = signal<LinkState>({ ...LIVE, phase: 'connecting' });
    readonly info = signal<SceneInfo | null>(null);
    readonly entities = new Map<string, Entity>();
    answer: SceneInfo | null = infoOf({});
    asked = 0;
    private told: ((change: SceneChange) => void) | null = null;
    private timers: (() => void)[] = [];

    start(): () => void {
        const scene = {
            entities: this.entities, get: (id: string) => this.entities.get(id),
            watch: (told: (change: SceneChange) => void) => { this.told = told; return () => { this.told = null; }; },
        } as unknown as Scene;
        const session = {
            link: this.link, scene, sceneName: '-3,7',
            info: async () => {
                this.asked++;
                if (this.answer === null) {
                    throw new Error('not now');
                }
                return this.answer;
            },
        };
        return followInfo(session, this.info, (_, run) => {
            this.timers.push(run);
            return () => { this.timers = this.timers.filter((one) => one !== run); };
        });
    }

    get waiting(): number {
        return this.timers.length;
    }

    async rest(): Promise<void> {
        await new Promise((done) => setImmediate(done));
    }

    async pass(): Promise<void> {
        this.timers.splice(0).forEach((run) => run());
        await this.rest();
    }

    put(id: string, data: Json): void {
        const shape: Component = { name: 'GLTFShape', id: 54, data, pending: false };
        this.entities.set(id, { id, components: new Map([['GLTFShape', shape]]), order: 0 });
        this.told?.({ all: false, changed: new Set([id]), removed: new Set(), tree: false, mine: false });
    }
}

test('asked once the link is live, and again when it is new or the mode is another', async () => {
    const stage = new Stage();
    const stop = stage.start();
    assert.equal(stage.asked, 0);
    stage.link.value = LIVE;
    await stage.rest();
    assert.deepEqual([stage.asked, stage.info.value], [1, stage.answer]);
    const first = stage.info.value;
    stage.link.value = { ...LIVE, pending: 3 };
    stage.link.value = { ...LIVE, phase: 'reconnecting' };
    stage.answer = infoOf({});
    stage.link.value = LIVE;
    await stage.rest();
    assert.equal(stage.asked, 2);
    assert.equal(stage.info.value, first, 'the same is no news');
    stage.link.value = { ...LIVE, mode: 'running' };
    await stage.rest();
    assert.equal(stage.asked, 3);
    stop();
    stage.link.value = LIVE;
    await stage.rest();
    assert.equal(stage.asked, 3);
});

test('asked again after it could not be had; meanwhile there is one parcel', async () => {
    const stage = new Stage();
    stage.answer = null;
    stage.start();
    stage.link.value = LIVE;
    await stage.rest();
    assert.deepEqual(stage.info.value?.parcels, [{ x: -3, y: 7 }]);
    await stage.pass();
    stage.answer = infoOf({ 'a.glb': 'h' });
    await stage.pass();
    assert.deepEqual([stage.asked, stage.info.value, stage.waiting], [3, stage.answer, 0]);
    stage.answer = null; /* what is known stays */
    stage.link.value = { ...LIVE, mode: 'running' };
    await stage.rest();
    assert.equal(stage.info.value?.models.files['a.glb'], 'h');
});

test('a shape that nobody told of is asked for, once', async () => {
    const stage = new Stage();
    stage.answer = infoOf({ 'a.glb': 'h' });
    stage.start();
    stage.put('early', { src: 'early.glb' });
    stage.link.value = LIVE;
    await stage.rest();
    assert.equal(stage.waiting, 1, 'what was there before is looked at, too');
    await stage.pass();
    stage.put('known', { src: 'A.glb' });
    stage.put('nothing', {});
    assert.equal(stage.waiting, 0);
    stage.put('new', { assetId: 'tree' });
    stage.put('other', { assetId: 'tree', src: '' });
    assert.equal(stage.waiting, 1);
    stage.answer = infoOf({ 'a.glb': 'h', 'b.glb': 'i' });
    await stage.pass();
    assert.deepEqual([stage.asked, stage.info.value], [3, stage.answer]);
    stage.put('new', { assetId: 'tree' });
    stage.put('again', { assetId: 'tree' });
    assert.equal(stage.waiting, 0, 'nobody has it');
});
