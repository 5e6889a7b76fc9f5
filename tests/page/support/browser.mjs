/* Debian's Chromium without a screen, drawing in software. */

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function chromiumPath() {
    return CANDIDATES.find((file) => file && existsSync(file));
}

export function launch() {
    return chromium.launch({
        executablePath: chromiumPath(), headless: true,
        args: ['--headless=new', '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
            '--disable-background-networking', '--disable-component-update', '--force-color-profile=srgb',
            '--disable-features=Translate,OptimizationHints,MediaRouter'],
    });
}
