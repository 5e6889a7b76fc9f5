/* Buttons of an icon, with a name, a tip and the key that does the same. */
import type { ComponentChildren, JSX } from 'preact';
import { Icon, type IconName } from './icon.tsx';

interface IconButtonProps {
    name: string;
    icon: IconName;
    keys?: string;
    tip?: string; /* instead of the name */
    at?: 'left' | 'right' | 'above'; /* where the tip goes, of the button's edge */
    pressed?: boolean;
    disabled?: boolean;
    small?: boolean;
    menu?: boolean;
    class?: string;
    tabIndex?: number;
    children?: ComponentChildren;
    run(event: JSX.TargetedMouseEvent<HTMLButtonElement>): void;
}

/* A disabled one stays reachable, so that its tip can say why. */
export function IconButton(props: IconButtonProps): JSX.Element {
    const tip = props.tip ?? props.name;
    return (
        <button
            type="button" class={`icon-button${props.small ? ' small' : ''}${props.class ? ` ${props.class}` : ''}`}
            aria-label={props.name} aria-pressed={props.pressed} aria-disabled={props.disabled || undefined}
            aria-haspopup={props.menu ? 'true' : undefined} tabIndex={props.tabIndex}
            data-tip={props.keys ? `${tip}  ${props.keys}` : tip} data-tip-at={props.at}
            onClick={(event) => {
                if (!props.disabled) {
                    props.run(event);
                }
            }}
        >
            <Icon name={props.icon} size={props.small ? 14 : 16} />
            {props.children}
        </button>
    );
}
