"""The tables of docs/BENCHMARKS.md, and the table of targets for a terminal."""
import targets
import texts
from engines import ANCHOR_PEERS, ENGINES, OURS

PEER_NOTES = {e.name: e.why_smaller for e in ENGINES}
END_STATES = {0.01: '54d81a9e', 0.1: 'e91e5878', 1: '63bd7d9b'}


def markdown(headings, rows, left_columns=1):
    lines = ['| ' + ' | '.join(headings) + ' |',
             '|' + '|'.join(['---'] * left_columns + ['---:'] * (len(headings) - left_columns)) + '|']
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def plain(headings, rows):
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


def table_of_targets(results):
    return markdown(targets.HEADINGS, targets.rows(results), 7)


def cell(results, workload, key, peer, scale, text):
    return texts.with_spread(text, results.spread(workload, key, peer, scale))


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
    return markdown(['engine'] + [name for name, _ in columns] +
                    ['bytes an update, op', 'batch', 'saved document', 'peak memory', 'end state'], rows)


def peers_table(results, columns, scale):
    """Rows of peers; columns are (heading, workload, key, text), at one scale or at each peer's largest."""
    rows = []
    for peer in results.peers():
        if peer in ANCHOR_PEERS:
            continue
        row = []
        own_scales = [s for _, workload, _, _ in columns for s in results.scales(workload, peer)]
        at = scale if scale is not None else max(own_scales, default=None)
        row = [cell(results, workload, key, peer, at, text) for _, workload, key, text in columns]
        if any(text != '–' for text in row):
            rows.append([peer if at == max(results.scales(columns[0][1], OURS), default=at) else f'{peer}, scale {at:g}']
                        + row)
    return markdown(['engine'] + [c[0] for c in columns], rows)


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
GROWTH = [('100,000 overwrites of 10 fields: document', 'W8b-overwrite', 'doc_bytes', texts.size),
          ('creates and deletes: document', 'W8-cycles', 'doc_bytes', texts.size)]

OWN_KEYS = (('seconds', texts.seconds), ('cpu_s', texts.seconds), ('ops_per_s', texts.rate),
            ('ops_per_cpu_s', texts.rate), ('p50_us', lambda v: texts.seconds(v * 1e-6)),
            ('p99_us', lambda v: texts.seconds(v * 1e-6)), ('p999_us', lambda v: texts.seconds(v * 1e-6)),
            ('wire_bytes', texts.size), ('doc_bytes', texts.size), ('write_amplification', texts.times))
COMMON_KEYS = {'peer', 'version', 'workload', 'scale', 'run', 'load1', 'peak_rss', 'ops', 'equal'}


def own_table(results, prefixes):
    """All that our own workloads tell, one row a workload."""
    names = list(dict.fromkeys(r['workload'] for r in results.lines if r['peer'] == OURS and
                               r['workload'].startswith(prefixes)))
    keys = [(key, text) for key, text in OWN_KEYS if any(r.get(key) for n in names for r in results.select(n, OURS))]
    return markdown(['workload'] + [key for key, _ in keys],
                    [[name] + [cell(results, name, key, OURS, None, text) for key, text in keys] for name in names])


def left_out_text(results):
    lines = []
    for peer in results.peers():
        largest = max((r['scale'] for r in results.select('W1-*', peer)), default=1)
        if PEER_NOTES.get(peer) and largest < 1:
            lines.append(f'- {peer} at scale {largest:g}: {PEER_NOTES[peer]}.')
    for r in results.left_out:
        at = f' {r["workload"]} at scale {r["scale"]:g}' if r['record'] == 'failed' else ''
        lines.append(f'- {r["peer"]}{at}: {r["why"]}.')
    unequal = sorted({(r['peer'], r['workload']) for r in results.lines if r.get('equal') is False})
    lines += [f'- {peer} {workload}: **its replicas did not agree**.' for peer, workload in unequal]
    return '\n'.join(lines) if lines else 'Nothing.'


def sections(results):
    """{marker: markdown} of docs/BENCHMARKS.md."""
    scales = results.scales('W1-update-op') or [1]
    updates = [f'Scale {s:g} ({100000 * s:,.0f} entities, {1000000 * s:,.0f} updates):\n\n{updates_table(results, s)}'
               for s in scales]
    return {
        'machine': machine_text(results) + '.',
        'targets': table_of_targets(results),
        'updates': '\n\n'.join(updates),
        'merge': peers_table(results, MERGE, 1),
        'state': peers_table(results, STATE, None),
        'writers': peers_table(results, WRITERS, 1),
        'growth': peers_table(results, GROWTH, None) + '\n\n' + own_table(results, ('W8',)),
        'catch-up': peers_table(results, MISSED, None),
        'json': peers_table(results, JSON, None) + '\n\n' + own_table(results, ('W10',)),
        'network': own_table(results, ('W9',)),
        'durable': own_table(results, ('W11',)),
        'left-out': left_out_text(results),
    }
