/* The handles to move, turn and scale what is selected.
 *
 * They sit on a pivot: on the entity itself, or in the middle of several. The pivot is what the
 * handles move; the drag carries that over to the entities. */
import type { Mesh, PerspectiveCamera } from 'three';
import { MathUtils, Object3D, Quaternion, Vector3 } from 'three';
import { TransformControls } from 'three/addons/controls/TransformControls.js';
import type { EntityId, Session } from '../core/types';
import type { Bodies } from './bodies';
import { worldRotation } from './bodies';
import { Drag, movable } from './drag';
import { boxAround } from './pick';

export type Tool = 'select' | 'move' | 'rotate' | 'scale';

export const SNAP_METRES = 0.25;
export const SNAP_DEGREES = 15;
export const SNAP_SCALE = 0.1;

const MODES = { move: 'translate', rotate: 'rotate', scale: 'scale' } as const;
const SIZE = 0.85;

export interface GizmoState {
    readonly tool: Tool;
    readonly space: 'local' | 'world';
    readonly snap: boolean;
    readonly readOnly: boolean;
}

export class Gizmo {
    readonly controls: TransformControls;
    readonly pivot = new Object3D();
    private ids: readonly EntityId[] = [];
    private state: GizmoState = { tool: 'select', space: 'world', snap: false, readOnly: true };
    private drag: Drag | null = null;
    private readonly startPosition = new Vector3();
    private readonly startTurn = new Quaternion();
    /* With Alt a copy is dragged away, as in other tools. */
    private copying = false;
    private copies: { readonly ids: readonly EntityId[]; readonly step: string; readonly former: readonly EntityId[] } | null = null;
    private inverted = false; /* Shift: snap if it is off, and the other way round */
    onDragging: (dragging: boolean) => void = () => undefined;

    constructor(camera: PerspectiveCamera, canvas: HTMLCanvasElement, private readonly session: Session,
                private readonly bodies: Bodies, private readonly wake: () => void) {
        this.controls = new TransformControls(camera, canvas);
        this.controls.setSize(SIZE);
        this.controls.setColors(0xe5484d, 0x46a758, 0x3e7bfa, 0xf5b83d);
        shape(this.controls.getHelper().children);
        this.controls.addEventListener('change', wake);
        this.controls.addEventListener('mouseDown', () => this.begin());
        this.controls.addEventListener('objectChange', () => this.moved());
        this.controls.addEventListener('mouseUp', () => this.finish());
        this.controls.addEventListener('dragging-changed', (event) => this.onDragging(event.value === true));
    }

    /* Is the pointer on a handle? */
    get hot(): boolean {
        return this.controls.object !== undefined && this.controls.axis !== null;
    }

    get dragging(): boolean {
        return this.drag !== null;
    }

    set(state: GizmoState): void {
        this.state = state;
        this.snapping();
        if (!this.drag) {
            this.attach();
        }
    }

    select(ids: readonly EntityId[]): void {
        this.ids = ids;
        if (!this.drag) {
            this.attach();
        }
    }

    invert(inverted: boolean): void {
        if (this.inverted !== inverted) {
            this.inverted = inverted;
            this.snapping();
        }
    }

    private snapping(): void {
        const on = this.state.snap !== this.inverted;
        this.controls.setTranslationSnap(on ? SNAP_METRES : null);
        this.controls.setRotationSnap(on ? MathUtils.degToRad(SNAP_DEGREES) : null);
        this.controls.setScaleSnap(on ? SNAP_SCALE : null);
    }

    private attach(): void {
        const { tool } = this.state;
        const ids = this.wanted();
        if (tool === 'select' || ids.length === 0) {
            this.controls.detach();
        } else {
            this.controls.setMode(MODES[tool]);
            this.controls.setSpace(tool === 'scale' ? 'local' : this.state.space);
            this.aim(ids);
            this.controls.attach(this.pivot);
        }
        this.wake();
    }

    private wanted(): EntityId[] {
        return this.state.tool === 'select' || this.state.readOnly ? [] : this.moving();
    }

    private moving(): EntityId[] {
        return movable(this.session, this.ids).filter((id) => this.bodies.all.has(id));
    }

    /* Put the pivot where the selection is now. */
    private aim(ids: readonly EntityId[]): void {
        const lead = this.bodies.all.get(ids[ids.length - 1]!);
        const own = this.state.space === 'local' || this.state.tool === 'scale' || ids.length === 1;
        if (lead && own) {
            worldRotation(lead.world, this.pivot.quaternion);
        } else {
            this.pivot.quaternion.identity();
        }
        if (ids.length === 1 && lead) {
            this.pivot.position.setFromMatrixPosition(lead.world);
            this.pivot.scale.copy(lead.local.scale);
        } else {
            boxAround(ids.map((id) => this.bodies.all.get(id)!)).getCenter(this.pivot.position);
            this.pivot.position.divideScalar(SNAP_METRES).round().multiplyScalar(SNAP_METRES);
            this.pivot.scale.set(1, 1, 1);
        }
        this.pivot.updateMatrixWorld();
    }

    /* Once a frame: what it sits on may have moved, gone, come (a copy is selected before it is
     * shown), or been locked. */
    step(): boolean {
        if (!this.drag) {
            const ids = this.wanted();
            if ((ids.length > 0) !== (this.controls.object !== undefined)) {
                this.attach();
            } else if (ids.length > 0) {
                this.aim(ids);
            }
        }
        return false;
    }

    private begin(): void {
        const step = this.session.edits.step();
        let ids = this.moving();
        if (this.copying) {
            ids = this.session.edits.duplicate(ids, step);
            this.copies = { ids, step, former: this.session.selection.peek() };
            this.bodies.step(performance.now());
        }
        this.startPosition.copy(this.pivot.position);
        this.startTurn.copy(this.pivot.quaternion);
        this.drag = new Drag(this.session, this.bodies, ids, step);
        if (this.copying) {
            this.session.selection.value = ids; /* not sooner: the handles would let go */
        }
    }

    copy(copying: boolean): void {
        this.copying = copying;
    }

    private moved(): void {
        const { drag, pivot } = this;
        if (!drag) {
            return;
        }
        const one = drag.ids.length === 1;
        if (this.state.tool === 'move') {
            drag.move(pivot.position.clone().sub(this.startPosition));
        } else if (this.state.tool === 'rotate') {
            drag.turn(pivot.quaternion.clone().multiply(this.startTurn.clone().invert()), this.startPosition);
        } else if (one) {
            drag.put({ scale: pivot.scale });
        } else {
            drag.grow(pivot.scale, this.startTurn, this.startPosition);
        }
    }

    private finish(): void {
        this.drag?.end();
        this.drag = this.copies = null;
        this.attach();
    }

    /* Esc: as if it had not begun. */
    cancel(): boolean {
        if (!this.drag) {
            return false;
        }
        this.drag.cancel();
        this.drag = null;
        if (this.copies) {
            const { ids, step, former } = this.copies;
            this.copies = null;
            this.session.edits.remove(ids, step);
            this.session.selection.value = former;
        }
        this.controls.reset();
        this.controls.detach(); /* lets go of the pointer */
        this.attach();
        return true;
    }

    /* Where in the world one takes hold of the handle along an axis of the scene. */
    handle(axis: 'x' | 'y' | 'z'): Vector3 | null {
        if (!this.controls.object) {
            return null;
        }
        const camera = this.controls.camera as PerspectiveCamera;
        const away = this.pivot.position.distanceTo(camera.position);
        const size = (away * Math.min(1.9 * Math.tan((Math.PI * camera.fov) / 360), 7) * SIZE) / 4;
        const along = new Vector3(axis === 'x' ? 1 : 0, axis === 'y' ? 1 : 0, axis === 'z' ? -1 : 0);
        if (this.controls.space === 'local') {
            along.applyQuaternion(this.pivot.quaternion);
        }
        return along.multiplyScalar(size * 0.42).add(this.pivot.position);
    }

    dispose(): void {
        this.drag?.end();
        this.controls.detach();
        this.controls.dispose();
    }
}

/* What TransformControls draws and what it asks the pointer's ray, by mode (not in its types). */
interface Handles {
    readonly gizmo: { readonly [mode: string]: Object3D };
    readonly picker: { readonly [mode: string]: Object3D };
}

/* Handles as a scene needs them: z goes north, one arrow an axis. The middle is for the hand,
 * which stays on the ground (pointer.ts); of the squares for two axes the ground's is left. */
function shape(parts: readonly Object3D[]): void {
    const handles = parts.find((part) => 'gizmo' in part && 'picker' in part) as unknown as Handles | undefined;
    const spare: { readonly [mode: string]: readonly string[] } = {
        translate: ['XYZ', 'XY', 'YZ'], scale: ['XY', 'YZ', 'XZ'],
    };
    for (const [mode, names] of Object.entries(spare)) {
        for (const group of handles ? [handles.gizmo[mode], handles.picker[mode]] : []) {
            for (const node of [...(group?.children ?? [])] as Mesh[]) {
                if (names.includes(node.name)) {
                    node.removeFromParent();
                } else {
                    turnNorth(node);
                }
            }
        }
    }
}

function turnNorth(node: Mesh): void {
    if (node.name === 'Z' || node.name === 'XZ') {
        node.geometry.rotateX(Math.PI);
    }
    node.geometry.computeBoundingBox();
    const middle = node.geometry.boundingBox!.getCenter(new Vector3());
    if (Math.min(middle.x, middle.y, -middle.z) < -0.1) {
        node.removeFromParent(); /* the arrow of the other way */
    }
}
