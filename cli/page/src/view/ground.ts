/* The land: parcels of 16 m with a grid of 1 m, the scene's border, the base parcel marked, and
 * around it faint parcels that are not the scene's.
 *
 * One plane; its shader looks up in a small texture (one texel a parcel, one parcel of margin)
 * what a point belongs to. It is drawn before everything else and writes no depth, so what a
 * scene has at height 0 lies above it, from near and from far. */
import {
    Box3, Color, CustomBlending, DataTexture, Group, Mesh, NearestFilter, OneMinusSrcAlphaFactor, PlaneGeometry, RedFormat,
    ShaderMaterial, ShadowMaterial, SrcAlphaFactor, Vector2, Vector3,
} from 'three';
import type { Palette } from './stage';

export const PARCEL = 16; /* metres */
const SIDE_MAX = 512; /* parcels; a scene that claims more is shown in part */
const AROUND = 320; /* metres that the plane reaches beyond the scene */

/* What is "transparent" would be drawn after all that is not. */
const FIRST = {
    transparent: false, depthWrite: false, blending: CustomBlending, blendSrc: SrcAlphaFactor, blendDst: OneMinusSrcAlphaFactor,
} as const;

interface Parcel {
    readonly x: number;
    readonly y: number;
}

const VERTEX = /* glsl */ `
    varying vec2 at;
    void main() {
        vec4 world = modelMatrix * vec4(position, 1.0);
        at = vec2(world.x, -world.z);
        gl_Position = projectionMatrix * viewMatrix * world;
    }`;

const FRAGMENT = /* glsl */ `
    uniform sampler2D parcels;
    uniform vec2 corner;      /* of the texture, in parcels */
    uniform vec2 size;
    uniform vec3 ink, fill, accent;
    uniform vec2 middle;
    uniform float reach, mark;
    varying vec2 at;

    float parcel(vec2 cell) {
        vec2 uv = (cell - corner + 0.5) / size;
        return any(lessThan(uv, vec2(0.0))) || any(greaterThan(uv, vec2(1.0))) ? 0.0 : texture2D(parcels, uv).r;
    }

    /* 1 on the lines of a grid, gone where they would be closer than some pixels. */
    float lines(vec2 p, float period, float width) {
        vec2 q = p / period;
        vec2 step1 = max(fwidth(q), 1e-6);
        vec2 far = abs(fract(q - 0.5) - 0.5) / step1;
        vec2 on = clamp(width + 0.5 - far, 0.0, 1.0) * (1.0 - smoothstep(0.08, 0.35, step1));
        return max(on.x, on.y);
    }

    /* 1 on the border between the scene and what is not. */
    float border(vec2 p, float here) {
        vec2 q = p / 16.0;
        vec2 cell = floor(q);
        vec2 inside = q - cell;
        vec2 to = sign(inside - 0.5);
        vec2 far = (0.5 - abs(inside - 0.5)) / max(fwidth(q), 1e-6);
        float x = step(0.25, abs(step(0.25, parcel(cell + vec2(to.x, 0.0))) - here)) * clamp(1.75 - far.x, 0.0, 1.0);
        float y = step(0.25, abs(step(0.25, parcel(cell + vec2(0.0, to.y))) - here)) * clamp(1.75 - far.y, 0.0, 1.0);
        return max(x, y);
    }

    void main() {
        float kind = parcel(floor(at / 16.0));
        float here = step(0.25, kind);
        float away = 1.0 - smoothstep(0.35, 1.0, distance(at, middle) / reach);
        float fine = lines(at, 1.0, 0.5) * 0.16 * here;
        float coarse = lines(at, 16.0, 0.6) * mix(0.14, 0.34, here);
        float edge = border(at, here);
        float base = here * step(0.75, kind);
        vec3 color = mix(fill, ink, max(fine, coarse));
        color = mix(color, accent, base * mark);
        color = mix(color, accent, edge * 0.75);
        float alpha = max(here, max(coarse * away, edge));
        gl_FragColor = vec4(mix(ink, color, max(here, edge)), alpha);
        #include <colorspace_fragment>
    }`;

export class Ground {
    readonly group = new Group();
    /* The scene's land, in three's space. */
    readonly box = new Box3();
    private texture = new DataTexture(new Uint8Array(1), 1, 1, RedFormat);
    private readonly material = new ShaderMaterial({
        vertexShader: VERTEX, fragmentShader: FRAGMENT, ...FIRST,
        uniforms: {
            parcels: { value: null }, corner: { value: new Vector2() }, size: { value: new Vector2(1, 1) },
            ink: { value: new Color() }, fill: { value: new Color() }, accent: { value: new Color() },
            middle: { value: new Vector2() }, reach: { value: 1 }, mark: { value: 0 },
        },
    });
    readonly plane = new Mesh(new PlaneGeometry(1, 1).rotateX(-Math.PI / 2), this.material);
    private readonly shade = new Mesh(this.plane.geometry,
                                      new ShadowMaterial({ ...FIRST, opacity: 0.25 }));

    /* `shaded`: things throw shadows on it. */
    constructor(shaded: boolean) {
        this.plane.renderOrder = -2;
        this.shade.renderOrder = -1;
        this.shade.receiveShadow = true;
        this.shade.visible = shaded;
        this.group.add(this.plane, this.shade);
        this.setParcels([{ x: 0, y: 0 }], { x: 0, y: 0 });
    }

    setParcels(parcels: readonly Parcel[], base: Parcel): void {
        const cells = parcels.map(({ x, y }) => ({ x: x - base.x, y: y - base.y }));
        const near = cells.filter(({ x, y }) => Math.abs(x) < SIDE_MAX / 2 && Math.abs(y) < SIDE_MAX / 2);
        const land = near.length > 0 ? near : [{ x: 0, y: 0 }];
        const least = { x: 0, y: 0 };
        const most = { x: 0, y: 0 };
        for (const { x, y } of land) {
            least.x = Math.min(least.x, x);
            least.y = Math.min(least.y, y);
            most.x = Math.max(most.x, x);
            most.y = Math.max(most.y, y);
        }
        const width = most.x - least.x + 3;
        const height = most.y - least.y + 3;
        const texels = new Uint8Array(width * height);
        for (const { x, y } of land) {
            texels[(y - least.y + 1) * width + (x - least.x + 1)] = x === 0 && y === 0 && land.length > 1 ? 255 : 128;
        }
        this.texture.dispose();
        this.texture = new DataTexture(texels, width, height, RedFormat);
        this.texture.magFilter = this.texture.minFilter = NearestFilter;
        this.texture.unpackAlignment = 1;
        this.texture.needsUpdate = true;
        const min = new Vector3(least.x * PARCEL, 0, -(most.y + 1) * PARCEL);
        const max = new Vector3((most.x + 1) * PARCEL, 0, -least.y * PARCEL);
        this.box.set(min, max);
        this.lay(new Vector2(least.x - 1, least.y - 1), new Vector2(width, height));
    }

    private lay(corner: Vector2, size: Vector2): void {
        const { uniforms } = this.material;
        const middle = this.box.getCenter(new Vector3());
        const span = this.box.getSize(new Vector3());
        const side = Math.max(span.x, span.z) + 2 * AROUND;
        uniforms['parcels']!.value = this.texture;
        uniforms['corner']!.value = corner;
        uniforms['size']!.value = size;
        uniforms['middle']!.value = new Vector2(middle.x, -middle.z);
        uniforms['reach']!.value = side / 2;
        for (const mesh of [this.plane, this.shade]) {
            mesh.position.copy(middle);
            mesh.scale.set(side, 1, side);
        }
        this.shade.scale.set(span.x + PARCEL, 1, span.z + PARCEL);
    }

    paint({ ink, fill, accent, shade, mark }: Palette): void {
        const { uniforms } = this.material;
        (uniforms['ink']!.value as Color).set(ink);
        (uniforms['fill']!.value as Color).set(fill);
        (uniforms['accent']!.value as Color).set(accent);
        uniforms['mark']!.value = mark;
        (this.shade.material as ShadowMaterial).opacity = shade;
    }

    dispose(): void {
        this.texture.dispose();
        this.material.dispose();
        this.plane.geometry.dispose();
        (this.shade.material as ShadowMaterial).dispose();
    }
}
