/* Publishing, in two steps: see what would be deployed, then do it. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { Json, Prepared } from '../core/types.ts';
import { now } from './beat.ts';
import { useUi } from './context.ts';
import { signWith, type Wallet } from '../core/wallet.ts';
import { Dialog } from './dialog.tsx';
import { Icon } from './icon.tsx';
import { readJson } from './json_text.ts';
import { plural, sizeOf } from './phrases.ts';

type Step =
    | { readonly at: 'begin' | 'preparing' }
    | { readonly at: 'prepared' | 'publishing' | 'done'; readonly prepared: Prepared };

export function PublishDialog(): JSX.Element {
    const ui = useUi();
    const [step, setStep] = useState<Step>({ at: 'begin' });
    const [trouble, setTrouble] = useState<string | null>(null);
    const [chain, setChain] = useState('');
    const read = chain.trim() === '' ? null : readJson(chain);
    const fault = read && 'fault' in read ? read.fault : null;

    const prepare = async (): Promise<void> => {
        setTrouble(null);
        setStep({ at: 'preparing' });
        try {
            setStep({ at: 'prepared', prepared: await ui.session.preparePublish() });
        } catch (error) {
            setTrouble(wordsOf(error));
            setStep({ at: 'begin' });
        }
    };
    const publish = async (prepared: Prepared, asPrepared: boolean): Promise<void> => {
        const authChain: Json | undefined = !prepared.unsigned && read && 'value' in read ? read.value : undefined;
        setTrouble(null);
        setStep({ at: 'publishing', prepared });
        try {
            await ui.session.confirmPublish(prepared.id, authChain, asPrepared);
            setStep({ at: 'done', prepared });
        } catch (error) {
            setTrouble(wordsOf(error));
            setStep({ at: 'prepared', prepared });
        }
    };
    const close = (): void => {
        ui.dialog.value = null;
    };
    const changed = trouble !== null && /chang/i.test(trouble);
    return (
        <Dialog title="Publish" actions={actionsOf()}>
            {trouble && <div class="banner bad" role="alert"><Icon name="bad" size={14} /><span>{trouble}</span></div>}
            {(step.at === 'begin' || step.at === 'preparing') && (
                <p>
                    The scene as it is now becomes what visitors of {ui.session.sceneName} see. First look at what would be deployed; nothing is changed by that.
                </p>
            )}
            {'prepared' in step && step.at !== 'done' && <Plan prepared={step.prepared} chain={chain} setChain={setChain} fault={fault?.text ?? null} tell={setTrouble} />}
            {step.at === 'done' && (
                <div class="empty"><Icon name="good" size={28} /><p>Published.</p><p class="quiet">{parcelsOf(step.prepared.pointers)}: visitors see it now.</p></div>
            )}
        </Dialog>
    );

    function actionsOf(): JSX.Element {
        switch (step.at) {
            case 'begin':
            case 'preparing':
                return <button type="button" class="button primary" data-first aria-disabled={step.at === 'preparing' || undefined} onClick={() => step.at === 'begin' && void prepare()}>{step.at === 'preparing' ? 'Preparing …' : 'Prepare'}</button>;
            case 'prepared':
            case 'publishing': {
                const { prepared } = step;
                const unsigned = !prepared.unsigned && (read === null || fault !== null);
                const busy = step.at === 'publishing' || unsigned;
                return (
                    <>
                        {changed && <button type="button" class="button" onClick={() => void publish(prepared, true)}>Publish as prepared</button>}
                        <button type="button" class="button" onClick={() => void prepare()}>Prepare again</button>
                        <button
                            type="button" class="button primary" aria-disabled={busy || undefined} data-tip={unsigned ? 'Not signed yet' : undefined} data-tip-at="above"
                            onClick={() => !busy && void publish(prepared, false)}
                        >
                            {step.at === 'publishing' ? 'Publishing …' : 'Publish now'}
                        </button>
                    </>
                );
            }
            case 'done':
                return <button type="button" class="button primary" onClick={close}>Done</button>;
        }
    }
}

interface PlanProps {
    prepared: Prepared;
    chain: string;
    setChain(text: string): void;
    fault: string | null;
    tell(trouble: string): void;
}

function Plan({ prepared, chain, setChain, fault, tell }: PlanProps): JSX.Element {
    const seconds = prepared.expires === undefined ? null : Math.round((prepared.expires - now.value) / 1000);
    return (
        <>
            {prepared.missing.length > 0 && (
                <Warnings tone="bad" title={`${plural(prepared.missing.length, 'file')} that nobody has`} lines={prepared.missing} />
            )}
            {prepared.warnings.length > 0 && <Warnings tone="warning" title={plural(prepared.warnings.length, 'warning')} lines={prepared.warnings} />}
            <dl class="facts-list">
                <dt>Place</dt><dd>{parcelsOf(prepared.pointers)}</dd>
                <dt>Files</dt><dd>{plural(prepared.files.length, 'file')}, {sizeOf(prepared.size)}</dd>
                <dt>Name</dt><dd class="mono long">{prepared.entityId}</dd>
                {seconds !== null && seconds < 600 && <><dt>Valid</dt><dd>{seconds > 0 ? `for ${seconds} s` : 'no longer; prepare again'}</dd></>}
            </dl>
            <div class="files" tabIndex={0} role="group" aria-label="Files">
                <table>
                    <tbody>
                        {prepared.files.map((file) => <FileRow key={file.file} file={file.file} size={file.size} />)}
                    </tbody>
                </table>
            </div>
            {!prepared.unsigned && <Signing text={prepared.sign ?? prepared.entityId} chain={chain} setChain={setChain} fault={fault} tell={tell} />}
        </>
    );
}

const PARCELS_MAX = 6;

function parcelsOf(pointers: readonly string[]): string {
    return pointers.length > PARCELS_MAX ? `${pointers.length} parcels from ${pointers[0]}` : pointers.join('  ');
}

/* What a file is called counts more than where it lies. */
function FileRow({ file, size }: { file: string; size: number }): JSX.Element {
    const at = file.lastIndexOf('/') + 1;
    return (
        <tr>
            <td title={file}><span class="file mono"><span class="folder">{file.slice(0, at)}</span><span>{file.slice(at)}</span></span></td>
            <td>{sizeOf(size)}</td>
        </tr>
    );
}

interface SigningProps {
    text: string; /* what is signed */
    chain: string;
    setChain(text: string): void;
    fault: string | null;
    tell(trouble: string): void;
}

/* Networks take a scene only from who may publish there. */
function Signing({ text, chain, setChain, fault, tell }: SigningProps): JSX.Element {
    const wallet = (window as { ethereum?: Wallet }).ethereum;
    const sign = async (): Promise<void> => {
        try {
            setChain(JSON.stringify(await signWith(wallet!, text), null, 2));
        } catch (error) {
            tell(wordsOf(error));
        }
    };
    return (
        <div class="signing">
            <p>This server takes a scene only from who may publish there. Sign <span class="mono">{text}</span>:</p>
            {wallet && <button type="button" class="button" onClick={() => void sign()}><Icon name="pen" size={14} /> Sign with wallet</button>}
            <textarea
                class="text mono" rows={4} aria-label="Auth chain" placeholder={wallet ? 'or paste an auth chain' : 'Paste an auth chain'} spellcheck={false}
                value={chain} aria-invalid={fault !== null || undefined} onInput={(event) => setChain(event.currentTarget.value)}
            />
            {fault && <p class="fault">{fault}</p>}
        </div>
    );
}

function Warnings({ tone, title, lines }: { tone: string; title: string; lines: readonly string[] }): JSX.Element {
    return (
        <div class={`banner ${tone}`} role="note">
            <Icon name="warning" size={14} />
            <div><b>{title}</b><ul>{lines.slice(0, 20).map((line, index) => <li key={index}>{line}</li>)}</ul></div>
        </div>
    );
}

function wordsOf(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}
