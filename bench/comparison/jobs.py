"""What is run in which order. All who do a workload do it one after the other, and the rounds
repeat that, so that what disturbs the machine for a while disturbs all alike."""
import json
import subprocess
import sys
import time
from dataclasses import dataclass

import engines


# (peer, workload) that take longer than all others together: last in a round. Who reads what
# they leave, waits with them.
SLOW = {('automerge', 'w6'), ('automerge', 'w3-r2'), ('loro', 'w1-op'), ('loro', 'w2-op'), ('loro', 'w45'),
        ('loro', 'w7')}

@dataclass(frozen=True)
class Job:
    engine: engines.Engine
    work: engines.Work
    scale: float

    def arguments(self, run, directory):
        arguments = list(self.work.arguments)
        arguments += [f'--scale={self.scale:g}', f'--run={run}', f'--dir={directory}']
        if self.work.name.startswith('w3') and self.engine.merge_edits != 10000:
            arguments.append(f'--edits={self.engine.merge_edits}')
        return arguments

    def is_slow(self):
        return (self.engine.name, self.work.name) in SLOW

    def title(self):
        return f'{self.engine.name:12} {self.work.name:9} scale {self.scale:<5g}'


def selected_works(names):
    """The workloads of these names ('w1': all that begin so, with what they need)."""
    if not names:
        return list(engines.WORKS)
    wanted = {w.name for w in engines.WORKS for name in names if w.name == name or w.name.startswith(name + '-')}
    wanted |= {w.needs for w in engines.WORKS if w.name in wanted}
    return [w for w in engines.WORKS if w.name in wanted]


def plan(chosen, works, scale, own_workloads):
    """The jobs of one round. We run at the scales of all peers, so that each has its like."""
    jobs = []
    largest = {e.name: min(scale, e.largest_scale) for e in chosen}
    for work in works:
        for e in chosen:
            if work.name not in e.works or (e.name == engines.OURS and work.arguments[0] not in own_workloads):
                continue
            scales = {largest[e.name]} if work.scaled else {1}
            if e.name == engines.OURS and work.name in engines.EDITS | {'w45', 'w10'}:
                scales |= {largest[o.name] for o in chosen if work.name in o.works}
            jobs += [Job(e, work, s) for s in sorted(scales, reverse=True)]
    return sorted(jobs, key=Job.is_slow)


def run_job(job, run, directory, limit_s):
    """(its lines of results, None), or ([], why it failed)."""
    command = job.engine.command(job.arguments(run, directory))
    if job.engine.name == engines.ANCHORS:  # takes its values apart from the names
        command = [command[0]] + [part for argument in command[1:] for part in argument.split('=')]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return [], f'more than {limit_s:.0f} s'
    except OSError as error:
        return [], str(error)
    if done.returncode != 0:
        last = (done.stderr.strip() or 'no message').splitlines()[-1]
        return [], f'exit code {done.returncode}: {last[:160]}'
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')], None


class Progress:
    """A line on standard error for each job."""

    def __init__(self, count):
        self.count, self.done, self.began = count, 0, time.monotonic()

    def start(self, job, run):
        self.done += 1
        elapsed = time.monotonic() - self.began
        sys.stderr.write(f'[{self.done:3}/{self.count}, {elapsed / 60:4.1f} min] round {run + 1}  {job.title()} ')
        sys.stderr.flush()

    def end(self, seconds, lines, failure):
        rates = [line['ops_per_cpu_s'] for line in lines if line.get('ops_per_cpu_s')]
        what = failure or (f'{rates[-1]:>12,.0f} ops/CPU-s' if rates else '')
        sys.stderr.write(f'{seconds:6.1f} s  {what}\n')


def run_rounds(jobs, options, write):
    """Run the jobs, `options.rounds` times; `write` takes each record."""
    deadline = time.monotonic() + options.minutes * 60 if options.minutes else None
    took, failed = {}, set()
    progress = Progress(len(jobs) * options.rounds)
    for run in range(options.rounds):
        for job in jobs:
            left = deadline - time.monotonic() if deadline else options.limit
            again = took.get(job, 0)
            slow = again > options.slow and job.engine.name not in (engines.OURS, engines.REFERENCE)
            enough = run > 0 and (job.work.once or slow)
            no_input = (job.engine, job.work.needs, job.scale) in failed
            if enough or job in failed or no_input or left < max(again, 1):
                progress.done += 1
                continue
            progress.start(job, run)
            began = time.monotonic()
            lines, failure = run_job(job, run, options.dir, min(options.limit, left + 20))
            took[job] = time.monotonic() - began
            progress.end(took[job], lines, failure)
            for line in lines:
                write(line)
            if failure:
                failed |= {job, (job.engine, job.work.name, job.scale)}
                write({'record': 'failed', 'peer': job.engine.name, 'workload': job.work.name, 'scale': job.scale,
                       'why': failure})
