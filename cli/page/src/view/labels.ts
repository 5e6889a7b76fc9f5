/* Short texts beside things: names of people, of what is selected. Elements over the canvas, so
 * they are sharp, follow the page's fonts, and are read as text only; a frame only moves them. */
import type { PerspectiveCamera } from 'three';
import { Vector3 } from 'three';

export interface Label {
    readonly text: string;
    readonly color: string; /* of its ground */
    readonly at: () => Vector3 | null; /* null: not to be seen */
    readonly quiet?: boolean;
    readonly plain?: boolean; /* text of that colour, without a ground */
}

const LABELS_MAX = 64;
const TEXT_MAX = 40;

interface Shown {
    readonly element: HTMLElement;
    label: Label;
}

/* Black or white, whichever can be read on `color`. */
function inkOn(color: string): string {
    const value = parseInt(color.slice(1), 16);
    const linear = (byte: number) => ((byte & 255) / 255) ** 2.2;
    const light = 0.2126 * linear(value >> 16) + 0.7152 * linear(value >> 8) + 0.0722 * linear(value);
    return light > 0.19 ? '#14161a' : '#ffffff';
}

export class Labels {
    private readonly layer = document.createElement('div');
    private readonly shown = new Map<string, Shown>();
    private readonly point = new Vector3();

    constructor(private readonly canvas: HTMLCanvasElement) {
        this.layer.setAttribute('aria-hidden', 'true');
        this.layer.dataset['viewLabels'] = '';
        Object.assign(this.layer.style, {
            position: 'absolute', inset: '0', overflow: 'hidden', pointerEvents: 'none', userSelect: 'none',
        });
        canvas.after(this.layer);
    }

    /* Exactly these labels, by their keys. */
    set(labels: ReadonlyMap<string, Label>): void {
        for (const [key, { element }] of this.shown) {
            if (!labels.has(key)) {
                element.remove();
                this.shown.delete(key);
            }
        }
        for (const [key, label] of labels) {
            const shown = this.shown.get(key);
            if (shown) {
                this.dress(shown.element, label);
                shown.label = label;
            } else if (this.shown.size < LABELS_MAX) {
                const element = document.createElement('span');
                this.dress(element, label);
                this.layer.append(element);
                this.shown.set(key, { element, label });
            }
        }
    }

    private dress(element: HTMLElement, label: Label): void {
        const text = label.text.length > TEXT_MAX ? label.text.slice(0, TEXT_MAX - 1) + '…' : label.text;
        if (element.textContent !== text) {
            element.textContent = text;
        }
        Object.assign(element.style, {
            position: 'absolute', left: '0', top: '0', whiteSpace: 'nowrap', willChange: 'transform',
            font: '600 11px/16px system-ui, sans-serif', padding: '1px 6px', borderRadius: '4px',
            background: label.color, color: inkOn(label.color), opacity: label.quiet ? '0.85' : '1',
            boxShadow: '0 1px 3px rgb(0 0 0 / 30%)', zIndex: '1',
        });
        if (label.plain) {
            const halo = inkOn(label.color) === '#ffffff' ? '#ffffff' : '#14161a';
            Object.assign(element.style, {
                background: 'none', color: label.color, fontWeight: '500', boxShadow: 'none', zIndex: '0', opacity: '0.9',
                textShadow: `0 0 2px ${halo}, 0 0 3px ${halo}, 0 0 4px ${halo}`,
            });
        }
    }

    place(camera: PerspectiveCamera): void {
        const width = this.canvas.clientWidth;
        const height = this.canvas.clientHeight;
        for (const { element, label } of this.shown.values()) {
            const at = label.at();
            const seen = at !== null && this.point.copy(at).project(camera).z < 1
                && Math.abs(this.point.x) < 1.1 && Math.abs(this.point.y) < 1.1;
            element.hidden = !seen;
            if (seen) {
                const x = Math.round((this.point.x + 1) * 0.5 * width);
                const y = Math.round((1 - this.point.y) * 0.5 * height);
                element.style.transform = `translate(${x}px, ${y}px) translate(-50%, -130%)`;
            }
        }
    }

    dispose(): void {
        this.layer.remove();
    }
}
