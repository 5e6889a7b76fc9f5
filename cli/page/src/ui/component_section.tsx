/* One component of the selection: head with its menu, and a row a field (or all as JSON). */
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { Component, Entity, EntityId, Json, JsonObject } from '../core/types.ts';
import { IconButton } from './button.tsx';
import { useUi, type Ui } from './context.ts';
import { copyText } from './copy.ts';
import { FieldRow, fieldOf } from './field_row.tsx';
import { Icon } from './icon.tsx';
import { JsonField } from './json_field.tsx';
import { fieldLabel, hintOf, knownOf } from './known.ts';
import { menuAt, type MenuItem } from './menu.tsx';

/* What is folded, and what is shown as JSON: by the component's name, as long as the page is open. */
const folded = signal<ReadonlySet<string>>(new Set(['Name', 'LockedOnEdit', 'VisibleOnEdit', 'inspector::Lock', 'inspector::Hide', 'core-schema::Name']));
const raw = signal<ReadonlySet<string>>(new Set());

function toggled(set: ReadonlySet<string>, name: string): ReadonlySet<string> {
    const made = new Set(set);
    if (!made.delete(name)) {
        made.add(name);
    }
    return made;
}

function objectOf(data: Json | undefined): JsonObject | null {
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : null;
}

export function ComponentSection({ name, entities }: { name: string; entities: readonly Entity[] }): JSX.Element {
    const ui = useUi();
    const components = entities.map((entity) => entity.components.get(name)!);
    const known = knownOf(name);
    const conflicted = ui.session.conflicts.value.some((one) => one.component === name && entities.some((entity) => entity.id === one.entity));
    const open = !folded.value.has(name) || conflicted;
    const pending = components.some((component) => component.pending);
    const blocked = ui.blocked.value !== null;
    const author = components[0]!.author;
    const title = known.title + (/#\d+$/.exec(name)?.[0].replace('#', ' ') ?? '');
    return (
        <section class="component" role="group" aria-label={name} data-component={name} data-open={open}>
            <header class="component-head">
                <button
                    type="button" class="component-fold" aria-expanded={open} title={author ? `${name}, last by ${author}` : name}
                    onClick={() => {
                        folded.value = toggled(folded.value, name);
                    }}
                >
                    <span class="chevron"><Icon name="chevron" size={12} /></span>
                    <Icon name={known.icon} size={14} />
                    <span class="component-title">{title}</span>
                    {title !== name && <span class="component-name">{name}</span>}
                    {pending && <span class="pending" title="On its way to the others"><span class="unseen">on its way</span></span>}
                </button>
                <IconButton
                    small name={`${title} menu`} icon="more" menu at="left"
                    run={(event) => {
                        ui.menu.value = menuAt(event.currentTarget, `${title} menu`, menuOf(ui, name, entities, components));
                    }}
                />
                {!known.title.startsWith('Transform') && (
                    <IconButton
                        small name="Remove component" icon="trash" at="left" disabled={blocked}
                        tip={ui.blocked.value ?? `Remove ${title.toLowerCase()}`} run={() => remove(ui, name, entities)}
                    />
                )}
            </header>
            {open && <Fields name={name} ids={entities.map((entity) => entity.id)} components={components} />}
        </section>
    );
}

function Fields({ name, ids, components }: { name: string; ids: readonly EntityId[]; components: readonly Component[] }): JSX.Element {
    const ui = useUi();
    const known = knownOf(name);
    const values = components.map((component) => component.data);
    const objects = values.map(objectOf);
    if (raw.value.has(name) || objects.some((object) => object === null)) {
        return (
            <div class="component-body">
                <JsonField
                    key={ids.join()} name={known.title} path={name} values={values} readOnly={ui.blocked.value !== null}
                    change={(make, given) => {
                        const step = given ?? (ids.length > 1 ? ui.session.edits.step() : undefined);
                        ui.session.edits.together(() => ids.forEach((id, index) => ui.session.edits.replace(id, name, make(values[index], index) ?? null, step)));
                    }}
                />
            </div>
        );
    }
    const fields = Object.keys(objects[0]!).filter(
        (field) => !hintOf(known.fields, field)?.hidden && objects.every((object) => Object.hasOwn(object!, field)),
    );
    fields.sort((a, b) => order(known, a) - order(known, b));
    return (
        <div class="component-body">
            {fields.map((field) => (
                <FieldRow
                    key={field} entities={ids} component={name} known={known} field={field}
                    values={objects.map((object) => object![field])}
                    change={(make, given) => {
                        const step = given ?? (ids.length > 1 ? ui.session.edits.step() : undefined);
                        ui.session.edits.together(() => ids.forEach((id, index) => {
                            const old = fieldOf(ui.session.scene.get(id)?.components.get(name)?.data, field);
                            ui.session.edits.set(id, name, { [field]: make(old, index) }, step);
                        }));
                    }}
                />
            ))}
            {fields.length === 0 && <p class="quiet">{objects.length > 1 ? 'No field that all of them have.' : 'No fields.'}</p>}
        </div>
    );
}

/* Known fields in the order they are known in, then the rest as they come. */
function order(known: { readonly fields?: object; readonly begin?: Json }, field: string): number {
    const names = [...new Set([...Object.keys(objectOf(known.begin) ?? {}), ...Object.keys(known.fields ?? {})])];
    const at = names.indexOf(field);
    return at < 0 ? names.length : at;
}

function remove(ui: Ui, name: string, entities: readonly Entity[]): void {
    const step = ui.session.edits.step();
    ui.session.edits.together(() => entities.forEach((entity) => ui.session.edits.removeComponent(entity.id, name, step)));
}

function menuOf(ui: Ui, name: string, entities: readonly Entity[], components: readonly Component[]): readonly MenuItem[] {
    const known = knownOf(name);
    const blocked = ui.blocked.peek() !== null;
    const items: MenuItem[] = [
        {
            label: raw.peek().has(name) ? 'Edit as fields' : 'Edit as JSON',
            icon: 'braces',
            run: () => {
                raw.value = toggled(raw.peek(), name);
                folded.value = new Set([...folded.peek()].filter((one) => one !== name));
            },
        },
        {
            label: 'Copy as JSON',
            icon: 'copy',
            run: () => {
                void copyText(JSON.stringify(components[0]!.data, null, 2)).then((done) =>
                    ui.session.say(done ? 'info' : 'warning', done ? 'Copied' : 'The browser does not allow to copy'));
            },
        },
    ];
    const begin = objectOf(known.begin);
    const object = objectOf(components[0]!.data);
    if (begin && object) {
        for (const [field, value] of Object.entries(begin)) {
            if (!Object.hasOwn(object, field)) {
                items.push({
                    label: `Add ${fieldLabel(field, hintOf(known.fields, field)).toLowerCase()}`,
                    icon: 'plus',
                    section: '',
                    disabled: blocked,
                    run: () => {
                        const step = ui.session.edits.step();
                        ui.session.edits.together(() => entities.forEach((entity) => ui.session.edits.set(entity.id, name, { [field]: value }, step)));
                    },
                });
            }
        }
    }
    items.push({ label: 'Remove component', icon: 'trash', section: ' ', danger: true, disabled: blocked, run: () => remove(ui, name, entities) });
    return items;
}
