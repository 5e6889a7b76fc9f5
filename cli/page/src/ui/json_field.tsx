/* A value as its JSON: checked as it is typed, written when it is right and one is done. */
import { useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Json } from '../core/types.ts';
import { readJson, writeJson } from './json_text.ts';
import { same, type Change } from './value_editor.tsx';

interface JsonFieldProps {
    name: string;
    path: string;
    values: readonly (Json | undefined)[];
    readOnly: boolean;
    change: Change;
}

export function JsonField({ name, path, values, readOnly, change }: JsonFieldProps): JSX.Element {
    const [draft, setDraft] = useState<string | null>(null);
    const area = useRef<HTMLTextAreaElement>(null);
    const alike = same(values);
    const shown = alike ? writeJson(values[0]) : '';
    const text = draft ?? shown;
    const read = draft === null || draft.trim() === '' ? null : readJson(draft);
    const fault = read && 'fault' in read ? read.fault : null;
    const id = `json-${path}`;

    const commit = (): boolean => {
        if (draft === null || fault) {
            return !fault;
        }
        if (read && 'value' in read && (!alike || JSON.stringify(read.value) !== JSON.stringify(values[0]))) {
            const { value } = read;
            change(() => value);
        }
        setDraft(null);
        return true;
    };
    return (
        <div class="json" data-wrong={fault !== null || undefined}>
            <textarea
                ref={area} class="text mono" aria-label={`${name} as JSON`} data-field={path} spellcheck={false} readOnly={readOnly}
                rows={Math.min(16, Math.max(2, text.split('\n').length))} value={text} wrap="off"
                placeholder={alike ? 'No value' : 'Different values; what is written here goes to all'}
                aria-invalid={fault !== null || undefined} aria-describedby={fault ? id : undefined}
                onInput={(event) => setDraft(event.currentTarget.value)} onBlur={commit}
                onKeyDown={(event) => {
                    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
                        event.stopPropagation();
                        commit();
                    } else if (event.key === 'Escape' && draft !== null) {
                        event.stopPropagation();
                        setDraft(null);
                    }
                }}
            />
            {fault && (
                <button
                    type="button" class="json-fault" id={id}
                    onClick={() => {
                        area.current!.focus();
                        area.current!.setSelectionRange(fault.offset, Math.min(text.length, fault.offset + 1));
                    }}
                >
                    Line {fault.line}, column {fault.column}: {fault.text}
                </button>
            )}
        </div>
    );
}
