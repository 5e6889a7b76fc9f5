/* The canvas, the light and the camera; and when a frame is drawn: only when something asks for
 * it with `wake`. A view that nobody touches costs nothing. */
import {
    Color, DirectionalLight, HemisphereLight, MathUtils, PerspectiveCamera, PCFShadowMap, PMREMGenerator, Scene,
    SRGBColorSpace, Vector2, WebGLRenderer,
} from 'three';
import type { Box3, Material, Mesh, Object3D, Texture } from 'three';
import { RoomEnvironment } from 'three/addons/environments/RoomEnvironment.js';
import { Vector3 } from 'three';

export interface Palette {
    readonly sky: number;
    readonly ink: number;
    readonly fill: number;
    readonly accent: number;
    readonly shade: number; /* opacity of shadows on the ground */
    readonly above: number; /* light */
    readonly below: number;
    readonly bright: number;
    readonly mark: number; /* how much of the accent the base parcel has */
}

export const PALETTES: { readonly light: Palette; readonly dark: Palette } = {
    light: {
        sky: 0xdde2e8, ink: 0x5b6675, fill: 0xf0f2f5, accent: 0x3b6ef5, shade: 0.2,
        above: 0xffffff, below: 0xb4bac6, bright: 1.15, mark: 0.05,
    },
    dark: {
        sky: 0x17191d, ink: 0x8a94a3, fill: 0x202329, accent: 0x6a95ff, shade: 0.42,
        above: 0xe4ebff, below: 0x50545e, bright: 0.9, mark: 0.018,
    },
};

const SHADOW_SIDE = 2048; /* texels */
const FRAMES_KEPT = 60;

/* auto: low where the processor draws. */
export type Quality = 'auto' | 'high' | 'low';

const SOFT_FRAME_MS = 90; /* between two frames that the processor draws; it has other things to do */
const SOFT_LOAD_MS = 350;  /* the same while models come */

interface Opened {
    readonly canvas: HTMLCanvasElement;
    readonly context: WebGL2RenderingContext;
    readonly soft: boolean;
}

function openCanvas(antialias: boolean): Pick<Opened, 'canvas' | 'context'> {
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('webgl2', { antialias, alpha: false, powerPreference: 'high-performance' });
    if (!context) {
        throw new Error('This browser shows no 3D (WebGL 2 is off or missing).');
    }
    return { canvas, context };
}

/* Smooth edges are for graphics cards; whether there is one only a context tells, which cannot
 * get them later: then there is a second one, at little cost. */
function openContext(quality: Quality): Opened {
    const first = openCanvas(quality === 'high');
    if (quality !== 'auto') {
        return { ...first, soft: quality === 'low' };
    }
    if (drawnBySoftware(first.context)) {
        return { ...first, soft: true };
    }
    first.context.getExtension('WEBGL_lose_context')?.loseContext();
    return { ...openCanvas(true), soft: false };
}

function drawnBySoftware(context: WebGL2RenderingContext): boolean {
    const about = context.getExtension('WEBGL_debug_renderer_info');
    const name = String(context.getParameter(about ? about.UNMASKED_RENDERER_WEBGL : context.RENDERER));
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/* Slow machines draw fewer pixels while something moves, and all of them when it rests. */
class Pace {
    share = 1; /* of the pixels a side has */
    private last = 0;
    private mean = 16;
    private still = 0;

    frame(now: number, moving: boolean): void {
        if (moving && this.last > 0) {
            this.mean += (Math.min(250, now - this.last) - this.mean) * 0.25;
            if (this.mean > 45) {
                this.share = Math.max(0.5, this.share - 0.25);
                this.mean = 30; /* see first what that did */
            }
        }
        this.last = moving ? now : 0;
        this.still = moving ? this.still : 0;
    }

    /* Nothing moves any more: a few frames later it is sharp. True: another frame is wanted. */
    rest(): boolean {
        this.still++;
        if (this.still > 2) {
            this.share = 1;
            this.still = 0;
        }
        return this.share < 1;
    }
}

/* One part of a frame. True: it is in motion, another frame is wanted. */
export type Step = (now: number) => boolean;

export class Stage {
    readonly canvas: HTMLCanvasElement;
    readonly renderer: WebGLRenderer;
    /* No graphics card: what can be left out is left out. */
    readonly soft: boolean;
    readonly scene = new Scene();
    readonly camera = new PerspectiveCamera(45, 1, 0.1, 3000);
    private readonly sun = new DirectionalLight(0xfff6ea, 2.0);
    private readonly sky = new HemisphereLight(0xffffff, 0x888888, 1.6);
    private environment: Texture | null = null;
    private handle = 0; /* of the frame to come; -1: it is asked for when it is due */
    private due = 0;
    private ended = false;
    private stepping = false;
    private readonly prepared = new WeakSet<Material>();
    private timer: ReturnType<typeof setTimeout> | undefined;
    private began = -Infinity;
    private count = 0;
    private readonly times: number[] = [];
    private moving = false;
    private readonly pace = new Pace();
    private lost = false;
    private readonly watcher: ResizeObserver;
    readonly steps: Step[] = [];
    /* Drawn after the scene, over it. */
    readonly overlays: (() => void)[] = [];
    loading: () => boolean = () => false;
    /* Asked after the steps of a frame. Null: it is time for a picture. Else it is too early, and
     * the shaders of these are made meanwhile. */
    early: () => readonly Mesh[] | null = () => null;
    onResize: () => void = () => undefined;
    /* After each frame; whether it left something in motion. */
    after: (moving: boolean) => void = () => undefined;
    /* The context was lost (true), and came back (false). */
    onLost: (lost: boolean) => void = () => undefined;

    /* The canvas becomes the first child of `place`, and as large. */
    constructor(place: HTMLElement, quality: Quality) {
        const { canvas, context, soft } = openContext(quality);
        this.canvas = canvas;
        this.soft = soft;
        canvas.className = 'canvas';
        place.prepend(canvas);
        this.renderer = new WebGLRenderer({ canvas, context });
        this.renderer.debug.checkShaderErrors = false; /* asked for, each program would be waited for */
        this.renderer.outputColorSpace = SRGBColorSpace;
        this.renderer.shadowMap.enabled = !this.soft;
        this.renderer.shadowMap.type = PCFShadowMap;
        this.renderer.shadowMap.autoUpdate = false;
        this.sun.castShadow = !this.soft;
        this.sun.shadow.mapSize.set(SHADOW_SIDE, SHADOW_SIDE);
        this.sun.shadow.bias = -0.0005;
        this.sun.shadow.normalBias = 0.05;
        this.scene.add(this.sky, this.sun, this.sun.target);
        this.scene.background = new Color();
        this.watcher = new ResizeObserver(() => {
            if (this.resize() && this.count > 0 && !this.lost) {
                this.draw(); /* or it would be empty until the next frame */
            }
            this.wake();
        });
        this.watcher.observe(canvas);
        canvas.addEventListener('webglcontextlost', this.contextLost);
        canvas.addEventListener('webglcontextrestored', this.contextRestored);
        this.resize();
    }

    add(...objects: Object3D[]): void {
        this.scene.add(...objects);
    }

    private readonly contextLost = (event: Event): void => {
        event.preventDefault(); /* or the browser does not give it back */
        this.lost = true;
        this.onLost(true);
    };

    private readonly contextRestored = (): void => {
        this.lost = false;
        this.environment = null;
        this.scene.environment = null;
        this.renderer.shadowMap.needsUpdate = true;
        this.onLost(false);
        this.wake();
    };

    private resize(): boolean {
        const width = Math.max(1, this.canvas.clientWidth);
        const height = Math.max(1, this.canvas.clientHeight);
        const ratio = Math.min(2, window.devicePixelRatio || 1) * this.pace.share;
        const size = this.renderer.getSize(new Vector2());
        if (size.x === width && size.y === height && this.renderer.getPixelRatio() === ratio) {
            return false;
        }
        this.renderer.setPixelRatio(ratio);
        this.renderer.setSize(width, height, false);
        this.camera.aspect = width / height;
        this.camera.updateProjectionMatrix();
        if (size.x !== width || size.y !== height) {
            this.onResize();
        }
        return true;
    }

    paint(palette: Palette): void {
        (this.scene.background as Color).set(palette.sky);
        this.sky.color.set(palette.above);
        this.sky.groundColor.set(palette.below);
        this.sky.intensity = palette.bright;
        this.wake();
    }

    /* The sun shines on all of `box`, and its shadows are as sharp as that allows. */
    light(box: Box3): void {
        const middle = box.getCenter(new Vector3());
        const radius = MathUtils.clamp(box.min.distanceTo(box.max) / 2, 8, 400);
        this.sun.target.position.copy(middle);
        this.sun.position.set(-0.5, 1, 0.62).normalize().multiplyScalar(radius * 2).add(middle);
        const { camera } = this.sun.shadow;
        camera.left = camera.bottom = -radius;
        camera.right = camera.top = radius;
        camera.near = radius * 0.2;
        camera.far = radius * 4;
        camera.updateProjectionMatrix();
    }

    /* Something that casts a shadow moved. */
    shadows(): void {
        this.renderer.shadowMap.needsUpdate = true;
    }

    /* Metals need something to mirror. Made when the first model is there, for it takes a while. */
    surround(): void {
        if (!this.environment && !this.lost && !this.soft) {
            const maker = new PMREMGenerator(this.renderer);
            this.environment = maker.fromScene(new RoomEnvironment(), 0.04, 0.1, 100, { size: 64 }).texture;
            maker.dispose();
            this.scene.environment = this.environment;
            this.scene.environmentIntensity = 0.35;
            this.wake();
        }
    }

    wake(): void {
        const due = this.soft ? this.began + (this.loading() ? SOFT_LOAD_MS : SOFT_FRAME_MS) : 0;
        const wait = due - performance.now();
        if (this.handle > 0 || this.ended || this.stepping || (this.handle < 0 && due >= this.due)) {
            return; /* it comes soon enough */
        }
        clearTimeout(this.timer);
        if (wait <= 0) {
            this.handle = requestAnimationFrame(this.frame);
        } else {
            this.handle = -1;
            this.due = due;
            this.timer = setTimeout(() => {
                this.handle = requestAnimationFrame(this.frame);
            }, wait);
        }
    }

    private readonly frame = (now: number): void => {
        this.handle = 0;
        if (this.lost) {
            return;
        }
        if (!this.soft) {
            this.pace.frame(now, this.moving);
        }
        const start = performance.now();
        this.step(now);
        const early = this.early();
        if (early) {
            this.prepare(early);
            return this.moving ? this.wake() : undefined;
        }
        this.began = start;
        if (!this.moving && this.pace.share < 1) {
            this.moving = this.pace.rest(); /* sharp again, with the next frame */
        }
        this.resize();
        this.draw();
        this.count++;
        this.times.push(performance.now() - start);
        if (this.times.length > FRAMES_KEPT) {
            this.times.shift();
        }
        if (this.moving) {
            this.wake();
        }
        this.after(this.moving);
    };

    /* What a step wakes for is drawn with the frame that it is a part of. */
    private step(now: number): void {
        this.moving = false;
        this.stepping = true;
        try {
            for (const step of this.steps) {
                this.moving = step(now) || this.moving;
            }
        } finally {
            this.stepping = false; /* what fails once shall not keep every later frame away */
        }
    }

    private prepare(meshes: readonly Mesh[]): void {
        for (const mesh of meshes) {
            const material = mesh.material as Material;
            if (!this.prepared.has(material)) {
                this.prepared.add(material);
                this.renderer.compile(mesh, this.camera, this.scene);
            }
        }
    }

    private draw(): void {
        this.renderer.setRenderTarget(null);
        this.renderer.render(this.scene, this.camera);
        for (const overlay of this.overlays) {
            overlay();
        }
    }

    /* How many were drawn, and what one costs on this thread: the mean of the last ones. */
    frames(): { count: number; ms: number } {
        const sum = this.times.reduce((a, b) => a + b, 0);
        return { count: this.count, ms: this.times.length > 0 ? sum / this.times.length : 0 };
    }

    dispose(): void {
        this.ended = true; /* no frame any more */
        cancelAnimationFrame(this.handle);
        clearTimeout(this.timer);
        this.watcher.disconnect();
        this.canvas.removeEventListener('webglcontextlost', this.contextLost);
        this.canvas.removeEventListener('webglcontextrestored', this.contextRestored);
        this.environment?.dispose();
        this.sun.shadow.dispose();
        this.renderer.dispose();
        this.canvas.remove();
    }
}
