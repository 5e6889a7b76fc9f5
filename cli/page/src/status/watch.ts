/* Asks the worker once a second, for as long as the page is open. */

import { batch, signal, type ReadonlySignal } from '@preact/signals';
import type { Platform } from '../core/platform.ts';
import { Recording, type Sample } from './recording.ts';
import { readStatus, type Status } from './status_text.ts';

const POLL_MS = 1000;
const PATIENCE_MS = 5000; /* an answer that takes longer is none */

export interface Watch {
    readonly status: ReadonlySignal<Status | undefined>; /* the last one */
    readonly samples: ReadonlySignal<readonly Sample[]>;
    readonly heardAt: ReadonlySignal<number>; /* ms; 0: never */
    readonly trouble: ReadonlySignal<string>; /* why there is no answer now; '' */
    readonly locked: ReadonlySignal<boolean>; /* the worker wants another token: it is waited for */
    readonly refused: ReadonlySignal<boolean>; /* the token that was given last */
    readonly recording: Recording;
    setToken(token: string): void;
}

export function openWatch(platform: Platform, firstToken: string): Watch {
    const recording = new Recording();
    const status = signal<Status | undefined>(undefined);
    const samples = signal<readonly Sample[]>([]);
    const heardAt = signal(0);
    const trouble = signal('');
    const locked = signal(false);
    const refused = signal(false);
    let token = firstToken;

    const ask = async (): Promise<Status> => {
        const headers: Readonly<Record<string, string>> = token === '' ? {} : { Authorization: `Bearer ${token}` };
        const late = new Promise<never>((_, no) => platform.after(PATIENCE_MS, () => no(new Error('It takes too long'))));
        const answer = await Promise.race([platform.fetch('GET', '/v1/status', headers), late]);
        locked.value = answer.status === 401 || answer.status === 403;
        if (answer.status !== 200) {
            throw new Error(locked.value ? 'A token is needed' : `It answers with HTTP ${answer.status}`);
        }
        return readStatus(answer.text);
    };
    const poll = async (): Promise<void> => {
        const began = platform.now();
        let found: Status | undefined;
        let why = '';
        try {
            found = await ask();
        } catch (error) {
            /* What fetch throws where nobody listens is no text for people. */
            why = error instanceof TypeError ? 'It cannot be reached' : error instanceof Error ? error.message : String(error);
        }
        batch(() => {
            recording.add(began, found);
            samples.value = recording.samples;
            trouble.value = why;
            if (found) {
                status.value = found;
                heardAt.value = began;
            }
        });
        if (!locked.value) {
            platform.after(Math.max(100, began + POLL_MS - platform.now()), () => void poll());
        }
    };
    void poll();
    return {
        status, samples, heardAt, trouble, locked, refused, recording,
        setToken: (wanted) => {
            token = wanted;
            if (locked.value) {
                void poll().then(() => (refused.value = locked.value));
            }
        },
    };
}
