#!/usr/bin/env python3
"""Five nodes in a line over TCP, each knowing only its neighbours; links that lose 30 % of
all messages; edits at all five; one killed with -9 again and again.

In the end all are equal within 5 s of the last edit, and every acknowledged edit is there
or gave way to a later write of the same field. Shortened unless SCENESYNC_LONG is set.
"""

import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

from harness import await_until, run_tests

LONG = "SCENESYNC_LONG" in os.environ
NODES = 5
EDITS = 10_000 if LONG else 500  # by each, at least: they go on until the last kill
KILLS = 10 if LONG else 3
SETTLE = 5.0  # seconds until all are equal
KILLED = 2  # the one in the middle: while it is away, the line is in two halves
SEED = int(os.environ.get("SCENESYNC_SEED", "1"))


def call(store, *arguments):
    """What a verb does with a running node, without a process for each edit: the request
    and the frames of cli/control.h. Output of the verb; None if the node went away."""
    words = [word.encode() for word in arguments]
    request = b"SCS1" + struct.pack("<IQ", len(words), 0)
    request += b"".join(struct.pack("<I", len(word)) + word for word in words)
    output = b""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            directory = os.open(store, os.O_RDONLY)
            try:
                link.connect(f"/proc/self/fd/{directory}/control")
            finally:
                os.close(directory)
            link.sendall(request)
            with link.makefile("rb") as reply:
                while True:
                    kind, size = struct.unpack("<cI", reply.read(5))
                    content = reply.read(size)
                    if kind == b"x":
                        return output if content == b"\0" else None
                    output += content if kind == b"o" else b""
    except (OSError, struct.error):
        return None


class Writer(threading.Thread):
    """Edits one node: half of the fields are its own, half are everybody's."""

    def __init__(self, bench, number, enough):
        super().__init__(daemon=True)
        self.enough = enough
        self.count = 0
        self.store = bench.path(f"n{number}")
        self.number = number
        self.random = random.Random(SEED * 100 + number)
        self.own = {}      # field -> value, acknowledged
        self.common = []   # (field, stamp, value), acknowledged
        self.unsure = set()  # values that were asked for and never answered

    def run(self):
        while self.count < EDITS or not self.enough.is_set():
            i = self.count
            self.count += 1
            mine = self.random.random() < 0.5
            field = f"own{self.number}_{i}" if mine else f"common{self.random.randrange(50)}"
            value = f"{self.number}-{i}"
            entity = "e" + field[-1]
            output = call(self.store, "set", "--store", ".", "--json", entity, f"C.{field}", json.dumps(value))
            if output is None:
                self.unsure.add(value)
                time.sleep(0.02)  # the node is being started again
            elif mine:
                self.own[entity, field] = value
            else:
                stamp = json.loads(output)["last"].split("@")
                self.common.append(((entity, field), (int(stamp[0]), stamp[1]), value))


def start(bench, number, urls):
    """Start a node that knows its neighbours in the line, as far as they have a URL."""
    peers = [word for i in (number - 1, number + 1) if urls.get(i) for word in ("--peer", urls[i])]
    listen = urls.get(number, "tcp://127.0.0.1:0")
    node = bench.node(f"n{number}", "--listen", listen, "--no-discover", "--fault", "drop=0.3", *peers)
    urls[number] = node.url
    return node


def test_five_in_a_line(bench):
    print(f"seed {SEED}; repeat with SCENESYNC_SEED={SEED} tests/cli/test_line.py")
    urls = {}
    bench.verb("import", "n0", "-", input=b'{"schemaVersion":1,"entities":[]}')
    nodes = [start(bench, i, urls) for i in range(NODES)]
    bench.await_equal(*(f"n{i}" for i in range(NODES)))

    enough = threading.Event()
    writers = [Writer(bench, i, enough) for i in range(NODES)]
    for writer in writers:
        writer.start()
    dice = random.Random(SEED)
    for _ in range(KILLS):
        time.sleep(dice.uniform(0.1, 0.6))
        nodes[KILLED].stop(signal.SIGKILL)
        nodes[KILLED] = start(bench, KILLED, urls)
    enough.set()
    for writer in writers:
        writer.join()
    last_edit = time.monotonic()
    bench.await_equal(*(f"n{i}" for i in range(NODES)))
    took = time.monotonic() - last_edit
    edits = sum(writer.count for writer in writers)
    print(f"{NODES} nodes, {edits} edits, {KILLS} kills: equal {took:.1f} s after the last edit")
    assert took <= SETTLE, f"{took:.1f} s"

    exports = {bench.verb("export", f"n{i}").out for i in range(NODES)}
    assert len(exports) == 1, "the snapshots differ"
    shown = bench.entities("n0")
    latest = {}
    for writer in writers:
        for (entity, field), value in writer.own.items():
            assert shown[entity]["C"][field] == value, f"acknowledged and gone: {field}"
        for place, stamp, value in writer.common:
            latest[place] = max(latest.get(place, ((0, ""), "")), (stamp, value))
    unsure = set().union(*(writer.unsure for writer in writers))
    for (entity, field), (stamp, value) in latest.items():
        now = shown[entity]["C"][field]
        assert now == value or now in unsure, f"{field} shows {now}, and {value} was later"
    for node in nodes:
        assert node.stop() == 0
    for i in range(NODES):
        bench.verb("verify", f"n{i}")


if __name__ == "__main__":
    sys.exit(run_tests("line", dict(globals())))
