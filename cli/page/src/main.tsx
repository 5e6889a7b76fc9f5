/* The page: wires core, view and ui. `window.scenesync` is for the console and the tests. */
import type { Session } from './core/types.ts';
import { browserPlatform } from './browser.ts';
import { openSession } from './core/session.ts';
import { openPage } from './ui/app.tsx';
import { openSettings } from './ui/settings.ts';
import { openBlank } from './blank_view.ts';

interface Handle {
    readonly session: Session;
    readonly view: {
        screen(entity: string): { x: number; y: number } | null;
        frames(): { count: number; ms: number };
        settled(): Promise<void>;
    };
}

declare global {
    interface Window {
        scenesync?: Handle;
    }
}

function storage(): Storage | null {
    try {
        return localStorage;
    } catch {
        return null;
    }
}

const session = openSession(browserPlatform());
const settings = openSettings(storage(), matchMedia('(prefers-color-scheme: dark)'));
openPage(document.getElementById('app')!, {
    session,
    settings,
    openViewport: (canvas) => {
        const view = openBlank(canvas);
        window.scenesync = { session, view };
        return view;
    },
});
