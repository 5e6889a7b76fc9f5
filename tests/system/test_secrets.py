#!/usr/bin/env python3
"""Keys and tokens are where they must be and nowhere else: not in a core, the memory that would
go into one, the store, logs, answers, the command line, the environment."""

import base64
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

from world import PROGRAM, Skip, run_tests


def forms(secret):
    """What it may look like."""
    text = base64.b64encode(secret)
    return {secret, secret.hex().encode(), secret.hex().upper().encode(), text, text.rstrip(b"="),
            base64.urlsafe_b64encode(secret).rstrip(b"=")}


def of_key(key):
    """The key, and those that are made of it (sync/link_sealed.c)."""
    made = [hashlib.blake2b(text, key=key, digest_size=32).digest() for text in (b"scenesync 1 seal", b"scenesync 1 topic")]
    return set().union(*(forms(k) for k in (key, *made)))


def found_in(data, secrets):
    return [s for s in secrets if s in data]


def mappings(pid):
    """(begin, end, readable, in a core) of all memory of the process."""
    at, found = None, []
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        first = line.split()[0]
        if "-" in first and not first.endswith(":"):
            begin, end = (int(x, 16) for x in first.split("-"))
            at = [begin, end, line.split()[1].startswith("r"), True]
            found.append(at)
        elif first == "VmFlags:":
            at[3] = "dd" not in line.split()
    return found


def memory(pid, core_only):
    """The memory, piece by piece; core_only: what the system would write into a core."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for begin, end, readable, dumped in mappings(pid):
            if not readable or (core_only and not dumped):
                continue
            for start in range(begin, end, 16 << 20):
                try:
                    mem.seek(start)
                    yield mem.read(min(16 << 20, end - start))
                except (OSError, ValueError, OverflowError):
                    break  # a page of the system's own


def in_memory(pid, secrets, core_only=True):
    return {s for piece in memory(pid, core_only) for s in found_in(piece, secrets)}


def in_files(folder, secrets, but=()):
    return [path for path in Path(folder).rglob("*") if path.is_file() and path not in but
            and found_in(path.read_bytes(), secrets)]


def need_memory():
    if os.geteuid() != 0:
        raise Skip("only root may read the memory of a process that is not dumpable")
    if "asan" in PROGRAM or "tsan" in PROGRAM:
        raise Skip("a sanitizer's copies are not ours to wipe")


def sealed_pair(world, *more):
    """Two workers that share a key, and have spoken."""
    key_file = world.path("plaza.key")
    world.run("key", "--output", key_file)
    key = bytes.fromhex(key_file.read_text().strip())
    master = "m" + os.urandom(24).hex()
    a = world.worker("a", "--key", key_file, *more, environment={"SCENESYNC_MASTER_TOKEN": master})
    b = world.worker("b", "--key", key_file, *more, peers=[a.url])
    world.wait(lambda: b.status.get("peers"), "they have met")
    world.wait(lambda: a.mark == b.mark, "they are equal")
    return key, key_file, master, a, b


def test_keys_are_in_locked_memory_alone(world):
    """What a core would hold has no key; that the search finds one is tried on the whole."""
    need_memory()
    key, key_file, master, a, b = sealed_pair(world)
    for worker in (a, b):
        pid = worker.process.pid
        assert in_memory(pid, of_key(key)) == set(), "in what a core would hold"
        assert in_memory(pid, of_key(key), core_only=False), "the search does not see the key where it must be"
        status = Path(f"/proc/{pid}/status").read_text()
        locked = int(status.split("VmLck:")[1].split()[0])
        assert locked > 0, "no memory is locked"
    assert in_memory(a.process.pid, {master.encode()}) == set(), "the kernel's token, in what a core would hold"


def test_secrets_are_not_told(world):
    """Not by the command line, the environment, logs, stores, nor by any answer."""
    key, key_file, master, a, b = sealed_pair(world)
    secrets = of_key(key) | {master.encode()}
    for worker in (a, b):
        pid = worker.process.pid
        for name in ("environ", "cmdline"):
            try:
                assert not found_in(Path(f"/proc/{pid}/{name}").read_bytes(), secrets), (worker.name, name)
            except PermissionError:
                pass  # so nobody else sees it either
        for path in ("/v1/status", "/v1/snapshot", "/v1/export", "/v1/conflicts", "/v1/none", f"/v1/status?token={master}x"):
            answer = worker.call("GET", path, token=master if worker is a else None)
            assert not found_in(answer.body, secrets), (worker.name, path)
        worker.stop()
    assert in_files(world.folder, secrets, but=(key_file,)) == [], "in a file"


def test_a_bad_key_is_not_quoted(world):
    """Not where what was read is nearly one, either."""
    nearly = os.urandom(32).hex()[:-1]
    path = world.write("bad.key", nearly + "\n")
    os.chmod(path, 0o600)
    for words in (["key", "--check", path], ["worker", "--scene", "0,0", "--store", world.path("s"), "--key", path],
                  ["node", "--store", world.path("s"), "--key", path, "--json"]):
        result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, timeout=60, env=world.environment)
        assert result.returncode != 0 and b"bad.key" in result.stderr, (words, result)
        assert not found_in(result.stdout + result.stderr, {nearly.encode(), nearly[:32].encode()}), result


def crash(world, name, key_file, *more):
    """Let a worker that has the key crash; the core, or None."""
    folder = world.path(name)
    folder.mkdir()
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    process = subprocess.Popen(
        [PROGRAM, "worker", "--scene", "0,0", "--store", "store", "--key", str(key_file), "--json",
         "--listen", "tcp://127.0.0.1:0", *more], cwd=folder, stdout=subprocess.PIPE, env=world.environment)
    while json.loads(process.stdout.readline()).get("event") != "ready":
        pass
    process.send_signal(signal.SIGABRT)
    process.wait()
    process.stdout.close()
    return next((p for p in folder.iterdir() if p.name.startswith("core")), None)


def test_cores(world):
    """A crash leaves none; one that is asked for (--no-confine) has no key in it."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith("|") or "/" in pattern:
        raise Skip(f"cores of this machine go to {pattern}")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        raise Skip("no core may be written here")
    if "asan" in PROGRAM or "tsan" in PROGRAM:
        raise Skip("a sanitizer writes none")
    key_file = world.path("plaza.key")
    world.run("key", "--output", key_file)
    key = bytes.fromhex(key_file.read_text().strip())
    assert crash(world, "confined", key_file) is None, "a core was written"
    core = crash(world, "free", key_file, "--no-confine")
    if core is None:
        raise Skip("this machine writes no cores")
    data = core.read_bytes()
    assert b"plaza.key" in data, "this core says nothing"
    assert not found_in(data, of_key(key)), "a key is in the core"


if __name__ == "__main__":
    sys.exit(run_tests("secrets", dict(globals())))
