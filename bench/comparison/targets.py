"""What must be reached, what is aimed at, and where we are: one row each."""
from dataclasses import dataclass
from typing import Callable

import texts
from engines import OURS
from records import Spread

FULL_SCALE = 1


@dataclass(frozen=True)
class Target:
    """A figure of ours, by default the key of a workload's result."""
    name: str
    text: Callable  # how a figure is written
    workload: str
    key: str
    must: float
    aim: float = None
    more: bool = False  # more is better
    limit: object = ''  # a text, or (peer, workload, key)
    compared: bool = True  # there are peers that do the same
    factor: float = 1  # the key's unit in the text's
    measure: Callable = None  # results -> Spread, if it is no plain key
    condition: Callable = None  # results -> what else is missing, '' if nothing

    def measured(self, results):
        if self.measure:
            return self.measure(results)
        spread = results.spread(self.workload, self.key)
        if spread is None:
            return None
        f = self.factor
        return Spread(spread.median * f, spread.low * f, spread.high * f, spread.count)

    def verdict(self, results):
        spread = self.measured(results)
        if spread is None:
            return '–'
        if self.condition and self.condition(results):
            return 'missed: ' + self.condition(results)

        def reached(goal):
            return goal is not None and (spread.median >= goal if self.more else spread.median <= goal)
        if not reached(self.must):
            return 'missed'
        return 'aim' if reached(self.aim) else 'must'

    def goal(self, value):
        if value is None:
            return ''
        return ('≥ ' if self.more else '≤ ') + self.text(value)

    def limit_text(self, results):
        if isinstance(self.limit, str):
            return self.limit
        peer, workload, key = self.limit
        spread = results.spread(workload, key, peer)
        return f'{peer} {self.text(spread.median)}' if spread else ''

    def best_peer_text(self, results):
        if not self.compared:
            return ''
        scales = results.scales(self.workload)
        found = results.best_peer(self.workload, self.key, self.more, scales[0] if scales else None)
        if not found:
            return '–'
        peer, spread, scale = found
        at = f' at {scale:g}' if scales and scale != scales[0] else ''
        return f'{peer} {self.text(spread.median * self.factor)}{at}'


def times_peer(workload, key, peer):
    def measure(results):
        scales = results.scales(workload)
        return results.ratio(workload, key, peer, scales[0]) if scales else None
    return measure


def quotient(workload, upper, lower):
    """Of two keys of one result, run by run."""
    def measure(results):
        return Spread.of([r[upper] / r[lower] for r in results.select(workload, OURS) if r.get(lower)])
    return measure


def growth_of(upper, lower, key):
    """A key of one workload by that of another, run by run."""
    def measure(results):
        below = {r['run']: r[key] for r in results.select(lower, OURS)}
        return Spread.of([r[key] / below[r['run']] for r in results.select(upper, OURS) if below.get(r['run'])])
    return measure


def one_round_trip(workload):
    """A question and an answer."""
    def condition(results):
        lines = results.select(workload, OURS)
        trips = max((r.get('round_trips', r.get('messages', 2) / 2) for r in lines), default=1)
        if not all(r.get('equal', True) for r in lines):
            return 'states differ'
        return '' if trips <= 1 else f'{trips:g} round trips'
    return condition


def all_equal(workload):
    def condition(results):
        return '' if all(r.get('equal', True) for r in results.select(workload, OURS)) else 'states differ'
    return condition


CPU_RATE = 'ops_per_cpu_s'
TABLE_LOCAL = ('c-hashtable', 'W1-update-op', CPU_RATE)
TABLE_REMOTE = ('c-hashtable', 'W2-update-op', CPU_RATE)

TARGETS = (
    Target('W1 local update, one op a message, per CPU second', texts.rate, 'W1-update-op', CPU_RATE,
           1.0e6, 2e6, True, TABLE_LOCAL),
    Target('the same as a multiple of json-joy, round by round', texts.times, 'W1-update-op', CPU_RATE,
           12, None, True, compared=False, measure=times_peer('W1-update-op', CPU_RATE, 'json-joy')),
    Target('W1 local update, 1,000 ops a message', texts.rate, 'W1-update-batch', CPU_RATE,
           1.2e6, 2.5e6, True, TABLE_LOCAL),
    Target('W2 remote apply, one op a message', texts.rate, 'W2-update-op', CPU_RATE,
           1.2e6, 3e6, True, TABLE_REMOTE),
    Target('W2 remote apply, 1,000 ops a message', texts.rate, 'W2-update-batch', CPU_RATE,
           2e6, 5e6, True, TABLE_REMOTE),
    Target('W1 wire bytes an update, 1,000 ops a message', texts.size, 'W1-update-batch', 'bytes_per_op',
           62, 50, limit='40 B as ten float32'),
    Target('W1 wire bytes an update, one op a message', texts.size, 'W1-update-op', 'bytes_per_op',
           90, 70, limit='40 B as ten float32'),
    Target('saved document', texts.size, 'W5-save', 'doc_bytes', 9e6, 6e6),
    Target('peak memory of W1', texts.mebibytes, 'W1-update-op', 'peak_rss', 130 * 1048576, 90 * 1048576,
           limit=('c-hashtable', 'W1-update-op', 'doc_bytes')),
    Target('memory of a live field beside its value, W1', texts.size, 'W8-heap-w1', 'metadata_bytes_per_field', 72, 56,
           compared=False),
    Target('the same with 10 fields an object, 1e6 fields', texts.size, 'W8-fields-1000000',
           'metadata_bytes_per_field', 72, 56, compared=False),
    Target('W3 merge of 2 replicas, per CPU second', texts.rate, 'W3-merge-R2', CPU_RATE, 1e6, 2e6, True,
           condition=all_equal('W3-merge-R2')),
    Target('W3 merge of 16 replicas', texts.rate, 'W3-merge-R16', CPU_RATE, 1e6, 2e6, True,
           condition=all_equal('W3-merge-R16')),
    Target('W4 full state, encoded and decoded', texts.seconds, 'W4-full-*', 'cpu_s', 0.25, 0.1,
           limit='memory bandwidth', condition=all_equal('W4-full-*')),
    Target('W4 last hundredth missed, both ways', texts.size, 'W4-miss1pct', 'wire_bytes', 600e3, 450e3,
           limit='≈ 500 KB', condition=one_round_trip('W4-miss1pct')),
    Target('W5 load', texts.seconds, 'W5-load', 'cpu_s', 0.15, 0.06),
    Target('W5 save', texts.seconds, 'W5-save', 'cpu_s', 0.1, 0.06),
    Target('W5 snapshot as JSON text', texts.seconds, 'W5-snapshot', 'cpu_s', 0.15, 0.06),
    Target('W6 B3.1 apply 1,540 clients', texts.seconds, 'W6-B3.1', 'cpu_s', 4e-3, 2e-3),
    Target('W6 B3.2', texts.seconds, 'W6-B3.2', 'cpu_s', 4e-3, 2e-3),
    Target('W6 B3.3', texts.seconds, 'W6-B3.3', 'cpu_s', 4e-3, 2e-3),
    Target('W7 10 of 1e6 entries missed, both ways', texts.size, 'W7-catch-up-10', 'wire_bytes', 2750, None,
           limit='10 entries', condition=one_round_trip('W7-catch-up-10')),
    Target('W7 the same, both sides', texts.seconds, 'W7-catch-up-10', 'cpu_s', 1e-3, None, limit='10 entries'),
    Target('W8 remote field write among 1e6', texts.seconds, 'W8-fields-1000000', 'ns_per_op', 1e-6, 0.5e-6,
           limit='2-3 cache misses', compared=False, factor=1e-9),
    Target('W8 remote field write among 1e7', texts.seconds, 'W8-fields-10000000', 'ns_per_op', 1.5e-6, 0.8e-6,
           limit='2-3 cache misses', compared=False, factor=1e-9),
    Target('W8 memory after 1e7 creates and deletes, of a fresh one', texts.times, 'W8-cycles', 'heap_ratio', 1.05,
           None, limit='1 x', compared=False),
    Target('W8 document after them, of a fresh one', texts.times, 'W8-cycles', 'doc_ratio', 1.05, None, limit='1 x',
           compared=False),
    Target('W8b 100,000 overwrites of 10 fields: document', texts.size, 'W8b-overwrite', 'doc_bytes', 500, None,
           limit='the last values'),
    Target('W8b a write among 1,540 of one field, of one among 154', texts.times, 'W8b-writers-1540', 'ns_per_op', 2,
           None, limit='1 x', compared=False, measure=growth_of('W8b-writers-1540', 'W8b-writers-154', 'ns_per_op')),
    Target('W9 edit to visible over TCP, p50 beside bare nng', texts.times, 'W9-latency-tcp', 'p50_us', 1.5, None,
           limit='nng: 1 x', compared=False, measure=quotient('W9-latency-tcp', 'p50_us', 'nng_p50_us')),
    Target('W9 the same, p99', texts.seconds, 'W9-latency-tcp', 'p99_us', 1e-3, None, compared=False, factor=1e-6),
    Target('W9 p50 with a durable store, beside bare nng and one sync', texts.times, 'W9-latency-tcp-durable',
           'p50_us', 1.5, None, limit='1 x', compared=False,
           measure=lambda results: Spread.of([r['p50_us'] / (r['nng_p50_us'] + r['sync_p50_us'])
                                              for r in results.select('W9-latency-tcp-durable', OURS)])),
    Target('W10 export as JSON', texts.megabytes_per_second, 'W10-export', 'mb_per_cpu_s', 170, 400, True,
           limit='doubles of ≈ 60 ns'),
    Target('W10 import of JSON', texts.megabytes_per_second, 'W10-import', 'mb_per_cpu_s', 150, 400, True,
           limit='doubles of ≈ 60 ns'),
    Target('W10 export again after 100 edits', texts.seconds, 'W10-reexport-100', 'cpu_s', 5e-3, 1e-3,
           compared=False),
    Target('W11 acknowledged batches of 1, of the floor', texts.times, 'W11-acknowledged-1', 'floor_ratio', 0.5,
           0.65, True, 'append and fdatasync: 1 x', compared=False),
    Target('W11 acknowledged batches of 100, of the floor', texts.times, 'W11-acknowledged-100', 'floor_ratio', 0.5,
           0.65, True, 'append and fdatasync: 1 x', compared=False),
    Target('W11 group commit, 100,000 edits/s offered, p99', texts.seconds, 'W11-offered-100k', 'p99_us', 20e-3,
           None, compared=False, factor=1e-6),
)


def rows(results):
    """Lists of texts: row, best peer, limit, measured, must, aim, verdict."""
    return [[t.name, t.best_peer_text(results), t.limit_text(results),
             texts.with_spread(t.text, t.measured(results)), t.goal(t.must), t.goal(t.aim), t.verdict(results)]
            for t in TARGETS]


HEADINGS = ['row', 'best peer', 'limit', 'measured', 'must', 'aim', 'reached']
