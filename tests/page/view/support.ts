/* What the tests of view share: random values that can be repeated, and a small scene. */
import { signal } from '@preact/signals-core';
import type { Component, Entity, EntityId, Json, Place, Scene, SceneChange } from '../../../cli/page/src/core/types.ts';

export interface Random {
    (): number; /* 0 to 1 */
    readonly repeat: string;
}

/* mulberry32; SEED=N repeats. */
export function seeded(what: string): Random {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    let state = seed;
    const next = () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const repeat = `SEED=${seed} node tests/page/core/run.mjs ${what}`;
    console.log(repeat);
    return Object.assign(next, { repeat });
}

export const draw = {
    vector: (random: Random, size: number): number[] => [0, 0, 0].map(() => (random() * 2 - 1) * size),
    rotation(random: Random): number[] {
        const parts = [0, 0, 0, 0].map(() => random() * 2 - 1);
        const length = Math.hypot(...parts) || 1;
        return parts.map((part) => part / length);
    },
    below: (random: Random, bound: number): number => Math.floor(random() * bound),
};

export function entityOf(id: EntityId, components: { readonly [name: string]: Json }): Entity {
    const made = Object.entries(components).map(([name, data]): [string, Component] => [name, { name, id: name, data, pending: false }]);
    return { id, order: 0, components: new Map(made) };
}

interface Thing {
    entity: Entity;
    place: Place;
    parent: EntityId | null;
}

export const STAND: Place = { position: [0, 0, 0], rotation: [0, 0, 0, 1], scale: [1, 1, 1] };

/* A scene that does as it is told. */
export class TestScene implements Scene {
    readonly things = new Map<EntityId, Thing>();
    readonly entities = new Map<EntityId, Entity>();
    readonly revision = signal(0);
    readonly veiled = new Set<EntityId>();
    private readonly told = new Set<(change: SceneChange) => void>();

    put(id: EntityId, place: Partial<Place> = {}, parent: EntityId | null = null, components: { readonly [name: string]: Json } = { BoxShape: {} }): void {
        const entity = entityOf(id, { Transform: {}, ...components });
        this.things.set(id, { entity, place: { ...STAND, ...place }, parent });
        this.entities.set(id, entity);
    }

    drop(id: EntityId): void {
        this.things.delete(id);
        this.entities.delete(id);
    }

    tell(change: Partial<{ all: boolean; changed: EntityId[]; removed: EntityId[]; tree: boolean; mine: boolean }>): void {
        for (const told of this.told) {
            told({ all: change.all ?? false, changed: new Set(change.changed), removed: new Set(change.removed),
                   tree: change.tree ?? false, mine: change.mine ?? false });
        }
    }

    watch(told: (change: SceneChange) => void): () => void {
        this.told.add(told);
        return () => this.told.delete(told);
    }

    get = (id: EntityId) => this.entities.get(id);
    place = (id: EntityId) => this.things.get(id)?.place ?? STAND;
    parent(id: EntityId): EntityId | null {
        const parent = this.things.get(id)?.parent ?? null;
        return parent !== null && this.things.has(parent) ? parent : null;
    }
    children = (id: EntityId | null) => [...this.things.keys()].filter((child) => this.parent(child) === id);
    repair = () => undefined;
    label = (id: EntityId) => id;
    hidden(id: EntityId): boolean {
        for (let at: EntityId | null = id; at !== null; at = this.parent(at)) {
            if (this.veiled.has(at)) {
                return true;
            }
        }
        return false;
    }
    locked = () => false;
}
