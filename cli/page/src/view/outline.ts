/* Outlines around what is selected, by whom, and around what is under the pointer.
 *
 *      1  what has an outline is drawn flat, in its colour, into a texture (the mask)
 *      2  over the picture: a pixel beside the mask, but not in it, takes the mask's colour
 *
 * So an outline is as wide everywhere, follows the silhouette, and is seen through walls. The
 * colours in the mask are premultiplied; a weaker outline is one with less alpha. */
import {
    Camera, Color, LinearFilter, Mesh, MeshBasicMaterial, NoBlending, OneFactor, OneMinusSrcAlphaFactor,
    CustomBlending, DoubleSide, OrthographicCamera, PlaneGeometry, Scene, ShaderMaterial, UnsignedByteType, Vector2,
    WebGLRenderTarget,
} from 'three';
import type { BufferGeometry, WebGLRenderer } from 'three';
import type { EntityId } from '../core/types';
import type { Bodies, Body, BodyWatcher } from './bodies';
import { Crowd } from './crowd';
import type { Part, Slot } from './crowd';

const WIDTH = 2; /* CSS pixels */
const FAINT = 0.5;

const COMPOSE = /* glsl */ `
    uniform sampler2D mask;
    uniform vec2 reach; /* of the outline, in the mask's units */
    varying vec2 at;
    void main() {
        vec4 here = texture2D(mask, at);
        vec4 found = vec4(0.0);
        for (int i = 0; i < 16; i++) {
            float angle = float(i) * 0.39269908;
            vec4 there = texture2D(mask, at + vec2(cos(angle), sin(angle)) * reach * (i % 2 == 0 ? 1.0 : 0.6));
            found = there.a > found.a ? there : found;
        }
        gl_FragColor = found * (1.0 - step(0.001, here.a) * clamp(here.a / max(found.a, 0.001), 0.0, 1.0));
        if (gl_FragColor.a < 0.004) {
            discard;
        }
        gl_FragColor.rgb /= gl_FragColor.a;
        #include <colorspace_fragment>
        gl_FragColor.rgb *= gl_FragColor.a;
    }`;

interface Mark {
    color: Color;
    faint: boolean;
    slots: Slot[];
}

export class Outlines implements BodyWatcher {
    private readonly crowd = new Crowd();
    private readonly scene = new Scene();
    private readonly marks = new Map<EntityId, Mark>();
    private readonly parts = new Map<BufferGeometry, readonly [Part, Part]>();
    private readonly strong = flat(1);
    private readonly weak = flat(FAINT);
    private target: WebGLRenderTarget | null = null;
    private readonly eye: Camera = new OrthographicCamera(-1, 1, 1, -1, 0, 1);
    private readonly compose = new ShaderMaterial({
        uniforms: { mask: { value: null }, reach: { value: new Vector2() } },
        vertexShader: 'varying vec2 at; void main() { at = uv; gl_Position = vec4(position.xy, 0.0, 1.0); }',
        fragmentShader: COMPOSE, depthTest: false, depthWrite: false, transparent: true,
        blending: CustomBlending, blendSrc: OneFactor, blendDst: OneMinusSrcAlphaFactor,
    });
    private readonly sheet = new Mesh(new PlaneGeometry(2, 2), this.compose);

    constructor(private readonly soft: boolean) {
        this.scene.add(this.crowd.group);
        this.sheet.frustumCulled = false;
    }

    /* Exactly these have outlines. True: something changed. */
    show(wanted: ReadonlyMap<EntityId, { color: string; faint: boolean }>, bodies: Bodies): boolean {
        let changed = false;
        for (const id of [...this.marks.keys()]) {
            if (!wanted.has(id)) {
                this.drop(id);
                changed = true;
            }
        }
        for (const [id, { color, faint }] of wanted) {
            const mark = this.marks.get(id);
            if (mark && mark.faint === faint && '#' + mark.color.getHexString() === color) {
                continue;
            }
            this.drop(id);
            const made: Mark = { color: new Color(color), faint, slots: [] };
            this.marks.set(id, made);
            const body = bodies.all.get(id);
            if (body) {
                this.wear(body, made);
            }
            changed = true;
        }
        return changed;
    }

    private drop(id: EntityId): void {
        for (const slot of this.marks.get(id)?.slots ?? []) {
            slot.end();
        }
        this.marks.delete(id);
    }

    private part(geometry: BufferGeometry, faint: boolean): Part {
        let pair = this.parts.get(geometry);
        if (!pair) {
            pair = [{ geometry, material: this.strong, shadow: false, tinted: true },
                    { geometry, material: this.weak, shadow: false, tinted: true }];
            this.parts.set(geometry, pair);
            const forget = () => {
                this.parts.delete(geometry);
                geometry.removeEventListener('dispose', forget);
            };
            geometry.addEventListener('dispose', forget);
        }
        return pair[faint ? 1 : 0];
    }

    private wear(body: Body, mark: Mark): void {
        for (const slot of mark.slots) {
            slot.end();
        }
        const pieces = body.hidden ? [] : body.outfit?.pieces ?? [];
        mark.slots = pieces.map(({ part }) => this.crowd.add(this.part(part.geometry, mark.faint), mark.color));
        this.place(body, mark);
    }

    private place(body: Body, mark: Mark): void {
        mark.slots.forEach((slot, i) => {
            const offset = body.outfit!.pieces[i]!.offset;
            slot.place(offset ? body.world.clone().multiply(offset) : body.world);
        });
    }

    dressed(body: Body): void {
        const mark = this.marks.get(body.id);
        if (mark) {
            this.wear(body, mark);
        }
    }

    placed(body: Body): void {
        const mark = this.marks.get(body.id);
        if (mark) {
            this.place(body, mark);
        }
    }

    gone(body: Body): void {
        this.drop(body.id);
    }

    /* Over what `renderer` has drawn. */
    draw(renderer: WebGLRenderer, camera: Camera): void {
        if (this.crowd.empty) {
            return;
        }
        const size = renderer.getDrawingBufferSize(new Vector2());
        if (!this.target || this.target.width !== size.x || this.target.height !== size.y) {
            this.target?.dispose();
            this.target = new WebGLRenderTarget(size.x, size.y, {
                type: UnsignedByteType, minFilter: LinearFilter, magFilter: LinearFilter, samples: this.soft ? 0 : 4,
            });
            this.compose.uniforms['mask']!.value = this.target.texture;
        }
        const wide = WIDTH * renderer.getPixelRatio();
        (this.compose.uniforms['reach']!.value as Vector2).set(wide / size.x, wide / size.y);
        const { autoClear } = renderer;
        renderer.setRenderTarget(this.target);
        renderer.setClearColor(0x000000, 0);
        renderer.clear();
        renderer.render(this.scene, camera);
        renderer.setRenderTarget(null);
        renderer.autoClear = false;
        renderer.render(this.sheet, this.eye);
        renderer.autoClear = autoClear;
    }

    dispose(): void {
        this.crowd.dispose();
        this.target?.dispose();
        this.compose.dispose();
        this.sheet.geometry.dispose();
        this.strong.dispose();
        this.weak.dispose();
    }
}

function flat(alpha: number): MeshBasicMaterial {
    return new MeshBasicMaterial({
        opacity: alpha, transparent: true, premultipliedAlpha: true, blending: NoBlending, toneMapped: false,
        side: DoubleSide,
    });
}
