/* One field of a component, of one or several entities: its label, its editor, and what is
 * going on at it: somebody else is in it, one's own edit waits, two edits met. */
import type { JSX } from 'preact';
import type { Conflict, EntityId, Json, JsonObject, Person } from '../core/types.ts';
import { IconButton } from './button.tsx';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { fieldLabel, hintOf, type FieldHint, type Known } from './known.ts';
import { useLabelDrag } from './number_input.tsx';
import { brief, inkOn, initialsOf } from './phrases.ts';
import { kindOf, ValueEditor, type Change } from './value_editor.tsx';

interface FieldRowProps {
    entities: readonly EntityId[];
    component: string;
    known: Known;
    field: string;
    values: readonly (Json | undefined)[];
    change: Change;
}

export function FieldRow({ entities, component, known, field, values, change }: FieldRowProps): JSX.Element {
    const ui = useUi();
    const hint = hintOf(known.fields, field);
    const label = fieldLabel(field, hint);
    const kind = kindOf(values, field, hint, 0);
    const readOnly = ui.blocked.value !== null;
    const editors = editorsOf(ui.session.people.value, entities, component, field);
    const conflicts = conflictsAt(ui.session.conflicts.value, entities, component, field);
    const wide = kind === 'group' || kind === 'json';
    return (
        <div
            class={`field${wide ? ' wide' : ''}`} data-field-row={field} data-conflict={conflicts[0]?.kind} data-editor={editors[0]?.name}
            onFocusIn={() => ui.session.showEditing({ entityId: entities[0]!, componentId: component, field })}
            onFocusOut={() => ui.session.showEditing(null)}
        >
            <FieldLabel label={label} field={field} hint={hint} number={kind === 'number' ? (values as number[]) : null} readOnly={readOnly} change={change} />
            <div class="field-control" style={editors[0] ? { '--editor': editors[0].color } as JSX.CSSProperties : undefined}>
                <ValueEditor
                    key={entities.join()} name={label} path={field} values={values} hint={hint} hints={known.fields} depth={0}
                    readOnly={readOnly} change={change}
                />
                {editors.map((person) => <EditorTag key={person.id} person={person} />)}
            </div>
            {conflicts.map((conflict) => (
                <FieldConflict key={`${conflict.stamp}${conflict.entity}`} conflict={conflict} readOnly={readOnly} />
            ))}
        </div>
    );
}

interface LabelProps {
    label: string;
    field: string;
    hint: FieldHint | undefined;
    number: readonly number[] | null;
    readOnly: boolean;
    change: Change;
}

/* The label of a number is dragged to change it. */
function FieldLabel({ label, field, hint, number, readOnly, change }: LabelProps): JSX.Element {
    const drag = useLabelDrag({
        values: number ?? [],
        hint,
        readOnly: readOnly || number === null,
        change: (make, step) => change((old, index) => make(typeof old === 'number' ? old : 0, index), step),
    });
    return <span class="field-label" title={field} {...drag}>{label}</span>;
}

function EditorTag({ person }: { person: Person }): JSX.Element {
    return (
        <span class="editor-tag" title={`${person.name} is editing this`} style={{ background: person.color, color: inkOn(person.color) }}>
            <span aria-hidden="true">{initialsOf(person.name)}</span>
            <span class="unseen">{person.name} is editing this</span>
        </span>
    );
}

/* What does not show, and the way to have it. */
function FieldConflict({ conflict, readOnly }: { conflict: Conflict; readOnly: boolean }): JSX.Element {
    const { session } = useUi();
    const whose = (conflict.mine ? conflict.by : conflict.author) ?? 'Somebody';
    const value = brief(conflict.value, conflict.field);
    return (
        <div class="field-conflict" role="note">
            <Icon name="conflict" size={14} />
            <span class="field-conflict-text">
                <b>{whose}</b>{conflict.mine ? ' replaced your ' : ' wrote '}<span class="mono">{value}</span>
            </span>
            {conflict.value !== undefined && (
                <button
                    type="button" class="button tiny" aria-disabled={readOnly || undefined}
                    onClick={() => !readOnly && session.edits.take(conflict)}
                >
                    {conflict.mine ? 'Take mine' : 'Take theirs'}
                </button>
            )}
            <IconButton small name="Keep what shows" icon="close" at="left" run={() => session.dismissConflict(conflict)} />
        </div>
    );
}

/* A person tells the component by its name or by its number. */
function editorsOf(people: readonly Person[], entities: readonly EntityId[], component: string, field: string): readonly Person[] {
    return people.filter(
        ({ editing }) => editing !== undefined && entities.includes(editing.entityId) && editing.componentId === component && editing.field === field,
    );
}

function conflictsAt(all: readonly Conflict[], entities: readonly EntityId[], component: string, field: string): readonly Conflict[] {
    return all.filter(
        (one) =>
            (one.kind === 'concurrent' || one.kind === 'stale') &&
            one.component === component && (one.field ?? '') === field && entities.includes(one.entity),
    ).slice(0, 4);
}

export function fieldOf(data: Json | undefined, field: string): Json | undefined {
    return typeof data === 'object' && data !== null && !Array.isArray(data) ? (data as JsonObject)[field] : undefined;
}
