/* Models by their URL: fetched once, checked, flattened to a few parts that can be drawn for
 * any number of entities.
 *
 * A model is shown as it stands (no animation): skinned meshes are set in their pose. Meshes
 * that are named ..._collider are for the engine's physics and not shown. glTF looks along +z
 * with its right at -x; the scene's right is +x: with z mirrored (space.ts) that is half a turn
 * about y. */
import type { BufferAttribute, Material, Mesh, MeshStandardMaterial, Object3D, SkinnedMesh } from 'three';
import { Box3, BufferGeometry, Float32BufferAttribute, LoadingManager, Matrix4, MeshLambertMaterial, Vector3 } from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { mergeGeometries } from 'three/addons/utils/BufferGeometryUtils.js';
import type { Part } from './crowd';
import { checkModel } from './gltf';

export interface Model {
    readonly state: 'loading' | 'ready' | 'failed';
    readonly parts: readonly Part[];
    readonly box: Box3;
    readonly metal: boolean; /* something of it mirrors what is around */
}

const NOTHING = { parts: [], box: new Box3(), metal: false } as const;

const LOADS_MAX = 6; /* at once */
const BYTES_MAX = 64 << 20;
const WAIT_MS = 60_000;
const KEPT_MAX = 256; /* models; beyond, those that nobody shows any more go */
const TURN = new Matrix4().makeRotationY(Math.PI);

type RequestHeaders = { readonly [name: string]: string };

async function fetchBytes(url: string, headers: RequestHeaders, signal: AbortSignal): Promise<ArrayBuffer> {
    const answer = await fetch(url, { headers, signal });
    if (!answer.ok || !answer.body) {
        throw new Error(`answered ${answer.status}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (const reader = answer.body.getReader();;) {
        const { done, value } = await reader.read();
        if (done) {
            break;
        }
        size += value.byteLength;
        if (size > BYTES_MAX) {
            throw new Error('too large');
        }
        chunks.push(value);
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
        bytes.set(chunk, at);
        at += chunk.byteLength;
    }
    return bytes.buffer;
}

/* The mesh's geometry as it stands, in the model's space. */
function posed(mesh: Mesh): BufferGeometry {
    const geometry = mesh.geometry.clone();
    const skinned = (mesh as SkinnedMesh).isSkinnedMesh ? (mesh as SkinnedMesh) : null;
    if (skinned || geometry.morphAttributes['position']) {
        const count = geometry.getAttribute('position').count;
        const positions = new Float32Array(count * 3);
        const point = new Vector3();
        for (let i = 0; i < count; i++) {
            mesh.getVertexPosition(i, point).toArray(positions, i * 3);
        }
        geometry.setAttribute('position', new Float32BufferAttribute(positions, 3));
        geometry.deleteAttribute('skinIndex');
        geometry.deleteAttribute('skinWeight');
        geometry.morphAttributes = {};
        geometry.computeVertexNormals();
    }
    const matrix = new Matrix4().multiplyMatrices(TURN, mesh.matrixWorld);
    geometry.applyMatrix4(matrix);
    if (matrix.determinant() < 0) {
        turnFaces(geometry);
    }
    return geometry;
}

/* A mirrored mesh has its faces the wrong way round. */
function turnFaces(geometry: BufferGeometry): void {
    const count = geometry.getAttribute('position').count;
    const index = geometry.getIndex();
    const faces = index ? Array.from(index.array) : Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i + 2 < faces.length; i += 3) {
        const first = faces[i]!;
        faces[i] = faces[i + 2]!;
        faces[i + 2] = first;
    }
    geometry.setIndex(faces);
}

/* Geometries with equal signatures can be joined. */
function signature(mesh: Mesh, geometry: BufferGeometry): string {
    const names = Object.keys(geometry.attributes).sort();
    const kinds = names.map((name) => {
        const { itemSize, normalized, array } = geometry.getAttribute(name) as BufferAttribute;
        return `${name} ${itemSize} ${normalized} ${array?.constructor.name}`;
    });
    const whole = names.some((name) => 'isInterleavedBufferAttribute' in geometry.getAttribute(name));
    return `${(mesh.material as Material).uuid} ${geometry.index ? 1 : 0} ${whole ? mesh.uuid : kinds.join()}`;
}

/* The same, for who draws without a graphics card. */
function plainly(material: Material): Material {
    const from = material as MeshStandardMaterial;
    if (!from.isMeshStandardMaterial) {
        return material;
    }
    const { color, map, emissive, emissiveMap, emissiveIntensity, vertexColors, transparent, opacity, alphaTest, side, depthWrite } = from;
    return new MeshLambertMaterial({ color, map, emissive, emissiveMap, emissiveIntensity, vertexColors, transparent, opacity,
                                     alphaTest, side, depthWrite });
}

function flatten(root: Object3D, plain: boolean): Part[] {
    root.updateMatrixWorld(true);
    const groups = new Map<string, { material: Material; geometries: BufferGeometry[] }>();
    root.traverse((node) => {
        const mesh = node as Mesh;
        const { material } = mesh;
        if (!mesh.isMesh || Array.isArray(material) || /_collider/i.test(mesh.name + mesh.parent?.name)
            || !mesh.geometry.getAttribute('position')) {
            return;
        }
        const geometry = posed(mesh);
        const key = signature(mesh, geometry);
        const group = groups.get(key) ?? { material, geometries: [] };
        group.geometries.push(geometry);
        groups.set(key, group);
    });
    const parts: Part[] = [];
    for (const { material: given, geometries } of groups.values()) {
        const material = plain ? plainly(given) : given;
        const joined = geometries.length > 1 ? mergeGeometries(geometries) : geometries[0]!;
        for (const geometry of joined ? [joined] : geometries) {
            parts.push({ geometry, material, shadow: !material.transparent, tinted: false });
        }
    }
    return parts;
}

function boxOf(parts: readonly Part[]): Box3 {
    const box = new Box3();
    for (const { geometry } of parts) {
        geometry.computeBoundingBox();
        box.union(geometry.boundingBox!);
    }
    return box;
}

interface Entry {
    model: Model;
    users: number;
}

export interface ModelOptions {
    /* Hears of every model that got ready or failed. */
    told(url: string, model: Model): void;
    /* Where a file is that the model at `url` names; null: nobody has it. */
    beside(url: string, name: string): string | null;
    /* What each request carries. */
    headers(): RequestHeaders;
    /* Materials that are cheap to draw. */
    readonly plain: boolean;
}

export class Models {
    private readonly entries = new Map<string, Entry>();
    private readonly waiting: string[] = [];
    private loading = 0;
    private readonly loads = new Set<AbortController>();
    private ended = false;

    constructor(private readonly options: ModelOptions) {}

    /* Files that a model names lie where the scene has them, and nowhere else. */
    private manager(url: string): LoadingManager {
        const manager = new LoadingManager();
        manager.setURLModifier((name) => (/^(data|blob):/.test(name) ? name : this.options.beside(url, name) ?? 'data:,'));
        return manager;
    }

    /* Is anything on its way? */
    get busy(): boolean {
        return this.loading > 0 || this.waiting.length > 0;
    }

    /* The model, and one more who shows it: each take wants its release. */
    take(url: string): Model {
        let entry = this.entries.get(url);
        if (!entry) {
            entry = { model: { state: 'loading', ...NOTHING }, users: 0 };
            this.entries.set(url, entry);
            this.waiting.push(url);
            this.next();
        }
        entry.users++;
        return entry.model;
    }

    /* Ask again for what failed: its worker was away. */
    retry(): void {
        for (const [url, entry] of this.entries) {
            if (entry.model.state === 'failed') {
                entry.model = { state: 'loading', ...NOTHING };
                this.waiting.push(url);
            }
        }
        this.next();
    }

    release(url: string): void {
        const entry = this.entries.get(url);
        if (entry) {
            entry.users--;
            this.shrink();
        }
    }

    private shrink(): void {
        if (this.entries.size <= KEPT_MAX) {
            return;
        }
        for (const [url, { model, users }] of this.entries) {
            if (users === 0 && model.state !== 'loading') {
                this.entries.delete(url);
                disposeParts(model.parts);
                return;
            }
        }
    }

    private next(): void {
        while (this.loading < LOADS_MAX && this.waiting.length > 0) {
            const url = this.waiting.shift()!;
            this.loading++;
            this.load(url)
                .catch((): Model => ({ state: 'failed', ...NOTHING }))
                .then((model) => {
                    this.loading--;
                    const entry = this.entries.get(url);
                    if (entry && !this.ended) {
                        entry.model = model;
                        this.options.told(url, model);
                    } else {
                        disposeParts(model.parts);
                    }
                    this.next();
                });
        }
    }

    private async load(url: string): Promise<Model> {
        const load = new AbortController();
        const late = setTimeout(() => load.abort(new Error('it takes too long')), WAIT_MS);
        this.loads.add(load);
        try {
            const headers = this.options.headers();
            const bytes = await fetchBytes(url, headers, load.signal);
            checkModel(bytes);
            const loader = new GLTFLoader(this.manager(url));
            loader.setRequestHeader({ ...headers });
            const gltf = await Promise.race([
                loader.parseAsync(bytes, ''),
                new Promise<never>((_, fail) => load.signal.addEventListener('abort', () => fail(load.signal.reason))),
            ]);
            const parts = flatten(gltf.scene, this.options.plain);
            const metal = parts.some(({ material }) => (material as MeshStandardMaterial).metalness > 0.05);
            const box = boxOf(parts);
            if (parts.length > 0 && ![...box.min.toArray(), ...box.max.toArray()].every(Number.isFinite)) {
                throw new Error('its vertices are no places');
            }
            return { state: 'ready', parts, box, metal };
        } finally {
            clearTimeout(late);
            this.loads.delete(load);
        }
    }

    dispose(): void {
        this.ended = true;
        for (const load of this.loads) {
            load.abort(new Error('closed'));
        }
        this.waiting.length = 0;
        for (const { model } of this.entries.values()) {
            disposeParts(model.parts);
        }
        this.entries.clear();
    }
}

function disposeParts(parts: readonly Part[]): void {
    for (const { geometry, material } of parts) {
        geometry.dispose();
        for (const value of Object.values(material)) {
            if (value && (value as { isTexture?: boolean }).isTexture) {
                (value as { dispose(): void }).dispose();
            }
        }
        material.dispose();
    }
}
