"""Executable model of the replicated document (docs/ARCHITECTURE.md), and its test by random runs.

State of a replica: P key -> set of stamps (adds), F field -> {stamp: value}, vv actor -> time (the exact causal
context), log stamp -> key (removes and unsets; a cache), floor actor -> time (what the log no longer covers).
A key is ('object',), ('object','part'); a field is ('object','part','field'). A stamp is (time, actor).

Every run mixes edits, lost, repeated and reordered batches, catch-up answers that arrive late, twice or after a
crash, log trimming, replicas that write before they ever synchronize, stores restored from old copies (under a new
actor), a template, and housekeeping. Checked all the time: equal versions => equal states. At the end: all replicas
equal, and equal to an oracle computed from all batches at once (so: add-wins, no lost write, no resurrection).

    python3 document.py RUNS [FIRST_SEED]             exit 1 and print the seeds that fail
    python3 document.py --trace RUNS [FIRST_SEED]     print every event and what it leads to, for tests/crdt/test_model.c

A trace is lines of words. Replicas, batches, answers and copies go by numbers; a stamp is time@actor.

    run SEED                        a new run: nothing exists
    replica R ACTOR                 a new, empty replica
    op KIND KEY [VALUE]             one operation of the commit to come
    commit R BATCH | commit R -     the operations as one batch (-: they say nothing)
    housekeep R BATCH | ... -
    batch ...                       what the last batch must be
    apply R BATCH ok | dup | gap
    answer R ANSWER SINCE           R answers a question since that version
    content ...                     what the last answer must be
    merge R ANSWER ok | stale
    trim R BYTES                    R's remove log, to that size
    save R COPY                     a copy of R's store
    restore R COPY ACTOR            R is that copy again, under a new actor
    state R ...                     what R must be now
    end
"""
import copy, itertools, random, sys

trace = None            # a function that takes the words of one line
numbers = itertools.count(1)

def say(*words):
    if trace: trace(' '.join(map(str, words)))

# The text form of what a trace holds; '-' is nothing.
def t_list(words): return ';'.join(words) or '-'
def t_stamp(s): return '%d@%s' % s
def t_version(v): return t_list('%s:%d' % e for e in sorted(v.items()))
def t_dots(P): return t_list('%s=%s' % ('.'.join(k), ','.join(map(t_stamp, sorted(v, reverse=True)))) for k, v in sorted(P.items()))
def t_values(F): return t_list('%s=%s' % ('.'.join(f), ','.join('%s:%d' % (t_stamp(s), x) for s, x in sorted(v.items(), reverse=True))) for f, v in sorted(F.items()))
def t_log(log): return t_list('%s=%s' % (t_stamp(s), '.'.join(k)) for s, k in sorted(log.items()))
def t_op(op): return ':'.join([op['kind'], '.'.join(op['key']), str(op.get('value', '-')), t_stamp(op['stamp'])])

def covers(version, stamp): return stamp[0] <= version.get(stamp[1], 0)

class Replica:
    def __init__(self, actor):
        self.actor, self.vv, self.P, self.F, self.log, self.floor, self.held = actor, {}, {}, {}, {}, {}, []
        self.id = next(numbers)
        say('replica', self.id, actor)

    def say_state(self):
        if trace: say('state', self.id, t_version(self.vv), t_dots(self.P), t_values(self.F), t_log(self.log), t_version(self.floor))

    # ---- reading
    def live(self, key): return bool(self.P.get(key)) and (len(key) == 1 or self.live(key[:1]))
    def visible(self): return {f: max(v.items())[1] for f, v in self.F.items() if self.live(f[:2])}
    def state(self): return ({k: set(v) for k, v in self.P.items()}, {f: dict(v) for f, v in self.F.items()})

    # ---- operations
    def commit(self, ops, verb='commit'):
        """Make one batch of the operations that say something; apply it here; return it (None if empty)."""
        if verb == 'commit':
            for op in ops: say('op', op['kind'], '.'.join(op['key']), *[op['value']] if 'value' in op else [])
        deps, done = dict(self.vv), []
        time = max(deps.values(), default=0)
        for op in ops:
            key = op['key']
            if op['kind'] == 'add' and self.live(key): continue
            if op['kind'] == 'remove' and not self.P.get(key) and not op.get('sweep'): continue
            if op['kind'] in ('set', 'unset') and not self.live(key[:2]): continue
            if op['kind'] == 'unset' and not self.F.get(key): continue
            if op['kind'] == 'set' and list(self.F.get(key, {}).values()) == [op['value']]: continue
            time += 1
            op = dict(op, stamp=(time, self.actor))
            self.apply(op, deps)
            self.vv[self.actor] = time
            done.append(op)
        n = next(numbers) if done else '-'
        say(verb, self.id, n)
        if done: say('batch', self.actor, t_version(deps), t_list(map(t_op, done)))
        self.say_state()
        return {'n': n, 'actor': self.actor, 'deps': deps, 'ops': done} if done else None

    def apply(self, op, deps):
        kind, key, stamp = op['kind'], op['key'], op['stamp']
        seen = lambda s: s[0] < stamp[0] if s[1] == stamp[1] else covers(deps, s)
        if kind in ('add', 'remove'):                       # drop what was seen at and below the key
            for table in (self.P, self.F):
                for k in [k for k in table if k[:len(key)] == key]: drop(table, k, seen)
            if kind == 'add': self.P.setdefault(key, set()).add(stamp)
        else:
            drop(self.F, key, seen)
            if kind == 'set': self.F.setdefault(key, {})[stamp] = op['value']
        if kind in ('remove', 'unset'): self.log[stamp] = key

    def receive(self, batch):
        self.held.append(batch)
        progress = True
        while progress:
            progress = False
            for b in list(self.held):
                last = b['ops'][-1]['stamp'][0]
                if last <= self.vv.get(b['actor'], 0): say('apply', self.id, b['n'], 'dup')     # duplicate
                elif all(self.vv.get(a, 0) >= t for a, t in b['deps'].items()):
                    for op in b['ops']: self.apply(op, b['deps'])
                    self.vv[b['actor']] = last
                    say('apply', self.id, b['n'], 'ok'); self.say_state()
                else: say('apply', self.id, b['n'], 'gap'); continue
                self.held.remove(b); progress = True

    # ---- catching up
    def answer(self, since):
        full = any(since.get(a, 0) < t for a, t in self.floor.items())
        new = lambda s: not covers(since, s)
        below = {k for s, k in self.log.items() if new(s)} | {k for k, v in self.P.items() if any(map(new, v))}
        touched = lambda k: full or any(k[:len(b)] == b for b in below)
        a = copy.deepcopy({'full': full, 'since': since, 'version': self.vv, 'floor': self.floor, 'below': below,
                              'log': {s: k for s, k in self.log.items() if full or new(s)},
                              'P': {k: v for k, v in self.P.items() if touched(k) or any(map(new, v))},
                              'F': {f: v for f, v in self.F.items() if touched(f) or any(map(new, v))}})
        a['n'] = next(numbers)
        if trace:
            say('answer', self.id, a['n'], t_version(since))
            say('content', 'full' if full else 'delta', t_version(a['version']), t_version(a['floor']) if full else '-',
                t_list(map('.'.join, sorted(a['below']))), t_dots(a['P']), t_values(a['F']), t_log(a['log']))
        return a

    def merge(self, a):
        if not a['full'] and any(self.vv.get(x, 0) < t for x, t in a['since'].items()):             # not made for me
            say('merge', self.id, a['n'], 'stale')
            return
        mine, theirs = dict(self.vv), a['version']
        touched = lambda k: a['full'] or any(k[:len(b)] == b for b in a['below'])
        for table, other in ((self.P, a['P']), (self.F, a['F'])):
            for k in set(other) | {k for k in table if touched(k)}:
                have, get = table.get(k, type(other.get(k, table.get(k)))()), other.get(k, ())
                keep = [s for s in have if s in get or not covers(theirs, s)] + [s for s in get if not covers(mine, s)]
                if not keep: table.pop(k, None)
                elif table is self.P: table[k] = set(keep)
                else: table[k] = {s: have[s] if s in have else get[s] for s in keep}
        self.log.update({s: k for s, k in sorted(a['log'].items()) if not covers(mine, s)})
        if a['full']:
            for x, t in a['floor'].items(): self.floor[x] = max(self.floor.get(x, 0), t)
        for x, t in theirs.items(): self.vv[x] = max(self.vv.get(x, 0), t)
        say('merge', self.id, a['n'], 'ok'); self.say_state()
        held, self.held = self.held, []
        for b in held: self.receive(b)

    def trim(self, count):
        """Forget the log records that came first. Allowed at any time, by anybody."""
        for s in list(self.log)[:count]:
            del self.log[s]
            self.floor[s[1]] = max(self.floor.get(s[1], 0), s[0])
        say('trim', self.id, sum(96 + sum(map(len, k)) for k in self.log.values()))
        self.say_state()

    def save(self):
        """A copy of the store; its log is in the order of stamps."""
        n = next(numbers)
        say('save', self.id, n)
        return copy.deepcopy((n, self.vv, self.P, self.F, dict(sorted(self.log.items())), self.floor))

    def restore(self, c, actor):
        """Be that copy, under a new actor."""
        n, self.vv, self.P, self.F, self.log, self.floor = copy.deepcopy(c)
        self.actor, self.held = actor, []
        say('restore', self.id, n, actor)
        self.say_state()

    def housekeeping(self):
        """Ordinary operations that clear what conflicts left: hidden values, parts of dead objects, lost siblings."""
        dead = {f[:2] for f in self.F if not self.live(f[:2])} | {k for k in self.P if not self.live(k)}
        ops = [{'kind': 'remove', 'key': k, 'sweep': True} for k in sorted(dead)]
        ops += [{'kind': 'set', 'key': f, 'value': max(v.items())[1]} for f, v in sorted(self.F.items()) if len(v) > 1 and self.live(f[:2])]
        return self.commit(ops, 'housekeep')

def drop(table, key, seen):
    if key not in table: return
    if isinstance(table[key], set): table[key] = {s for s in table[key] if not seen(s)}
    else: table[key] = {s: v for s, v in table[key].items() if not seen(s)}
    if not table[key]: del table[key]

def oracle(batches):
    """The state after all batches, from their definition alone: every add and set, less what any operation had seen."""
    ops = [(op, b['deps']) for b in batches for op in b['ops']]
    P, F = {}, {}
    for op, _ in ops:
        if op['kind'] == 'add': P.setdefault(op['key'], set()).add(op['stamp'])
        if op['kind'] == 'set': F.setdefault(op['key'], {})[op['stamp']] = op['value']
    for op, deps in ops:
        t, a = op['stamp']
        seen = lambda s: s[0] < t if s[1] == a else covers(deps, s)
        for table in (P, F):
            for k in list(table):
                if (k[:len(op['key'])] == op['key'] if op['kind'] in ('add', 'remove') else k == op['key']): drop(table, k, seen)
    return P, F

def random_ops(g, value):
    o = ('o%d' % g.randrange(3),); p = o + ('p%d' % g.randrange(2),); f = p + ('f%d' % g.randrange(2),)
    x = g.random()
    if x < .3: return [{'kind': 'add', 'key': o}, {'kind': 'add', 'key': p}, {'kind': 'set', 'key': f, 'value': value}]
    if x < .42: return [{'kind': 'remove', 'key': o}]
    if x < .5: return [{'kind': 'remove', 'key': p}]
    if x < .55: return [{'kind': 'remove', 'key': p}, {'kind': 'add', 'key': p}]
    if x < .62: return [{'kind': 'unset', 'key': f}]
    return [{'kind': 'set', 'key': f, 'value': value // 7 * 7}]                     # now and then a value that is there already

def run(seed):
    global numbers
    numbers = itertools.count(1)
    say('run', seed)
    g = random.Random(seed)
    names = iter('ABCDEFGHIJKLMNOPQRSTUVW')
    replicas = [Replica(next(names)) for _ in range(g.choice([2, 3, 4]))]
    network, answers, batches, copies, away = [], [], [], [], {}
    template = None
    if g.random() < .5:
        template = Replica('*template').commit([op for i in range(3) for op in (
            {'kind': 'add', 'key': ('o%d' % i,)}, {'kind': 'add', 'key': ('o%d' % i, 'p0')}, {'kind': 'set', 'key': ('o%d' % i, 'p0', 'f0'), 'value': -1})])
        batches.append(template)
        for r in replicas: r.receive(copy.deepcopy(template))
    def publish(r, batch, step):
        if not batch: return
        batches.append(copy.deepcopy(batch))
        if away.get(r.actor, 0) > step: return
        network.extend((q, batch) for q in replicas if q is not r and g.random() > .3 for _ in range(g.choice([1, 1, 1, 2])))
    for step in range(400):
        x, r = g.random(), g.choice(replicas)
        if x < .45: publish(r, r.commit([op for _ in range(g.choice([1, 1, 1, 3])) for op in random_ops(g, step)]), step)
        elif x < .72 and network:
            q, b = network.pop(g.randrange(len(network)))
            if away.get(q.actor, 0) <= step: q.receive(copy.deepcopy(b))
        elif x < .78 and answers:
            q, a = answers.pop(g.randrange(len(answers)))
            if away.get(q.actor, 0) <= step: q.merge(copy.deepcopy(a))
            if g.random() < .3: answers.append((q, a))
        elif x < .84:
            q = g.choice(replicas)
            if q is not r and max(away.get(q.actor, 0), away.get(r.actor, 0)) <= step: answers.append((r, q.answer(dict(r.vv))))
        elif x < .90: r.trim(g.randrange(len(r.log) + 1))
        elif x < .92: publish(r, r.housekeeping(), step)
        elif x < .94: away[r.actor] = step + g.randrange(120)
        elif x < .95 and len(replicas) < 6:                            # a store of its own, writing before it ever met anyone
            q = Replica(next(names)); away[q.actor] = step + g.randrange(80)
            if template: q.receive(copy.deepcopy(template))
            replicas.append(q)
        elif x < .97: copies.append((r, r.save()))
        elif x < .98 and copies:                                       # an older copy of the store comes back: new actor
            r, c = g.choice(copies); name = next(names, None)
            if name: r.restore(c, name)
        if step % 5 == 0:
            for i, a in enumerate(replicas):
                for b in replicas[:i]:
                    if a.vv == b.vv and a.state() != b.state(): return 'equal versions, different states at step %d' % step
    for _ in range(len(replicas)):
        for a in replicas:
            for b in replicas:
                if a is not b: a.merge(b.answer(dict(a.vv)))
    if any(r.vv != replicas[0].vv or r.state() != replicas[0].state() for r in replicas): return 'not converged'
    known = [b for b in batches if covers(replicas[0].vv, b['ops'][-1]['stamp'])]   # the rest died with a restored store
    if replicas[0].state() != oracle(known): return 'differs from the oracle'
    before = replicas[0].visible()
    b = replicas[0].housekeeping()
    if replicas[0].visible() != before: return 'housekeeping changed what is seen'
    if any(not replicas[0].live(f[:2]) or len(v) > 1 for f, v in replicas[0].F.items()): return 'leftovers after housekeeping'
    for r in replicas[1:]:
        if b: r.receive(copy.deepcopy(b))
        if r.state() != replicas[0].state(): return 'diverged by housekeeping'
    return None

if __name__ == '__main__':
    arguments = sys.argv[1:]
    if arguments[0] == '--trace':
        arguments.pop(0)
        trace = print
    count, first = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    failed = []
    for seed in range(first, first + count):
        why = run(seed)
        say('end')
        if why:
            failed.append((seed, why))
            say('failed', seed, why)
    out = sys.stderr if trace else sys.stdout
    for seed, why in failed[:10]: print('seed %d: %s' % (seed, why), file=out)
    print('%d runs, %d failed' % (count, len(failed)), file=out)
    sys.exit(bool(failed))
