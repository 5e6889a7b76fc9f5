/* What the page knows of the scene beside its entities, kept up to date.
 *
 * It is asked for whenever the link is new (after play a worker may say another thing), and
 * again when a shape comes whose file is not among those that were told: somebody may have
 * brought an asset that the scene did not have. What nobody has is not asked for twice. */

import { effect } from '@preact/signals-core';
import type { Signal } from '@preact/signals-core';
import { openModels, shapeOf, type Models } from './models.ts';
import type { EntityId, SceneInfo, Session } from './types.ts';

const AGAIN_MS = 3000; /* after it could not be had, and between two questions for new shapes */

/* Call later; what is returned takes that back. */
export type Later = (ms: number, run: () => void) => () => void;

type Asked = Pick<Session, 'info' | 'link' | 'scene' | 'sceneName'>;

/* As long as nobody says another thing: one parcel, and what fails says so when it is tried. */
function unknown(sceneName: string): SceneInfo {
    const [x = 0, y = 0] = sceneName.split(',').map(Number);
    const base = { x: x || 0, y: y || 0 };
    return { parcels: [base], base, canPlay: false, canSave: true, canPublish: true, models: { assets: {}, files: {} } };
}

class Follower {
    private askedAs = '';
    private asking = false;
    private again: (() => void) | null = null;
    private known: { readonly info: SceneInfo; readonly models: Models } | null = null;
    /* Shapes without a file that were asked for, by what they name. */
    private readonly missed = new Set<string>();

    constructor(private readonly session: Asked, private readonly info: Signal<SceneInfo | null>, private readonly later: Later) {}

    start(): () => void {
        const stops = [
            effect(() => this.follow()),
            this.session.scene.watch(({ all, changed }) => this.look(all ? this.session.scene.entities.keys() : changed)),
        ];
        return () => {
            stops.forEach((stop) => stop());
            this.again?.();
        };
    }

    private follow(): void {
        const { phase, mode } = this.session.link.value;
        if (phase !== 'live') {
            this.askedAs = '';
        } else if (this.askedAs !== mode) {
            this.askedAs = mode;
            this.ask();
        }
    }

    private ask(): void {
        if (this.asking) {
            return this.askLater();
        }
        this.asking = true;
        this.session.info().then(
            (info) => {
                this.asking = false;
                if (JSON.stringify(info) !== JSON.stringify(this.info.peek())) {
                    this.info.value = info;
                }
                this.look(this.session.scene.entities.keys());
            },
            () => {
                this.asking = false;
                this.info.value ??= unknown(this.session.sceneName);
                this.askLater();
            });
    }

    private askLater(): void {
        this.again ??= this.later(AGAIN_MS, () => {
            this.again = null;
            if (this.session.link.peek().phase === 'live') {
                this.ask();
            }
        });
    }

    /* Is there a shape among them that names something new? */
    private look(ids: Iterable<EntityId>): void {
        const info = this.info.peek();
        if (info === null) {
            return;
        }
        if (this.known?.info !== info) {
            this.known = { info, models: openModels(info.models) };
        }
        const { models } = this.known;
        let fresh = false;
        for (const id of ids) {
            const entity = this.session.scene.get(id);
            const shape = entity === undefined ? null : shapeOf(entity);
            if (entity === undefined || shape === null || (shape.src === '' && shape.assetId === '')) {
                continue;
            }
            const name = `${shape.assetId}\n${shape.src}`;
            if (!this.missed.has(name) && models.url(entity) === null) {
                this.missed.add(name);
                fresh = true;
            }
        }
        if (fresh) {
            this.askLater();
        }
    }
}

/* Keep `info` as the worker tells it, until what is returned is called. */
export function followInfo(session: Asked, info: Signal<SceneInfo | null>, later: Later): () => void {
    return new Follower(session, info, later).start();
}
