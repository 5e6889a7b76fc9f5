/* Stands for the view in 3D until it is there. */
import { signal } from '@preact/signals';
import type { Tool } from './ui/context.ts';

export function openBlank(_canvas: HTMLCanvasElement) {
    return {
        tool: signal<Tool>('move'),
        snap: signal(true),
        space: signal<'world' | 'local'>('world'),
        following: signal<string | null>(null),
        frame: () => undefined,
        home: () => undefined,
        dropPoint: (): [number, number, number] => [8, 0, 8],
        screen: () => null,
        frames: () => ({ count: 0, ms: 0 }),
        settled: () => Promise.resolve(),
    };
}
