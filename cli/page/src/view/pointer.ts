/* The pointer on the canvas: click to pick, hover, a frame to pick many, a hand that moves what
 * is selected over the ground. Orbit, pan and zoom are OrbitControls' (eye.ts), the handles
 * TransformControls' (gizmo.ts); here is decided whose a gesture is. */
import { Vector2, Vector3 } from 'three';
import type { EntityId, Session } from '../core/types';
import type { Bodies, Body } from './bodies';
import { Drag, movable } from './drag';
import type { Eye } from './eye';
import type { Gizmo } from './gizmo';
import { SNAP_METRES } from './gizmo';
import { meetPlane, pick, pickFrame } from './pick';
import type { Stage } from './stage';

const STILL = 4; /* CSS pixels that a click may wander */
const UP = new Vector3(0, 1, 0);

type Gesture =
    | { kind: 'click'; add: boolean }
    | { kind: 'frame'; element: HTMLElement | null }
    | { kind: 'hand'; start: Vector3; drag: Drag | null; lead: Vector3 };

const pickable = (body: Body): boolean => !body.locked;

export class Pointer {
    private gesture: Gesture | null = null;
    private readonly down = new Vector2();
    private readonly last = new Vector2();
    private shift = false;
    private wandered = false;
    private over: EntityId | null = null;
    private hovering = false; /* a pick is due with the next frame */
    private readonly undo: (() => void)[] = [];
    onHover: (id: EntityId | null) => void = () => undefined;

    constructor(private readonly stage: Stage, private readonly eye: Eye, private readonly bodies: Bodies,
                private readonly gizmo: Gizmo, private readonly session: Session,
                private readonly state: () => { hand: boolean; snap: boolean },
                private readonly frame: (ids: readonly EntityId[]) => void) {
        /* Capturing: before OrbitControls and TransformControls, which listen on the canvas too. */
        this.listen('pointerdown', (event) => this.pressed(event));
        this.listen('pointermove', (event) => this.moved(event));
        this.listen('pointerup', (event) => this.released(event));
        this.listen('pointercancel', () => this.cancel());
        this.listen('lostpointercapture', () => {
            if (this.gesture && this.gesture.kind !== 'click') {
                this.cancel();
            }
        });
        this.listen('pointerleave', () => this.hover(null));
        this.listen('dblclick', (event) => this.doubled(event));
        this.listen('contextmenu', (event) => event.preventDefault());
    }

    private listen<K extends keyof HTMLElementEventMap>(type: K, heard: (event: HTMLElementEventMap[K]) => void): void {
        const { canvas } = this.stage;
        canvas.addEventListener(type, heard, { capture: true });
        this.undo.push(() => canvas.removeEventListener(type, heard, { capture: true }));
    }

    private point(at: Vector2): Vector2 {
        const box = this.stage.canvas.getBoundingClientRect();
        return new Vector2(((at.x - box.left) / box.width) * 2 - 1, 1 - ((at.y - box.top) / box.height) * 2);
    }

    private hit(at: Vector2) {
        return pick(this.bodies, this.stage.camera, this.point(at), this.stage.canvas.clientHeight, pickable);
    }

    private pressed(event: PointerEvent): void {
        this.stage.canvas.focus({ preventScroll: true });
        this.down.set(event.clientX, event.clientY);
        this.wandered = false;
        this.gizmo.copy(event.altKey);
        if (event.button !== 0 || this.gizmo.hot || !event.isPrimary) {
            return;
        }
        if (this.gesture) {
            this.cancel(); /* its end was never told */
        }
        this.shift = event.shiftKey;
        this.gesture = { kind: 'click', add: event.shiftKey || event.ctrlKey || event.metaKey };
        if (event.shiftKey) {
            this.own(event, { kind: 'frame', element: null });
        } else if (this.state().hand && !this.gesture.add) {
            const found = this.hit(this.down);
            if (found && this.inHand(found.body.id)) {
                const lead = new Vector3().setFromMatrixPosition(found.body.world);
                this.own(event, { kind: 'hand', start: found.point, drag: null, lead });
            }
        }
    }

    /* The gesture is ours until the button is up: the camera stays. */
    private own(event: PointerEvent, gesture: Gesture): void {
        this.gesture = gesture;
        this.eye.controls.enabled = false;
        this.stage.canvas.setPointerCapture(event.pointerId);
    }

    /* Is it, or something it hangs below, selected? */
    private inHand(id: EntityId): boolean {
        const chosen = new Set(movable(this.session, this.session.selection.value));
        for (let at: EntityId | null = id; at !== null; at = this.session.scene.parent(at)) {
            if (chosen.has(at)) {
                return true;
            }
        }
        return false;
    }

    private moved(event: PointerEvent): void {
        this.last.set(event.clientX, event.clientY);
        this.shift = event.shiftKey;
        this.gizmo.invert(event.shiftKey);
        if (this.gesture && (event.buttons & 1) === 0) {
            this.finish(this.gesture); /* of two buttons the other one is still down */
        }
        this.wandered ||= event.buttons !== 0 && this.down.distanceTo(this.last) > STILL;
        if (this.gesture?.kind === 'frame' && this.wandered) {
            this.stretch(this.gesture);
        } else if (this.gesture?.kind === 'hand' && this.wandered) {
            this.carry(this.gesture);
        } else if (event.buttons === 0 && event.pointerType === 'mouse') {
            this.hovering = true;
            this.stage.wake();
        }
    }

    private stretch(gesture: Gesture & { kind: 'frame' }): void {
        if (!gesture.element) {
            gesture.element = document.createElement('div');
            Object.assign(gesture.element.style, {
                position: 'fixed', pointerEvents: 'none', border: '1px solid #6a95ff', borderRadius: '2px',
                background: 'rgb(106 149 255 / 14%)',
            });
            this.stage.canvas.after(gesture.element);
        }
        Object.assign(gesture.element.style, {
            left: `${Math.min(this.down.x, this.last.x)}px`, top: `${Math.min(this.down.y, this.last.y)}px`,
            width: `${Math.abs(this.down.x - this.last.x)}px`, height: `${Math.abs(this.down.y - this.last.y)}px`,
        });
    }

    private carry(gesture: Gesture & { kind: 'hand' }): void {
        if (this.gizmo.dragging) {
            this.gesture = null; /* a finger met a handle, which only its press told */
            return;
        }
        if (!gesture.drag) {
            gesture.drag = new Drag(this.session, this.bodies, movable(this.session, this.session.selection.value));
            this.hover(null);
        }
        const at = meetPlane(this.stage.camera, this.point(this.last), UP, gesture.start);
        if (at) {
            const by = at.sub(gesture.start);
            if (this.state().snap !== this.shift) {
                const snapped = gesture.lead.clone().add(by).divideScalar(SNAP_METRES).round().multiplyScalar(SNAP_METRES);
                by.set(snapped.x - gesture.lead.x, 0, snapped.z - gesture.lead.z);
            }
            gesture.drag.move(by.setY(0));
        }
    }

    private released(event: PointerEvent): void {
        this.last.set(event.clientX, event.clientY);
        if (this.gesture && (event.buttons & 1) === 0) {
            this.finish(this.gesture);
        }
    }

    private finish(gesture: Gesture): void {
        this.gesture = null;
        this.eye.controls.enabled = true;
        if (gesture.kind === 'frame' && gesture.element) {
            gesture.element.remove();
            this.choose(pickFrame(this.bodies, this.stage.camera, this.point(this.down), this.point(this.last), pickable)
                .map(({ id }) => id), true);
        } else if (gesture.kind === 'hand' && gesture.drag) {
            gesture.drag.end();
        } else if (!this.wandered) {
            const found = this.hit(this.last);
            const add = gesture.kind === 'frame' || (gesture.kind === 'click' && gesture.add);
            this.choose(found ? [found.body.id] : [], add);
        }
    }

    /* `add`: to what is selected; one that is in it already leaves. */
    private choose(ids: readonly EntityId[], add: boolean): void {
        const { selection } = this.session;
        if (!add) {
            selection.value = ids;
        } else if (ids.length === 1 && selection.value.includes(ids[0]!)) {
            selection.value = selection.value.filter((id) => id !== ids[0]);
        } else if (ids.length > 0) {
            selection.value = [...new Set([...selection.value, ...ids])];
        }
    }

    private doubled(event: MouseEvent): void {
        const found = this.hit(new Vector2(event.clientX, event.clientY));
        if (found && !this.gizmo.hot) {
            this.frame([found.body.id]);
        }
    }

    private hover(id: EntityId | null): void {
        const { canvas } = this.stage;
        canvas.style.cursor = this.gizmo.hot ? 'grab' : id === null ? '' : 'pointer';
        if (id !== this.over) {
            this.over = id;
            this.onHover(id);
        }
    }

    step(): boolean {
        if (this.hovering && !this.gesture && !this.gizmo.dragging) {
            this.hover(this.gizmo.hot ? null : this.hit(this.last)?.body.id ?? null);
        }
        this.hovering = false;
        return false;
    }

    /* What is under way ends as if it had not begun. True: there was something. */
    cancel(): boolean {
        const { gesture } = this;
        this.gesture = null;
        this.eye.controls.enabled = true;
        if (gesture?.kind === 'frame') {
            gesture.element?.remove();
            return gesture.element !== null;
        }
        if (gesture?.kind === 'hand' && gesture.drag) {
            gesture.drag.cancel();
            return true;
        }
        return this.gizmo.cancel();
    }

    dispose(): void {
        this.cancel();
        for (const remove of this.undo) {
            remove();
        }
    }
}
