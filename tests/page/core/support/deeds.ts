/* What people do at random, and what they see of it. */

import type { Json, Session } from '../../../../cli/page/src/core/types.ts';
import type { Random } from './sim.ts';

interface Page {
    readonly session: Session;
    readonly name: string;
}

export function seen(page: Page): Map<string, Map<string, Json>> {
    return new Map([...page.session.scene.entities].map(([id, entity]) =>
        [id, new Map([...entity.components].map(([name, part]) => [name, part.data]))]));
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
    return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

export function plain(doc: ReadonlyMap<string, ReadonlyMap<string, Json>>): unknown {
    return sorted(doc).map(([id, parts]) => [id, sorted(parts)]);
}

/* What each page wrote last in a field that only it writes. */
export type Ledger = Map<string, number[]>;

export function doSomething(random: Random, page: Page, ledger: Ledger, n: number): void {
    const { scene, edits } = page.session;
    const ids = [...scene.entities.keys()];
    const entity = ids.length > 0 ? random.pick(ids) : undefined;
    const dice = random.below(100);
    if (entity === undefined || dice < 8) {
        edits.add({ Thing: { made: n }, Transform: { position: { x: n, y: 0, z: 0 } } });
    } else if (dice < 12) {
        edits.remove([entity]);
    } else if (dice < 16) {
        edits.removeComponent(entity, 'Extra');
    } else if (dice < 20) {
        edits.duplicate([entity]);
    } else if (dice < 30) {
        edits.move(entity, random.chance() < 0.2 ? null : random.pick(ids));
    } else if (dice < 40) {
        edits.set(entity, 'Extra', { [`f${random.below(3)}`]: random.chance() < 0.2 ? undefined : n });
    } else if (dice < 45) {
        edits.replace(entity, 'Plain', n);
    } else if (dice < 70) {
        edits.place(entity, { position: [n, random.below(5), 0] });
    } else {
        const key = `${entity} ${page.name}`;
        edits.set(entity, 'Thing', { [page.name]: n });
        const data = scene.get(entity)?.components.get('Thing')?.data as Record<string, number> | undefined;
        if (data?.[page.name] === n) { /* it was taken: the page is not just loading */
            ledger.set(key, [...(ledger.get(key) ?? []), n]);
        }
    }
}
