/* What is under a point of the screen, and what is inside a frame.
 *
 * First a sphere around each body, then its box, in order of distance; only what is left is
 * asked triangle by triangle. Small things far away are met a few pixels beside, too. */
import type { Camera, Intersection, PerspectiveCamera } from 'three';
import { Box3, Frustum, Matrix4, Mesh, Ray, Raycaster, Sphere, Vector2, Vector3 } from 'three';
import type { Bodies, Body } from './bodies';

const SLACK = 5; /* CSS pixels */
const HEAVY = 400_000; /* indices; beyond, the box of a mesh is good enough */

export interface Hit {
    readonly body: Body;
    readonly point: Vector3;
    readonly distance: number;
}

const raycaster = new Raycaster();
const inverse = new Matrix4();
const ray = new Ray();
const sphere = new Sphere();
const point = new Vector3();
const probe = new Mesh();

/* The distance along the world's ray to the body's box, or null. */
function boxDistance(body: Body, world: Ray): number | null {
    ray.copy(world).applyMatrix4(inverse.copy(body.world).invert());
    const met = ray.intersectBox(body.outfit!.box, point);
    const distance = met ? met.applyMatrix4(body.world).distanceTo(world.origin) : NaN;
    return Number.isFinite(distance) ? distance : null; /* a scale of 0 has no inverse */
}

function meshHit(body: Body): Intersection | null {
    const hits: Intersection[] = [];
    for (const { part, offset } of body.outfit!.pieces) {
        const { index } = part.geometry;
        probe.geometry = part.geometry;
        probe.material = part.material;
        probe.matrixWorld.copy(body.world);
        if (offset) {
            probe.matrixWorld.multiply(offset);
        }
        if ((index?.count ?? part.geometry.getAttribute('position').count) <= HEAVY) {
            probe.raycast(raycaster, hits);
        } else {
            const at = boxDistance(body, raycaster.ray);
            return at === null ? null : { distance: at, point: raycaster.ray.at(at, new Vector3()), object: probe };
        }
    }
    hits.sort((a, b) => a.distance - b.distance);
    return hits[0] ?? null;
}

/* `at`: -1 to 1 on both axes. `height`: of the canvas, in CSS pixels. */
export function pick(bodies: Bodies, camera: PerspectiveCamera, at: Vector2, height: number,
                     wanted: (body: Body) => boolean): Hit | null {
    raycaster.setFromCamera(at, camera);
    const slack = (SLACK * 2 * Math.tan((camera.fov * Math.PI) / 360)) / height; /* radians, about */
    const near: { body: Body; distance: number }[] = [];
    let small: { body: Body; off: number; distance: number } | null = null;
    for (const body of bodies.all.values()) {
        if (body.slots.length === 0 || !wanted(body)) {
            continue;
        }
        const away = body.centre.distanceTo(raycaster.ray.origin);
        sphere.set(body.centre, body.radius + away * slack);
        if (!raycaster.ray.intersectsSphere(sphere)) {
            continue;
        }
        const distance = boxDistance(body, raycaster.ray);
        if (distance !== null) {
            near.push({ body, distance });
        }
        if (body.radius < away * slack * 1.6) {
            const off = raycaster.ray.distanceToPoint(body.centre) / away;
            small = small && small.off <= off ? small : { body, off, distance: away };
        }
    }
    near.sort((a, b) => a.distance - b.distance);
    let best: Hit | null = null;
    for (const { body, distance } of near) {
        if (best && distance > best.distance) {
            break;
        }
        const hit = meshHit(body);
        if (hit && (!best || hit.distance < best.distance)) {
            best = { body, point: hit.point.clone(), distance: hit.distance };
        }
    }
    if (small && (!best || small.distance < best.distance)) {
        return { body: small.body, point: small.body.centre.clone(), distance: small.distance };
    }
    return best;
}

/* Where the pointer's ray meets the plane through `through` with `normal`; null: it does not. */
export function meetPlane(camera: Camera, at: Vector2, normal: Vector3, through: Vector3): Vector3 | null {
    raycaster.setFromCamera(at, camera);
    const along = raycaster.ray.direction.dot(normal);
    const distance = point.copy(through).sub(raycaster.ray.origin).dot(normal) / along;
    return Math.abs(along) < 1e-4 || !(distance > 0) || distance > 2000 ? null : raycaster.ray.at(distance, new Vector3());
}

/* Whose middle lies in the frame between two points of the screen. */
export function pickFrame(bodies: Bodies, camera: PerspectiveCamera, a: Vector2, b: Vector2,
                          wanted: (body: Body) => boolean): Body[] {
    const seen = new Frustum().setFromProjectionMatrix(
        new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse));
    const found: Body[] = [];
    for (const body of bodies.all.values()) {
        if (body.slots.length > 0 && wanted(body) && seen.containsPoint(body.centre)) {
            point.copy(body.centre).project(camera);
            if (point.x >= Math.min(a.x, b.x) && point.x <= Math.max(a.x, b.x)
                && point.y >= Math.min(a.y, b.y) && point.y <= Math.max(a.y, b.y)) {
                found.push(body);
            }
        }
    }
    return found;
}

/* Around some bodies, in the world. */
export function boxAround(bodies: Iterable<Body>): Box3 {
    const box = new Box3();
    const one = new Box3();
    for (const body of bodies) {
        if (body.outfit) {
            box.union(one.copy(body.outfit.box).applyMatrix4(body.world));
        } else {
            box.expandByPoint(body.centre);
        }
    }
    return box;
}

export function cornersOf(box: Box3): Vector3[] {
    return [0, 1, 2, 3, 4, 5, 6, 7].map((i) => new Vector3(
        i & 1 ? box.max.x : box.min.x, i & 2 ? box.max.y : box.min.y, i & 4 ? box.max.z : box.min.z));
}

/* The corners of the bodies' boxes, in the world. */
export function pointsOf(bodies: Iterable<Body>): Vector3[] {
    const points: Vector3[] = [];
    for (const body of bodies) {
        points.push(...(body.outfit ? cornersOf(body.outfit.box).map((corner) => corner.applyMatrix4(body.world)) : [body.centre]));
    }
    return points;
}
