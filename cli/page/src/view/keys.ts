/* The keyboard on the canvas: what the pointer can do to places and to the camera, keys can do.
 * (Delete, duplicate, undo, the tools: the page's own shortcuts.)
 *
 *      arrows, PageUp, PageDown    move what is selected along the ground, up, down; with the
 *                                  turn tool turn it, with the scale tool scale it; with
 *                                  nothing selected they turn the camera
 *      + -                         closer, farther
 *      N, Shift+N                  select the next, the former entity
 *      1 3 7, with Shift           look from the south, the east, above; from the other side
 *      Esc                         a drag under way goes back */
import { MathUtils, Quaternion, Vector3 } from 'three';
import type { EntityId, Session } from '../core/types';
import type { Bodies } from './bodies';
import { Drag, movable } from './drag';
import type { Eye } from './eye';
import type { Tool } from './gizmo';
import { SNAP_DEGREES, SNAP_METRES, SNAP_SCALE } from './gizmo';
import { boxAround } from './pick';
import type { Pointer } from './pointer';

const FINE = 0.2; /* of a snap's length, where snapping is off */
const ONE_STEP_MS = 900; /* strokes in a row are undone together */
const TURN = 0.18; /* radians of the camera */

export interface KeyState {
    readonly tool: Tool;
    readonly snap: boolean;
    readonly readOnly: boolean;
}

const ARROWS: { readonly [key: string]: readonly [right: number, up: number, ahead: number] } = {
    ArrowLeft: [-1, 0, 0],
    ArrowRight: [1, 0, 0],
    ArrowUp: [0, 0, 1],
    ArrowDown: [0, 0, -1],
    PageUp: [0, 1, 0],
    PageDown: [0, -1, 0],
};

const SIDES: { readonly [code: string]: readonly [number, number, number] } = {
    Digit1: [0, 0, 1],
    Digit3: [1, 0, 0],
    Digit7: [0, 1, 0],
};

export class Keys {
    private step: { name: string; at: number; ids: string } | null = null;
    private readonly heard = (event: KeyboardEvent): void => {
        if (!event.ctrlKey && !event.metaKey && !event.altKey && this.key(event)) {
            event.preventDefault();
        }
    };
    private readonly escaped = (event: KeyboardEvent): void => {
        if (event.key === 'Escape' && this.pointer.cancel()) {
            event.preventDefault();
            event.stopPropagation();
        }
    };

    constructor(private readonly canvas: HTMLCanvasElement, private readonly eye: Eye, private readonly bodies: Bodies,
                private readonly pointer: Pointer, private readonly session: Session, private readonly state: () => KeyState) {
        canvas.addEventListener('keydown', this.heard);
        window.addEventListener('keydown', this.escaped, { capture: true });
    }

    private key(event: KeyboardEvent): boolean {
        const arrow = ARROWS[event.key];
        const side = SIDES[event.code];
        if (arrow) {
            return this.arrow(arrow, event.shiftKey);
        }
        if (side) {
            this.eye.side(new Vector3(...side).multiplyScalar(event.shiftKey ? -1 : 1));
            return true;
        }
        if (event.key === '+' || event.key === '=' || event.key === '-') {
            this.eye.zoom(event.key === '-' ? 1.25 : 0.8);
            return true;
        }
        if (event.key === 'n' || event.key === 'N') {
            this.next(event.shiftKey ? -1 : 1);
            return true;
        }
        return false;
    }

    private arrow([right, up, ahead]: readonly [number, number, number], shift: boolean): boolean {
        const { tool, snap, readOnly } = this.state();
        if (this.session.selection.value.length === 0) {
            this.eye.turn(right * TURN, -(ahead + up) * TURN);
            return true;
        }
        if (readOnly) {
            return true;
        }
        this.bodies.step(performance.now()); /* the stroke before this one */
        const ids = movable(this.session, this.session.selection.value);
        if (ids.length === 0) {
            return true;
        }
        const share = snap !== shift ? 1 : FINE;
        const drag = new Drag(this.session, this.bodies, ids, this.stepFor(ids));
        const centre = boxAround(ids.map((id) => this.bodies.all.get(id)!)).getCenter(new Vector3());
        if (tool === 'rotate') {
            const angle = MathUtils.degToRad(SNAP_DEGREES * share) * (right || up || ahead);
            const axis = right !== 0 ? new Vector3(0, 1, 0) : this.axis(1, 0, 0);
            drag.turn(new Quaternion().setFromAxisAngle(axis, right !== 0 ? angle : -angle), centre);
        } else if (tool === 'scale') {
            const by = 1 + SNAP_SCALE * share * (right || up || ahead);
            drag.grow(new Vector3(by, by, by), new Quaternion(), centre);
        } else {
            drag.move(this.axis(right, up, ahead).multiplyScalar(SNAP_METRES * share));
        }
        drag.end();
        return true;
    }

    /* The axis of the world that goes right, up or ahead as one sees it. */
    private axis(right: number, up: number, ahead: number): Vector3 {
        if (up !== 0) {
            return new Vector3(0, up, 0);
        }
        const seen = new Vector3(1, 0, 0).applyQuaternion(this.eye.camera.quaternion);
        const east = Math.abs(seen.x) >= Math.abs(seen.z);
        const x = new Vector3(east ? Math.sign(seen.x) : 0, 0, east ? 0 : Math.sign(seen.z));
        return right !== 0 ? x.multiplyScalar(right) : new Vector3(x.z, 0, -x.x).multiplyScalar(ahead);
    }

    private stepFor(ids: readonly EntityId[]): string {
        const now = performance.now();
        const key = ids.join(' ');
        if (!this.step || this.step.ids !== key || now - this.step.at > ONE_STEP_MS) {
            this.step = { name: this.session.edits.step(), at: now, ids: key };
        }
        this.step.at = now;
        return this.step.name;
    }

    private next(by: number): void {
        const ids = [...this.bodies.all.values()].filter(({ slots }) => slots.length > 0).map(({ id }) => id);
        if (ids.length > 0) {
            const at = ids.indexOf(this.session.selection.value[0] ?? '');
            const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : (at + by + ids.length) % ids.length;
            this.session.selection.value = [ids[next]!];
        }
    }

    dispose(): void {
        this.canvas.removeEventListener('keydown', this.heard);
        window.removeEventListener('keydown', this.escaped, { capture: true });
    }
}
