/* The page: wires core, view and ui. `window.scenesync` is for the console and the tests. */
import { computed } from '@preact/signals';
import type { Session } from './core/types.ts';
import { browserPlatform } from './browser.ts';
import { openModels } from './core/models.ts';
import { openSession } from './core/session.ts';
import type { Quality, View } from './view/view.ts';
import { openPage } from './ui/app.tsx';
import { openSettings } from './ui/settings.ts';

declare global {
    interface Window {
        scenesync?: { readonly session: Session; readonly view?: View };
    }
}

function storage(): Storage | null {
    try {
        return localStorage;
    } catch {
        return null; /* not allowed here */
    }
}

/* ?quality=high draws everything also where there is no graphics card, low leaves out what it can. */
function quality(): Quality {
    const asked = new URLSearchParams(location.search).get('quality');
    return asked === 'high' || asked === 'low' ? asked : 'auto';
}

const session = openSession(browserPlatform());
const settings = openSettings(storage(), matchMedia('(prefers-color-scheme: dark)'));
window.scenesync = { session };
openPage(document.getElementById('app')!, {
    session,
    settings,
    /* The larger half of the page: who is linked meanwhile is told the scene. */
    openViewport: async (place, info) => {
        const { openView } = await import('./view/view.ts').catch(() => {
            throw new Error('A part of this page could not be loaded. Load the page again.');
        });
        const models = computed(() => (info.value ? openModels(info.value.models, { token: session.token }) : null));
        const view = openView(place, session, { theme: settings.shownTheme, info, models, quality: quality() });
        window.scenesync = { session, view };
        return view;
    },
});
