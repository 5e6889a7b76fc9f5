/* Small scenes for flows. */

export const identity = { x: 0, y: 0, z: 0, w: 1 };

export function transform(x, y, z, more = {}) {
    return { type: 'Transform', value: { position: { x, y, z }, rotation: identity, scale: { x: 1, y: 1, z: 1 }, ...more } };
}

export function named(name) {
    return { type: 'Name', value: { value: name, builderValue: name.toLowerCase().replace(/[^a-z0-9]/g, '') } };
}

export function entity(id, ...components) {
    return { id, components };
}

/* Four things of four shapes on one parcel; the ball has a colour. */
export function playground() {
    return { schemaVersion: 1, entities: [
        entity('lamp', transform(8, 1, 8), named('Lamp'), { type: 'BoxShape', value: { withCollisions: true, visible: true } }),
        entity('ball', transform(4, 1, 8), named('Ball'), { type: 'SphereShape', value: { withCollisions: true, visible: true } },
            { type: 'Material', value: { albedoColor: { r: 0.9, g: 0.4, b: 0.2, a: 1 }, metallic: 0.1, roughness: 0.6 } }),
        entity('tower', transform(12, 1, 8), named('Tower'), { type: 'CylinderShape', value: { radiusTop: 1, radiusBottom: 1 } }),
        entity('sign', transform(8, 1, 12), named('Sign'), { type: 'TextShape', value: { value: 'Hello', fontSize: 4 } }),
    ] };
}

/* `count` boxes in a square of parcels. */
export function boxes(count) {
    const side = Math.ceil(Math.sqrt(count));
    return { schemaVersion: 1, entities: Array.from({ length: count }, (_, i) => entity(
        `box${i}`, transform((i % side) * 2 + 1, 1, Math.floor(i / side) * 2 + 1), named(`Box ${i}`),
        { type: 'BoxShape', value: { visible: true } })) };
}
