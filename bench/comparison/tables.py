"""The tables of docs/BENCHMARKS.md and of the terminal: (headings, rows of texts)."""
import targets
import texts
from engines import ANCHOR_PEERS, ENGINES, OURS

PEER_NOTES = {e.name: e.why_smaller for e in ENGINES}
END_STATES = {0.01: '54d81a9e', 0.1: 'e91e5878', 1: '63bd7d9b'}


def markdown(table):
    headings, rows = table
    lines = ['| ' + ' | '.join(headings) + ' |', '|' + '|'.join(['---'] + ['---:'] * (len(headings) - 1)) + '|']
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def plain(table):
    headings, rows = table
    widths = [max(len(row[i]) for row in [headings] + rows) for i in range(len(headings))]

    def line(row):
        return '  '.join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
    return '\n'.join([line(headings), '  '.join('-' * w for w in widths)] + [line(row) for row in rows])


def machine_text(results):
    m = results.machine
    versions = ', '.join(f'{name} {version}' for name, version in m.get('versions', {}).items() if version)
    return (f'{m.get("processor")}, {m.get("cores")} cores, {m.get("memory_gib")} GiB, {m.get("system")}, '
            f'Linux {m.get("kernel")}; {versions}; commit {m.get("commit")}, {m.get("date")}, '
            f'{m.get("rounds", 1)} rounds')


def targets_table(results):
    """The rows that were measured, of us or of a peer."""
    rows = [row for row in targets.rows(results) if row[3] != '–' or row[1] not in ('', '–')]
    return targets.HEADINGS, rows


def cell(results, workload, key, peer, scale, text):
    spread = results.spread(workload, key, peer, scale)
    if key == 'doc_bytes' and spread and spread.median == 0:
        return '–'  # it has no saved form
    return texts.with_spread(text, spread)


def updates_table(results, scale):
    """W1 and W2 at one scale."""
    columns = (('local, op', 'W1-update-op'), ('local, batch', 'W1-update-batch'),
               ('remote, op', 'W2-update-op'), ('remote, batch', 'W2-update-batch'))
    rows = []
    for peer in results.peers():
        if not any(results.select(workload, peer, scale) for _, workload in columns):
            continue
        row = [f'{peer} {results.version(peer)}'.rstrip(' -')]
        row += [cell(results, workload, 'ops_per_cpu_s', peer, scale, texts.rate) for _, workload in columns]
        row += [cell(results, workload, 'bytes_per_op', peer, scale, texts.size)
                for workload in ('W1-update-op', 'W1-update-batch')]
        row.append(cell(results, 'W1-update-op', 'doc_bytes', peer, scale, texts.size))
        row.append(cell(results, 'W1-update-op', 'peak_rss', peer, scale, texts.mebibytes))
        states = {r['fnv1a32'] for _, workload in columns for r in results.select(workload, peer, scale)
                  if r.get('fnv1a32')}
        row.append('–' if not states else 'yes' if states == {END_STATES.get(scale)} else 'NO')
        rows.append(row)
    return ['engine'] + [name for name, _ in columns] + ['bytes an update, op', 'batch', 'saved document',
                                                         'peak memory', 'end state'], rows


def peers_table(results, columns, scale):
    """Rows of peers; columns are (heading, workload, key, text), at one scale or at each peer's largest."""
    rows = []
    for peer in results.peers():
        if peer in ANCHOR_PEERS:
            continue
        own_scales = [s for _, workload, _, _ in columns for s in results.scales(workload, peer)]
        at = scale if scale is not None else max(own_scales, default=None)
        row = [cell(results, workload, key, peer, at, text) for _, workload, key, text in columns]
        if any(text != '–' for text in row):
            rows.append([peer if at == max(results.scales(columns[0][1], OURS), default=at) else f'{peer}, scale {at:g}']
                        + row)
    return ['engine'] + [c[0] for c in columns], rows


MERGE = [('R2 ops/CPU-s', 'W3-merge-R2', 'ops_per_cpu_s', texts.rate),
         ('R16 ops/CPU-s', 'W3-merge-R16', 'ops_per_cpu_s', texts.rate),
         ('R2 wire bytes', 'W3-merge-R2', 'wire_bytes', texts.size),
         ('R2 edits/CPU-s', 'W3-edit-R2', 'ops_per_cpu_s', texts.rate),
         ('document', 'W3-merge-R2', 'doc_bytes', texts.size)]
STATE = [('load', 'W5-load', 'cpu_s', texts.seconds), ('save', 'W5-save', 'cpu_s', texts.seconds),
         ('snapshot', 'W5-snapshot', 'cpu_s', texts.seconds), ('saved bytes', 'W5-save', 'doc_bytes', texts.size),
         ('full state', 'W4-full-*', 'cpu_s', texts.seconds), ('its bytes', 'W4-full-*', 'wire_bytes', texts.size),
         ('last 1 %', 'W4-miss1pct', 'wire_bytes', texts.size),
         ('its time', 'W4-miss1pct', 'cpu_s', texts.seconds)]
WRITERS = [(f'{case} {what}', f'W6-{case}', key, text) for case in ('B3.1', 'B3.2', 'B3.3')
           for what, key, text in (('apply', 'cpu_s', texts.seconds), ('document', 'doc_bytes', texts.size))]
JSON = [('import', 'W10-import', 'mb_per_cpu_s', texts.megabytes_per_second),
        ('export', 'W10-export', 'mb_per_cpu_s', texts.megabytes_per_second)]
MISSED = [(f'{k} missed: bytes', f'W7-catch-up-{k}', 'wire_bytes', texts.size) for k in (0, 10, 1000)] + \
         [(f'{k} missed: time', f'W7-catch-up-{k}', 'cpu_s', texts.seconds) for k in (0, 10, 1000)]
OVERWRITES = [('100,000 overwrites of 10 fields: document', 'W8b-overwrite', 'doc_bytes', texts.size),
              ('writes/CPU-s', 'W8b-overwrite', 'ops_per_cpu_s', texts.rate),
              ('100,000 entities came and went: document', 'W8b-cycles', 'doc_bytes', texts.size),
              ('of them a CPU-s', 'W8b-cycles', 'ops_per_cpu_s', texts.rate)]


def nanoseconds(value):
    return texts.seconds(value * 1e-9)


def microseconds(value):
    return texts.seconds(value * 1e-6)


# What our own workloads tell: (heading, key, text).
FIELDS = [('remote write', 'ns_per_op', nanoseconds), ('remote, 1,000 a message', 'ns_per_op_batch', nanoseconds),
          ('local write', 'ns_per_op_local', nanoseconds), ('heap a field', 'heap_bytes_per_field', texts.size),
          ('of it no value', 'metadata_bytes_per_field', texts.size), ('saved', 'doc_bytes', texts.size),
          ('save', 'save_s', texts.seconds), ('load', 'load_s', texts.seconds),
          ('snapshot', 'snapshot_s', texts.seconds)]
CYCLES = [('an op', 'ns_per_op', nanoseconds), ('heap', 'heap_bytes', texts.size), ('of fresh', 'heap_ratio', texts.times),
          ('document', 'doc_bytes', texts.size), ('of fresh', 'doc_ratio', texts.times),
          ('question', 'request_bytes', texts.size), ('answer', 'answer_bytes', texts.size),
          ('round trips', 'round_trips', texts.rounded), ('CPU', 'cpu_s', texts.seconds)]
CAUGHT_UP = [('missed', 'missed', texts.rate), ('greeting', 'greeting_bytes', texts.size),
             ('question', 'request_bytes', texts.size), ('answer', 'answer_bytes', texts.size),
             ('round trips', 'round_trips', texts.rounded), ('CPU of both', 'cpu_s', texts.seconds)]
RATES = [('MB per CPU second', 'mb_per_cpu_s', texts.megabytes_per_second), ('CPU', 'cpu_s', texts.seconds)]
LATENCIES = [('p50', 'p50_us', microseconds), ('p99', 'p99_us', microseconds), ('p99.9', 'p999_us', microseconds),
             ('nng p50', 'nng_p50_us', microseconds), ('nng p99', 'nng_p99_us', microseconds),
             ('sync p50', 'sync_p50_us', microseconds), ('p50 / nng', 'nng_ratio_p50', texts.times),
             ('CPU a delivery', 'cpu_us_per_delivery', microseconds)]
FLOW = [('edits/s', 'ops_per_s', texts.rate), ('edits/CPU-s', 'ops_per_cpu_s', texts.rate)]
DURABLE = [('batches/s', 'batches_per_s', texts.rate), ('floor', 'floor_batches_per_s', texts.rate),
           ('bare LMDB', 'lmdb_batches_per_s', texts.rate), ('of the floor', 'floor_ratio', texts.times),
           ('written / edited bytes', 'write_amplification', texts.times), ('p50', 'p50_us', microseconds),
           ('p99', 'p99_us', microseconds), ('p99.9', 'p999_us', microseconds)]
REOPENED = [('seconds', 'seconds', texts.seconds), ('CPU', 'cpu_s', texts.seconds)]


def own_table(results, prefixes, columns):
    """Our own workloads that begin so, one row each; columns that none fills are left out."""
    names = list(dict.fromkeys(r['workload'] for r in results.lines if r['peer'] == OURS and
                               r['workload'].startswith(prefixes)))
    rows = [[cell(results, name, key, OURS, None, text) for _, key, text in columns] for name in names]
    kept = [i for i in range(len(columns)) if any(row[i] != '–' for row in rows)]
    return ['workload'] + [columns[i][0] for i in kept], [[name] + [row[i] for i in kept]
                                                          for name, row in zip(names, rows)]


def left_out_text(results):
    lines = []
    asked = results.machine.get('scale', 1)
    for peer in results.peers():
        largest = max((r['scale'] for r in results.select('W1-*', peer)), default=asked)
        if PEER_NOTES.get(peer) and largest < asked:
            lines.append(f'- {peer} at scale {largest:g} only: {PEER_NOTES[peer]}.')
    for r in results.left_out:
        at = f' {r["workload"]} at scale {r["scale"]:g}' if r['record'] == 'failed' else ''
        lines.append(f'- {r["peer"]}{at}: {r["why"]}.')
    unequal = sorted({(r['peer'], r['workload']) for r in results.lines if r.get('equal') is False})
    lines += [f'- {peer} {workload}: **its replicas did not agree**.' for peer, workload in unequal]
    return '\n'.join(lines) if lines else 'Nothing.'


def all_tables(results):
    """{marker of docs/BENCHMARKS.md: [(what it is, table)]}."""
    updates = [(f'Scale {s:g}: {100000 * s:,.0f} entities, {1000000 * s:,.0f} updates', updates_table(results, s))
               for s in sorted({r['scale'] for r in results.select('W1-*') + results.select('W2-*')}, reverse=True)]
    return {
        'targets': [('', targets_table(results))],
        'updates': updates,
        'merge': [('', peers_table(results, MERGE, 1))],
        'state': [('', peers_table(results, STATE, None))],
        'writers': [('', peers_table(results, WRITERS, 1))],
        'overwrites': [('', peers_table(results, OVERWRITES, None)), ('', own_table(results, ('W8b-writers',), CYCLES))],
        'growth': [('', own_table(results, ('W8-heap', 'W8-fields'), FIELDS)),
                   ('', own_table(results, ('W8-cycles', 'W8-return'), CYCLES))],
        'catch-up': [('', own_table(results, ('W7',), CAUGHT_UP)), ('', peers_table(results, MISSED, None))],
        'json': [('', peers_table(results, JSON, None)), ('', own_table(results, ('W10',), RATES))],
        'network': [('', own_table(results, ('W9-latency', 'W9-fan'), LATENCIES)),
                    ('', own_table(results, ('W9-saturation',), FLOW))],
        'durable': [('', own_table(results, ('W11-ack', 'W11-offered'), DURABLE)),
                    ('', own_table(results, ('W11-open',), REOPENED))],
    }


def sections(results):
    """{marker: markdown} of docs/BENCHMARKS.md."""
    made = {'machine': machine_text(results) + '.', 'left-out': left_out_text(results)}
    for marker, tables in all_tables(results).items():
        made[marker] = '\n\n'.join((f'{title}:\n\n' if title else '') + markdown(table)
                                   for title, table in tables if table[1])
    return made


def terminal_text(results):
    """All tables that have rows, the targets last."""
    parts = []
    for marker, tables in all_tables(results).items():
        for title, table in tables:
            if table[1] and marker != 'targets':
                parts.append(f'{marker}{": " + title if title else ""}\n\n{plain(table)}')
    return '\n\n'.join(parts + [plain(targets_table(results))])
