#!/usr/bin/env python3
"""A second reader of the formats, written from docs/FORMAT.md alone: reads the golden files and
compares what they say with what the page says that they say. Shares no code with the first.

    tests/crdt/second_reader.py        from the project's root; exit 1 where they differ
"""
import re
import struct
import sys


class Reader:
    """msgpack tokens, shortest forms only."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), 'ends early at %d' % self.at
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size, least):
        n = int.from_bytes(self.take(size), 'big')
        assert n >= least, 'not the shortest form at %d' % self.at
        return n

    def token(self):
        b = self.take(1)[0]
        if b < 0x80: return 'uint', b
        if b < 0x90: return 'map', b & 15
        if b < 0xa0: return 'array', b & 15
        if b < 0xc0: return 'str', b & 31
        if b >= 0xe0: return 'int', b - 256
        if b == 0xc0: return 'nil', None
        if b in (0xc2, 0xc3): return 'bool', b == 0xc3
        if b in (0xc4, 0xc5, 0xc6): return 'bin', self.number(1 << b - 0xc4, [0, 0x100, 0x10000][b - 0xc4])
        if b == 0xca: return 'float', struct.unpack('>f', self.take(4))[0]
        if b == 0xcb: return 'float', struct.unpack('>d', self.take(8))[0]
        if b in range(0xcc, 0xd0): return 'uint', self.number(1 << b - 0xcc, [0x80, 0x100, 0x10000, 1 << 32][b - 0xcc])
        if b in range(0xd0, 0xd4): return 'int', int.from_bytes(self.take(1 << b - 0xd0), 'big', signed=True)
        if b in (0xd9, 0xda, 0xdb): return 'str', self.number(1 << b - 0xd9, [0x20, 0x100, 0x10000][b - 0xd9])
        if b in (0xdc, 0xdd): return 'array', self.number(2 << b - 0xdc, [0x10, 0x10000][b - 0xdc])
        if b in (0xde, 0xdf): return 'map', self.number(2 << b - 0xde, [0x10, 0x10000][b - 0xde])
        raise AssertionError('unused byte %02x' % b)

    def uint(self):
        kind, n = self.token()
        assert kind == 'uint', kind
        return n

    def int(self):
        kind, n = self.token()
        assert kind in ('uint', 'int'), kind
        return n

    def bool(self):
        kind, b = self.token()
        assert kind == 'bool', kind
        return b

    def str(self):
        kind, size = self.token()
        assert kind == 'str', kind
        return self.take(size).decode('utf-8')

    def bin(self):
        kind, size = self.token()
        assert kind == 'bin', kind
        return self.take(size)

    def name(self):
        kind, size = self.token()
        data = self.take(size)
        assert kind in ('str', 'bin'), kind
        try:
            data.decode('utf-8')
            assert kind == 'str'
        except UnicodeDecodeError:
            assert kind == 'bin'
        return data.decode('latin-1')

    def actor(self):
        data = self.bin()
        assert len(data) == 16
        return data.hex()[:4]                       # enough to tell them apart here

    def value(self):
        kind, x = self.token()
        if kind == 'str': return self.take(x).decode('utf-8')
        if kind == 'array': return [self.value() for _ in range(x)]
        if kind == 'map': return {self.str(): self.value() for _ in range(x)}
        assert kind != 'bin'
        return x

    def stored_value(self):
        """A value that may be a packed vector."""
        head = self.data[self.at]
        if head not in (0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6):
            return self.value()
        self.take(1)
        shape, width = (3, head - 0xd4 + 2) if head >= 0xd4 else (4, head - 0xc7 + 2)
        if head == 0xc1:
            shape, width = divmod(self.take(1)[0], 4)
            width += 2
        keys = ['xy', 'xyz', 'wxyz', 'bgr', 'abgr'][shape - 17] if shape > 16 else None
        raw = [self.take(width) for _ in range(len(keys) if keys else shape)]
        assert width == 2 or any(bits[-1] for bits in raw)
        numbers = [struct.unpack('>f', bits + bytes(4 - width))[0] for bits in raw]
        return dict(zip(keys, numbers)) if keys else numbers

    def is_number(self):
        return self.data[self.at] < 0x80 or 0xcc <= self.data[self.at] <= 0xcf

    def end(self):
        assert self.at == len(self.data), 'bytes after the end'


def well_known():
    """The table of docs/FORMAT.md, "Names"."""
    rows = re.findall(r'^\| (\d+) \| (`.*`) \|$', open('docs/FORMAT.md', encoding='utf-8').read(), re.M)
    names = [n.replace('FF ', '\xff') for at, row in rows for n in re.findall('`([^`]*)`', row)]
    assert len(names) == 96 and [int(at) for at, _ in rows] == list(range(0, 96, 8))
    return names


class Keys:
    """Names that are left out or referred to, as in "Operations"."""

    def __init__(self):
        self.names = well_known()
        self.object, self.part = None, self.names[0]

    def ref(self, r):
        if r.is_number():
            return self.names[r.uint()]
        name = r.name()
        assert name not in self.names
        if len(self.names) < 96 + 128:
            self.names.append(name)
        return name

    def read(self, r, head, depth):
        if head & 4: self.object = r.name()
        if depth > 1 and head & 8: self.part = self.ref(r)
        key = [self.object]
        if depth > 1: key.append(self.part)
        if depth > 2: key.append(self.ref(r))
        return '.'.join(key)


def operations(r):
    keys, ops = Keys(), []
    for _ in range(r.uint()):
        head = r.take(1)[0]
        if head >= 128:
            if head & 64: keys.object = r.name()
            ops.append(('SET', '.'.join([keys.object, keys.part, keys.names[head & 63]]), r.stored_value()))
            continue
        assert head < 32
        kind = ['ADD', 'REMOVE', 'SET', 'UNSET'][head & 3]
        key = keys.read(r, head, 3 if head & 2 else 2 if head & 16 else 1)
        if kind == 'SET':
            assert head & 8 or key.split('.')[-1] not in keys.names[:64]
        ops.append((kind, key, r.stored_value()) if kind == 'SET' else (kind, key))
    return ops


def batch(data, bases={}):
    r = Reader(data)
    head, author = r.take(1)[0], r.take(16).hex()[:4]
    assert head >> 4 == 2
    deps, who, wall_ms = bases[author, r.uint()] if head & 1 else ({}, '', 0)
    deps = dict(deps)
    order = sorted(deps)
    for _ in range(r.uint() if head & 2 else 0):
        if r.is_number():
            deps[order[r.uint()]] += r.uint()
        else:
            actor = r.actor()
            assert actor not in deps
            deps[actor] = r.uint()
    if head & 4: who = r.str()
    if head & 8: wall_ms += r.int()
    ops = operations(r)
    r.end()
    first = 1 + max(deps.values(), default=0)
    after = dict(deps, **{author: first + len(ops) - 1}), who, wall_ms
    return {'author': author, 'deps': deps, 'who': who, 'wall': wall_ms, 'first': first, 'ops': ops}, after


def unfold(n):
    return n // 2 if n % 2 == 0 else -(n + 1) // 2


def times(r, actors):
    """Times of actors; 0 and a count for those in a row that have none."""
    out, i, gap = {}, 0, False
    while i < len(actors):
        n = r.uint()
        if n:
            out[actors[i]], gap = n, False
            i += 1
        else:
            assert not gap
            gap, run = True, r.uint()
            assert 1 <= run <= len(actors) - i
            i += run
    return out


def shape(r, ref):
    keys, count = [], r.uint()
    while True:
        head = r.uint()
        if head == 0: return count, keys
        assert head % 4 in (1, 2)
        keys.append((head % 4, ref(), head // 4))


def answer(data):
    r = Reader(data)
    assert r.uint() == 2
    out = {'full': r.bool()}
    table = r.bin()
    actors = [table[i:i + 16].hex()[:4] for i in range(0, len(table), 16)]
    out['version'], out['since'] = times(r, actors), times(r, actors)
    if out['full']: out['floor'] = times(r, actors)
    out['deps'] = {}
    for _ in range(r.uint()):
        author, last, by = actors[r.uint()], r.uint(), (r.str(), r.uint())
        out['deps'][author] = (last, *by, {a: out['version'][a] + 1 - n for a, n in times(r, actors).items()})
    assert r.uint() == 0, 'a packed body needs zstd'
    names, clock = [], [0, 0, 0, 0]

    def ref():
        if r.is_number():
            return names[r.uint()]
        names.append(r.name())
        return names[-1]

    out['log'], last = [], None
    while True:
        head = r.uint()
        if head == 0: break
        actor = actors[r.uint()]
        clock = [clock[0] + unfold(r.uint())] * 4
        if not head & 4: last = r.name()
        key = [last] + [ref() for _ in range((head & 3) - 1)]
        out['log'].append((clock[0], actor, '.'.join(key)))
    out['keys'], shapes, writers, writer = [], [], [], None

    def entries(depth, key, count):
        nonlocal writer
        for _ in range(count):
            step = r.uint()
            time = clock[depth] + unfold(step // 2)
            clock[depth:] = [time] * (4 - depth)
            if step % 2:
                w = r.uint()
                if w == len(writers): writers.append((actors[r.uint()], r.str()))
                assert writers[w] != writer
                writer = writers[w]
            entry = ('.'.join(key), time) + writer
            out['keys'].append(entry + (r.stored_value(),) if depth == 3 else entry)

    while True:
        index = r.uint()
        if index == 0: break
        key = [r.name()]
        if index > len(shapes): shapes.append(shape(r, ref))
        count, keys = shapes[index - 1]
        entries(1, key, count)
        for level, name, count in keys:
            key = key[:level] + [name]
            entries(level + 1, key, count)
    r.end()
    return out


def history(data):
    r = Reader(data)
    format = r.uint()
    assert format in (3, 4)
    out = {'origin': r.uint()}
    if out['origin'] != 6: out.update(author=r.actor(), first=r.uint(), who=r.str())
    if out['origin'] != 6 and format == 4: out.update(step=r.str())
    out['wall'], target = r.uint(), r.uint()
    if target: out['target'] = (target, r.actor())
    out['cut'] = r.bool()
    if out['origin'] != 6: out['ops'] = len(operations(r))
    keys, index, time, who, actor, out['drops'] = Keys(), 0, 0, '', None, []
    for _ in range(r.uint()):
        head = r.uint()
        index += r.int()
        key = keys.read(r, head, head & 3)
        time += r.int()
        if head & 64: actor = r.actor()
        stamp = (time, actor)
        if head & 32: who = r.str()
        drop = (index - 1, key, stamp, who, bool(head & 16))
        out['drops'].append(drop + (r.stored_value(),) if head & 3 == 3 else drop)
    r.end()
    return out


POSITION = [1, 0.5, -2]
OPS = [('ADD', 'lamp'), ('ADD', 'lamp.Transform'), ('SET', 'lamp.Transform.position', POSITION),
       ('SET', 'lamp.Transform.scale', 2), ('UNSET', 'lamp.Transform.rotation'),
       ('REMOVE', 'lamp.Name'), ('REMOVE', '\xffscene')]
KEYS = [('lamp', 301, '0001', 'ann'), ('lamp.Transform', 302, '0001', 'ann'),
        ('lamp.Transform.position', 303, '0001', 'ann', POSITION), ('lamp.Transform.position', 302, '1011', 'bob', 2)]
LOG = [(305, '0001', 'lamp.Transform.rotation'), (306, '0001', 'lamp.Name')]


def main():
    golden = lambda name: open('tests/golden/%s.bin' % name, 'rb').read()
    first, after = batch(golden('batch_absolute.v2'))
    found = {
        'absolute': first,
        'relative': batch(golden('batch_relative.v2'), {('0001', 307): after})[0],
        'template': batch(golden('template.v2'))[0],
        'answer': answer(golden('answer.v2')),
        'full': answer(golden('answer_full.v2')),
        'history': history(golden('history.v4')),
        'history of format 3': history(golden('history.v3')),
    }
    expected = {
        'absolute': {'author': '0001', 'deps': {'0001': 7, '1011': 300}, 'who': 'ann', 'wall': 1700000000000,
                     'first': 301, 'ops': OPS},
        'relative': {'author': '0001', 'deps': {'0001': 307, '1011': 302, '2021': 5}, 'who': 'ann',
                     'wall': 1700000000040, 'first': 308, 'ops': OPS[2:4]},
        'template': {'author': 'c035', 'deps': {}, 'who': '', 'wall': 0, 'first': 1, 'ops': OPS[:4]},
        'answer': {'full': False, 'version': {'0001': 310, '1011': 302}, 'since': {'1011': 290, '3031': 4},
                   'deps': {'0001': (307, 'ann', 1700000000000, {'0001': 307, '1011': 300})}, 'log': LOG, 'keys': KEYS},
        'full': {'full': True, 'version': {'0001': 310, '1011': 302}, 'since': {'1011': 290, '3031': 4},
                 'floor': {'1011': 100}, 'deps': {}, 'log': LOG, 'keys': KEYS},
        'history': {'origin': 1, 'author': '0001', 'first': 301, 'who': 'ann', 'step': 'drag 7', 'wall': 1700000000000,
                    'target': (5, '0001'), 'cut': False, 'ops': 7,
                    'drops': [(2, 'lamp.Transform.position', (6, '0001'), 'bob', True, 2),
                              (5, 'lamp.Name', (3, '1011'), 'bob', False)]},
        'history of format 3': {'origin': 1, 'author': '0001', 'first': 301, 'who': 'ann', 'wall': 1700000000000,
                    'target': (5, '0001'), 'cut': False, 'ops': 7,
                    'drops': [(2, 'lamp.Transform.position', (6, '0001'), 'bob', True, 2),
                              (5, 'lamp.Name', (3, '1011'), 'bob', False)]},
    }
    differ = [name for name in expected if found[name] != expected[name]]
    for name in differ:
        print('%s says\n  %s\nnot\n  %s' % (name, found[name], expected[name]))
    print('%d golden files read, %d differ from docs/FORMAT.md' % (len(found), len(differ)))
    sys.exit(bool(differ))


if __name__ == '__main__':
    main()
