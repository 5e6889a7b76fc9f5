/* Who is here: a face each, in the colour of their selection and camera. */
import type { JSX } from 'preact';
import type { Person, Role } from '../core/types.ts';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { menuAt } from './menu.tsx';
import { initialsOf, inkOn, plural } from './phrases.ts';

const FACES_MAX = 6;

const ROLES: { readonly [role in Role]: string } = {
    view: 'looks only',
    edit: 'edits',
    publish: 'edits and publishes',
    admin: 'administrates',
};

export function People(): JSX.Element {
    const ui = useUi();
    const people = ui.session.people.value;
    const faces = people.length > FACES_MAX ? people.slice(0, FACES_MAX - 1) : people;
    const rest = people.slice(faces.length);
    return (
        <div class="people">
            <ul aria-label="People">
                {faces.map((person) => <li key={person.id} aria-label={person.name} data-person={person.id}><Face person={person} /></li>)}
                {rest.length > 0 && <li><Rest people={rest} /></li>}
            </ul>
            <Me />
        </div>
    );
}

function faceStyle(color: string): JSX.CSSProperties {
    return { background: color, color: inkOn(color) };
}

function Face({ person }: { person: Person }): JSX.Element {
    const ui = useUi();
    const followed = ui.viewport.value?.following.value === person.id;
    return (
        <button
            type="button" class="face" style={faceStyle(person.color)} aria-label={person.name} data-tip={followed ? `Following ${person.name}` : person.name} data-tip-at="left"
            data-followed={followed || undefined} aria-haspopup="true" onClick={(event) => openPerson(ui, person, event.currentTarget)}
        >
            {initialsOf(person.name)}
        </button>
    );
}

function openPerson(ui: ReturnType<typeof useUi>, person: Person, opener: HTMLElement): void {
    const { scene } = ui.session;
    const view = ui.viewport.peek();
    const selected = person.selection.filter((id) => scene.get(id) !== undefined);
    const followed = view?.following.peek() === person.id;
    const head = (
        <div class="person-card">
            <span class="face big" style={faceStyle(person.color)} aria-hidden="true">{initialsOf(person.name)}</span>
            <span>
                <b>{person.name}</b>
                <span class="quiet">{ROLES[person.role]}{selected.length > 0 && `, has ${selected.length === 1 ? scene.label(selected[0]!) : plural(selected.length, 'entity', 'entities')}`}</span>
            </span>
        </div>
    );
    const items = [
        {
            label: followed ? 'Stop following' : 'Follow camera',
            icon: 'camera' as const,
            disabled: !person.camera || !view,
            run: () => { view!.following.value = followed ? null : person.id; },
        },
        { label: 'Frame their selection', icon: 'frame' as const, disabled: selected.length === 0, run: () => ui.actions.frame(selected) },
        { label: 'Select the same', icon: 'select' as const, disabled: selected.length === 0, run: () => { ui.session.selection.value = selected; } },
    ];
    ui.menu.value = menuAt(opener, person.name, items, { head });
}

function Rest({ people }: { people: readonly Person[] }): JSX.Element {
    const ui = useUi();
    return (
        <button
            type="button" class="face more" aria-label={`${people.length} more people`} aria-haspopup="true"
            onClick={(event) => {
                const opener = event.currentTarget;
                const items = people.map((person) => ({ label: person.name, icon: 'person' as const, detail: ROLES[person.role], run: () => openPerson(ui, person, opener) }));
                ui.menu.value = menuAt(opener, 'People', items, { search: 'Find a person' });
            }}
        >
            +{people.length}
        </button>
    );
}

function Me(): JSX.Element {
    const ui = useUi();
    const me = ui.session.me.value;
    return (
        <button
            type="button" class="face me" style={faceStyle(me.color)} aria-label="Your name" data-tip={`${me.name} (you)`} data-tip-at="left"
            onClick={() => { ui.dialog.value = 'name'; }}
        >
            {initialsOf(me.name)}
            <span class="face-pen" aria-hidden="true"><Icon name="pen" size={9} /></span>
        </button>
    );
}
