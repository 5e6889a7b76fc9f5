"""Which plots there are: docs/bench/*.svg."""
import re

import svg
import targets
import texts
from engines import ANCHOR_PEERS, OURS
from records import Spread


def kind_of(peer):
    return 'ours' if peer == OURS else 'anchor' if peer in ANCHOR_PEERS else 'peer'


def rows_of(results, workload, key, text, more, anchors=()):
    """One row an engine, at its largest scale; we first, then from the best to the worst."""
    rows = []
    own_scale = next(iter(results.scales(workload)), None)
    for peer in results.peers():
        scales = results.scales(workload, peer)
        if not scales or (peer in ANCHOR_PEERS and peer not in anchors):
            continue
        spread = results.spread(workload, key, peer, scales[0])
        if spread and spread.median > 0:
            label = peer if scales[0] == own_scale else f'{peer}, at {scales[0]:g}'
            rows.append((peer != OURS, -spread.median if more else spread.median,
                         svg.Row(label, [(kind_of(peer), spread)], text(spread.median))))
    return [row for _, _, row in sorted(rows, key=lambda r: r[:2])]


def goal_of(workload, key):
    """What must be reached, in the unit of the key."""
    return next((t.must / t.factor for t in targets.TARGETS
                 if t.workload == workload and t.key == key and not t.measure), None)


def panel(results, title, workload, key, text, more=False, anchors=()):
    rows = rows_of(results, workload, key, text, more, anchors)
    unit = 1048576 if text is texts.mebibytes else 1
    return svg.Panel(title, rows, text, goal_of(workload, key), unit=unit) if rows else None


def dots(results, title, panels, **names):
    made = [panel(results, *p) for p in panels]
    made = [p for p in made if p]
    return svg.dot_plot(title, made, **names) if made else None


OVERVIEW = (  # (what, workload, key, more is better)
    ('local update, one a message', 'W1-update-op', 'ops_per_cpu_s', True),
    ('local update, 1,000 a message', 'W1-update-batch', 'ops_per_cpu_s', True),
    ('remote update, one a message', 'W2-update-op', 'ops_per_cpu_s', True),
    ('remote update, 1,000 a message', 'W2-update-batch', 'ops_per_cpu_s', True),
    ('merge of 2 replicas', 'W3-merge-R2', 'ops_per_cpu_s', True),
    ('merge of 16 replicas', 'W3-merge-R16', 'ops_per_cpu_s', True),
    ('full state, encoded and decoded', 'W4-full-*', 'cpu_s', False),
    ('load', 'W5-load', 'cpu_s', False),
    ('save', 'W5-save', 'cpu_s', False),
    ('snapshot as JSON text', 'W5-snapshot', 'cpu_s', False),
    ('JSON import', 'W10-import', 'mb_per_cpu_s', True),
    ('1,540 writers of one field (B3.1)', 'W6-B3.1', 'cpu_s', False),
    ('catch-up with 10 of a million', 'W7-catch-up-10', 'cpu_s', False),
    ('memory at the peak of W1', 'W1-update-op', 'peak_rss', False),
    ('saved document', 'W5-save', 'doc_bytes', False),
    ('bytes for the last hundredth', 'W4-miss1pct', 'wire_bytes', False),
    ('bytes an update, one a message', 'W1-update-op', 'bytes_per_op', False),
    ('bytes an update, 1,000 a message', 'W1-update-batch', 'bytes_per_op', False))


def overview(results):
    """How many times better we are than the best of the others."""
    rows = []
    for what, workload, key, more in OVERVIEW:
        scale = next(iter(results.scales(workload)), None)
        ours = results.spread(workload, key)
        best = results.best_peer(workload, key, more, scale)
        if ours is None or best is None:
            continue
        peer, theirs, _ = best
        ratios = sorted((v / theirs.median if more else theirs.median / v) for v in (ours.low, ours.median, ours.high))
        ratio = Spread(ratios[1], ratios[0], ratios[2], ours.count)
        rows.append(svg.Row(what, [('ours', ratio)], f'{texts.times(ratio.median)}  ({peer})'))
    if not rows:
        return None
    return svg.dot_plot('How many times better than the best other engine', [
        svg.Panel('', rows, texts.times, 10, 'ten times', 240)], peer='', anchor='')


def updates(results):
    anchors = ('c-hashtable', 'sqlite-memory', 'sqlite-file')
    return dots(results, 'Updates of one Transform, per CPU second (more is better)', [
        ('local, one update a message', 'W1-update-op', 'ops_per_cpu_s', texts.rate, True, anchors),
        ('local, 1,000 updates a message', 'W1-update-batch', 'ops_per_cpu_s', texts.rate, True, anchors),
        ('remote, one update a message', 'W2-update-op', 'ops_per_cpu_s', texts.rate, True, anchors),
        ('remote, 1,000 updates a message', 'W2-update-batch', 'ops_per_cpu_s', texts.rate, True, anchors)])


def sizes(results):
    return dots(results, 'Bytes and memory (less is better)', [
        ('sent for an update, one a message', 'W1-update-op', 'bytes_per_op', texts.size),
        ('sent for an update, 1,000 a message', 'W1-update-batch', 'bytes_per_op', texts.size),
        ('saved document', 'W1-update-op', 'doc_bytes', texts.size),
        ('peak memory of W1', 'W1-update-op', 'peak_rss', texts.mebibytes)], anchor='')


def merge(results):
    return dots(results, 'Concurrent edits merged, per CPU second (more is better)', [
        ('2 replicas', 'W3-merge-R2', 'ops_per_cpu_s', texts.rate, True),
        ('16 replicas', 'W3-merge-R16', 'ops_per_cpu_s', texts.rate, True)], anchor='')


def state(results):
    return dots(results, 'Whole documents, CPU time (less is better)', [
        ('load', 'W5-load', 'cpu_s', texts.seconds),
        ('save', 'W5-save', 'cpu_s', texts.seconds),
        ('snapshot as JSON text', 'W5-snapshot', 'cpu_s', texts.seconds),
        ('full state to a newcomer, encoded and decoded', 'W4-full-*', 'cpu_s', texts.seconds)], anchor='')


def writers(results):
    return dots(results, '1,540 writers of one field: CPU time to apply all (less is better)', [
        (f'{case}: {what}', f'W6-{case}', 'cpu_s', texts.seconds)
        for case, what in (('B3.1', 'a number'), ('B3.2', 'an object'), ('B3.3', 'a long string'))], anchor='')


def json_rates(results):
    return dots(results, 'JSON of the scene, MB per CPU second (more is better)', [
        ('import', 'W10-import', 'mb_per_cpu_s', texts.megabytes_per_second, True),
        ('export', 'W10-export', 'mb_per_cpu_s', texts.megabytes_per_second, True)], anchor='')


def growth(results):
    points = []
    for name in {r['workload'] for r in results.select('W8-fields-*', OURS)}:
        spread = results.spread(name, 'ns_per_op')
        if spread:
            points.append((int(re.search(r'\d+$', name).group()), spread))
    if len(points) < 2:
        return None
    goals = [(n, goal_of(f'W8-fields-{n}', 'ns_per_op')) for n, _ in sorted(points)]
    return svg.line_plot('A remote write of one field, CPU time by the size of the document', sorted(points),
                         lambda n: f'{n:,.0f}', lambda ns: texts.seconds(ns * 1e-9), 'fields in the document',
                         [(n, g) for n, g in goals if g])


def latency(results):
    def micro(us):
        return texts.seconds(us * 1e-6)
    panels = []
    for name, title in (('inproc', 'in one process'), ('tcp', 'TCP, loopback'), ('tls', 'TLS, loopback'),
                        ('tcp-durable', 'TCP, both stores on disk: beside nng and one sync')):
        lines = results.select(f'W9-latency-{name}', OURS)
        rows = []
        for key, label in (('p50_us', 'median'), ('p99_us', '99 of 100'), ('p999_us', '999 of 1000')):
            ours = Spread.of([r.get(key) for r in lines])
            bare = Spread.of([r[f'nng_{key}'] + r.get(f'sync_{key}', 0) for r in lines if f'nng_{key}' in r])
            if ours and bare:
                rows.append(svg.Row(label, [('anchor', bare), ('ours', ours)],
                                    f'{micro(ours.median)} ({micro(bare.median)})'))
        if rows:
            panels.append(svg.Panel(title, rows, micro))
    title = 'From an edit to its sight at the other replica, 1,000 edits/s (less is better)'
    return svg.dot_plot(title, panels, peer='', anchor='bare nng, in brackets') if panels else None


PLOTS = {'overview': overview, 'updates': updates, 'sizes': sizes, 'merge': merge, 'state': state, 'writers': writers, 'json': json_rates,
         'growth': growth, 'latency': latency}


def all_plots(results):
    """{file name: SVG}, of those there are results for."""
    made = {f'{name}.svg': make(results) for name, make in PLOTS.items()}
    return {name: text for name, text in made.items() if text}
