/* The names of what shows only a stand-in: a block for a model that nobody has, a mark for a
 * script or a sound. Only the nearest, and none over another: a scene of blocks stays readable. */
import type { PerspectiveCamera } from 'three';
import { Frustum, Matrix4, Vector3 } from 'three';
import type { EntityId } from '../core/types';
import type { Bodies, Body } from './bodies';
import type { Label } from './labels';

const TAGS_MAX = 24;
const FAR = 60; /* metres */
const ROOM = { x: 90, y: 22 }; /* CSS pixels around one */

interface Candidate {
    readonly body: Body;
    readonly away: number;
}

export class Tags {
    private readonly view = new Matrix4();
    private readonly frustum = new Frustum();
    private readonly point = new Vector3();
    private shown = '';
    /* Bodies changed. */
    stale = true;

    /* What is to be shown now; null: as before. */
    step(camera: PerspectiveCamera, width: number, height: number, bodies: Bodies, name: (id: EntityId) => string,
         color: string): ReadonlyMap<string, Label> | null {
        const matrix = new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse);
        if (!this.stale && matrix.equals(this.view)) {
            return null;
        }
        this.stale = false;
        this.view.copy(matrix);
        const labels = new Map<string, Label>();
        const taken: { x: number; y: number }[] = [];
        for (const { body } of this.nearest(camera, bodies)) {
            const at = this.top(body).project(camera);
            const place = { x: (at.x + 1) * 0.5 * width, y: (1 - at.y) * 0.5 * height };
            if (taken.some(({ x, y }) => Math.abs(x - place.x) < ROOM.x && Math.abs(y - place.y) < ROOM.y)) {
                continue;
            }
            taken.push(place);
            labels.set(body.id, { text: name(body.id), color, plain: true, at: () => this.top(body) });
            if (labels.size === TAGS_MAX) {
                break;
            }
        }
        const shown = JSON.stringify([...labels].map(([id, { text }]) => [id, text, color]));
        if (shown === this.shown) {
            return null;
        }
        this.shown = shown;
        return labels;
    }

    private nearest(camera: PerspectiveCamera, bodies: Bodies): Candidate[] {
        this.frustum.setFromProjectionMatrix(this.view);
        const found: Candidate[] = [];
        for (const body of bodies.all.values()) {
            if (body.outfit?.stands && body.slots.length > 0) {
                const away = body.centre.distanceTo(camera.position);
                if (away < FAR && this.frustum.containsPoint(body.centre)) {
                    found.push({ body, away });
                }
            }
        }
        return found.sort((a, b) => a.away - b.away);
    }

    private top(body: Body): Vector3 {
        return this.point.copy(body.centre).setY(body.centre.y + body.radius * 0.55);
    }
}
