"""What the figures were measured on, and with what."""
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path


def output_of(command, cwd=None):
    """The first line that a command prints; '' if it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return done.stdout.strip().split('\n')[0] if done.returncode == 0 else ''


def processor():
    """'AMD EPYC (Zen 4, virtual)': the model, and what the model leaves unsaid."""
    fields = {}
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        name, _, value = line.partition(':')
        fields.setdefault(name.strip(), value.strip())
    model = fields.get('model name', platform.machine())
    notes = []
    if fields.get('vendor_id') == 'AuthenticAMD':
        zen = {('23',): 'Zen', ('25',): 'Zen 3 or 4', ('26',): 'Zen 5'}.get((fields.get('cpu family'),))
        if fields.get('cpu family') == '25' and 'avx512f' in fields.get('flags', '').split():
            zen = 'Zen 4'
        notes += [zen] if zen else []
    if 'hypervisor' in fields.get('flags', '').split():
        notes.append('virtual')
    return f'{model} ({", ".join(notes)})' if notes else model


def system():
    release = Path('/etc/os-release').read_text()
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', release, re.MULTILINE)
    return found.group(1) if found else platform.system()


def memory_gib():
    kib = re.search(r'MemTotal:\s*(\d+)', Path('/proc/meminfo').read_text()).group(1)
    return round(int(kib) / 1048576)


def describe(root):
    """The first line of a file of results."""
    commit = output_of(['git', 'rev-parse', '--short=10', 'HEAD'], cwd=root)
    changed = output_of(['git', 'status', '--porcelain', '--untracked-files=no'], cwd=root)
    return {
        'record': 'machine',
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'commit': commit + ('+' if changed else ''),
        'processor': processor(),
        'cores': os.cpu_count(),
        'memory_gib': memory_gib(),
        'system': system(),
        'kernel': platform.release(),
        'versions': {
            'node': output_of(['node', '--version']).lstrip('v'),
            'gcc': output_of(['gcc', '-dumpfullversion']),
            'sqlite': output_of(['pkg-config', '--modversion', 'sqlite3']),
            'nng': output_of(['dpkg-query', '-W', '-f', '${Version}', 'libnng-dev']).split('-')[0],
            'lmdb': output_of(['pkg-config', '--modversion', 'lmdb']),
        },
        'load1': round(os.getloadavg()[0], 2),
    }
