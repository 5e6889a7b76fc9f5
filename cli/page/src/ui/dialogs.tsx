/* The smaller dialogs: share, one's name, the keys. */
import { useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useUi } from './context.ts';
import { copyText } from './copy.ts';
import { Dialog } from './dialog.tsx';
import { Icon } from './icon.tsx';
import { PublishDialog } from './publish.tsx';
import { SHORTCUTS } from './shortcuts.ts';

export function Dialogs(): JSX.Element | null {
    switch (useUi().dialog.value) {
        case 'share':
            return <ShareDialog />;
        case 'publish':
            return <PublishDialog />;
        case 'help':
            return <HelpDialog />;
        case 'name':
            return <NameDialog />;
        case null:
            return null;
    }
}

function ShareDialog(): JSX.Element {
    const { session } = useUi();
    const input = useRef<HTMLInputElement>(null);
    const [copied, setCopied] = useState(false);
    const link = session.shareLink();
    const copy = async (): Promise<void> => {
        setCopied(await copyText(link));
        input.current?.select();
    };
    return (
        <Dialog title="Share">
            <p>Who opens this link joins the scene{link.includes('token=') ? ' with the rights that you have: the link carries your token. Give it only to people you trust.' : ', with the rights that this worker gives to everybody who can reach it.'}</p>
            <div class="copy">
                <input ref={input} class="text mono" type="text" readOnly aria-label="Link" value={link} data-first onFocus={(event) => event.currentTarget.select()} />
                <button type="button" class="button primary" onClick={() => void copy()}>
                    <Icon name={copied ? 'check' : 'copy'} size={14} /> {copied ? 'Copied' : 'Copy'}
                </button>
            </div>
            {/^(127\.|localhost$|\[::1\])/.test(location.hostname) && (
                <p class="quiet">The address is of this machine: others need one that they can reach.</p>
            )}
        </Dialog>
    );
}

function NameDialog(): JSX.Element {
    const ui = useUi();
    const me = ui.session.me.value;
    const input = useRef<HTMLInputElement>(null);
    const done = (): void => {
        const name = input.current!.value.trim();
        ui.dialog.value = null;
        if (name !== '' && name !== me.name) {
            ui.session.setName(name);
        }
    };
    return (
        <Dialog
            title="Your name"
            actions={<button type="button" class="button primary" onClick={done}>Done</button>}
        >
            <p>Others see it at what you select, and in the history.</p>
            <div class="swatch-line">
                <i class="lamp big" style={{ background: me.color }} aria-hidden="true" />
                <input
                    ref={input} class="text" type="text" aria-label="Your name" defaultValue={me.name} maxLength={64} autocomplete="nickname" spellcheck={false} data-first
                    onFocus={(event) => event.currentTarget.select()}
                    onKeyDown={(event) => {
                        if (event.key === 'Enter') {
                            done();
                        }
                    }}
                />
            </div>
            <p class="quiet">A name that comes with your token stays as it is.</p>
        </Dialog>
    );
}

function HelpDialog(): JSX.Element {
    const sections = [...new Set(SHORTCUTS.map((shortcut) => shortcut.section))];
    return (
        <Dialog title="Keyboard shortcuts" wide>
            <div class="keys" tabIndex={0} role="group" aria-label="Keys">
                {sections.map((section) => (
                    <section key={section}>
                        <h3>{section}</h3>
                        <dl>
                            {SHORTCUTS.filter((shortcut) => shortcut.section === section).map((shortcut) => (
                                <div key={shortcut.keys + shortcut.about}>
                                    <dt><Keys text={shortcut.keys} /></dt>
                                    <dd>{shortcut.about}</dd>
                                </div>
                            ))}
                        </dl>
                    </section>
                ))}
            </div>
        </Dialog>
    );
}

/* "Ctrl Shift Z" as three keys; words for the pointer stay words. */
function Keys({ text }: { text: string }): JSX.Element {
    if (!/^((Ctrl|Shift|Alt|Enter|Del|Esc|Home|Space|F2|or|[A-Z?/])\b ?)+$|^[?/]$/.test(text)) {
        return <kbd>{text}</kbd>;
    }
    return <>{text.split(' ').map((key, index) => (key === 'or' ? <span key={index}> or </span> : <kbd key={index}>{key}</kbd>))}</>;
}
