/* Time, for panels: a scene that changes fifty times a second is drawn once a frame, and clocks
 * on the page go by one timer. */
import { effect, signal, type ReadonlySignal } from '@preact/signals';

/* Where a page is not drawn (another tab is in front) frames do not come: look after this. */
const LATEST_MS = 200;

/* Follows `source`, at most once a frame. */
export function oncePerFrame(source: ReadonlySignal<number>): ReadonlySignal<number> {
    const shown = signal(source.peek());
    let waiting = false;
    effect(() => {
        if (source.value === shown.peek() || waiting) {
            return;
        }
        waiting = true;
        let frame = 0;
        let timer = 0;
        const show = (): void => {
            cancelAnimationFrame(frame);
            clearTimeout(timer);
            waiting = false;
            shown.value = source.peek();
        };
        frame = requestAnimationFrame(show);
        timer = window.setTimeout(show, LATEST_MS);
    });
    return shown;
}

const clock = signal(Date.now());
setInterval(() => {
    clock.value = Date.now();
}, 1000);

/* ms since 1970, to the second. */
export const now: ReadonlySignal<number> = clock;

export function timeOf(at: number): string {
    return new Date(at).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

export function fullTimeOf(at: number): string {
    return new Date(at).toLocaleString();
}

export function agoOf(at: number, from: number): string {
    const seconds = Math.max(0, Math.round((from - at) / 1000));
    if (seconds < 5) {
        return 'just now';
    }
    if (seconds < 60) {
        return `${seconds} s ago`;
    }
    if (seconds < 3600) {
        return `${Math.floor(seconds / 60)} min ago`;
    }
    if (seconds < 24 * 3600) {
        return `${Math.floor(seconds / 3600)} h ago`;
    }
    return new Date(at).toLocaleDateString();
}
