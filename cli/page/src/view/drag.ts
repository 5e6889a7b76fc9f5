/* A change of place under way: by gizmo, by hand on the ground, by arrow keys.
 *
 * It shows every motion at once, sends at most every SEND_MS, and is one step of undo. Only what
 * the drag is about is written: who turns a thing does not set back where somebody else just
 * moved it. What hangs below something that is dragged comes along by itself. */
import { Matrix4, Quaternion, Vector3 } from 'three';
import type { EntityId, Place, Session } from '../core/types';
import type { Bodies } from './bodies';
import type { Local } from './space';
import { copyLocal, equalLocal, fromPosition, fromRotation, fromScale, newLocal } from './space';

const SEND_MS = 50;

interface Member {
    readonly id: EntityId;
    readonly start: Local;
    readonly world: Matrix4; /* at the start */
    readonly fromWorld: Matrix4; /* into the parent's space */
    readonly turnFromWorld: Quaternion;
    readonly shown: Local;
    readonly sent: Local;
}

/* What of `ids` moves: what is locked stays, what hangs below another comes along. */
export function movable(session: Session, ids: readonly EntityId[]): EntityId[] {
    const { scene } = session;
    const chosen = new Set(ids);
    return ids.filter((id) => {
        if (!scene.get(id) || scene.locked(id)) {
            return false;
        }
        for (let up = scene.parent(id); up !== null; up = scene.parent(up)) {
            if (chosen.has(up)) {
                return false;
            }
        }
        return true;
    });
}

function inverted(matrix: Matrix4): Matrix4 {
    return Math.abs(matrix.determinant()) > 1e-18 ? matrix.clone().invert() : new Matrix4();
}

export class Drag {
    private readonly members: Member[] = [];
    private sentAt = -Infinity;
    private timer: ReturnType<typeof setTimeout> | null = null;
    private readonly step: string;

    constructor(private readonly session: Session, private readonly bodies: Bodies, ids: readonly EntityId[],
                step: string | null = null) {
        this.step = step ?? session.edits.step();
        for (const id of ids) {
            const body = bodies.all.get(id);
            if (body) {
                this.members.push(this.take(id, body.local, body.world));
                bodies.hold(id);
            }
        }
    }

    private take(id: EntityId, local: Local, world: Matrix4): Member {
        const parent = this.bodies.parentWorld(id);
        const turn = new Quaternion();
        parent.decompose(new Vector3(), turn, new Vector3());
        const member = { id, start: newLocal(), shown: newLocal(), sent: newLocal(), world: world.clone(),
                         fromWorld: inverted(parent), turnFromWorld: turn.invert() };
        copyLocal(local, member.start);
        copyLocal(local, member.shown);
        copyLocal(local, member.sent);
        return member;
    }

    get ids(): EntityId[] {
        return this.members.map(({ id }) => id);
    }

    /* By `by` metres in the world, from where it began. */
    move(by: Vector3): void {
        const point = new Vector3();
        for (const member of this.members) {
            point.setFromMatrixPosition(member.world).add(by);
            member.shown.position.copy(point.applyMatrix4(member.fromWorld));
        }
        this.show();
    }

    /* About `centre`, in the world, from how it began. */
    turn(by: Quaternion, centre: Vector3): void {
        const point = new Vector3();
        const turn = new Quaternion();
        for (const member of this.members) {
            member.world.decompose(point, turn, new Vector3());
            turn.premultiply(by).premultiply(member.turnFromWorld);
            member.shown.rotation.copy(turn).normalize();
            if (this.members.length > 1) {
                point.sub(centre).applyQuaternion(by).add(centre);
                member.shown.position.copy(point.applyMatrix4(member.fromWorld));
            }
        }
        this.show();
    }

    /* By factors along the axes of `frame`, about `centre`. */
    grow(by: Vector3, frame: Quaternion, centre: Vector3): void {
        const point = new Vector3();
        const back = frame.clone().invert();
        const axis = new Vector3();
        for (const member of this.members) {
            const turn = new Quaternion();
            member.world.decompose(point, turn, new Vector3());
            if (this.members.length > 1) {
                point.sub(centre).applyQuaternion(back).multiply(by).applyQuaternion(frame).add(centre);
                member.shown.position.copy(point.applyMatrix4(member.fromWorld));
            }
            /* Each of its own axes grows as that of the frame does which is nearest to it. */
            const factor = (x: number, y: number, z: number): number => {
                axis.set(x, y, z).applyQuaternion(turn).applyQuaternion(back);
                const [ax, ay, az] = [Math.abs(axis.x), Math.abs(axis.y), Math.abs(axis.z)];
                return ax >= ay && ax >= az ? by.x : ay >= az ? by.y : by.z;
            };
            const { scale } = member.start;
            member.shown.scale.set(scale.x * factor(1, 0, 0), scale.y * factor(0, 1, 0), scale.z * factor(0, 0, 1));
        }
        this.show();
    }

    /* One thing alone, in its parent's space. */
    put(to: Partial<Local>): void {
        const member = this.members[0];
        if (member) {
            member.shown.position.copy(to.position ?? member.shown.position);
            member.shown.rotation.copy(to.rotation ?? member.shown.rotation);
            member.shown.scale.copy(to.scale ?? member.shown.scale);
            this.show();
        }
    }

    private show(): void {
        for (const { id, shown } of this.members) {
            this.bodies.placeHeld(id, shown);
        }
        const wait = this.sentAt + SEND_MS - performance.now();
        if (wait <= 0) {
            this.send();
        } else {
            this.timer ??= setTimeout(() => this.send(), wait);
        }
    }

    private send(): void {
        if (this.timer !== null) {
            clearTimeout(this.timer);
            this.timer = null;
        }
        this.sentAt = performance.now();
        const { scene, edits } = this.session;
        edits.together(() => {
            for (const { id, shown, sent } of this.members) {
                if (!equalLocal(shown, sent) && scene.get(id)) {
                    edits.place(id, changed(sent, shown), this.step);
                    copyLocal(shown, sent);
                }
            }
        });
    }

    /* It stays where it is now. */
    end(): void {
        this.send();
        for (const { id } of this.members) {
            this.bodies.release(id);
        }
        this.members.length = 0;
    }

    /* It goes back to where it was. */
    cancel(): void {
        for (const member of this.members) {
            copyLocal(member.start, member.shown);
        }
        this.end();
    }
}

function changed(before: Local, after: Local): Partial<Place> {
    return {
        ...(before.position.equals(after.position) ? {} : { position: fromPosition(after.position) }),
        ...(before.rotation.equals(after.rotation) ? {} : { rotation: fromRotation(after.rotation) }),
        ...(before.scale.equals(after.scale) ? {} : { scale: fromScale(after.scale) }),
    };
}
