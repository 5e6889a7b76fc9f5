/* A dialog: the browser's own, which keeps the keyboard within and closes by Escape. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { IconButton } from './button.tsx';
import { useUi } from './context.ts';

interface DialogProps {
    title: string;
    wide?: boolean;
    children: ComponentChildren;
    actions?: ComponentChildren;
}

export function Dialog({ title, wide, children, actions }: DialogProps): JSX.Element {
    const ui = useUi();
    const element = useRef<HTMLDialogElement>(null);
    useLayoutEffect(() => {
        const before = document.activeElement;
        const dialog = element.current!;
        dialog.showModal();
        dialog.querySelector<HTMLElement>('[data-first]')?.focus();
        return () => {
            dialog.close();
            if (before instanceof HTMLElement) {
                before.focus();
            }
        };
    }, []);
    const close = (): void => {
        ui.dialog.value = null;
    };
    return (
        <dialog
            ref={element} class={wide ? 'dialog wide' : 'dialog'} aria-label={title}
            onCancel={(event) => {
                event.preventDefault();
                close();
            }}
            onPointerDown={(event) => event.target === element.current && close()}
        >
            <div class="dialog-box">
                <header class="dialog-head">
                    <h2>{title}</h2>
                    <IconButton small name="Close" icon="close" at="left" run={close} />
                </header>
                <div class="dialog-body">{children}</div>
                {actions && <footer class="dialog-actions">{actions}</footer>}
            </div>
        </dialog>
    );
}
