/* What is to be told once. It goes by itself, later if it is bad, and not while one points at it. */
import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Notice } from '../core/types.ts';
import { IconButton } from './button.tsx';
import { useUi } from './context.ts';
import { Icon, type IconName } from './icon.tsx';

const STAYS_MS: { readonly [tone in Notice['tone']]: number } = { info: 4000, good: 4000, warning: 9000, bad: 20000 };
const ICONS: { readonly [tone in Notice['tone']]: IconName } = { info: 'info', good: 'good', warning: 'warning', bad: 'bad' };
const SHOWN_MAX = 4;

export function Notices(): JSX.Element {
    const { session } = useUi();
    const shown = session.notices.value.slice(-SHOWN_MAX);
    return (
        <div class="notices" role="log" aria-label="Notices" aria-live="polite">
            {shown.map((notice) => <Item key={notice.id} notice={notice} dismiss={() => session.dismiss(notice.id)} />)}
        </div>
    );
}

function Item({ notice, dismiss }: { notice: Notice; dismiss(): void }): JSX.Element {
    const [held, setHeld] = useState(false);
    useEffect(() => {
        if (held) {
            return undefined;
        }
        const timer = setTimeout(dismiss, STAYS_MS[notice.tone] * (notice.action ? 2 : 1));
        return () => clearTimeout(timer);
    }, [held, notice]);
    return (
        <div class="notice" data-tone={notice.tone} onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)} onFocusIn={() => setHeld(true)} onFocusOut={() => setHeld(false)}>
            <Icon name={ICONS[notice.tone]} />
            <span class="notice-text">{notice.text}</span>
            {notice.action && (
                <button
                    type="button" class="button tiny"
                    onClick={() => {
                        notice.action!.run();
                        dismiss();
                    }}
                >
                    {notice.action.label}
                </button>
            )}
            <IconButton small name="Dismiss" icon="close" at="left" run={dismiss} />
        </div>
    );
}
