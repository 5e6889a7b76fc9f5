/* Which way is which: the scene's axes in a corner of the view. A click looks along one; keys do
 * the same (keys.ts), so it is hidden from readers of the screen. */
import { Quaternion, Vector3 } from 'three';
import type { PerspectiveCamera } from 'three';

const SIDE = 76; /* CSS pixels */
const REACH = 27;
const SVG = 'http://www.w3.org/2000/svg';

interface Axis {
    readonly direction: Vector3; /* in three's space */
    readonly letter: string;
    readonly color: string;
}

const AXES: readonly Axis[] = [
    { direction: new Vector3(1, 0, 0), letter: 'X', color: '#e5484d' },
    { direction: new Vector3(0, 1, 0), letter: 'Y', color: '#46a758' },
    { direction: new Vector3(0, 0, -1), letter: 'Z', color: '#3e7bfa' },
    { direction: new Vector3(-1, 0, 0), letter: '', color: '#e5484d' },
    { direction: new Vector3(0, -1, 0), letter: '', color: '#46a758' },
    { direction: new Vector3(0, 0, 1), letter: '', color: '#3e7bfa' },
];

function make<K extends keyof SVGElementTagNameMap>(name: K, attributes: { [name: string]: string | number }): SVGElementTagNameMap[K] {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
        element.setAttribute(key, String(value));
    }
    return element;
}

interface Drawn {
    readonly axis: Axis;
    readonly group: SVGGElement;
    readonly line: SVGLineElement;
}

export class Axes {
    private readonly svg = make('svg', { width: SIDE, height: SIDE, viewBox: `${-SIDE / 2} ${-SIDE / 2} ${SIDE} ${SIDE}` });
    private readonly drawn: Drawn[] = [];
    private readonly turn = new Quaternion(2, 0, 0, 0); /* none: draw at first */

    constructor(canvas: HTMLCanvasElement, look: (from: Vector3) => void) {
        this.svg.setAttribute('aria-hidden', 'true');
        this.svg.dataset['viewAxes'] = '';
        Object.assign(this.svg.style, { position: 'absolute', right: '44px', top: '8px', cursor: 'pointer', userSelect: 'none' });
        for (const axis of AXES) {
            const group = make('g', {});
            const line = make('line', { x1: 0, y1: 0, stroke: axis.color, 'stroke-width': 2, 'stroke-linecap': 'round' });
            const ball = make('circle', { r: axis.letter ? 8.5 : 5.5, fill: axis.color, 'fill-opacity': axis.letter ? 1 : 0.35 });
            group.append(ball);
            if (axis.letter) {
                const text = make('text', { 'text-anchor': 'middle', dy: '0.36em', fill: '#fff', 'font-size': 10, 'font-weight': 700 });
                text.style.fontFamily = 'system-ui, sans-serif';
                text.textContent = axis.letter;
                group.append(text);
                this.svg.append(line);
            }
            group.addEventListener('click', () => look(axis.direction));
            this.svg.append(group);
            this.drawn.push({ axis, group, line });
        }
        canvas.after(this.svg);
    }

    step(camera: PerspectiveCamera): void {
        if (this.turn.equals(camera.quaternion)) {
            return;
        }
        this.turn.copy(camera.quaternion);
        const back = camera.quaternion.clone().invert();
        const seen = this.drawn.map((drawn) => ({ ...drawn, at: drawn.axis.direction.clone().applyQuaternion(back) }));
        seen.sort((a, b) => a.at.z - b.at.z);
        for (const { axis, group, line, at } of seen) {
            const x = (at.x * REACH).toFixed(1);
            const y = (-at.y * REACH).toFixed(1);
            group.setAttribute('transform', `translate(${x} ${y})`);
            if (axis.letter) {
                line.setAttribute('x2', x);
                line.setAttribute('y2', y);
                this.svg.append(line);
            }
            this.svg.append(group); /* nearer ones over farther ones */
        }
    }

    dispose(): void {
        this.svg.remove();
    }
}
