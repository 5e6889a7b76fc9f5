"""A file of results: JSON lines. The first tells of the machine; others are results, or tell
what was left out ('skipped') or broke ('failed')."""
import json
from dataclasses import dataclass
from statistics import median

from engines import ANCHOR_PEERS, OURS


@dataclass(frozen=True)
class Spread:
    """Some runs of one thing."""
    median: float
    low: float
    high: float
    count: int

    @staticmethod
    def of(values):
        values = [v for v in values if v is not None]
        return Spread(median(values), min(values), max(values), len(values)) if values else None


class Results:
    def __init__(self, path):
        with open(path, encoding='utf-8') as lines:
            records = [json.loads(line) for line in lines if line.strip()]
        self.path = path
        self.machine = next((r for r in records if r.get('record') == 'machine'), {})
        self.left_out = [r for r in records if r.get('record') in ('skipped', 'failed')]
        self.lines = [r for r in records if 'record' not in r]

    def select(self, workload, peer=None, scale=None):
        """Lines of a workload; 'W4-full-*' is any that begins so."""
        any_of = workload.endswith('*')
        return [r for r in self.lines
                if (r['workload'].startswith(workload[:-1]) if any_of else r['workload'] == workload)
                and (peer is None or r['peer'] == peer) and (scale is None or r['scale'] == scale)]

    def peers(self):
        """Those with results, we first, anchors last."""
        names = list(dict.fromkeys(r['peer'] for r in self.lines))
        return sorted(names, key=lambda n: (n != OURS, n in ANCHOR_PEERS, names.index(n)))

    def version(self, peer):
        return next((r.get('version', '') for r in self.lines if r['peer'] == peer), '')

    def scales(self, workload, peer=OURS):
        return sorted({r['scale'] for r in self.select(workload, peer)}, reverse=True)

    def spread(self, workload, key, peer=OURS, scale=None):
        """Of the largest scale there is, if none is named; of the variant that costs least, if several match."""
        if scale is None:
            scales = self.scales(workload, peer)
            if not scales:
                return None
            scale = scales[0]
        variants = {}
        for line in self.select(workload, peer, scale):
            if line.get(key) is not None:
                variants.setdefault(line['workload'], []).append(line)
        if not variants:
            return None
        cheapest = min(variants.values(), key=lambda lines: median(r.get('cpu_s', 0) for r in lines))
        return Spread.of([r[key] for r in cheapest])

    def best_peer(self, workload, key, more_is_better, scale=None):
        """(name, spread, scale) of the best other engine: at this scale if one was measured there,
        else at its own. Bytes an operation hardly depend on the scale: the best of all."""
        found = []
        for peer in self.peers():
            if peer == OURS or peer in ANCHOR_PEERS:
                continue
            for own_scale in self.scales(workload, peer):
                spread = self.spread(workload, key, peer, own_scale)
                if spread and all(r.get('equal', True) for r in self.select(workload, peer, own_scale)):
                    found.append((peer, spread, own_scale))
        at_largest = [f for f in found if f[2] == max(self.scales(workload, f[0]))]
        like = at_largest if key == 'bytes_per_op' else [f for f in found if scale is None or f[2] == scale] or found
        sign = -1 if more_is_better else 1
        return min(like, key=lambda f: sign * f[1].median) if like else None

    def ratio(self, workload, key, peer, scale):
        """Ours to the peer's, taken round by round: both ran right after each other."""
        ours = {r['run']: r[key] for r in self.select(workload, OURS, scale) if r.get(key)}
        theirs = {r['run']: r[key] for r in self.select(workload, peer, scale) if r.get(key)}
        return Spread.of([ours[run] / theirs[run] for run in ours if run in theirs])
