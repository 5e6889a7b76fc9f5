/* The inspector: what the selection is, and its components. Of several entities it shows what
 * all of them have; an edit goes to each. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Entity, EntityId } from '../core/types.ts';
import { IconButton } from './button.tsx';
import { ComponentSection } from './component_section.tsx';
import { useUi } from './context.ts';
import { copyText } from './copy.ts';
import { Icon } from './icon.tsx';
import { entityIcon, isCore, offers } from './known.ts';
import { menuAt, type MenuItem } from './menu.tsx';
import { plural } from './phrases.ts';
import { isWithin } from './tree_rows.ts';

const SELECTED_MAX = 200; /* of which fields are compared; more are told by their number */
const LAST = ['Name', 'core-schema::Name', 'LockedOnEdit', 'VisibleOnEdit', 'inspector::Lock', 'inspector::Hide', 'inspector::TransformConfig', 'inspector::Config'];

export function Inspector(): JSX.Element {
    const ui = useUi();
    void ui.shown.value;
    const { scene, selection } = ui.session;
    const ids = selection.value.filter((id) => scene.get(id) !== undefined);
    const entities = ids.slice(0, SELECTED_MAX).map((id) => scene.get(id)!);
    return (
        <section class="panel-body" role="region" aria-label="Inspector" id="panel-inspector">
            {entities.length === 0 ? <NothingSelected /> : <Selected entities={entities} count={ids.length} />}
        </section>
    );
}

function NothingSelected(): JSX.Element | null {
    const ui = useUi();
    if (ui.session.link.value.phase === 'closed') {
        return null;
    }
    const count = ui.session.scene.entities.size;
    return (
        <div class="empty">
            <Icon name="select" size={24} />
            <p>Nothing is selected.</p>
            <p class="quiet">
                Click a thing in the scene or in the list on the left. Shift selects several.
                {count > 0 && <> This scene has {plural(count, 'entity', 'entities')}.</>}
            </p>
        </div>
    );
}

function Selected({ entities, count }: { entities: readonly Entity[]; count: number }): JSX.Element {
    const first = entities[0]!;
    const common = [...first.components.keys()].filter((name) => entities.every((entity) => entity.components.has(name)));
    const place = (name: string): number => (name.endsWith('Transform') ? -1 : LAST.includes(name) ? 1 : 0);
    common.sort((a, b) => place(a) - place(b));
    return (
        <>
            {entities.length === 1 ? <OneHead entity={first} /> : <SeveralHead entities={entities} count={count} />}
            {common.map((name) => <ComponentSection key={name} name={name} entities={entities} />)}
            <AddComponent entities={entities} />
        </>
    );
}

function OneHead({ entity }: { entity: Entity }): JSX.Element {
    const ui = useUi();
    const { scene, edits } = ui.session;
    const blocked = ui.blocked.value !== null;
    const [draft, setDraft] = useState<string | null>(null);
    const label = scene.label(entity.id);
    const commit = (): void => {
        if (draft !== null && draft.trim() !== '' && draft !== label) {
            edits.rename(entity.id, draft.trim());
        }
        setDraft(null);
    };
    return (
        <header class="inspector-head">
            <div class="inspector-name">
                <Icon name={entityIcon(entity)} />
                <input
                    key={entity.id} type="text" class="title-input" aria-label="Name" data-field="name" spellcheck={false} autocomplete="off"
                    value={draft ?? label} readOnly={blocked}
                    onInput={(event) => setDraft(event.currentTarget.value)} onBlur={commit}
                    onKeyDown={(event) => {
                        if (event.key === 'Enter') {
                            event.currentTarget.blur();
                        } else if (event.key === 'Escape' && draft !== null) {
                            event.stopPropagation();
                            setDraft(null);
                        }
                    }}
                />
                <Toggles ids={[entity.id]} />
            </div>
            <div class="inspector-about">
                <button
                    type="button" class="id mono" title="Copy the id" aria-label={`Id ${entity.id}`}
                    onClick={() => void copyText(entity.id).then((done) => done && ui.session.say('info', 'Id copied'))}
                >
                    {entity.id}
                </button>
                <ParentButton ids={[entity.id]} />
            </div>
            <Repair id={entity.id} />
        </header>
    );
}

function SeveralHead({ entities, count }: { entities: readonly Entity[]; count: number }): JSX.Element {
    const ids = entities.map((entity) => entity.id);
    return (
        <header class="inspector-head">
            <div class="inspector-name">
                <Icon name="duplicate" />
                <span class="title">{plural(count, 'entity', 'entities')}</span>
                <Toggles ids={ids} />
            </div>
            <div class="inspector-about">
                <span class="quiet">{count > SELECTED_MAX ? `Fields of the first ${SELECTED_MAX}` : 'Edits go to all of them'}</span>
                <ParentButton ids={ids} />
            </div>
        </header>
    );
}

function Toggles({ ids }: { ids: readonly EntityId[] }): JSX.Element {
    const ui = useUi();
    const { scene, edits } = ui.session;
    const hidden = ids.every((id) => scene.hidden(id));
    const locked = ids.every((id) => scene.locked(id));
    const blocked = ui.blocked.value;
    return (
        <span class="toggles">
            <IconButton
                small name={hidden ? 'Show' : 'Hide'} icon={hidden ? 'eyeOff' : 'eye'} at="left" pressed={hidden} disabled={blocked !== null}
                tip={blocked ?? undefined} keys="Shift H" run={() => edits.hide(ids, !hidden)}
            />
            <IconButton
                small name={locked ? 'Unlock' : 'Lock'} icon={locked ? 'lock' : 'unlock'} at="left" pressed={locked} disabled={blocked !== null}
                tip={blocked ?? undefined} keys="Shift L" run={() => edits.lock(ids, !locked)}
            />
        </span>
    );
}

/* The way to re-parent without dragging. */
function ParentButton({ ids }: { ids: readonly EntityId[] }): JSX.Element {
    const ui = useUi();
    const { scene } = ui.session;
    const parents = new Set(ids.map((id) => scene.parent(id)));
    const parent = parents.size === 1 ? [...parents][0]! : undefined;
    const text = parents.size > 1 ? 'Several parents' : parent === null || parent === undefined ? 'At the top' : `In ${scene.label(parent)}`;
    return (
        <button
            type="button" class="button tiny ghost parent" aria-haspopup="true" aria-label={`Parent: ${text}`} aria-disabled={ui.blocked.value !== null || undefined}
            onClick={(event) => {
                if (ui.blocked.value === null) {
                    ui.menu.value = menuAt(event.currentTarget, 'Parent', parentItems(ui, ids), { search: 'Find a parent' });
                }
            }}
        >
            <Icon name="tree" size={12} /> <span>{text}</span>
        </button>
    );
}

const PARENTS_MAX = 500;

function parentItems(ui: ReturnType<typeof useUi>, ids: readonly EntityId[]): readonly MenuItem[] {
    const { scene, edits } = ui.session;
    const under = (parent: EntityId | null): void => {
        const step = edits.step();
        edits.together(() => ids.forEach((id) => edits.move(id, parent, step)));
    };
    const items: MenuItem[] = [{ label: 'At the top', icon: 'up', run: () => under(null) }];
    for (const entity of scene.entities.values()) {
        if (items.length > PARENTS_MAX) {
            break;
        }
        if (!ids.some((id) => isWithin(scene, entity.id, id))) {
            items.push({ label: scene.label(entity.id), icon: entityIcon(entity), section: 'Entities', run: () => under(entity.id) });
        }
    }
    return items;
}

function Repair({ id }: { id: EntityId }): JSX.Element | null {
    const ui = useUi();
    const repair = ui.session.scene.repair(id);
    if (!repair) {
        return null;
    }
    return (
        <div class="banner warning" role="note">
            <Icon name="warning" size={14} />
            <span>
                {repair === 'cycle'
                    ? 'By two people’s moves it would hang below itself. It is shown at the top until somebody moves it.'
                    : 'Its parent was removed. It is shown at the top.'}
            </span>
            <button
                type="button" class="button tiny" aria-disabled={ui.blocked.value !== null || undefined}
                onClick={() => ui.blocked.value === null && ui.session.edits.move(id, null)}
            >
                Keep it there
            </button>
        </div>
    );
}

function AddComponent({ entities }: { entities: readonly Entity[] }): JSX.Element {
    const ui = useUi();
    const blocked = ui.blocked.value;
    const add = (name: string, begin: Parameters<typeof ui.session.edits.replace>[2]): void => {
        const step = ui.session.edits.step();
        ui.session.edits.together(() => entities.filter((entity) => !entity.components.has(name))
            .forEach((entity) => ui.session.edits.replace(entity.id, name, begin, step)));
    };
    const items = (): readonly MenuItem[] =>
        offers(isCore(ui.session.scene))
            .filter(({ name }) => entities.some((entity) => !entity.components.has(name)))
            .map(({ name, known }) => ({ label: known.title, detail: name, about: known.about, icon: known.icon, run: () => add(name, known.begin!) }));
    return (
        <div class="add-component">
            <button
                type="button" class="button wide" aria-haspopup="true" aria-disabled={blocked !== null || undefined} data-tip={blocked ?? undefined} data-tip-at="above"
                onClick={(event) => {
                    if (blocked === null) {
                        ui.menu.value = menuAt(event.currentTarget, 'Add component', items(), { search: 'Find a component' });
                    }
                }}
            >
                <Icon name="plus" size={14} /> Add component
            </button>
        </div>
    );
}
