"""Who is measured: which program, which workloads, and at what scale at most."""
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS_DIR = ROOT / 'bench' / 'peers'
BUILD_DIR = ROOT / 'build' / 'release'
OURS = 'scenesync'
REFERENCE = 'json-joy'  # the peer that a target names: it runs in every round
ANCHORS = 'anchors'  # one program, several names in its results
ANCHOR_PEERS = ('c-drawing', 'c-hashtable', 'c-memcpy', 'sqlite-memory', 'sqlite-file')


@dataclass(frozen=True)
class Engine:
    name: str
    largest_scale: float = 1
    works: frozenset = frozenset()
    why_smaller: str = ''
    merge_edits: int = 10000  # W3: edits a replica

    def command(self, arguments):
        if self.name == OURS:
            return [str(BUILD_DIR / 'bench' / 'scenesync-bench'), *arguments]
        if self.name == ANCHORS:
            return [str(BUILD_DIR / 'bench' / 'anchors' / 'bench-anchors'), *arguments[1:]]
        return ['node', '--expose-gc', '--max-old-space-size=8192', str(PEERS_DIR / 'run.mjs'), self.name,
                *arguments]


@dataclass(frozen=True)
class Work:
    """One run of a program; `w1-op` leaves the files that others read."""
    name: str
    arguments: tuple
    scaled: bool = True
    needs: str = ''
    once: bool = False  # long, or with rounds of its own: in the first round only


WORKS = (
    Work('anchors', ('anchors',)),
    Work('w1-op', ('w1', '--variant=op', '--keep')),
    Work('w2-op', ('w2', '--variant=op'), needs='w1-op'),
    Work('w1-batch', ('w1', '--variant=batch', '--keep')),
    Work('w2-batch', ('w2', '--variant=batch'), needs='w1-batch'),
    Work('w45', ('w45',), needs='w1-op'),
    Work('w7', ('w7',), needs='w1-op'),
    Work('w10', ('w10',)),
    Work('w3-r2', ('w3', '--replicas=2'), scaled=False),
    Work('w6', ('w6',), scaled=False),
    Work('w8b', ('w8b',)),
    Work('w8', ('w8',), once=True),
    Work('w11', ('w11',), once=True),
    Work('w9', ('w9',), once=True),
    Work('w3-r16', ('w3', '--replicas=16'), scaled=False, once=True),
)

EDITS = {'w1-op', 'w2-op', 'w1-batch', 'w2-batch'}
STATE = EDITS | {'w45', 'w10', 'w3-r2', 'w6', 'w8b'}
ENGINES = (
    Engine(OURS, works=frozenset(w.name for w in WORKS if w.name != 'anchors')),
    Engine(ANCHORS, works=frozenset({'anchors'})),
    Engine('json-joy', works=frozenset(STATE | {'w3-r16'})),
    Engine('yjs', works=frozenset(STATE | {'w7'})),
    Engine('ywasm', 0.1, frozenset(STATE | {'w7'}),
           'W1 one op a message at scale 1 takes more than 180 s'),
    Engine('loro', 0.1, frozenset(STATE | {'w7'}), 'W1 at scale 1 takes more than 180 s'),
    Engine('dcl-ecs', 0.1, frozenset(STATE - {'w6'}), 'its entity number has 16 bits: 65,023 entities at most'),
    Engine('automerge', 0.01, frozenset(STATE | {'w7'}),
           'W1 at 0.1 takes minutes; W3 with 200 edits a replica', merge_edits=200),
    Engine('actual-crdt', 0.1, frozenset({'w1-op', 'w2-op'}), 'some 50 us an update; it has no saved form'),
)


def engine(name):
    return next(e for e in ENGINES if e.name == name)


def own_workloads():
    """What our program offers: the first word of the indented lines of its usage."""
    program = BUILD_DIR / 'bench' / 'scenesync-bench'
    usage = subprocess.run([str(program), '--help'], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in usage.splitlines() if line.startswith('  w')}


def probe(peer):
    """None if the peer runs here, else why it does not."""
    try:
        done = subprocess.run(peer.command(['probe']), capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    errors = [line.strip() for line in done.stderr.splitlines() if 'Error' in line]
    node = subprocess.run(['node', '--version'], capture_output=True, text=True).stdout.strip()
    return f'does not run with node {node}: {errors[0] if errors else "exit code %d" % done.returncode}'
