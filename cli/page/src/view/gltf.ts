/* Looks at a model's bytes before they are given to the loader, which believes what they say:
 * an accessor that claims 10^9 elements would be reserved, nodes that hang below each other
 * waited for. Source: glTF 2.0, "GLB File Format"; 5.1 (asset) to 5.25 (properties). */

const MAGIC = 0x46546c67;
const JSON_CHUNK = 0x4e4f534a;
const ELEMENTS_MAX = 8_000_000; /* of one model, over all accessors */
const NODES_MAX = 20_000;
const DEPTH_MAX = 64;
const KNOWN = new Set([
    'KHR_materials_unlit', 'KHR_texture_transform', 'KHR_mesh_quantization', 'KHR_materials_emissive_strength',
    'KHR_materials_clearcoat', 'KHR_materials_transmission', 'KHR_materials_volume', 'KHR_materials_ior',
    'KHR_materials_specular', 'KHR_materials_sheen', 'KHR_materials_iridescence', 'KHR_materials_anisotropy',
    'KHR_lights_punctual', 'EXT_texture_webp',
]);

interface Primitive {
    attributes?: { [name: string]: unknown };
    indices?: unknown;
    targets?: unknown;
}

interface Node {
    children?: unknown;
    mesh?: unknown;
}

interface Gltf {
    accessors?: { count?: unknown }[];
    meshes?: { primitives?: unknown }[];
    nodes?: Node[];
    extensionsRequired?: unknown;
}

/* The JSON of a .glb, or of a .gltf. */
function textOf(bytes: ArrayBuffer): string {
    const view = new DataView(bytes);
    if (bytes.byteLength >= 20 && view.getUint32(0, true) === MAGIC) {
        const length = view.getUint32(12, true);
        if (view.getUint32(4, true) !== 2 || view.getUint32(16, true) !== JSON_CHUNK || length > bytes.byteLength - 20) {
            throw new Error('not a GLB of version 2');
        }
        return new TextDecoder().decode(new Uint8Array(bytes, 20, length));
    }
    return new TextDecoder().decode(bytes);
}

function checkNodes(nodes: readonly Node[]): void {
    if (nodes.length > NODES_MAX) {
        throw new Error('too many nodes');
    }
    const parents = new Map<number, number>();
    nodes.forEach((node, index) => {
        const children: unknown[] = Array.isArray(node?.children) ? node.children : [];
        for (const child of children) {
            if (typeof child !== 'number' || !(child in nodes) || parents.has(child)) {
                throw new Error('its nodes are no tree');
            }
            parents.set(child, index);
        }
    });
    for (let start = 0; start < nodes.length; start++) {
        let depth = 0;
        for (let at: number | undefined = start; at !== undefined; at = parents.get(at)) {
            if (++depth > DEPTH_MAX) {
                throw new Error('its nodes are too deep, or in a circle');
            }
        }
    }
}

/* Every node that shows a mesh gets a copy of it (model.ts): what all of them are together. */
function checkShown({ nodes, meshes }: Gltf, counts: readonly number[]): void {
    const countOf = (accessor: unknown): number => (typeof accessor === 'number' ? counts[accessor] ?? 0 : 0);
    const sizes = listOf(meshes).map(({ primitives }) => {
        const parts = listOf(primitives as Primitive[] | undefined);
        const sizeOf = ({ attributes, indices, targets }: Primitive): number =>
            countOf(attributes?.['POSITION']) * (1 + (Array.isArray(targets) ? targets.length : 0)) + countOf(indices);
        return { parts: parts.length, elements: parts.reduce((sum, part) => sum + sizeOf(part), 0) };
    });
    let elements = 0;
    let parts = 0;
    for (const { mesh } of listOf(nodes)) {
        const size = typeof mesh === 'number' ? sizes[mesh] : undefined;
        elements += size?.elements ?? 0;
        parts += size?.parts ?? 0;
    }
    if (elements > ELEMENTS_MAX || parts > NODES_MAX) {
        throw new Error('it shows too much');
    }
}

/* A list of objects, whatever it is. */
function listOf<T extends object>(value: readonly T[] | undefined): readonly T[] {
    return Array.isArray(value) ? value.map((item: T | null) => (typeof item === 'object' && item !== null ? item : ({} as T))) : [];
}

/* Throws an Error with the reason if the model is not to be loaded. O(size). */
export function checkModel(bytes: ArrayBuffer): void {
    const gltf = JSON.parse(textOf(bytes)) as Gltf | null;
    if (typeof gltf !== 'object' || gltf === null) {
        throw new Error('no glTF');
    }
    const counts = listOf(gltf.accessors).map(({ count }) => {
        if (typeof count !== 'number' || !(count >= 0)) {
            throw new Error('an accessor without a count');
        }
        return count;
    });
    if (counts.reduce((sum, count) => sum + count, 0) > ELEMENTS_MAX) {
        throw new Error('too many vertices');
    }
    for (const name of Array.isArray(gltf.extensionsRequired) ? gltf.extensionsRequired : []) {
        if (!KNOWN.has(String(name))) {
            throw new Error(`needs ${String(name).slice(0, 60)}`);
        }
    }
    checkNodes(listOf(gltf.nodes));
    checkShown(gltf, counts);
}
