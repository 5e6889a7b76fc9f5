/* Things of one geometry and one material are drawn in one call, however many there are.
 *
 *      crowd ── batch (one Part) ── slots 0..count-1, without gaps
 *
 * A slot that goes is filled with the last one. Instances whose matrix mirrors (a scale below 0)
 * live in a second mesh that is mirrored itself: only a mesh's own matrix tells three which
 * faces are in front, an instance's does not. */
import type { BufferGeometry, Color, Material } from 'three';
import { DynamicDrawUsage, Group, InstancedBufferAttribute, InstancedMesh, Matrix4 } from 'three';

export interface Part {
    readonly geometry: BufferGeometry;
    readonly material: Material;
    readonly shadow: boolean;
    /* Its colour is the instance's. */
    readonly tinted: boolean;
}

const MIRROR = new Matrix4().makeScale(-1, 1, 1);
const scratch = new Matrix4();
const FIRST_CAPACITY = 8;

class Batch {
    mesh: InstancedMesh;
    readonly slots: Slot[] = [];

    constructor(readonly part: Part, readonly mirrored: boolean, readonly group: Group) {
        this.mesh = this.build(FIRST_CAPACITY);
    }

    private build(capacity: number): InstancedMesh {
        const { geometry, material, shadow, tinted } = this.part;
        const mesh = new InstancedMesh(geometry, material, capacity);
        mesh.instanceMatrix.setUsage(DynamicDrawUsage);
        if (tinted) {
            mesh.instanceColor = new InstancedBufferAttribute(new Float32Array(capacity * 3).fill(1), 3);
        }
        mesh.frustumCulled = false; /* its instances are all over the scene */
        mesh.castShadow = shadow;
        mesh.receiveShadow = shadow;
        mesh.matrixAutoUpdate = false;
        if (this.mirrored) {
            mesh.matrix.copy(MIRROR);
        }
        mesh.count = 0;
        this.group.add(mesh);
        return mesh;
    }

    add(slot: Slot): number {
        const capacity = this.mesh.instanceMatrix.count;
        if (this.slots.length === capacity) {
            const old = this.mesh;
            this.mesh = this.build(capacity * 2);
            this.mesh.instanceMatrix.array.set(old.instanceMatrix.array);
            if (old.instanceColor && this.mesh.instanceColor) {
                this.mesh.instanceColor.array.set(old.instanceColor.array);
            }
            this.group.remove(old);
            old.dispose();
        }
        this.mesh.count = this.slots.push(slot);
        return this.slots.length - 1;
    }

    remove(index: number): void {
        const last = this.slots.pop()!;
        this.mesh.count = this.slots.length;
        if (index < this.slots.length) {
            this.slots[index] = last;
            last.moved(index);
        }
    }

    dispose(): void {
        this.group.remove(this.mesh);
        this.mesh.dispose();
    }
}

/* One thing that is drawn. Its owner keeps it, places it, and ends it. */
export class Slot {
    private batch: Batch;
    private index: number;
    private readonly world = new Matrix4();
    private readonly color: Color | null;

    constructor(private readonly crowd: Crowd, readonly part: Part, color: Color | null) {
        this.color = part.tinted ? color : null;
        this.batch = crowd.batch(part, false);
        this.index = this.batch.add(this);
        this.paint();
    }

    private paint(): void {
        const colors = this.batch.mesh.instanceColor;
        if (this.color && colors) {
            colors.setXYZ(this.index, this.color.r, this.color.g, this.color.b);
            colors.needsUpdate = true;
        }
    }

    private write(): void {
        const { mesh, mirrored } = this.batch;
        mesh.setMatrixAt(this.index, mirrored ? scratch.multiplyMatrices(MIRROR, this.world) : this.world);
        mesh.instanceMatrix.needsUpdate = true;
    }

    /* The batch put it elsewhere. */
    moved(index: number): void {
        this.index = index;
        this.write();
        this.paint();
    }

    place(world: Matrix4): void {
        this.world.copy(world);
        const mirrored = world.determinant() < 0;
        if (mirrored !== this.batch.mirrored) {
            this.end();
            this.batch = this.crowd.batch(this.part, mirrored);
            this.index = this.batch.add(this);
            this.paint();
        }
        this.write();
    }

    end(): void {
        this.batch.remove(this.index);
        this.crowd.left(this.batch);
    }
}

export class Crowd {
    readonly group = new Group();
    private readonly upright = new Map<Part, Batch>();
    private readonly mirrored = new Map<Part, Batch>();

    constructor() {
        this.group.matrixAutoUpdate = false;
    }

    add(part: Part, color: Color | null): Slot {
        return new Slot(this, part, color);
    }

    batch(part: Part, mirrored: boolean): Batch {
        const batches = mirrored ? this.mirrored : this.upright;
        let batch = batches.get(part);
        if (!batch) {
            batch = new Batch(part, mirrored, this.group);
            batches.set(part, batch);
        }
        return batch;
    }

    left(batch: Batch): void {
        if (batch.slots.length === 0) {
            (batch.mirrored ? this.mirrored : this.upright).delete(batch.part);
            batch.dispose();
        }
    }

    get meshes(): readonly InstancedMesh[] {
        return this.group.children as InstancedMesh[];
    }

    get empty(): boolean {
        return this.upright.size + this.mirrored.size === 0;
    }

    dispose(): void {
        for (const batch of [...this.upright.values(), ...this.mirrored.values()]) {
            batch.dispose();
        }
        this.upright.clear();
        this.mirrored.clear();
    }
}
