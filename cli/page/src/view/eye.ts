/* From where one looks: orbit, pan and zoom by pointer, flights to what one wants to see, and
 * following another's camera. */
import type { Box3, PerspectiveCamera } from 'three';
import { Matrix4, MOUSE, Quaternion, Spherical, Vector3 } from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';

const FLIGHT_MS = 280;
const FOLLOW_MS = 160; /* until most of the way is done */
const HOME = new Vector3(-0.45, 0.62, 0.95).normalize(); /* from the south-west, from above */

interface Pose {
    readonly position: Vector3;
    readonly target: Vector3;
}

interface Flight {
    readonly from: Pose;
    readonly to: Pose;
    start: number;
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

    /* Where to stand in `direction` of the box's middle so that all of it is seen. */
    private fit(box: Box3, direction: Vector3, margin: number): Pose {
        const target = box.getCenter(new Vector3());
        const back = direction.clone().normalize();
        const turn = new Quaternion().setFromRotationMatrix(new Matrix4().lookAt(back, new Vector3(), this.camera.up)).invert();
        const tall = Math.tan((this.camera.fov * Math.PI) / 360) * margin;
        const wide = tall * this.camera.aspect;
        const corner = new Vector3();
        let distance = 1;
        for (let i = 0; i < 8; i++) {
            corner.set(i & 1 ? box.max.x : box.min.x, i & 2 ? box.max.y : box.min.y, i & 4 ? box.max.z : box.min.z);
            corner.sub(target).applyQuaternion(turn);
            distance = Math.max(distance, corner.z + Math.abs(corner.x) / wide, corner.z + Math.abs(corner.y) / tall);
        }
        return { target, position: target.clone().addScaledVector(back, distance) };
    }

    /* Look at `box` as a whole, from the side one looks from now. */
    look(box: Box3): void {
        const direction = this.camera.position.clone().sub(this.controls.target);
        this.fly(this.fit(box, direction.lengthSq() > 1e-9 ? direction : HOME, 0.7), false);
    }

    home(box: Box3, atOnce: boolean): void {
        this.fly(this.fit(box, HOME, 0.94), atOnce);
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

    step(now: number): boolean {
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
        return this.controls.update();
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
