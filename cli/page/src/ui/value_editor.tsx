/* The editor that fits a value: by what is known of the field, else by the value's shape. It
 * edits one value of each selected entity at once; where they differ it says so. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Json, JsonObject } from '../core/types.ts';
import { useUi } from './context.ts';
import { degreesOf, quaternionOf, sameRotation, type Quaternion, type Vector3 } from './euler.ts';
import { fieldLabel, hintOf, type FieldHint } from './known.ts';
import { hexOf } from './phrases.ts';
import { NumberInput } from './number_input.tsx';
import { JsonField } from './json_field.tsx';

export type Change = (make: (old: Json | undefined, index: number) => Json | undefined, step?: string) => void;

export interface EditorProps {
    name: string;
    path: string;
    values: readonly (Json | undefined)[];
    hint?: FieldHint;
    hints?: { readonly [field: string]: FieldHint }; /* of what lies within */
    depth: number;
    readOnly: boolean;
    change: Change;
}

export type Kind = 'boolean' | 'number' | 'text' | 'vector' | 'rotation' | 'colour' | 'hex' | 'options' | 'group' | 'json';

const GROUP_MAX = 32;
const DEPTH_MAX = 4;

function isObject(value: Json | undefined): value is JsonObject {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function hasNumbers(value: JsonObject, names: readonly string[]): boolean {
    return names.every((name) => typeof value[name] === 'number');
}

function kindOfOne(value: Json | undefined, field: string, hint: FieldHint | undefined, depth: number): Kind {
    if (hint?.options) {
        return 'options';
    }
    if (typeof value === 'boolean') {
        return 'boolean';
    }
    if (typeof value === 'number') {
        return 'number';
    }
    if (typeof value === 'string') {
        return /^#[0-9a-f]{6}$/i.test(value) ? 'hex' : 'text';
    }
    if (!isObject(value)) {
        return 'json';
    }
    const names = Object.keys(value);
    const count = names.length;
    if ((count === 3 || count === 4) && hasNumbers(value, ['r', 'g', 'b']) && (count === 3 || typeof value.a === 'number')) {
        return 'colour';
    }
    if (count === 4 && hasNumbers(value, ['x', 'y', 'z', 'w']) && (hint?.euler || /rotation|orientation/i.test(field))) {
        return 'rotation';
    }
    if (count >= 2 && count <= 4 && hasNumbers(value, names) && names.every((name) => 'xyzw'.includes(name) && name.length === 1)) {
        return 'vector';
    }
    return count > 0 && count <= GROUP_MAX && depth < DEPTH_MAX ? 'group' : 'json';
}

/* Of all of them: where they are not alike, text is all that fits. */
export function kindOf(values: readonly (Json | undefined)[], field: string, hint: FieldHint | undefined, depth: number): Kind {
    const first = kindOfOne(values[0], field, hint, depth);
    return values.every((value) => kindOfOne(value, field, hint, depth) === first) ? first : 'json';
}

export function same(values: readonly (Json | undefined)[]): boolean {
    const first = JSON.stringify(values[0]);
    return values.every((value) => JSON.stringify(value) === first);
}

export function ValueEditor(props: EditorProps): JSX.Element {
    const field = props.path.slice(props.path.lastIndexOf('.') + 1);
    switch (kindOf(props.values, field, props.hint, props.depth)) {
        case 'boolean':
            return <BooleanEditor {...props} />;
        case 'number':
            return (
                <NumberInput
                    {...props} values={props.values as number[]}
                    change={(make, step) => props.change((old, index) => make(old as number, index), step)}
                />
            );
        case 'text':
            return <TextEditor {...props} />;
        case 'hex':
            return <HexEditor {...props} />;
        case 'vector':
            return <VectorEditor {...props} />;
        case 'rotation':
            return <RotationEditor {...props} />;
        case 'colour':
            return <ColourEditor {...props} />;
        case 'options':
            return <OptionsEditor {...props} />;
        case 'group':
            return <GroupEditor {...props} />;
        case 'json':
            return <JsonField {...props} />;
    }
}

function BooleanEditor({ name, path, values, readOnly, change }: EditorProps): JSX.Element {
    const input = useRef<HTMLInputElement>(null);
    const mixed = !same(values);
    useEffect(() => {
        input.current!.indeterminate = mixed;
    }, [mixed]);
    return (
        <label class="switch">
            <input
                ref={input} type="checkbox" aria-label={name} data-field={path} checked={!mixed && values[0] === true}
                aria-disabled={readOnly || undefined}
                onClick={(event) => {
                    if (readOnly) {
                        event.preventDefault();
                    }
                }}
                onChange={(event) => {
                    const on = event.currentTarget.checked;
                    if (!readOnly) {
                        change(() => on);
                    }
                }}
            />
            <span aria-hidden="true" />
        </label>
    );
}

/* What is typed is kept apart until it is done, so that others' edits do not disturb it. */
function TextEditor({ name, path, values, hint, readOnly, change }: EditorProps): JSX.Element {
    const [draft, setDraft] = useState<string | null>(null);
    const mixed = !same(values);
    const shown = mixed ? '' : String(values[0] ?? '');
    const long = hint?.long || shown.includes('\n') || shown.length > 60;
    const commit = (): void => {
        if (draft !== null && (draft !== shown || mixed)) {
            change(() => draft);
        }
        setDraft(null);
    };
    const shared = {
        'aria-label': name,
        'data-field': path,
        readOnly,
        spellcheck: false,
        placeholder: mixed ? 'mixed' : '',
        value: draft ?? shown,
        onInput: (event: { currentTarget: { value: string } }) => setDraft(event.currentTarget.value),
        onBlur: commit,
        onKeyDown: (event: KeyboardEvent) => {
            if (event.key === 'Enter' && (!long || event.ctrlKey || event.metaKey)) {
                event.stopPropagation();
                commit();
            } else if (event.key === 'Escape' && draft !== null) {
                event.stopPropagation();
                setDraft(null);
            }
        },
    };
    return long ? <textarea class="text" rows={Math.min(8, Math.max(2, shown.split('\n').length))} {...shared} /> : <input class="text" type="text" autocomplete="off" {...shared} />;
}

function VectorEditor({ name, path, values, hint, readOnly, change }: EditorProps): JSX.Element {
    const axes = Object.keys(values[0] as JsonObject).sort((a, b) => 'xyzw'.indexOf(a) - 'xyzw'.indexOf(b));
    return (
        <span class="vector" data-count={axes.length}>
            {axes.map((axis) => (
                <NumberInput
                    key={axis} name={`${name} ${axis}`} path={`${path}.${axis}`} letter={axis.toUpperCase()}
                    axis={axis === 'w' ? undefined : (axis as 'x' | 'y' | 'z')} hint={{ ...hint, unit: undefined }} readOnly={readOnly}
                    values={values.map((value) => (value as JsonObject)[axis] as number)}
                    change={(make, step) =>
                        change((old, index) => ({ ...(old as JsonObject), [axis]: make((old as JsonObject)[axis] as number, index) }), step)
                    }
                />
            ))}
        </span>
    );
}

const AXES = ['x', 'y', 'z'] as const;

/* Angles are not unique: those that were typed stay, as long as they tell the same rotation. */
function RotationEditor({ name, path, values, hint, readOnly, change }: EditorProps): JSX.Element {
    const typed = useRef(new Map<number, Vector3>());
    const anglesOf = (value: Json | undefined, index: number): Vector3 => {
        const { x, y, z, w } = value as { x: number; y: number; z: number; w: number };
        const rotation: Quaternion = [x, y, z, w];
        const kept = typed.current.get(index);
        return kept && sameRotation(quaternionOf(kept), rotation) ? kept : degreesOf(rotation);
    };
    return (
        <span class="vector" data-count="3">
            {AXES.map((axis, at) => (
                <NumberInput
                    key={axis} name={`${name} ${axis}`} path={`${path}.${axis}`} letter={axis.toUpperCase()} axis={axis}
                    hint={{ ...hint, unit: '°', step: hint?.step ?? 0.5 }} digits={2} readOnly={readOnly}
                    values={values.map((value, index) => anglesOf(value, index)[at])}
                    change={(make, step) =>
                        change((old, index) => {
                            const angles = [...anglesOf(old, index)] as [number, number, number];
                            angles[at] = make(angles[at]!, index);
                            typed.current.set(index, angles);
                            const [x, y, z, w] = quaternionOf(angles);
                            return { x, y, z, w };
                        }, step)
                    }
                />
            ))}
        </span>
    );
}

function partsOf(hex: string): { r: number; g: number; b: number } {
    const part = (at: number): number => Number((Number.parseInt(hex.slice(at, at + 2), 16) / 255).toFixed(4));
    return { r: part(1), g: part(3), b: part(5) };
}

function ColourEditor(props: EditorProps): JSX.Element {
    const { name, path, values, readOnly, change } = props;
    const hasAlpha = values.every((value) => typeof (value as JsonObject).a === 'number');
    return (
        <span class="colour">
            <Swatch
                name={name} path={path} hex={hexOf(values[0] as JsonObject)} mixed={!same(values.map((value) => hexOf(value as JsonObject)))}
                readOnly={readOnly} set={(hex, step) => change((old) => ({ ...(old as JsonObject), ...partsOf(hex) }), step)}
            />
            {hasAlpha && (
                <NumberInput
                    name={`${name} opacity`} path={`${path}.a`} letter="A" hint={{ min: 0, max: 1, step: 0.01 }} readOnly={readOnly}
                    values={values.map((value) => (value as JsonObject).a as number)}
                    change={(make, step) => change((old, index) => ({ ...(old as JsonObject), a: make((old as JsonObject).a as number, index) }), step)}
                />
            )}
        </span>
    );
}

function HexEditor({ name, path, values, readOnly, change }: EditorProps): JSX.Element {
    return (
        <span class="colour">
            <Swatch name={name} path={path} hex={String(values[0]).toLowerCase()} mixed={!same(values)} readOnly={readOnly} set={(hex, step) => change(() => hex, step)} />
        </span>
    );
}

interface SwatchProps {
    name: string;
    path: string;
    hex: string;
    mixed: boolean;
    readOnly: boolean;
    set(hex: string, step?: string): void;
}

/* The browser's own colour chooser streams while one looks for the colour: that is one step. */
function Swatch({ name, path, hex, mixed, readOnly, set }: SwatchProps): JSX.Element {
    const ui = useUi();
    const step = useRef<string | null>(null);
    const [draft, setDraft] = useState<string | null>(null);
    const commit = (): void => {
        const found = /^#?([0-9a-f]{6})$/i.exec((draft ?? '').trim()) ?? /^#?([0-9a-f]{3})$/i.exec((draft ?? '').trim());
        if (found) {
            const digits = found[1]!.length === 3 ? [...found[1]!].map((digit) => digit + digit).join('') : found[1]!;
            set(`#${digits.toLowerCase()}`);
        }
        setDraft(null);
    };
    return (
        <>
            <input
                type="color" class="swatch" aria-label={name} data-field={path} value={hex} disabled={readOnly}
                onInput={(event) => {
                    step.current ??= ui.session.edits.step();
                    set(event.currentTarget.value, step.current);
                }}
                onChange={() => {
                    step.current = null;
                }}
            />
            <input
                type="text" class="text hex" aria-label={`${name} as hex`} data-field={`${path}.hex`} spellcheck={false} readOnly={readOnly}
                placeholder={mixed ? 'mixed' : ''} value={draft ?? (mixed ? '' : hex)} maxLength={7}
                onInput={(event) => setDraft(event.currentTarget.value)} onBlur={commit}
                onKeyDown={(event) => {
                    if (event.key === 'Enter') {
                        event.stopPropagation();
                        commit();
                    } else if (event.key === 'Escape' && draft !== null) {
                        event.stopPropagation();
                        setDraft(null);
                    }
                }}
            />
        </>
    );
}

function OptionsEditor({ name, path, values, hint, readOnly, change }: EditorProps): JSX.Element {
    const options = hint!.options!;
    const at = same(values) ? options.findIndex((option) => JSON.stringify(option.value) === JSON.stringify(values[0])) : -1;
    return (
        <select
            class="text" aria-label={name} data-field={path} disabled={readOnly} value={String(at)}
            onChange={(event) => {
                const option = options[Number(event.currentTarget.value)];
                if (option) {
                    change(() => option.value);
                }
            }}
        >
            {at < 0 && <option value="-1">{same(values) ? JSON.stringify(values[0]) : 'mixed'}</option>}
            {options.map((option, index) => <option key={index} value={String(index)}>{option.label}</option>)}
        </select>
    );
}

/* Fields within a field. `$case` says which kind of several it is: another kind has others. */
function GroupEditor(props: EditorProps): JSX.Element {
    const names = Object.keys(props.values[0] as JsonObject).filter((name) => props.values.every((value) => name in (value as JsonObject)));
    return (
        <div class="group">
            {names.map((name) => {
                const hint = hintOf(props.hints, name);
                const values = props.values.map((value) => (value as JsonObject)[name]);
                const label = fieldLabel(name, hint);
                if (name === '$case') {
                    return <div key={name} class="field"><span class="field-label">Kind</span><span class="plain">{String(values[0])}</span></div>;
                }
                const wide = ['group', 'json'].includes(kindOf(values, name, hint, props.depth + 1));
                return (
                    <div key={name} class={`field${wide ? ' wide' : ''}`}>
                        <span class="field-label" title={name}>{label}</span>
                        <div class="field-control">
                            <ValueEditor
                                {...props} name={label} path={`${props.path}.${name}`} values={values} hint={hint} depth={props.depth + 1}
                                change={(make, step) =>
                                    props.change((old, index) => withField(old as JsonObject, name, make((old as JsonObject)[name], index)), step)
                                }
                            />
                        </div>
                    </div>
                );
            })}
        </div>
    );
}

function withField(object: JsonObject, name: string, value: Json | undefined): JsonObject {
    const made = { ...object };
    if (value === undefined) {
        delete made[name];
    } else {
        made[name] = value;
    }
    return made;
}
