/* The status page: how the replicas of a scene are. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import { browserPlatform } from '../browser.ts';
import { openVisit, rememberToken } from '../core/address.ts';
import { openSettings } from '../ui/settings.ts';
import { StatusPage } from './page.tsx';
import { openWatch } from './watch.ts';

const platform = browserPlatform();
const { scene, token } = openVisit(platform);
const settings = openSettings(platform.local as Storage, matchMedia('(prefers-color-scheme: dark)'));
effect(() => {
    document.documentElement.dataset.theme = settings.shownTheme.value;
});
const watch = openWatch(platform, token);
const unlock = (given: string): void => {
    rememberToken(platform, scene, given);
    watch.setToken(given);
};
render(<StatusPage watch={watch} unlock={unlock} settings={settings} />, document.getElementById('app')!);
