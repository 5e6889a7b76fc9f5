/* One page at one worker: puts link, scene, outbox and people together.
 *
 *      connecting ──▶ loading ──▶ live ──▶ reconnecting ──▶ loading ──▶ live ...
 *                                  └──▶ closed (no right any more; nothing is tried again)
 *
 * What is shown stays while it reconnects, and can be edited: the outbox keeps it. */

import { batch, computed, effect, signal } from '@preact/signals-core';
import { openVisit, cleanName, rememberName, shareLink } from './address.ts';
import { Calls, infoOf, Unanswered } from './calls.ts';
import { Conflicts } from './conflicts.ts';
import { Editing } from './edits.ts';
import { equal, member } from './json.ts';
import { Keep } from './keep.ts';
import { Link, linkAddress } from './link.ts';
import { Notices } from './notices.ts';
import { Outbox, type Entry } from './outbox.ts';
import { People, Self } from './people.ts';
import type { Platform } from './platform.ts';
import { SceneStore } from './scene.ts';
import { Sender } from './sender.ts';
import type { Conflict, EntityId, Json, LinkState, Notice, Person, Role, SaveState, Session } from './types.ts';
import { Verdicts } from './verdicts.ts';
import { readMessage, saveStateOf, stateEvent, type Told } from './wire.ts';

const SAVE_LOOK_MS = 6000; /* so long after a change without a word of it being saved, ask */
const SWITCH_MS = 90_000;  /* from editing to running, or back */
const SWITCH_LOOK_MS = 400;

interface Standing {
    readonly phase: LinkState['phase'];
    readonly mode: LinkState['mode'];
    readonly retryAt?: number;
    readonly text?: string;
}

export function openSession(platform: Platform): Session {
    return new PageSession(platform);
}

function modeOf(state: string): LinkState['mode'] {
    return state === 'editing' || state === 'running' ? state : 'loading';
}

/* The worker that was asked may be gone before its answer is: what comes of it is seen. */
function unlessUnanswered(error: unknown): void {
    if (!(error instanceof Unanswered)) {
        throw error;
    }
}

class PageSession implements Session {
    private readonly visit;
    private readonly calls;
    private readonly standing = signal<Standing>({ phase: 'connecting', mode: 'loading' });
    private readonly waiting = signal(0);
    private readonly saved = signal<SaveState>({ state: 'unknown' });
    private readonly identity;
    private readonly notes;
    private readonly persons = new People();
    private readonly self;
    private readonly outbox: Outbox;
    private readonly store: SceneStore;
    private readonly clashes: Conflicts;
    private readonly sender: Sender;
    private readonly verdicts: Verdicts;
    private readonly connection: Link;
    private readonly stops: (() => void)[] = [];
    private keep: Keep | undefined;
    private scene_ = '';
    private loaded = false;
    private ready = false; /* all is told: what waits may be sent */
    private stopSaveLook: (() => void) | undefined;
    private silent = 0; /* ids of what only asks whether the worker lives: below 0 */

    readonly edits: Editing;
    readonly selection = signal<readonly EntityId[]>([]);
    readonly link = computed<LinkState>(() => ({
        ...this.standing.value, readOnly: this.readOnly(), pending: this.waiting.value,
    }));

    constructor(private readonly platform: Platform) {
        this.visit = openVisit(platform);
        this.scene_ = this.visit.scene;
        this.calls = new Calls(platform, this.visit.token);
        this.identity = signal({ id: '', name: this.visit.name, color: this.visit.color, role: 'edit' as Role });
        this.notes = new Notices(platform);
        this.self = new Self(platform, (payload) => this.tell('Presence', payload));
        this.outbox = new Outbox((entry, gone) => this.kept(entry, gone));
        const me = (): string => this.identity.peek().name;
        this.store = new SceneStore(this.outbox, me, () => this.clashes.repairs);
        this.clashes = new Conflicts(me, (ids) => this.store.remark(ids));
        this.sender = new Sender(platform, this.outbox, this.store, {
            send: (text) => this.connection.send(text, true),
            sceneName: () => this.scene_,
            refused: (refusals) => this.verdicts.refused(refusals),
            undone: (edit, payload) => this.verdicts.undone(edit, payload),
        });
        this.edits = new Editing(platform, this.store, this.outbox, {
            hindrance: () => this.hindrance(),
            live: () => this.standing.peek().phase === 'live',
            say: (tone, text) => this.say(tone, text),
            wake: () => this.sender.wake(),
            decided: (conflict) => this.clashes.dismiss(conflict),
        });
        this.verdicts = new Verdicts(this.store, this.edits, this.clashes, me, platform.soon,
                                     (tone, text, action) => this.say(tone, text, action));
        this.connection = new Link(platform, {
            address: () => linkAddress(platform.address, this.visit.token, this.identity.peek().name, this.visit.color),
            opened: () => undefined,
            message: (text) => batch(() => this.hear(text)),
            broken: (retryAt) => this.broken(retryAt),
            refused: (text) => this.closed(text),
            ask: () => this.connection.send(stateEvent(this.scene_, 'Presence', {}, { id: --this.silent })),
            status: () => this.calls.ask('GET', '/v1/status'),
        });
        this.stops.push(
            this.store.watch((change) => this.changed(change.removed)),
            effect(() => this.self.select(this.selection.value)),
            platform.listen({
                online: () => this.connection.hurry(),
                offline: () => this.connection.hurry(),
                leave: () => this.leave(),
            }));
        if (this.visit.scene !== '') {
            this.openKeep();
        }
        this.connection.connect();
    }

    /* ---- to look at ---- */

    get sceneName(): string {
        return this.scene_;
    }
    get token(): string {
        return this.visit.token;
    }
    get scene(): SceneStore {
        return this.store;
    }
    get me(): Session['me'] {
        return this.identity;
    }
    get save(): Session['save'] {
        return this.saved;
    }
    get people(): Session['people'] {
        return this.persons.all;
    }
    get conflicts(): Session['conflicts'] {
        return this.clashes.all;
    }
    get notices(): Session['notices'] {
        return this.notes.all;
    }

    private readOnly(): boolean {
        return this.identity.value.role === 'view' || this.standing.value.mode === 'running';
    }

    private hindrance(): string | undefined {
        const { phase, mode } = this.standing.peek();
        if (this.identity.peek().role === 'view') {
            return 'You may look at this scene, but not edit it.';
        }
        if (mode === 'running') {
            return 'The scene is running. Stop it to go on editing.';
        }
        return phase === 'closed' ? 'The link to the worker is closed: nothing can be edited.'
             : this.loaded ? undefined : 'The scene is still loading.';
    }

    /* ---- the link ---- */

    private hear(text: string): void {
        let own = true;
        for (const told of readMessage(text)) {
            own = own && told.type === 'answer';
            this.take(told);
        }
        /* All of the message first: what is sent before would say that the rest was not seen. */
        if (this.ready) {
            this.sender.start();
            this.adopt();
            this.ready = false;
        }
        this.sender.report();
        this.store.show(own);
        this.sender.wake();
    }

    private take(told: Told): void {
        switch (told.type) {
        case 'add':
            this.store.add(told.entity, told.parts, told.name, told.author, told.stamp);
            this.verdicts.cameBack(told.entity);
            this.sender.confirmed(told.entity);
            break;
        case 'set':
            this.store.set(told.entity, told.part, told.author, told.stamp);
            break;
        case 'drop':
            this.store.drop(told.entity, told.component);
            break;
        case 'remove':
            this.store.remove(told.entity);
            break;
        case 'answer':
            this.sender.answered(told.id, told.ok, told.stamp, told.code, told.error, told.payload);
            break;
        case 'presence':
            this.persons.hear(told.people, told.left, told.all);
            break;
        case 'conflict':
            this.verdicts.clash(told.conflict);
            break;
        case 'conflicts':
            this.verdicts.stand(told.conflicts);
            break;
        case 'saved':
            this.setSave(told.save);
            break;
        case 'welcome':
            this.welcome(told.scene, told.state, told.you);
            break;
        case 'finished':
            this.finished();
            break;
        case 'state':
            this.stateChanged(told.state, told.text);
            break;
        case 'role':
            this.roleChanged(told.role);
            break;
        }
    }

    private welcome(scene: string, state: string, you: { id: string; name: string; role: Role }): void {
        if (scene !== this.scene_) {
            this.otherScene(scene);
        }
        this.identity.value = { ...this.identity.value, id: you.id, role: you.role, name: you.name || this.visit.name };
        this.standing.value = { phase: 'loading', mode: modeOf(state) };
        this.store.begin();
        if (!this.mayEdit()) {
            this.giveBack();
        } else if (this.keep === undefined) {
            this.openKeep();
        }
    }

    /* The worker edits another scene than the address says: what was kept of that one stays. */
    private otherScene(scene: string): void {
        if (this.scene_ !== '') {
            this.say('warning', `This worker edits the scene ${scene}, not ${this.scene_}.`);
        }
        this.giveBack();
        this.scene_ = scene;
    }

    /* What waits is not for this page to send: it stays for one that may. */
    private giveBack(): void {
        this.keep?.leave();
        this.keep = undefined;
        const entities = [...this.outbox.entities()];
        this.outbox.forget();
        this.waiting.value = 0;
        entities.forEach((entity) => this.store.touch(entity));
    }

    private mayEdit(): boolean {
        return this.identity.peek().role !== 'view';
    }

    private roleChanged(role: Role): void {
        this.identity.value = { ...this.identity.value, role };
        if (this.mayEdit() && this.keep === undefined) {
            this.openKeep();
            this.ready = this.standing.peek().phase === 'live' && this.standing.peek().mode !== 'running';
        }
    }

    private finished(): void {
        this.store.finish();
        this.loaded = true;
        this.standing.value = { ...this.standing.value, phase: 'live' };
        this.self.renew();
        this.ready = this.standing.value.mode !== 'running' && this.mayEdit();
        this.setSave({ state: 'unknown' });
        this.askSaved();
    }

    private stateChanged(state: string, text: string): void {
        const { phase } = this.standing.value;
        this.standing.value = { phase, mode: modeOf(state), ...(text && { text }) };
    }

    private broken(retryAt: number): void {
        const { mode } = this.standing.value;
        this.unsend();
        this.persons.clear();
        this.standing.value = { phase: this.loaded ? 'reconnecting' : 'connecting', mode, retryAt };
    }

    private unsend(): void {
        if (this.sender.stop() > 0) {
            this.say('info', 'The connection was lost during an undo: look whether it was done.');
        }
    }

    private closed(text: string): void {
        this.unsend();
        this.persons.clear();
        this.standing.value = { phase: 'closed', mode: this.standing.value.mode, text };
    }

    /* False: there is no link to tell it on. */
    private tell(type: string, payload: Json): boolean {
        const live = this.connection?.open === true && this.identity.peek().id !== '';
        if (live) {
            this.connection.send(stateEvent(this.scene_, type, payload));
        }
        return live;
    }

    /* ---- edits ---- */

    private kept(entry: Entry, gone: boolean): void {
        this.waiting.value = this.outbox.count;
        this.keep?.told(entry, gone);
    }

    private openKeep(): void {
        const tab = this.platform.random(12); /* a name that was given back is not used again */
        this.platform.hold(`scenesync/${tab}`);
        this.keep = new Keep(this.platform, this.scene_, tab, () =>
            this.say('warning', 'This browser keeps no more: changes that wait would be lost with a reload.'));
        this.adopt();
    }

    /* Edits that pages before this one, or others that crashed, did not get to the worker. */
    private adopt(): void {
        void this.keep?.adopt((edits) => {
            const entries = edits.map((edit) => this.outbox.append(edit));
            edits.forEach(({ entity }) => this.store.touch(entity));
            if (edits.length > 0) {
                this.say('info', edits.length === 1 ? 'A change from before was kept.'
                                                    : `${edits.length} changes from before were kept.`);
            }
            if (this.standing.peek().phase === 'live') {
                this.sender.settleDone();
            }
            this.store.show(true);
            this.sender.wake();
            return entries;
        });
    }

    private leave(): void {
        this.sender.flush();
        this.keep?.leave();
    }

    /* ---- conflicts ---- */

    dismissConflict(conflict: Conflict): void {
        this.clashes.dismiss(conflict);
        this.verdicts.forget(conflict.entity);
        const { entity, component, field, stamp } = conflict;
        this.tell('DismissConflict', { entityId: entity, ...(component !== undefined && { component }),
                                       ...(field !== undefined && { field }), ...(stamp !== undefined && { stamp }) });
    }

    /* ---- what else changes ---- */

    private changed(removed: ReadonlySet<EntityId>): void {
        if (removed.size > 0 && this.selection.peek().some((id) => removed.has(id))) {
            this.selection.value = this.selection.peek().filter((id) => !removed.has(id));
        }
        if (this.standing.peek().phase === 'live' && this.saved.peek().state === 'saved') {
            this.setSave({ ...this.saved.peek(), state: 'unsaved' });
        }
    }

    private setSave(save: SaveState): void {
        this.stopSaveLook?.();
        this.stopSaveLook = save.state === 'unsaved' || save.state === 'saving'
            ? this.platform.after(SAVE_LOOK_MS, () => this.askSaved()) : undefined;
        if (!equal(save as unknown as Json, this.saved.peek() as unknown as Json)) {
            this.saved.value = save;
        }
    }

    private askSaved(): void {
        if (this.standing.peek().phase === 'live' && this.standing.peek().mode !== 'running') {
            this.calls.status().then((status) => this.setSave(saveStateOf(member(status, 'save'))), () => undefined);
        }
    }

    /* ---- calls ---- */

    say(tone: Notice['tone'], text: string, action?: Notice['action']): void {
        this.notes.say(tone, text, action);
    }
    dismiss(id: number): void {
        this.notes.dismiss(id);
    }
    showCamera(position: readonly number[], rotation: readonly number[]): void {
        this.self.look(position, rotation);
    }
    showEditing(what: Person['editing'] | null): void {
        this.self.edit(what);
    }

    setName(name: string): void {
        const clean = cleanName(name);
        if (clean !== '' && clean !== this.identity.peek().name) {
            rememberName(this.platform, clean);
            this.identity.value = { ...this.identity.peek(), name: clean };
            this.reconnect();
        }
    }

    retry(): void {
        this.connection.hurry();
    }

    private reconnect(): void {
        this.sender.flush();
        this.unsend();
        this.standing.value = { phase: this.loaded ? 'reconnecting' : 'connecting', mode: this.standing.peek().mode };
        this.connection.connect();
    }

    async saveNow(force = false): Promise<void> {
        this.sender.flush();
        const before = this.saved.peek();
        this.setSave({ ...before, state: 'saving' });
        try {
            this.setSave(saveStateOf(await this.calls.save(force)));
        } catch (error) {
            this.setSave({ ...before, state: 'failing', error: (error as Error).message });
            throw error;
        }
    }
    async play(): Promise<void> {
        this.sender.flush();
        await this.calls.play().catch(unlessUnanswered);
        await this.arrive('running');
    }
    async stop(): Promise<void> {
        await this.calls.stop().catch(unlessUnanswered);
        await this.arrive('editing');
    }

    /* One worker ends and another begins, while the link is opened again and again. */
    private async arrive(mode: LinkState['mode']): Promise<void> {
        const end = this.platform.now() + SWITCH_MS;
        const before = this.standing.peek().mode;
        let left = false;
        while (this.standing.peek().mode !== mode || this.standing.peek().phase !== 'live') {
            await new Promise<void>((done) => this.platform.after(SWITCH_LOOK_MS, done));
            const kernel = await this.calls.kernel().catch(() => undefined);
            if (kernel && left && kernel.state === before) {
                throw new Error(kernel.trouble ?? 'the kernel did not do it, and does not say why');
            }
            left = left || (kernel !== undefined && kernel.state !== before);
            if (this.platform.now() > end || this.standing.peek().phase === 'closed') {
                throw new Error(kernel?.trouble ?? 'it takes longer than it should');
            }
        }
    }
    preparePublish(): ReturnType<Session['preparePublish']> {
        this.sender.flush();
        return this.calls.prepare();
    }
    confirmPublish(id: string, authChain?: Json, asPrepared?: boolean): Promise<void> {
        return this.calls.confirm(id, authChain, asPrepared);
    }
    history(before?: string): ReturnType<Session['history']> {
        return this.calls.history(before);
    }
    async info(): ReturnType<Session['info']> {
        return infoOf(await this.calls.info(), this.scene_);
    }
    shareLink(): string {
        return shareLink(this.platform, this.scene_, this.visit.token);
    }

    close(): void {
        this.leave();
        this.unsend();
        this.stopSaveLook?.();
        this.stops.forEach((stop) => stop());
        this.connection.close();
        this.standing.value = { phase: 'closed', mode: this.standing.peek().mode };
    }
}
