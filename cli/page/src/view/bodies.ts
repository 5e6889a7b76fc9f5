/* The entities as they are shown: where each is in the world, what it wears, how far it reaches.
 *
 * The scene tells of changes at any time; they are gathered and done in `step`, once a frame.
 * What others move glides there in GLIDE_MS, so that 20 messages a second look like motion;
 * one's own edits show at once. What is held (dragged) is placed by its holder alone. */
import { Matrix4, Quaternion, Vector3 } from 'three';
import type { EntityId, ModelUrl, Scene, SceneChange } from '../core/types';
import type { Crowd, Slot } from './crowd';
import { looksOf, PLACE, tintOf } from './look';
import type { Look } from './look';
import type { Model, Models } from './model';
import type { Local } from './space';
import { composeLocal, copyLocal, equalLocal, newLocal, toLocal } from './space';
import type { Outfit, Wardrobe } from './wardrobe';

const GLIDE_MS = 110;

export interface Body {
    readonly id: EntityId;
    readonly local: Local;   /* as shown, in the parent's space */
    readonly world: Matrix4;
    readonly centre: Vector3; /* of its box, in the world */
    radius: number;           /* around it */
    outfit: Outfit | null;    /* null: it shows nothing */
    slots: Slot[];            /* none while it is hidden */
    wears: string;            /* what the outfit was made of */
    url: string | null;       /* the model it took */
    hidden: boolean;
    locked: boolean;
}

/* Who has something to do when a body changes. */
export interface BodyWatcher {
    placed(body: Body): void;
    dressed(body: Body): void;
    gone(body: Body): void;
}

interface Glide {
    readonly from: Local;
    readonly to: Local;
    start: number; /* 0: at the next step */
}

const identity = new Matrix4();
const local = newLocal();
const matrix = new Matrix4();

export class Bodies {
    readonly all = new Map<EntityId, Body>();
    private readonly held = new Set<EntityId>();
    private readonly glides = new Map<EntityId, Glide>();
    /* What is to be looked at again; true: it may glide. */
    private readonly dirty = new Map<EntityId, boolean>();
    private readonly gone = new Set<EntityId>();
    private dirtyAll = true;
    private dirtyTree = true;
    private readonly moved = new Set<EntityId>();
    private readonly users = new Map<string, Set<Body>>(); /* of each model */
    private modelUrl: ModelUrl | null = null;
    private readonly unwatch: () => void;

    constructor(private readonly scene: Scene, private readonly crowd: Crowd, private readonly wardrobe: Wardrobe,
                private readonly models: Models, private readonly watchers: readonly BodyWatcher[],
                private readonly wake: () => void) {
        this.unwatch = scene.watch((change) => this.note(change));
    }

    private note(change: SceneChange): void {
        this.dirtyAll ||= change.all;
        this.dirtyTree ||= change.tree;
        for (const id of change.changed) {
            this.dirty.set(id, !change.mine && this.dirty.get(id) !== false);
            this.gone.delete(id);
        }
        for (const id of change.removed) {
            this.dirty.delete(id);
            this.gone.add(id);
        }
        this.wake();
    }

    /* Is anything to be done, or still on its way? */
    get busy(): boolean {
        return this.dirtyAll || this.dirtyTree || this.dirty.size + this.gone.size + this.moved.size + this.glides.size > 0;
    }

    setModels(modelUrl: ModelUrl | null): void {
        this.modelUrl = modelUrl;
        this.dirtyAll = true;
        this.wake();
    }

    /* A model got ready, or failed. */
    modelReady(url: string): void {
        for (const body of this.users.get(url) ?? []) {
            body.wears = '';
            this.dirty.set(body.id, this.dirty.get(body.id) ?? true);
        }
        this.wake();
    }

    /* Bring everything up to date as of `now` (ms). True: something changed. */
    step(now: number): boolean {
        const busy = this.busy;
        if (this.dirtyAll) {
            this.lookAtAll();
        } else {
            for (const id of this.gone) {
                this.remove(id);
            }
            for (const [id, smooth] of this.dirty) {
                this.update(id, smooth);
            }
        }
        this.gone.clear();
        this.dirty.clear();
        for (const [id, glide] of this.glides) {
            this.glide(id, glide, now);
        }
        this.spread();
        return busy;
    }

    private lookAtAll(): void {
        for (const id of [...this.all.keys()]) {
            if (!this.scene.get(id)) {
                this.remove(id);
            }
        }
        for (const id of this.scene.entities.keys()) {
            this.update(id, false);
        }
        this.dirtyAll = false;
        this.dirtyTree = true;
    }

    private update(id: EntityId, smooth: boolean): void {
        const entity = this.scene.get(id);
        if (!entity) {
            this.remove(id);
            return;
        }
        let body = this.all.get(id);
        if (!body) {
            body = { id, local: newLocal(), world: new Matrix4(), centre: new Vector3(), radius: 0, outfit: null, slots: [],
                     wears: '', url: null, hidden: false, locked: false };
            this.all.set(id, body);
            smooth = false;
            this.dirtyTree = true;
        }
        body.locked = this.scene.locked(id);
        const hidden = this.scene.hidden(id);
        if (hidden !== body.hidden) {
            this.hide(id);
        }
        const looks = looksOf(entity);
        const url = looks.some((look) => look.kind === 'model') && this.modelUrl ? this.modelUrl(entity) : null;
        this.dress(body, looks, url);
        if (!this.held.has(id)) {
            this.moveTo(body, toLocal(this.scene.place(id), local), smooth);
        }
    }

    /* What lies below follows. */
    private hide(top: EntityId): void {
        const stack = [top];
        for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
            const body = this.all.get(id);
            if (body) {
                body.hidden = this.scene.hidden(id);
                body.wears = '';
                if (id !== top && !this.dirtyAll) {
                    this.moved.add(id);
                    this.redress.add(id);
                }
            }
            stack.push(...this.scene.children(id));
        }
    }

    private readonly redress = new Set<EntityId>();

    private dress(body: Body, looks: readonly Look[], url: string | null): void {
        const wears = `${body.hidden ? 'hidden' : ''}${url ?? ''} ${JSON.stringify(looks)}`;
        if (wears === body.wears) {
            return;
        }
        const formerUrl = body.url;
        const formerOutfit = body.outfit;
        body.wears = wears;
        body.url = url;
        const model = url === null ? null : this.models.take(url);
        if (url !== null) {
            const users = this.users.get(url) ?? new Set();
            this.users.set(url, users.add(body));
        }
        for (const slot of body.slots) {
            slot.end();
        }
        body.outfit = looks.length > 0 ? this.outfit(body.id, looks, model) : null;
        body.slots = body.outfit && !body.hidden
            ? body.outfit.pieces.map(({ part, color }) => this.crowd.add(part, color)) : [];
        if (formerOutfit) {
            this.wardrobe.release(formerOutfit);
        }
        this.leaveModel(body, formerUrl);
        this.moved.add(body.id);
        for (const watcher of this.watchers) {
            watcher.dressed(body);
        }
    }

    /* Values are foreign: whatever one entity holds, the others are shown. */
    private outfit(id: EntityId, looks: readonly Look[], model: Model | null): Outfit {
        try {
            return this.wardrobe.dress(looks, model, tintOf(this.shapeName(id)));
        } catch (error) {
            console.error(`The entity ${id} cannot be shown:`, error);
            return this.wardrobe.dress([PLACE], null, 0);
        }
    }

    /* What is alike gets one colour. */
    private shapeName(id: EntityId): string {
        for (const [name, component] of this.scene.get(id)?.components ?? []) {
            const data = component.data;
            if (/Shape|Gltf/.test(name) && typeof data === 'object' && data !== null && !Array.isArray(data)) {
                return String(data['assetId'] ?? data['src'] ?? name);
            }
        }
        return id;
    }

    private leaveModel(body: Body, url: string | null): void {
        if (url !== null) {
            this.models.release(url);
            if (body.url !== url) {
                this.users.get(url)?.delete(body);
            }
        }
    }

    private moveTo(body: Body, to: Local, smooth: boolean): void {
        const glide = this.glides.get(body.id);
        if (glide && equalLocal(glide.to, to)) {
            return;
        }
        this.glides.delete(body.id);
        if (equalLocal(body.local, to)) {
            return;
        }
        if (smooth) {
            const next: Glide = { from: newLocal(), to: newLocal(), start: 0 };
            copyLocal(body.local, next.from);
            copyLocal(to, next.to);
            this.glides.set(body.id, next);
        } else {
            copyLocal(to, body.local);
            this.moved.add(body.id);
        }
    }

    private glide(id: EntityId, glide: Glide, now: number): void {
        const body = this.all.get(id);
        if (!body) {
            this.glides.delete(id);
            return;
        }
        glide.start ||= now - 16;
        const t = Math.min(1, (now - glide.start) / GLIDE_MS);
        body.local.position.lerpVectors(glide.from.position, glide.to.position, t);
        body.local.rotation.slerpQuaternions(glide.from.rotation, glide.to.rotation, t);
        body.local.scale.lerpVectors(glide.from.scale, glide.to.scale, t);
        this.moved.add(id);
        if (t === 1) {
            copyLocal(glide.to, body.local);
            this.glides.delete(id);
        }
    }

    /* World matrices of all that moved and of what hangs below it. */
    private spread(): void {
        if (this.dirtyTree) {
            this.unveil();
        }
        for (const id of this.redress) {
            this.update(id, true);
        }
        this.redress.clear();
        const stack = this.dirtyTree ? [...this.scene.children(null)] : [...this.moved];
        this.dirtyTree = false;
        this.moved.clear();
        for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
            const body = this.all.get(id);
            if (body) {
                this.placeBody(body);
                stack.push(...this.scene.children(id));
            }
        }
    }

    /* What hung below something hidden may hang elsewhere now, and the other way round. */
    private unveil(): void {
        for (const body of this.all.values()) {
            if (body.hidden !== this.scene.hidden(body.id)) {
                this.redress.add(body.id);
            }
        }
    }

    parentWorld(id: EntityId): Matrix4 {
        const parent = this.scene.parent(id);
        return (parent !== null && this.all.get(parent)?.world) || identity;
    }

    private placeBody(body: Body): void {
        body.world.multiplyMatrices(this.parentWorld(body.id), composeLocal(body.local, matrix));
        const { outfit } = body;
        if (outfit) {
            outfit.box.getCenter(body.centre).applyMatrix4(body.world);
            body.radius = outfit.box.min.distanceTo(outfit.box.max) * 0.5 * body.world.getMaxScaleOnAxis();
            body.slots.forEach((slot, i) => {
                const { offset } = outfit.pieces[i]!;
                slot.place(offset ? matrix.multiplyMatrices(body.world, offset) : body.world);
            });
        } else {
            body.centre.setFromMatrixPosition(body.world);
            body.radius = 0;
        }
        for (const watcher of this.watchers) {
            watcher.placed(body);
        }
    }

    private remove(id: EntityId): void {
        const body = this.all.get(id);
        if (!body) {
            return;
        }
        for (const slot of body.slots) {
            slot.end();
        }
        if (body.outfit) {
            this.wardrobe.release(body.outfit);
        }
        const url = body.url;
        body.url = null;
        this.leaveModel(body, url);
        this.all.delete(id);
        this.glides.delete(id);
        this.held.delete(id);
        this.dirtyTree = true; /* what hung below it hangs elsewhere */
        for (const watcher of this.watchers) {
            watcher.gone(body);
        }
    }

    /* From now on only `hold`'s caller places it. */
    hold(id: EntityId): void {
        this.held.add(id);
        this.glides.delete(id);
    }

    /* Show a held one at `to`, in its parent's space. */
    placeHeld(id: EntityId, to: Local): void {
        const body = this.all.get(id);
        if (body && this.held.has(id)) {
            copyLocal(to, body.local);
            this.moved.add(id);
            this.wake();
        }
    }

    release(id: EntityId): void {
        this.held.delete(id);
        this.dirty.set(id, false);
        this.wake();
    }

    dispose(): void {
        this.unwatch();
        this.all.clear();
    }
}

/* Rotation of a world matrix, without its scales. */
export function worldRotation(world: Matrix4, to: Quaternion): Quaternion {
    world.decompose(new Vector3(), to, new Vector3());
    return to;
}
