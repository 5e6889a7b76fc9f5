/* Numbers as people read them. */

import type { Unit } from './recording.ts';

const digits = (value: number): string => {
    const places = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
    return value.toLocaleString('en', { maximumFractionDigits: places });
};

export function bytes(value: number): string {
    const names = ['B', 'kB', 'MB', 'GB', 'TB'];
    let at = 0;
    let scaled = value;
    while (scaled >= 999.5 && at < names.length - 1) {
        scaled /= 1000;
        at++;
    }
    return `${at === 0 ? Math.round(scaled) : digits(scaled)} ${names[at]}`;
}

export function shown(value: number | undefined, unit: Unit): string {
    if (value === undefined) {
        return '–';
    }
    switch (unit) {
        case 'bytes':
            return bytes(value);
        case 'byteRate':
            return `${bytes(value)}/s`;
        case 'rate':
            return `${digits(value)}/s`;
        case 'percent':
            return `${digits(value)} %`;
        default:
            return digits(value);
    }
}

export function duration(ms: number): string {
    const seconds = Math.floor(ms / 1000);
    const parts: readonly [number, string][] = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
    const first = parts.findIndex(([size]) => seconds >= size);
    if (first < 0) {
        return '0 s';
    }
    const [size, name] = parts[first]!;
    const rest = parts[first + 1];
    const more = rest && first < 2 ? Math.floor((seconds % size) / rest[0]) : 0;
    return `${Math.floor(seconds / size)} ${name}${rest && more > 0 ? ` ${more} ${rest[1]}` : ''}`;
}

/* The next of 1, 2, 5, 10, 20, ... that is not below the value: where an axis ends. */
export function roundUp(value: number, unit: Unit): number {
    const least = unit === 'percent' ? 10 : unit === 'bytes' || unit === 'byteRate' ? 1000 : 4;
    const wanted = Math.max(value, least);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 4, 5, 10].find((factor) => factor * power >= wanted) ?? 10;
    return step * power;
}

export const shortActor = (actor: string): string => actor.slice(0, 8);
