/* How this person likes the page: kept in the browser, apart from any scene.
 * A browser that keeps nothing (private windows) only forgets. */
import { computed, effect, signal, type ReadonlySignal, type Signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
export type RightTab = 'inspector' | 'history' | 'conflicts';

export interface Settings {
    readonly theme: Signal<Theme>;
    /* What is seen: the choice, or what the system asks for. */
    readonly shownTheme: ReadonlySignal<'light' | 'dark'>;
    readonly leftWidth: Signal<number>;
    readonly rightWidth: Signal<number>;
    readonly leftOpen: Signal<boolean>;
    readonly rightOpen: Signal<boolean>;
    readonly tab: Signal<RightTab>;
}

export const WIDTH_MIN = 200;
export const WIDTH_MAX = 520;
const KEY = 'scenesync.page';

function read(storage: Storage | null): Record<string, unknown> {
    try {
        const found: unknown = JSON.parse(storage?.getItem(KEY) ?? '{}');
        return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : {};
    } catch {
        return {};
    }
}

function oneOf<T extends string>(found: unknown, choices: readonly T[], otherwise: T): T {
    return choices.find((choice) => choice === found) ?? otherwise;
}

function width(found: unknown, otherwise: number): number {
    return typeof found === 'number' && found >= WIDTH_MIN && found <= WIDTH_MAX ? found : otherwise;
}

export function openSettings(storage: Storage | null, dark: MediaQueryList): Settings {
    const kept = read(storage);
    const theme = signal<Theme>(oneOf(kept.theme, ['system', 'light', 'dark'], 'system'));
    const systemDark = signal(dark.matches);
    dark.addEventListener('change', (event) => {
        systemDark.value = event.matches;
    });
    const settings: Settings = {
        theme,
        shownTheme: computed(() =>
            theme.value === 'system' ? (systemDark.value ? 'dark' : 'light') : theme.value,
        ),
        leftWidth: signal(width(kept.leftWidth, 256)),
        rightWidth: signal(width(kept.rightWidth, 328)),
        leftOpen: signal(kept.leftOpen !== false),
        rightOpen: signal(kept.rightOpen !== false),
        tab: signal<RightTab>('inspector'),
    };
    effect(() => {
        const text = JSON.stringify({
            theme: theme.value,
            leftWidth: settings.leftWidth.value,
            rightWidth: settings.rightWidth.value,
            leftOpen: settings.leftOpen.value,
            rightOpen: settings.rightOpen.value,
        });
        try {
            storage?.setItem(KEY, text);
        } catch {
            /* full, or not allowed */
        }
    });
    return settings;
}
