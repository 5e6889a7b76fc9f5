/* What stands against something: both values, and the way to the other one. */
import type { JSX } from 'preact';
import type { Conflict } from '../core/types.ts';
import { IconButton } from './button.tsx';
import { useUi } from './context.ts';
import { Icon } from './icon.tsx';
import { fieldLabel, hintOf, knownOf } from './known.ts';
import { brief, conflictPhrase } from './phrases.ts';
import { fieldOf } from './field_row.tsx';

const SHOWN_MAX = 200;

export function Conflicts(): JSX.Element {
    const ui = useUi();
    const all = ui.session.conflicts.value;
    return (
        <section class="panel-body" role="region" aria-label="Conflicts" id="panel-conflicts">
            {all.length === 0 ? (
                <div class="empty">
                    <Icon name="good" size={24} />
                    <p>No conflicts.</p>
                    <p class="quiet">When two people write the same thing at the same time, one shows, and the other one is kept here.</p>
                </div>
            ) : (
                <ul class="conflicts">
                    {all.slice(0, SHOWN_MAX).map((conflict, index) => <Item key={`${conflict.entity}${conflict.component}${conflict.field}${conflict.stamp}${index}`} conflict={conflict} />)}
                </ul>
            )}
            {all.length > SHOWN_MAX && <p class="quiet more">{all.length - SHOWN_MAX} more</p>}
        </section>
    );
}

function Item({ conflict }: { conflict: Conflict }): JSX.Element {
    const ui = useUi();
    void ui.shown.value;
    const { scene, edits, selection } = ui.session;
    const entity = scene.get(conflict.entity);
    const blocked = ui.blocked.value;
    const component = conflict.component;
    const place = component ? `${knownOf(component).title}${conflict.field ? `, ${fieldLabel(conflict.field, hintOf(knownOf(component).fields, conflict.field)).toLowerCase()}` : ''}` : '';
    const data = component ? entity?.components.get(component)?.data : undefined;
    const shown = conflict.field ? fieldOf(data, conflict.field) : data;
    const act = (run: () => void) => () => {
        if (blocked === null) {
            run();
        }
    };
    return (
        <li class="conflict" data-conflict={conflict.kind}>
            <div class="conflict-head">
                <Icon name={conflict.kind === 'cycle' || conflict.kind === 'orphan' ? 'warning' : 'conflict'} size={14} />
                <button type="button" class="link" aria-disabled={entity ? undefined : true} onClick={() => { if (entity) { selection.value = [conflict.entity]; } }}>
                    {scene.label(conflict.entity)}
                </button>
                <span class="quiet">{place}</span>
                <IconButton small name="Dismiss" tip="Leave it as it is" icon="close" at="left" run={() => ui.session.dismissConflict(conflict)} />
            </div>
            <p class="quiet">{conflictPhrase(conflict, (id) => scene.label(id))}</p>
            {component && conflict.value !== undefined && conflict.kind !== 'edited-while-removed' && (
                <dl class="values">
                    <dt>Shows</dt><dd class="mono">{shown === undefined ? 'nothing' : brief(shown, conflict.field)}</dd>
                    <dt>{conflict.mine ? 'Yours' : (conflict.author ?? 'Other')}</dt><dd class="mono">{brief(conflict.value, conflict.field)}</dd>
                </dl>
            )}
            <div class="conflict-actions">
                {(conflict.kind === 'concurrent' || conflict.kind === 'stale') && conflict.value !== undefined && entity && (
                    <button type="button" class="button tiny" aria-disabled={blocked !== null || undefined} onClick={act(() => edits.take(conflict))}>
                        {conflict.mine ? 'Take mine' : 'Take theirs'}
                    </button>
                )}
                {(conflict.kind === 'edited-while-removed' || conflict.kind === 'removed') && !entity && (
                    <button type="button" class="button tiny" aria-disabled={blocked !== null || undefined} onClick={act(() => edits.restore(conflict.entity))}>
                        <Icon name="restore" size={13} /> Restore
                    </button>
                )}
                {(conflict.kind === 'edited-while-removed' || conflict.kind === 'removed') && entity && data === undefined && conflict.value !== undefined && (
                    <button type="button" class="button tiny" aria-disabled={blocked !== null || undefined} onClick={act(() => edits.take(conflict))}>
                        <Icon name="restore" size={13} /> Restore
                    </button>
                )}
                {(conflict.kind === 'cycle' || conflict.kind === 'orphan') && entity && (
                    <button type="button" class="button tiny" aria-disabled={blocked !== null || undefined} onClick={act(() => edits.move(conflict.entity, null))}>
                        Keep it at the top
                    </button>
                )}
                {entity && <button type="button" class="button tiny ghost" onClick={() => { selection.value = [conflict.entity]; ui.actions.frame([conflict.entity]); }}>Show</button>}
            </div>
        </li>
    );
}
