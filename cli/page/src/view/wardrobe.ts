/* From what an entity looks like (look.ts) to what is drawn: geometries and materials, each made
 * once and shared by all that look the same, so that the crowd draws them in one call. */
import {
    Box3, BoxGeometry, BufferGeometry, CanvasTexture, CircleGeometry, Color, CylinderGeometry, DoubleSide,
    Float32BufferAttribute, Matrix4, MeshBasicMaterial, MeshLambertMaterial, OctahedronGeometry, PlaneGeometry, SphereGeometry, SRGBColorSpace,
    TorusGeometry, Vector3,
} from 'three';
import type { Material } from 'three';
import { RoundedBoxGeometry } from 'three/addons/geometries/RoundedBoxGeometry.js';
import { mergeGeometries } from 'three/addons/utils/BufferGeometryUtils.js';
import type { Part } from './crowd';
import type { Form, Look, Mark } from './look';
import type { Model } from './model';

export interface Piece {
    readonly part: Part;
    readonly offset: Matrix4 | null; /* null: none */
    readonly color: Color | null;
}

export interface Outfit {
    readonly pieces: readonly Piece[];
    readonly box: Box3; /* around all pieces, in the entity's own space */
    readonly stands: boolean; /* something of it stands for what cannot be shown */
}

const TEXTS_MAX = 256; /* textures of texts; more are shown as marks */
const MARK_SIZE = 0.5;

/* Opacities by tenths: few materials, however many values a scene has. */
const tenths = (opacity: number): number => Math.max(1, Math.round(opacity * 10));

function formGeometry(form: Form): BufferGeometry {
    switch (form.shape) {
    case 'box':
        return new BoxGeometry(1, 1, 1);
    case 'plane':
        return new PlaneGeometry(1, 1);
    case 'disc':
        return new CircleGeometry(1, 48);
    case 'sphere':
        return new SphereGeometry(form.radius, 32, 20);
    case 'cylinder':
        return new CylinderGeometry(form.top, form.bottom, form.height, 40);
    }
}

/* In one colour of each vertex, as a share of the mark's own. */
function shaded(geometry: BufferGeometry, share: number): BufferGeometry {
    const { count } = geometry.getAttribute('position');
    return geometry.setAttribute('color', new Float32BufferAttribute(new Float32Array(count * 3).fill(share), 3));
}

/* A panel in a frame, with signs on its front: what hangs on walls. */
function framed(width: number, height: number, ...signs: BufferGeometry[]): BufferGeometry {
    const panel = new BoxGeometry(width, height, 0.05);
    const front = new PlaneGeometry(width - 0.12, height - 0.12).translate(0, 0, 0.03);
    return mergeGeometries([shaded(panel, 0.35), shaded(front, 1), ...signs.map((sign) => shaded(sign.translate(0, 0, 0.035), 1.9))])!;
}

/* Two mountains. */
function peaks(): BufferGeometry {
    const peak = (x: number, size: number) => new CircleGeometry(size, 3, Math.PI / 2).translate(x, -0.44 + size / 2, 0);
    return mergeGeometries([peak(-0.16, 0.3), peak(0.17, 0.2)])!;
}

function markGeometry(mark: Mark): BufferGeometry {
    switch (mark) {
    case 'script':
        return new RoundedBoxGeometry(MARK_SIZE, MARK_SIZE, MARK_SIZE, 2, 0.08);
    case 'sound':
        return new TorusGeometry(0.2, 0.07, 12, 28);
    case 'light':
        return new SphereGeometry(0.2, 20, 14);
    case 'picture':
        return framed(1, 1, new CircleGeometry(0.14, 24).translate(0.18, 0.2, 0), peaks());
    case 'video':
        return framed(1.6, 0.9, new CircleGeometry(0.2, 3));
    case 'area':
        return new BoxGeometry(1, 1, 1);
    case 'avatar':
        return new CylinderGeometry(0.22, 0.28, 1.8, 24).translate(0, 0.9, 0) as BufferGeometry;
    case 'place':
        return new OctahedronGeometry(0.18, 0);
    }
}

/* The text as a picture; the size in metres is about the engine's. */
function drawText(text: string, color: string, size: number): { texture: CanvasTexture; width: number; height: number } {
    const canvas = document.createElement('canvas');
    const pen = canvas.getContext('2d')!;
    const lines = text.split('\n', 12);
    const pixels = 64;
    const font = `600 ${pixels}px system-ui, sans-serif`;
    pen.font = font;
    const widest = Math.max(...lines.map((line) => pen.measureText(line).width));
    canvas.width = Math.min(2048, Math.ceil(widest) + 16);
    canvas.height = Math.min(1024, lines.length * pixels * 1.25 + 16);
    pen.font = font;
    pen.fillStyle = color;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.lineWidth = 5;
    pen.lineJoin = 'round';
    pen.strokeStyle = 'rgb(20 22 26 / 55%)'; /* a white text on light ground is read by its edge */
    lines.forEach((line, i) => {
        const y = 8 + (i + 0.5) * pixels * 1.25;
        pen.strokeText(line, canvas.width / 2, y, canvas.width - 8);
        pen.fillText(line, canvas.width / 2, y, canvas.width - 8);
    });
    const texture = new CanvasTexture(canvas);
    texture.colorSpace = SRGBColorSpace;
    const metres = (size * 0.1) / pixels;
    return { texture, width: canvas.width * metres, height: canvas.height * metres };
}

/* A part and how many outfits have it: foreign numbers name new ones without end. */
interface Held {
    readonly key: string;
    readonly part: Part;
    users: number;
}

export class Wardrobe {
    private readonly held = new Map<string, Held>();
    private readonly byPart = new Map<Part, Held>();
    private texts = 0;

    private keep(key: string, make: () => Part): Part {
        let held = this.held.get(key);
        if (!held) {
            held = { key, part: make(), users: 0 };
            this.held.set(key, held);
            this.byPart.set(held.part, held);
        }
        held.users++;
        return held.part;
    }

    private part(key: string, geometry: () => BufferGeometry, material: () => Material, shadow: boolean): Part {
        return this.keep(key, () => ({ geometry: geometry(), material: material(), shadow, tinted: true }));
    }

    private solid(key: string, geometry: () => BufferGeometry, opacity: number, lit: boolean, flat: boolean): Part {
        const tenth = tenths(opacity);
        const options = {
            transparent: tenth < 10, opacity: tenth / 10, depthWrite: tenth >= 10,
            ...(flat ? { side: DoubleSide } : {}),
        };
        return this.part(`${key} ${tenth} ${lit}`, geometry,
            () => (lit ? new MeshLambertMaterial(options) : new MeshBasicMaterial(options)), lit && tenth >= 10);
    }

    /* A model that is not there: a block of about the size things have. */
    private block(tint: number, loading: boolean): Piece {
        const part = this.solid('block', () => new RoundedBoxGeometry(1, 1, 1, 1, 0.06), loading ? 0.3 : 1, true, false);
        return { part, offset: new Matrix4().makeTranslation(0, 0.5, 0), color: new Color(tint) };
    }

    private form(look: Look & { kind: 'form' }): Piece {
        const key = JSON.stringify(look.form);
        const flat = look.form.shape === 'plane' || look.form.shape === 'disc';
        const part = this.solid(key, () => formGeometry(look.form), look.opacity, look.lit, flat);
        return { part, offset: null, color: new Color(look.color) };
    }

    private mark(mark: Mark, color: number): Piece {
        if (mark === 'picture' || mark === 'video') {
            const part = this.part(`mark ${mark}`, () => markGeometry(mark), () => new MeshLambertMaterial({ vertexColors: true }), true);
            return { part, offset: null, color: new Color(color) };
        }
        const part = this.solid(`mark ${mark}`, () => markGeometry(mark), mark === 'area' ? 0.2 : 1, mark !== 'light', false);
        return { part, offset: null, color: new Color(color) };
    }

    private text(look: Look & { kind: 'text' }): Piece {
        const key = `text ${JSON.stringify(look)}`;
        if (!this.held.has(key) && this.texts >= TEXTS_MAX) {
            return this.mark('picture', 0x8b95a5);
        }
        const part = this.keep(key, () => {
            const { texture, width, height } = drawText(look.text, look.color, look.size);
            const material = new MeshBasicMaterial({ map: texture, transparent: true, alphaTest: 0.05, side: DoubleSide });
            this.texts++;
            return { geometry: new PlaneGeometry(width, height), material, shadow: false, tinted: false };
        });
        return { part, offset: null, color: null };
    }

    /* `model` is that of the look's entity; `tint` colours the block that stands for it. Each
     * outfit wants its `release`. */
    dress(looks: readonly Look[], model: Model | null, tint: number): Outfit {
        const pieces: Piece[] = [];
        let stands = false;
        for (const look of looks) {
            if (look.kind === 'form') {
                pieces.push(this.form(look));
            } else if (look.kind === 'text') {
                pieces.push(this.text(look));
            } else if (look.kind === 'mark') {
                pieces.push(this.mark(look.mark, look.color));
                stands = true;
            } else if (model?.state === 'ready') {
                pieces.push(...model.parts.map((part) => ({ part, offset: null, color: null })));
            } else {
                pieces.push(this.block(tint, model?.state === 'loading'));
                stands ||= model?.state !== 'loading';
            }
        }
        if (pieces.length === 0 && looks.length > 0) {
            pieces.push(this.mark('place', 0x8b95a5)); /* a model of nothing but colliders */
            stands = true;
        }
        return { pieces, box: boxOf(pieces), stands };
    }

    release(outfit: Outfit): void {
        for (const { part } of outfit.pieces) {
            const held = this.byPart.get(part);
            if (held && --held.users === 0) {
                this.texts -= part.tinted ? 0 : 1;
                this.held.delete(held.key);
                this.byPart.delete(part);
                disposePart(part);
            }
        }
    }

    /* How many parts it keeps. */
    get size(): number {
        return this.held.size;
    }

    dispose(): void {
        for (const { part } of this.held.values()) {
            disposePart(part);
        }
        this.held.clear();
        this.byPart.clear();
    }
}

function disposePart(part: Part): void {
    (part.material as MeshBasicMaterial).map?.dispose();
    part.geometry.dispose();
    part.material.dispose();
}

const around = new Box3();
const LEAST = new Vector3(0.02, 0.02, 0.02); /* a plane has a box, too */

function boxOf(pieces: readonly Piece[]): Box3 {
    const box = new Box3();
    for (const { part, offset } of pieces) {
        if (!part.geometry.boundingBox) {
            part.geometry.computeBoundingBox();
        }
        around.copy(part.geometry.boundingBox!);
        box.union(offset ? around.applyMatrix4(offset) : around);
    }
    return box.isEmpty() ? new Box3(LEAST.clone().negate(), LEAST.clone()) : box.expandByVector(LEAST);
}
