/* A number: typed (also as 3/4+1, or += 0.5 for each of several), stepped by the arrow keys, or
 * changed by dragging its label. A drag is one step of undo; Escape takes it back. */
import { useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { readNumber, writeNumber } from './arithmetic.ts';
import { useUi } from './context.ts';
import type { FieldHint } from './known.ts';

export interface NumberInputProps {
    name: string;   /* for those who hear the page */
    path: string;   /* "position.x" */
    letter?: string; /* shown before the number, to drag at */
    axis?: 'x' | 'y' | 'z';
    values: readonly (number | undefined)[];
    hint?: FieldHint;
    digits?: number;
    readOnly: boolean;
    /* One number of each; all with one `step` are undone at once. */
    change(make: (old: number, index: number) => number, step?: string): void;
}

export function NumberInput(props: NumberInputProps): JSX.Element {
    const { values, hint, readOnly } = props;
    const [draft, setDraft] = useState<string | null>(null);
    const [wrong, setWrong] = useState(false);
    const input = useRef<HTMLInputElement>(null);
    const drag = useLabelDrag(props);
    const mixed = values.some((value) => value !== values[0]);
    const shown = mixed ? '' : values[0] === undefined ? '' : writeNumber(values[0], props.digits);

    const commit = (): void => {
        if (draft === null) {
            return;
        }
        const make = readNumber(draft);
        if (make) {
            props.change((old) => within(make(old), hint));
            setDraft(null);
            setWrong(false);
        } else if (draft.trim() === '') {
            setDraft(null);
            setWrong(false);
        } else {
            setWrong(true);
        }
    };
    const keys = (event: JSX.TargetedKeyboardEvent<HTMLInputElement>): void => {
        if (event.key === 'Enter') {
            event.stopPropagation();
            commit();
            input.current!.select();
        } else if (event.key === 'Escape' && draft !== null) {
            event.stopPropagation();
            setDraft(null);
            setWrong(false);
        } else if ((event.key === 'ArrowUp' || event.key === 'ArrowDown') && !readOnly && draft === null) {
            event.preventDefault();
            const by = (event.key === 'ArrowUp' ? 1 : -1) * stepOf(hint) * 10 * factorOf(event);
            props.change((old) => within(tidy(old + by), hint));
        }
    };
    return (
        <span class="number" data-axis={props.axis} data-wrong={wrong || undefined} data-readonly={readOnly || undefined}>
            {props.letter && <span class="number-letter" aria-hidden="true" {...drag}>{props.letter}</span>}
            <input
                ref={input} type="text" inputMode="decimal" autocomplete="off" spellcheck={false} aria-label={props.name}
                aria-invalid={wrong || undefined} data-field={props.path} readOnly={readOnly}
                placeholder={mixed ? 'mixed' : ''} value={draft ?? shown}
                onFocus={(event) => event.currentTarget.select()}
                onInput={(event) => setDraft(event.currentTarget.value)}
                onBlur={() => {
                    commit();
                    setDraft(null);
                    setWrong(false);
                }}
                onKeyDown={keys}
            />
            {hint?.unit && <span class="number-unit" aria-hidden="true">{hint.unit}</span>}
        </span>
    );
}

export function stepOf(hint: FieldHint | undefined): number {
    return hint?.step ?? 0.01;
}

function factorOf(event: { readonly shiftKey: boolean; readonly altKey: boolean }): number {
    return event.shiftKey ? 10 : event.altKey ? 0.1 : 1;
}

function within(value: number, hint: FieldHint | undefined): number {
    return Math.min(hint?.max ?? Infinity, Math.max(hint?.min ?? -Infinity, value));
}

/* Sums of hundredths show their noise behind the tenth digit. */
function tidy(value: number): number {
    return Number(value.toFixed(6));
}

type DragProps = Pick<NumberInputProps, 'values' | 'hint' | 'readOnly' | 'change'>;

/* What makes a label draggable. */
export function useLabelDrag(props: DragProps): JSX.HTMLAttributes<HTMLElement> {
    const ui = useUi();
    const now = useRef(props);
    now.current = props;
    const begin = (event: PointerEvent): void => {
        if (props.readOnly || event.button !== 0) {
            return;
        }
        const label = event.currentTarget as HTMLElement;
        event.preventDefault();
        label.setPointerCapture(event.pointerId);
        const from = props.values.map((value) => value ?? 0);
        const step = ui.session.edits.step();
        let moved = 0;
        let last = event.clientX;
        let told = false;
        document.documentElement.dataset.dragging = 'number';
        const move = (at: PointerEvent): void => {
            moved += (at.clientX - last) * factorOf(at);
            last = at.clientX;
            if (told || Math.abs(moved) >= 2) {
                told = true;
                const by = Math.round(moved) * stepOf(now.current.hint);
                now.current.change((_, index) => within(tidy(from[index]! + by), now.current.hint), step);
            }
        };
        const end = (): void => {
            delete document.documentElement.dataset.dragging;
            label.removeEventListener('pointermove', move);
            label.removeEventListener('pointerup', end);
            label.removeEventListener('pointercancel', end);
            window.removeEventListener('keydown', cancel, true);
        };
        const cancel = (key: KeyboardEvent): void => {
            if (key.key === 'Escape') {
                key.preventDefault();
                key.stopPropagation();
                end();
                if (told) {
                    now.current.change((_, index) => from[index]!, step);
                }
            }
        };
        label.addEventListener('pointermove', move);
        label.addEventListener('pointerup', end);
        label.addEventListener('pointercancel', end);
        window.addEventListener('keydown', cancel, true);
    };
    return props.readOnly ? {} : { onPointerDown: begin as JSX.PointerEventHandler<HTMLElement>, 'data-drag': '' } as JSX.HTMLAttributes<HTMLElement>;
}
