/* One plot: its lines over the last minutes, drawn as SVG. Where the pointer is, all plots tell
 * what was at that time. The table below the plots says the same in numbers. */

import { useRef } from 'preact/hooks';
import type { Signal } from '@preact/signals';
import type { JSX } from 'preact';
import { KEPT_MS, type Plot, type Sample, type Unit } from './recording.ts';
import { duration, roundUp, shown } from './units.ts';

const WIDTH = 600; /* of the drawing's own grid; the page stretches it */
const HEIGHT = 100;
const SPANS_MS = [60_000, 120_000, 300_000, KEPT_MS];

/* So much is shown: what there is, rounded up. */
export function spanOf(samples: readonly Sample[]): number {
    const covered = samples.length > 0 ? samples.at(-1)!.at - samples[0]!.at : 0;
    return SPANS_MS.find((span) => covered <= span) ?? KEPT_MS;
}

interface Scale {
    readonly end: number;
    readonly span: number;
    readonly top: number;
}

const left = (scale: Scale, at: number): number => WIDTH - ((scale.end - at) / scale.span) * WIDTH;
const down = (scale: Scale, value: number): number => HEIGHT - (value / scale.top) * HEIGHT;
const round = (value: number): string => value.toFixed(1);

/* Runs of known values: a gap where the worker did not answer, or began anew. */
function pathOf(samples: readonly Sample[], key: string, scale: Scale, area: boolean): string {
    let path = '';
    let from: number | undefined;
    let to = 0;
    const end = (): void => {
        path += area && from !== undefined ? `L${round(to)} ${HEIGHT}L${round(from)} ${HEIGHT}Z` : '';
        from = undefined;
    };
    for (const sample of samples) {
        const value = sample.values.get(key);
        if (value === undefined) {
            end();
            continue;
        }
        to = left(scale, sample.at);
        path += `${from === undefined ? 'M' : 'L'}${round(to)} ${round(down(scale, value))}`;
        from ??= to;
    }
    end();
    return path;
}

function topOf(samples: readonly Sample[], keys: readonly string[], unit: Unit): number {
    let most = 0;
    for (const sample of samples) {
        for (const key of keys) {
            most = Math.max(most, sample.values.get(key) ?? 0);
        }
    }
    return roundUp(most, unit);
}

/* The sample that is nearest to this time. */
export function nearest(samples: readonly Sample[], at: number): Sample | undefined {
    let found: Sample | undefined;
    for (const sample of samples) {
        if (!found || Math.abs(sample.at - at) < Math.abs(found.at - at)) {
            found = sample;
        }
    }
    return found;
}

function spanText(span: number): string {
    return span === 60_000 ? 'minute' : `${span / 60_000} minutes`;
}

interface PlotProps {
    readonly plot: Plot;
    readonly samples: readonly Sample[];
    readonly cursor: Signal<number | null>; /* ms: where the pointer is, on any plot */
}

export function PlotFigure({ plot, samples, cursor }: PlotProps): JSX.Element {
    const drawing = useRef<SVGSVGElement>(null);
    const keys = plot.lines.map((line) => `${plot.id}.${line.id}`);
    const scale: Scale = { end: samples.at(-1)?.at ?? 0, span: spanOf(samples), top: topOf(samples, keys, plot.unit) };
    const at = cursor.value === null ? samples.at(-1) : nearest(samples, cursor.value);
    const told = plot.lines.map((line, index) => `${line.label} ${shown(at?.values.get(keys[index]!), plot.unit)}`);
    const point = (event: PointerEvent): void => {
        const box = drawing.current!.getBoundingClientRect();
        cursor.value = scale.end - (1 - (event.clientX - box.left) / box.width) * scale.span;
    };
    return (
        <figure class="plot" data-plot={plot.id}>
            <figcaption>
                <h3 title={plot.about}>{plot.title}</h3>
                <span class="legend">
                    {plot.lines.map((line, index) => (
                        <span class={`line-${index}`} key={line.id}>
                            <i aria-hidden="true" />
                            {plot.lines.length > 1 && <span class="quiet">{line.label}</span>}
                            <b>{shown(at?.values.get(keys[index]!), plot.unit)}</b>
                        </span>
                    ))}
                </span>
            </figcaption>
            <div class="drawing">
                <svg
                    ref={drawing} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img"
                    aria-label={`${plot.title}, the last ${spanText(scale.span)}: ${told.join(', ')}`}
                    onPointerMove={point} onPointerDown={point} onPointerLeave={() => (cursor.value = null)}
                >
                    <path class="grid" d={`M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}`} />
                    {samples.filter((sample) => sample.restarted).map((sample) => (
                        <path class="restart" key={sample.at} d={`M${round(left(scale, sample.at))} 0V${HEIGHT}`} />
                    ))}
                    <path class="area line-0" d={pathOf(samples, keys[0]!, scale, true)} />
                    {keys.map((key, index) => (
                        <path class={`stroke line-${index}`} key={key} d={pathOf(samples, key, scale, false)} />
                    )).reverse()}
                    {cursor.value !== null && at && (
                        <path class="cursor" d={`M${round(left(scale, at.at))} 0V${HEIGHT}`} />
                    )}
                </svg>
                <span class="top" aria-hidden="true">{shown(scale.top, plot.unit)}</span>
                <span class="half" aria-hidden="true">{shown(scale.top / 2, plot.unit)}</span>
            </div>
            <div class="times" aria-hidden="true">
                <span>−{duration(scale.span)}</span>
                <span>−{duration(scale.span / 2)}</span>
                <span>now</span>
            </div>
        </figure>
    );
}
