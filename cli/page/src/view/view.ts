/* The scene in 3D, as people see and move it. Wires the parts of this folder to one session.
 *
 *      space    between the scene's coordinates and three's
 *      look, model, wardrobe       what an entity looks like, as parts that can be drawn
 *      crowd    parts that many share, drawn in one call
 *      bodies   the entities as shown; outline: around some of them
 *      stage    canvas, light, frames on demand; eye: the camera; ground: the land
 *      pick, pointer, gizmo, drag, keys      what people do
 *      people, labels, tags, axes  who else is here; names; which way is which */
import { computed, effect, signal } from '@preact/signals-core';
import type { ReadonlySignal, Signal } from '@preact/signals-core';
import { Box3, Quaternion, Vector2, Vector3 } from 'three';
import type { Material, Mesh } from 'three';
import type { Entity, EntityId, SceneInfo, Session } from '../core/types';
import { Axes } from './axes';
import { Bodies } from './bodies';
import type { Body, BodyWatcher } from './bodies';
import { Crowd } from './crowd';
import { Eye } from './eye';
import { Gizmo, SNAP_METRES } from './gizmo';
import type { Tool } from './gizmo';
import { Ground, PARCEL } from './ground';
import { Keys } from './keys';
import { Labels } from './labels';
import type { Label } from './labels';
import { Models } from './model';
import { Outlines } from './outline';
import { People } from './people';
import { boxAround, cornersOf, meetPlane, pointsOf } from './pick';
import { Pointer } from './pointer';
import { fromPosition, fromRotation, toPosition, toRotation } from './space';
import { PALETTES, Stage } from './stage';
import type { Quality } from './stage';
import { Tags } from './tags';
import { Wardrobe } from './wardrobe';

/* Where the files of models are; null: nobody has it. */
export interface ModelFiles {
    url(entity: Entity): string | null;
    /* A file that the model at `url` names: its textures, its .bin. */
    beside(url: string, name: string): string | null;
    /* What each request for a file carries. */
    readonly headers: { readonly [name: string]: string };
}

export type { Quality };

export interface ViewOptions {
    readonly theme: ReadonlySignal<'light' | 'dark'>;
    /* Both are null until they are known. */
    readonly info: ReadonlySignal<SceneInfo | null>;
    readonly models: ReadonlySignal<ModelFiles | null>;
    readonly quality?: Quality;
}

export interface View {
    readonly tool: Signal<Tool>;
    readonly snap: Signal<boolean>;
    readonly space: Signal<'local' | 'world'>;
    /* Whose camera is followed (Person.id); null as soon as one moves one's own. */
    readonly following: Signal<string | null>;
    /* Look at these as a whole; at everything if there are none. */
    frame(ids: readonly EntityId[]): void;
    home(): void;
    /* Where new things go: what the middle of the view meets of the ground. */
    dropPoint(): [number, number, number];
    /* The middle of what an entity shows, in pixels of the page; null: not on the screen. */
    screen(id: EntityId): { x: number; y: number } | null;
    /* A gizmo's handle along an axis of the scene; null: there is none. */
    handle(axis: 'x' | 'y' | 'z'): { x: number; y: number } | null;
    /* Frames drawn since it opened; what one costs on this thread, in ms: mean of the last 60. */
    frames(): { count: number; ms: number };
    /* Everything is loaded, drawn, and at rest. */
    settled(): Promise<void>;
    dispose(): void;
}

const DROP_AHEAD = 12; /* metres, where the view meets no ground */
const OPEN_MS = 3000;  /* so long the first picture waits for the scene, */
const FIRST_MS = 1200; /* and for its models */

class SceneView implements View {
    readonly tool = signal<Tool>('move');
    readonly snap = signal(true);
    readonly space = signal<'local' | 'world'>('world');
    readonly following = signal<string | null>(null);

    private readonly stage: Stage;
    private readonly eye: Eye;
    private readonly ground: Ground;
    private readonly crowd = new Crowd();
    private readonly outlines: Outlines;
    private readonly wardrobe = new Wardrobe();
    private readonly models: Models;
    private readonly bodies: Bodies;
    private readonly people: People;
    private readonly labels: Labels;
    private readonly names: Labels; /* of stand-ins */
    private readonly tags = new Tags();
    private readonly axes: Axes;
    private readonly gizmo: Gizmo;
    private readonly pointer: Pointer;
    private readonly keys: Keys;
    private readonly ends: (() => void)[] = [];
    private readonly waiting: (() => void)[] = [];
    private readonly hovered = signal<EntityId | null>(null);
    private marks = true;      /* outlines and labels are to be made anew */
    private arrived = false;   /* the scene was there once */
    private complete = false;  /* and its models were */
    private waits = true;      /* for the first picture */
    private latest = 0;        /* when that is drawn in any case */
    private toHome = true;
    private toLight = true;
    private toShade = true;
    private lit = new Box3();

    constructor(place: HTMLElement, private readonly session: Session, private readonly options: ViewOptions) {
        this.stage = new Stage(place, options.quality ?? 'auto');
        const { canvas } = this.stage;
        canvas.tabIndex = 0;
        canvas.setAttribute('role', 'application');
        canvas.setAttribute('aria-label', 'Scene in 3D');
        canvas.style.touchAction = 'none';
        this.ground = new Ground(!this.stage.soft);
        this.outlines = new Outlines(this.stage.soft);
        const wake = () => this.stage.wake();
        this.eye = new Eye(this.stage.camera, canvas, wake);
        this.eye.controls.enableDamping = !this.stage.soft;
        this.models = new Models({
            told: (url, { metal }) => this.modelCame(url, metal),
            beside: (url, name) => options.models.peek()?.beside(url, name) ?? null,
            headers: () => options.models.peek()?.headers ?? {},
            plain: this.stage.soft,
        });
        const watcher: BodyWatcher = { placed: (body) => this.placed(body), dressed: () => undefined, gone: () => this.gone() };
        this.bodies = new Bodies(session.scene, this.crowd, this.wardrobe, this.models, [this.outlines, watcher], wake);
        this.people = new People(this.stage.camera);
        this.labels = new Labels(canvas);
        this.names = new Labels(canvas);
        this.axes = new Axes(canvas, (from) => this.eye.side(from));
        this.gizmo = new Gizmo(this.stage.camera, canvas, session, this.bodies, wake);
        this.pointer = new Pointer(this.stage, this.eye, this.bodies, this.gizmo, session,
                                   () => ({ hand: this.tool.peek() === 'move' && !this.readOnly, snap: this.snap.peek() }),
                                   (ids) => this.frame(ids));
        this.keys = new Keys(canvas, this.eye, this.bodies, this.pointer, session,
                             () => ({ tool: this.tool.peek(), snap: this.snap.peek(), readOnly: this.readOnly }));
        this.stage.add(this.ground.group, this.crowd.group, this.people.group, this.gizmo.pivot, this.gizmo.controls.getHelper());
        this.ends.push(this.eye.remember(`scenesync.camera.${session.sceneName}`));
        this.wire();
        this.follow();
        wake();
    }

    private get readOnly(): boolean {
        return this.session.link.peek().readOnly;
    }

    private wire(): void {
        const { stage, eye, bodies, gizmo, pointer } = this;
        gizmo.onDragging = (dragging) => {
            eye.controls.enabled = !dragging;
        };
        pointer.onHover = (id) => {
            this.hovered.value = id;
        };
        eye.onTouch = () => {
            this.following.value = null;
        };
        stage.steps.push(
            (now) => {
                bodies.step(now);
                return bodies.busy;
            },
            () => this.settle(),
            () => gizmo.step(),
            (now) => eye.step(now),
            (now) => this.people.step(now),
            () => pointer.step(),
            () => this.decorate(),
        );
        stage.overlays.push(() => this.outlines.draw(stage.renderer, stage.camera), () => this.name(),
                            () => this.labels.place(stage.camera), () => this.axes.step(stage.camera));
        stage.onResize = () => {
            this.toHome ||= !eye.touched;
        };
        stage.loading = () => this.models.busy;
        stage.early = () => this.early();
        this.until(OPEN_MS);
        stage.after = (moving) => this.drawn(moving);
        stage.onLost = (lost) => this.session.say(
            lost ? 'warning' : 'info',
            lost ? 'The graphics card was taken away; the view comes back when it is there again.' : 'The view is back.');
    }

    /* Follow the signals. */
    private follow(): void {
        const { session, options, stage, ends } = this;
        const phase = computed(() => session.link.value.phase); /* of the link, not of each edit that is answered */
        const readOnly = computed(() => session.link.value.readOnly);
        ends.push(effect(() => {
            const palette = PALETTES[options.theme.value];
            this.ground.paint(palette);
            this.tags.stale = true;
            stage.paint(palette);
        }));
        ends.push(effect(() => {
            const info = options.info.value;
            if (info && info.parcels.length > 0) {
                this.ground.setParcels(info.parcels, info.base);
                this.toHome = this.toLight = true;
                stage.wake();
            }
        }));
        ends.push(effect(() => {
            const files = options.models.value;
            this.bodies.setModels(files ? (entity) => files.url(entity) : null);
        }));
        ends.push(effect(() => {
            if (phase.value !== 'live') {
                return;
            }
            if (!this.arrived) {
                this.arrived = this.toHome = this.toLight = true;
                this.until(FIRST_MS);
                stage.wake();
            }
            this.models.retry();
        }));
        ends.push(effect(() => {
            this.gizmo.set({ tool: this.tool.value, space: this.space.value, snap: this.snap.value,
                             readOnly: readOnly.value });
            this.gizmo.select(session.selection.value);
        }));
        ends.push(effect(() => {
            void [session.selection.value, session.me.value, this.hovered.value];
            const people = session.people.value;
            const whom = this.following.value;
            this.people.show(people, whom);
            const camera = people.find(({ id }) => id === whom)?.camera;
            this.eye.chase(camera ? { position: toPosition(camera.position, new Vector3()),
                                      rotation: toRotation(camera.rotation, new Quaternion()) } : null);
            this.marks = true;
            stage.wake();
        }));
    }

    /* Where the processor draws, a picture costs as much as all else until then: the first one is
     * of the whole scene, if that is there in time. */
    private early(): readonly Mesh[] | null {
        const complete = this.arrived && this.options.models.peek() !== null && !this.models.busy && !this.bodies.busy;
        this.waits &&= this.stage.soft && !complete && performance.now() < this.latest;
        return this.waits ? [this.ground.plane, ...this.crowd.meshes.filter(({ material }) => !(material as Material).transparent)] : null;
    }

    /* It waits no longer than for so long. */
    private until(ms: number): void {
        this.latest = performance.now() + ms;
        const timer = setTimeout(() => this.stage.wake(), ms);
        this.ends.push(() => clearTimeout(timer));
    }

    private modelCame(url: string, metal: boolean): void {
        this.bodies.modelReady(url);
        if (metal) {
            this.stage.surround();
        }
        if (this.arrived && !this.complete && !this.models.busy) {
            this.complete = this.toHome = true; /* now it is known how large everything is */
        }
    }

    private placed(body: Body): void {
        this.toShade = this.tags.stale = true;
        this.marks ||= this.outlined.has(body.id);
        this.toLight ||= !this.arrived || (body.radius > 0 && !this.lit.containsPoint(body.centre));
    }

    private gone(): void {
        this.toShade = this.tags.stale = this.marks = true;
    }

    /* What is to be done when bodies are where they are, and before the camera moves. */
    private settle(): boolean {
        if (this.toLight) {
            this.toLight = false;
            this.lit = boxAround(this.nearby(PARCEL)).union(this.ground.box).expandByScalar(1);
            this.stage.light(this.lit);
            this.toShade = true;
        }
        if (this.toShade && !this.models.busy) { /* not again with every model that comes */
            this.toShade = false;
            this.stage.shadows();
        }
        if (this.toHome) {
            this.toHome = false;
            if (!this.eye.touched && this.following.peek() === null) {
                this.eye.home(this.homePoints(), true);
            }
        }
        return false;
    }

    /* All that is shown and is no farther from the land than `margin`. */
    private nearby(margin: number): Body[] {
        const land = this.ground.box.clone().expandByVector(new Vector3(margin, 200, margin));
        return [...this.bodies.all.values()].filter(({ slots, centre }) => slots.length > 0 && land.containsPoint(centre));
    }

    /* What is to be seen at first: everything, and never less than some metres of the ground. */
    private homePoints(): Vector3[] {
        const land = this.ground.box.clone().expandByVector(new Vector3(4, 200, 4));
        const points = pointsOf(this.nearby(4)).map((point) => point.clamp(land.min, land.max));
        if (points.length === 0) {
            return cornersOf(this.ground.box);
        }
        const middle = new Box3().setFromPoints(points).getCenter(new Vector3()).setY(0);
        return points.concat(cornersOf(new Box3().setFromCenterAndSize(middle, new Vector3(10, 0, 10))));
    }

    private readonly outlined = new Map<EntityId, { color: string; faint: boolean }>();

    /* Outlines and names, as things stand. */
    private decorate(): boolean {
        if (!this.marks) {
            return false;
        }
        this.marks = false;
        const { session, outlined, bodies } = this;
        const labels = new Map<string, Label>();
        outlined.clear();
        for (const person of session.people.peek()) {
            for (const id of person.selection) {
                outlined.set(id, { color: person.color, faint: false });
            }
            const named = person.selection.find((id) => (bodies.all.get(id)?.slots.length ?? 0) > 0);
            if (named !== undefined) {
                labels.set(`${person.id} selects`, { text: person.name, color: person.color, at: () => this.above(named) });
            }
            labels.set(`${person.id} stands`, { text: person.name, color: person.color, at: () => this.people.at(person.id) });
        }
        for (const id of session.selection.peek()) {
            outlined.set(id, { color: session.me.peek().color, faint: false });
        }
        const over = this.hovered.peek();
        if (over !== null && session.scene.get(over)) {
            if (!outlined.has(over)) {
                outlined.set(over, { color: session.me.peek().color, faint: true });
            }
            labels.set('hover', { text: session.scene.label(over), color: '#2a2d33', quiet: true, at: () => this.above(over) });
        }
        this.outlines.show(outlined, bodies);
        this.labels.set(labels);
        return false;
    }

    private name(): void {
        const { camera, canvas } = this.stage;
        const color = this.options.theme.peek() === 'dark' ? '#dfe3ea' : '#3a414c';
        const names = this.tags.step(camera, canvas.clientWidth, canvas.clientHeight, this.bodies,
                                     (id) => this.session.scene.label(id), color);
        if (names) {
            this.names.set(names);
        }
        this.names.place(camera);
    }

    private above(id: EntityId): Vector3 | null {
        const body = this.bodies.all.get(id);
        return body && body.slots.length > 0 ? body.centre.clone().setY(body.centre.y + body.radius * 0.6) : null;
    }

    private drawn(moving: boolean): void {
        const { camera } = this.stage;
        if (this.arrived) { /* before that it looks at nothing */
            this.session.showCamera(fromPosition(camera.position), fromRotation(camera.quaternion));
        }
        const rest = !moving && !this.bodies.busy && !this.models.busy && this.options.models.peek() !== null;
        if (rest) {
            for (const done of this.waiting.splice(0)) {
                done();
            }
        }
    }

    settled(): Promise<void> {
        return new Promise((done) => {
            this.waiting.push(done);
            this.stage.wake();
        });
    }

    frames(): { count: number; ms: number } {
        return this.stage.frames();
    }

    frame(ids: readonly EntityId[]): void {
        this.bodies.step(performance.now());
        const bodies = ids.map((id) => this.bodies.all.get(id)).filter((body): body is Body => body !== undefined);
        this.following.value = null;
        if (bodies.length === 0) {
            this.home();
        } else {
            this.eye.touched = true;
            const middle = boxAround(bodies).getCenter(new Vector3());
            const least = new Box3().setFromCenterAndSize(middle, new Vector3(1, 1, 1)); /* not into a grain of sand */
            this.eye.look(pointsOf(bodies).concat(cornersOf(least)));
        }
    }

    home(): void {
        this.bodies.step(performance.now());
        this.following.value = null;
        this.eye.home(this.homePoints(), false);
    }

    dropPoint(): [number, number, number] {
        const { camera } = this.stage;
        const up = new Vector3(0, 1, 0);
        const met = meetPlane(camera, new Vector2(0, 0), up, new Vector3());
        const at = met ?? camera.position.clone().addScaledVector(new Vector3(0, 0, -1).applyQuaternion(camera.quaternion), DROP_AHEAD);
        const { min, max } = this.ground.box;
        at.clamp(new Vector3(min.x + 1, 0, min.z + 1), new Vector3(max.x - 1, 0, max.z - 1));
        return fromPosition(at.divideScalar(SNAP_METRES).round().multiplyScalar(SNAP_METRES));
    }

    private toScreen(point: Vector3): { x: number; y: number } | null {
        const box = this.stage.canvas.getBoundingClientRect();
        this.stage.camera.updateMatrixWorld();
        const at = point.clone().project(this.stage.camera);
        const seen = at.z < 1 && Math.abs(at.x) <= 1 && Math.abs(at.y) <= 1;
        return seen ? { x: box.left + (at.x + 1) * 0.5 * box.width, y: box.top + (1 - at.y) * 0.5 * box.height } : null;
    }

    screen(id: EntityId): { x: number; y: number } | null {
        this.bodies.step(performance.now());
        const body = this.bodies.all.get(id);
        return body ? this.toScreen(body.centre) : null;
    }

    handle(axis: 'x' | 'y' | 'z'): { x: number; y: number } | null {
        const at = this.gizmo.handle(axis);
        return at ? this.toScreen(at) : null;
    }

    dispose(): void {
        for (const end of this.ends) {
            end();
        }
        for (const part of [this.keys, this.pointer, this.gizmo, this.bodies, this.models, this.crowd, this.outlines,
                            this.wardrobe, this.people, this.labels, this.names, this.axes, this.ground, this.eye, this.stage]) {
            part.dispose();
        }
    }
}

/* Throws an Error whose message is for people where there is no 3D. `place` is positioned and
 * empty: it gets the canvas, and names and axes over it. */
export function openView(place: HTMLElement, session: Session, options: ViewOptions): View {
    return new SceneView(place, session, options);
}
