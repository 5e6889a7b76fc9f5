/* Debian's Chromium without a screen, drawing in software. */

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { WAIT_MS } from './wait.mjs';

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function chromiumPath() {
    return CANDIDATES.find((file) => file && existsSync(file));
}

/* The first page and the first picture of a browser take long: they are not the first flow's. */
async function warm(browser) {
    const page = await browser.newPage();
    await page.evaluate(() => {
        const gl = document.createElement('canvas').getContext('webgl2');
        gl?.clear(gl.COLOR_BUFFER_BIT);
        gl?.finish();
    });
    await page.close();
    return browser;
}

export async function launch() {
    return warm(await chromium.launch({
        executablePath: chromiumPath(), headless: true,
        args: ['--headless=new', '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
            '--disable-background-networking', '--disable-component-update', '--force-color-profile=srgb',
            '--disable-features=Translate,OptimizationHints,MediaRouter'],
        timeout: WAIT_MS,
    }));
}
