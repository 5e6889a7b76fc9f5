/* Where the others are: a small pyramid at each one's camera, in their colour. */
import {
    BufferGeometry, Color, DoubleSide, Float32BufferAttribute, Group, LineBasicMaterial, LineSegments, Mesh, MeshBasicMaterial,
    Quaternion, Vector3,
} from 'three';
import type { PerspectiveCamera } from 'three';
import type { Person } from '../core/types';
import { toPosition, toRotation } from './space';

const SMOOTH_MS = 180; /* until most of the way is done */
const PEOPLE_MAX = 64; /* that are shown */

/* The camera's tip at 0, looking along -z. */
const CORNERS = [[-0.5, 0.32, -0.8], [0.5, 0.32, -0.8], [0.5, -0.32, -0.8], [-0.5, -0.32, -0.8]];

function pyramid(): { edges: BufferGeometry; sides: BufferGeometry } {
    const edges: number[] = [];
    const sides: number[] = [];
    CORNERS.forEach((corner, i) => {
        const next = CORNERS[(i + 1) % 4]!;
        edges.push(0, 0, 0, ...corner, ...corner, ...next);
        sides.push(0, 0, 0, ...corner, ...next);
    });
    edges.push(-0.2, 0.36, -0.8, 0, 0.56, -0.8, 0, 0.56, -0.8, 0.2, 0.36, -0.8); /* which way is up */
    return {
        edges: new BufferGeometry().setAttribute('position', new Float32BufferAttribute(edges, 3)),
        sides: new BufferGeometry().setAttribute('position', new Float32BufferAttribute(sides, 3)),
    };
}

interface Figure {
    readonly group: Group;
    readonly lines: LineBasicMaterial;
    readonly faces: MeshBasicMaterial;
    readonly position: Vector3;
    readonly rotation: Quaternion;
}

export class People {
    readonly group = new Group();
    private readonly shapes = pyramid();
    private readonly figures = new Map<string, Figure>();
    private last = 0;

    constructor(private readonly camera: PerspectiveCamera) {}

    /* `without`: whose eyes one looks through. */
    show(people: readonly Person[], without: string | null): void {
        const here = new Set<string>();
        for (const person of people.slice(0, PEOPLE_MAX)) {
            if (person.camera && person.id !== without) {
                here.add(person.id);
                this.update(person, person.camera);
            }
        }
        for (const [id, figure] of this.figures) {
            if (!here.has(id)) {
                this.group.remove(figure.group);
                figure.lines.dispose();
                figure.faces.dispose();
                this.figures.delete(id);
            }
        }
    }

    private update(person: Person, camera: NonNullable<Person['camera']>): void {
        let figure = this.figures.get(person.id);
        const fresh = !figure;
        if (!figure) {
            const lines = new LineBasicMaterial({ transparent: true, opacity: 0.95 });
            const faces = new MeshBasicMaterial({ transparent: true, opacity: 0.16, side: DoubleSide, depthWrite: false });
            const group = new Group();
            group.add(new LineSegments(this.shapes.edges, lines), new Mesh(this.shapes.sides, faces));
            this.group.add(group);
            figure = { group, lines, faces, position: new Vector3(), rotation: new Quaternion() };
            this.figures.set(person.id, figure);
        }
        const color = new Color(person.color);
        figure.lines.color.copy(color);
        figure.faces.color.copy(color);
        toPosition(camera.position, figure.position);
        toRotation(camera.rotation, figure.rotation);
        if (fresh) {
            figure.group.position.copy(figure.position);
            figure.group.quaternion.copy(figure.rotation);
        }
    }

    at(id: string): Vector3 | null {
        const figure = this.figures.get(id);
        return figure?.group.visible ? figure.group.position : null;
    }

    step(now: number): boolean {
        const share = 1 - Math.exp((-3 * Math.min(100, now - this.last)) / SMOOTH_MS);
        this.last = now;
        let moving = false;
        for (const { group, position, rotation } of this.figures.values()) {
            const there = group.position.distanceToSquared(position) < 1e-5 && Math.abs(group.quaternion.dot(rotation)) > 1 - 1e-6;
            group.position.lerp(position, there ? 1 : share);
            group.quaternion.slerp(rotation, there ? 1 : share);
            moving ||= !there;
            /* About as large on the screen wherever it is; not seen from within. */
            const away = group.position.distanceTo(this.camera.position);
            group.scale.setScalar(Math.min(4, Math.max(0.5, away * 0.035)));
            group.visible = away > 0.8;
        }
        return moving;
    }

    dispose(): void {
        this.show([], null);
        this.shapes.edges.dispose();
        this.shapes.sides.dispose();
    }
}
