/* The icons: lines of 1.5 on a grid of 16, in the colour of the text around them. */
import type { ComponentChildren, JSX } from 'preact';

const dot = (x: number, y: number, r = 1): JSX.Element => <circle cx={x} cy={y} r={r} fill="currentColor" stroke="none" />;

const ICONS = {
    select: <path d="M3.5 2.5 12.8 7 8.7 8.4 7 12.8z" />,
    move: <path d="M8 1.8v12.4M1.8 8h12.4M6.2 3.4 8 1.6l1.8 1.8M6.2 12.6 8 14.4l1.8-1.8M3.4 6.2 1.6 8l1.8 1.8M12.6 6.2 14.4 8l-1.8 1.8" />,
    rotate: <path d="M13.2 8a5.2 5.2 0 1 1-1.7-3.85M13.4 1.8v3h-3" />,
    scale: <path d="M2.5 9.5v4h4M13.5 6.5v-4h-4M13.2 2.8 8.8 7.2M2.8 13.2l4.4-4.4" />,
    snap: <path d="M3.2 2.5v5.3a4.8 4.8 0 0 0 9.6 0V2.5h-3v5.3a1.8 1.8 0 0 1-3.6 0V2.5zM3.2 5.2h3M9.8 5.2h3" />,
    world: <><circle cx="8" cy="8" r="5.8" /><path d="M2.2 8h11.6M8 2.2c2 1.7 2.8 3.6 2.8 5.8S10 12.1 8 13.8C6 12.1 5.2 10.2 5.2 8S6 3.9 8 2.2" /></>,
    local: <path d="M8 1.8 13.5 4.9v6.2L8 14.2l-5.5-3.1V4.9zM8 8v6M8 8 2.7 5M8 8l5.3-3" />,
    undo: <path d="M5.5 3 2.5 6l3 3M2.8 6h6.7a3.5 3.5 0 0 1 0 7H6" />,
    redo: <path d="m10.5 3 3 3-3 3M13.2 6H6.5a3.5 3.5 0 0 0 0 7H10" />,
    plus: <path d="M8 3v10M3 8h10" />,
    duplicate: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" /></>,
    trash: <path d="M2.8 4.2h10.4M6 4V2.5h4V4M4.2 4.5l.6 9h6.4l.6-9M6.7 7v4M9.3 7v4" />,
    play: <path d="M4.5 2.8v10.4L13 8z" />,
    stop: <rect x="3.8" y="3.8" width="8.4" height="8.4" rx="1.2" />,
    save: <path d="M2.8 4A1.3 1.3 0 0 1 4 2.8h6.5l2.7 2.7V12A1.2 1.2 0 0 1 12 13.2H4A1.2 1.2 0 0 1 2.8 12zM5.2 13V9.2h5.6V13M5.5 3v2.5h4" />,
    publish: <path d="M8 10.5v-8M5 5.3l3-3 3 3M2.8 10v2A1.5 1.5 0 0 0 4.3 13.5h7.4a1.5 1.5 0 0 0 1.5-1.5v-2" />,
    share: <><path d="M6.7 9.3 9.3 6.7M7.3 4.6l1.5-1.5a2.9 2.9 0 0 1 4.1 4.1l-1.5 1.5M8.7 11.4l-1.5 1.5a2.9 2.9 0 0 1-4.1-4.1l1.5-1.5" /></>,
    help: <><circle cx="8" cy="8" r="5.8" /><path d="M6.3 6.3c.2-1 .9-1.5 1.8-1.5 1 0 1.7.6 1.7 1.5 0 1.2-1.7 1.3-1.7 2.5" />{dot(8.1, 11, 0.8)}</>,
    sun: <><circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" /></>,
    moon: <path d="M13.3 9.6A5.7 5.7 0 0 1 6.4 2.7a5.7 5.7 0 1 0 6.9 6.9z" />,
    screen: <path d="M2.3 3.3h11.4v7.4H2.3zM8 10.7v2.5M5.3 13.3h5.4" />,
    search: <><circle cx="7" cy="7" r="4.2" /><path d="m10.2 10.2 3.3 3.3" /></>,
    close: <path d="m4 4 8 8M12 4l-8 8" />,
    chevron: <path d="m6 4 4 4-4 4" />,
    down: <path d="m4 6 4 4 4-4" />,
    check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
    eye: <><path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z" /><circle cx="8" cy="8" r="1.9" /></>,
    eyeOff: <path d="M6.4 4A6 6 0 0 1 8 3.8c4 0 6.5 4.2 6.5 4.2a11 11 0 0 1-1.8 2.2M4.3 5.1A10.5 10.5 0 0 0 1.5 8S4 12.2 8 12.2a6 6 0 0 0 2.7-.6M2.5 2.5l11 11M6.7 6.7a1.9 1.9 0 0 0 2.6 2.6" />,
    lock: <><rect x="3.3" y="7.2" width="9.4" height="6.3" rx="1.2" /><path d="M5.3 7.2V5.3a2.7 2.7 0 0 1 5.4 0v1.9" /></>,
    unlock: <><rect x="3.3" y="7.2" width="9.4" height="6.3" rx="1.2" /><path d="M5.3 7.2V4.8a2.7 2.7 0 0 1 5.2-1" /></>,
    more: <>{dot(3.5, 8, 1.2)}{dot(8, 8, 1.2)}{dot(12.5, 8, 1.2)}</>,
    warning: <><path d="M8 2.3 14.3 13.2H1.7zM8 6.3v3.2" />{dot(8, 11.3, 0.8)}</>,
    info: <><circle cx="8" cy="8" r="5.8" /><path d="M8 7.3v3.7" />{dot(8, 5.2, 0.8)}</>,
    good: <><circle cx="8" cy="8" r="5.8" /><path d="m5.4 8.2 1.8 1.8 3.4-3.8" /></>,
    bad: <><circle cx="8" cy="8" r="5.8" /><path d="M8 4.8v3.7" />{dot(8, 11, 0.8)}</>,
    history: <path d="M2.7 8a5.3 5.3 0 1 0 1.6-3.8L2.7 5.7M2.6 2.6v3.2h3.2M8 5v3.2l2.2 1.3" />,
    conflict: <path d="M3 3v2.5c0 2 5 2.8 5 5V13M13 3v2.5c0 2-5 2.8-5 5M6.3 11.5 8 13.3l1.7-1.8" />,
    sliders: <><path d="M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6" /><circle cx="10" cy="4.5" r="1.5" /><circle cx="6" cy="11.5" r="1.5" /></>,
    tree: <path d="M2.8 3.3h3.4M4.5 3.5v8.2h3M4.5 7.5h3M9.5 7.5h3.7M9.5 11.7h3.7" />,
    camera: <path d="M2 5h7.5v6.5H2zM9.5 7.5 14 5.3v6l-4.5-2.2z" />,
    frame: <path d="M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3M6 6h4v4H6z" />,
    home: <path d="M2.5 7.5 8 2.7l5.5 4.8M4 6.5v6.8h8V6.5M6.7 13.2V9.5h2.6v3.7" />,
    person: <><circle cx="8" cy="5.3" r="2.6" /><path d="M2.8 13.5c.5-2.7 2.5-4 5.2-4s4.7 1.3 5.2 4" /></>,
    copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" /></>,
    pen: <path d="M3 13l.7-3L10.5 3.2a1.3 1.3 0 0 1 1.8 0l.5.5a1.3 1.3 0 0 1 0 1.8L6 12.3zM9.3 4.5l2.2 2.2" />,
    braces: <path d="M6 2.8H5.3A1.5 1.5 0 0 0 3.8 4.3v2.2L2.5 8l1.3 1.5v2.2a1.5 1.5 0 0 0 1.5 1.5H6M10 2.8h.7a1.5 1.5 0 0 1 1.5 1.5v2.2L13.5 8l-1.3 1.5v2.2a1.5 1.5 0 0 1-1.5 1.5H10" />,
    restore: <path d="M3 8a5 5 0 1 0 1.7-3.8L3 5.8M2.8 2.8v3h3" />,
    link: <path d="M6.7 9.3 9.3 6.7M7.3 4.6l1.5-1.5a2.9 2.9 0 0 1 4.1 4.1l-1.5 1.5M8.7 11.4l-1.5 1.5a2.9 2.9 0 0 1-4.1-4.1l1.5-1.5" />,
    chart: <path d="M2.5 2.5v11h11M5 10.5 7.5 7l2.3 2 3.2-4.5" />,
    panelLeft: <><rect x="2" y="3" width="12" height="10" rx="1.5" /><path d="M6 3v10" /></>,
    panelRight: <><rect x="2" y="3" width="12" height="10" rx="1.5" /><path d="M10 3v10" /></>,
    up: <path d="M8 13V3.5M4.3 7 8 3.3 11.7 7" />,
    empty: <path d="M8 2v2M8 12v2M2 8h2M12 8h2M8 7v2M7 8h2" />,
    box: <path d="M8 1.8 13.5 4.9v6.2L8 14.2l-5.5-3.1V4.9zM2.7 5 8 8l5.3-3M8 8v6" />,
    sphere: <><circle cx="8" cy="8" r="5.8" /><path d="M2.2 8c0 1.3 2.6 2.3 5.8 2.3s5.8-1 5.8-2.3" /></>,
    plane: <path d="M4.5 4.5h9.7l-2.7 7H1.8z" />,
    cylinder: <><ellipse cx="8" cy="4" rx="4.8" ry="1.9" /><path d="M3.2 4v8c0 1 2.1 1.9 4.8 1.9s4.8-.9 4.8-1.9V4" /></>,
    cone: <path d="M8 2 3.2 12c0 1 2.1 1.9 4.8 1.9s4.8-.9 4.8-1.9z" />,
    text: <path d="M3 4.5V3h10v1.5M8 3v10M6 13h4" />,
    image: <><rect x="2.3" y="2.8" width="11.4" height="10.4" rx="1.2" /><circle cx="5.7" cy="6.2" r="1.1" /><path d="m2.5 11.5 3.2-3 2.3 2 2.7-2.8 3 3" /></>,
    model: <path d="M8 1.8 13.5 4.9v6.2L8 14.2l-5.5-3.1V4.9zM8 4.8l2.8 1.6v3.2L8 11.2 5.2 9.6V6.4z" />,
    material: <><circle cx="8" cy="8" r="5.8" /><path d="M8 2.2v11.6M8 5h4.8M8 8h5.8M8 11h4.8" /></>,
    script: <path d="m5.5 4.5-3.3 3.5 3.3 3.5M10.5 4.5l3.3 3.5-3.3 3.5M9 3.5 7 12.5" />,
    sound: <path d="M2.5 6v4H5l3.5 3V3L5 6zM11 6a2.8 2.8 0 0 1 0 4M12.8 4a5.5 5.5 0 0 1 0 8" />,
    video: <><rect x="2" y="3.5" width="12" height="9" rx="1.2" /><path d="M6.8 6v4l3.2-2z" /></>,
    light: <path d="M6 11.3h4M6.5 13.5h3M5.8 11.3c0-1.6-2-2.4-2-4.9a4.2 4.2 0 0 1 8.4 0c0 2.5-2 3.3-2 4.9" />,
    tag: <><path d="M2.5 2.8h5.2l5.8 5.8-5 5-6-5.8z" />{dot(5.5, 5.7, 0.9)}</>,
    turn: <path d="M2.5 8c0-1.7 2.5-3 5.5-3s5.5 1.3 5.5 3-2.5 3-5.5 3M9.8 9.2 8 11l1.8 1.8" />,
    pointer: <path d="M6 13.5 3.5 9.8c-.5-.8.6-1.6 1.2-.9L6 10.3V3.5a1 1 0 0 1 2 0V7l4 .8c.8.2 1.2.8 1.1 1.6l-.5 4.1" />,
    component: <path d="M8 2 11 5 8 8 5 5zM11 5l3 3-3 3-3-3zM5 5l3 3-3 3-3-3zM8 8l3 3-3 3-3-3z" />,
} satisfies { [name: string]: ComponentChildren };

export type IconName = keyof typeof ICONS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
    return (
        <svg
            class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
            stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false"
        >
            {ICONS[name]}
        </svg>
    );
}
