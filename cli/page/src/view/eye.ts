/* From where one looks: orbit, pan and zoom by pointer, flights to what one wants to see, and
 * following another's camera. */
import type { PerspectiveCamera } from 'three';
import { Matrix4, MOUSE, Quaternion, Spherical, Vector3 } from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';

const FLIGHT_MS = 280;
const FOLLOW_MS = 160; /* until most of the way is done */
const HOME = new Vector3(-0.45, 0.74, 0.9).normalize(); /* from the south-west, from above */

interface Pose {
    readonly position: Vector3;
    readonly target: Vector3;
}

interface Flight {
    readonly from: Pose;
    readonly to: Pose;
    start: number;
}

/* Where the camera is on one axis of the picture so that as much is free on one side as on the
 * other. The farther a point, the less it moves in the picture: found by halving. */
function centred(points: readonly (readonly [at: number, depth: number])[], guess: number): number {
    const reach = points.reduce((most, [at]) => Math.max(most, Math.abs(at - guess)), 0);
    let [low, high] = [guess - reach, guess + reach];
    for (let i = 0; i < 20; i++) {
        const middle = (low + high) / 2;
        let [least, most] = [Infinity, -Infinity];
        for (const [at, depth] of points) {
            const shown = (at - middle) / Math.max(depth, 0.1);
            least = Math.min(least, shown);
            most = Math.max(most, shown);
        }
        [low, high] = least + most > 0 ? [middle, high] : [low, middle];
    }
    return (low + high) / 2;
}

export class Eye {
    readonly controls: OrbitControls;
    private flight: Flight | null = null;
    private chased: { position: Vector3; rotation: Quaternion } | null = null;
    private last = 0;
    /* A person moved it, not a program. */
    touched = false;
    /* A person took the camera. */
    onTouch: () => void = () => undefined;

    constructor(readonly camera: PerspectiveCamera, canvas: HTMLCanvasElement, private readonly wake: () => void) {
        this.controls = new OrbitControls(camera, canvas);
        this.controls.enableDamping = true;
        this.controls.dampingFactor = 0.14;
        this.controls.zoomToCursor = true;
        this.controls.minDistance = 0.3;
        this.controls.maxDistance = 1200;
        this.controls.maxPolarAngle = Math.PI * 0.56;
        this.controls.rotateSpeed = 0.8;
        this.controls.mouseButtons = { LEFT: MOUSE.ROTATE, MIDDLE: MOUSE.PAN, RIGHT: MOUSE.PAN };
        this.controls.addEventListener('start', () => this.touch());
        this.controls.addEventListener('change', wake);
        canvas.addEventListener('wheel', () => this.touch(), { passive: true });
        this.set({ position: new Vector3(-6, 14, 22), target: new Vector3(8, 0, -8) });
    }

    /* Stand again where one stood when this page was left, and keep that under `key`. */
    remember(key: string): () => void {
        try {
            const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null');
            if (Array.isArray(kept) && kept.length === 6 && kept.every(Number.isFinite)) {
                this.set({ position: new Vector3().fromArray(kept), target: new Vector3().fromArray(kept, 3) });
                this.touched = true;
            }
        } catch {
            /* not allowed here, or not ours */
        }
        const keep = () => {
            try {
                const { position, target } = this.pose;
                if (this.touched) {
                    sessionStorage.setItem(key, JSON.stringify([...position.toArray(), ...target.toArray()]));
                }
            } catch {
                /* then it begins at home */
            }
        };
        window.addEventListener('pagehide', keep);
        return () => window.removeEventListener('pagehide', keep);
    }

    private touch(): void {
        this.touched = true;
        this.flight = null;
        this.chased = null;
        this.onTouch();
    }

    private set(pose: Pose): void {
        this.camera.position.copy(pose.position);
        this.controls.target.copy(pose.target);
        this.camera.lookAt(pose.target);
        this.camera.updateMatrixWorld();
    }

    get pose(): Pose {
        return { position: this.camera.position.clone(), target: this.controls.target.clone() };
    }

    /* Where to stand, in `direction` of what is to be seen, so that all `points` are in the
     * picture and fill it. Each side of the picture is a plane through the camera: in the
     * camera's axes a point is inside the right one where x - cx <= wide * (cz - z), and so for
     * the others; the outermost point of each plane decides. O(points). */
    private fit(points: readonly Vector3[], direction: Vector3, margin: number): Pose {
        const back = direction.clone().normalize();
        const turn = new Quaternion().setFromRotationMatrix(new Matrix4().lookAt(back, new Vector3(), this.camera.up));
        const away = turn.clone().invert();
        const tall = Math.tan((this.camera.fov * Math.PI) / 360) * margin;
        const wide = tall * this.camera.aspect;
        let [left, right, under, over, depth] = [-Infinity, -Infinity, -Infinity, -Infinity, 0];
        const at = new Vector3();
        for (const point of points) {
            at.copy(point).applyQuaternion(away);
            left = Math.max(left, wide * at.z - at.x);
            right = Math.max(right, wide * at.z + at.x);
            under = Math.max(under, tall * at.z - at.y);
            over = Math.max(over, tall * at.z + at.y);
            depth += at.z / points.length;
        }
        at.z = Math.max((left + right) / (2 * wide), (under + over) / (2 * tall), depth + 0.5);
        const seen = points.map((point) => point.clone().applyQuaternion(away));
        at.x = centred(seen.map(({ x, z }) => [x, at.z - z]), (right - left) / 2);
        at.y = centred(seen.map(({ y, z }) => [y, at.z - z]), (over - under) / 2);
        const position = at.clone().applyQuaternion(turn);
        return { position, target: position.clone().addScaledVector(back, depth - at.z) };
    }

    /* Look at all `points`, from the side one looks from now. */
    look(points: readonly Vector3[]): void {
        const direction = this.camera.position.clone().sub(this.controls.target);
        this.fly(this.fit(points, direction.lengthSq() > 1e-9 ? direction : HOME, 0.62), false);
    }

    home(points: readonly Vector3[], atOnce: boolean): void {
        this.fly(this.fit(points, HOME, 0.92), atOnce);
    }

    /* From a side: +x, -x, +y, ... of three's space. */
    side(direction: Vector3): void {
        const distance = this.camera.position.distanceTo(this.controls.target);
        const off = direction.y !== 0 ? new Vector3(0, direction.y, 0.001) : direction;
        const position = this.controls.target.clone().addScaledVector(off.clone().normalize(), distance);
        this.fly({ target: this.controls.target.clone(), position }, false);
    }

    fly(to: Pose, atOnce: boolean): void {
        this.chased = null;
        if (atOnce || window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
            this.flight = null;
            this.set(to);
        } else {
            this.flight = { from: this.pose, to, start: 0 };
        }
        this.wake();
    }

    /* Stay with another's camera; null: no longer. Called again with each of its moves. */
    chase(where: { position: Vector3; rotation: Quaternion } | null): void {
        this.chased = where;
        this.flight = null;
        this.wake();
    }

    turn(azimuth: number, polar: number): void {
        this.touch();
        const offset = this.camera.position.clone().sub(this.controls.target);
        const sphere = new Spherical().setFromVector3(offset);
        sphere.theta += azimuth;
        sphere.phi = Math.min(this.controls.maxPolarAngle, Math.max(0.02, sphere.phi + polar));
        const position = this.controls.target.clone().add(offset.setFromSpherical(sphere));
        this.fly({ target: this.controls.target.clone(), position }, false);
    }

    zoom(factor: number): void {
        this.touch();
        const target = this.controls.target.clone();
        const position = this.camera.position.clone().sub(target).multiplyScalar(factor).add(target);
        this.fly({ target, position }, false);
    }

    /* The nearest and farthest that are seen: the closer they are, the finer is depth. */
    private range(): void {
        const distance = this.camera.position.distanceTo(this.controls.target);
        const near = Math.min(2, Math.max(0.05, distance / 80));
        if (Math.abs(near - this.camera.near) > near * 0.1) {
            this.camera.near = near;
            this.camera.far = near * 30_000;
            this.camera.updateProjectionMatrix();
        }
    }

    step(now: number): boolean {
        const moving = this.travel(now);
        this.range();
        return moving;
    }

    private travel(now: number): boolean {
        const passed = Math.min(100, now - this.last);
        this.last = now;
        if (this.chased) {
            return this.follow(this.chased, passed);
        }
        if (this.flight) {
            const { from, to } = this.flight;
            this.flight.start ||= now - 16;
            const t = Math.min(1, (now - this.flight.start) / FLIGHT_MS);
            const eased = 1 - (1 - t) ** 3;
            this.set({
                position: from.position.clone().lerp(to.position, eased),
                target: from.target.clone().lerp(to.target, eased),
            });
            if (t === 1) {
                this.flight = null;
            }
            return true;
        }
        return this.controls.update() && this.controls.enableDamping; /* else it is where it will be */
    }

    private follow(where: { position: Vector3; rotation: Quaternion }, passed: number): boolean {
        const share = 1 - Math.exp((-3 * passed) / FOLLOW_MS);
        const { camera, controls } = this;
        const there = camera.position.distanceToSquared(where.position) < 1e-6
            && Math.abs(camera.quaternion.dot(where.rotation)) > 1 - 1e-7;
        camera.position.lerp(where.position, there ? 1 : share);
        camera.quaternion.slerp(where.rotation, there ? 1 : share);
        const ahead = new Vector3(0, 0, -1).applyQuaternion(camera.quaternion);
        controls.target.copy(camera.position).addScaledVector(ahead, 10);
        camera.updateMatrixWorld();
        return !there;
    }

    dispose(): void {
        this.controls.dispose();
    }
}
