/* What the plots draw, in numbers. */

import type { JSX } from 'preact';
import type { Recording } from './recording.ts';
import { shown } from './units.ts';

export function Figures({ recording }: { readonly recording: Recording }): JSX.Element {
    return (
        <section class="figures" aria-labelledby="figures">
            <h2 id="figures">In numbers</h2>
            <div class="scroll" role="region" aria-label="Table of figures" tabIndex={0}>
                <table>
                    <thead>
                        <tr>
                            <th scope="col">Figure</th>
                            <th scope="col" class="right">Now</th>
                            <th scope="col" class="right">Mean of a minute</th>
                            <th scope="col" class="right">Least</th>
                            <th scope="col" class="right">Most</th>
                        </tr>
                    </thead>
                    <tbody>
                        {recording.known().flatMap((plot) => plot.lines.map((line) => {
                            const figure = recording.figure(`${plot.id}.${line.id}`);
                            return (
                                <tr key={`${plot.id}.${line.id}`}>
                                    <th scope="row">{plot.title} <span class="quiet">{line.label}</span></th>
                                    <td class="right">{shown(figure.now, plot.unit)}</td>
                                    <td class="right">{shown(figure.minute, plot.unit)}</td>
                                    <td class="right">{shown(figure.least, plot.unit)}</td>
                                    <td class="right">{shown(figure.most, plot.unit)}</td>
                                </tr>
                            );
                        }))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}
