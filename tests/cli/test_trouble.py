#!/usr/bin/env python3
"""Stories of nodes in trouble, as processes: slow ways, lost messages, kills at bad moments."""

import signal
import socket
import sys
import threading
import time

from harness import own_url, run_tests


def big_scene(bench, count):
    """A scene whose answer is larger than one message."""
    return bench.write("big.json", {"schemaVersion": 1, "entities": [
        {"id": f"entity-{i:05d}", "components": [
            {"type": "Transform", "value": {"position": {"x": i, "y": 0.5, "z": i % 7}, "scale": {"x": i, "y": 1, "z": 1}}},
            {"type": "GLTFShape", "value": {"src": f"models/{i * 7919 % 1000003}.glb"}}]}
        for i in range(count)]})


class SlowWay:
    """A way to the node at `url` that carries `rate` bytes a second each way and socket."""

    def __init__(self, url, rate):
        self.rate = rate
        self.carried = 0
        port = int(url.rsplit(":", 1)[1])
        listeners = self.two_ports()
        self.url = f"tcp://127.0.0.1:{listeners[0].getsockname()[1]}"
        for index, listener in enumerate(listeners):
            threading.Thread(target=self.accept, args=(listener, port + index), daemon=True).start()

    @staticmethod
    def two_ports():
        while True:
            first, second = socket.socket(), socket.socket()
            first.bind(("127.0.0.1", 0))
            try:
                second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            except (OSError, OverflowError):
                continue
            first.listen()
            second.listen()
            return first, second

    def accept(self, listener, port):
        while True:
            near = listener.accept()[0]
            try:
                far = socket.create_connection(("127.0.0.1", port))
            except OSError:
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    def carry(self, source, target):
        try:
            while data := source.recv(16384):
                time.sleep(len(data) / self.rate)
                self.carried += len(data)
                target.sendall(data)
        except OSError:
            pass
        source.close()
        target.close()


def test_large_answers_over_a_slow_way(bench):
    """Four chunks of 1 MiB at once took longer than anybody waited for a reply: all was
    fetched again and again, and nothing ever arrived. Now patience grows, and where
    replies come late chunks are asked for one by one."""
    bench.verb("import", "a", big_scene(bench, 30000))
    a = bench.node("a")
    size = bench.status("a")["bytes"]
    way = SlowWay(a.url, 800000)
    b = bench.node("b", "--peer", way.url, "--no-discover", online=False)
    b.wait_for("synced")
    assert bench.status("b")["digest"] == bench.status("a")["digest"]
    assert way.carried < 4 * size, (way.carried, size)


def test_large_answers_with_lost_messages(bench):
    """Three losses of one chunk threw away all that had come. Now a chunk is asked for
    again as long as any other comes."""
    bench.verb("import", "a", big_scene(bench, 30000))
    a = bench.node("a", "--message-max", "65536")
    bench.node("b", "--peer", a.url, "--message-max", "65536", "--fault", "drop=0.3")
    bench.await_equal("a", "b")


def test_a_node_cut_short_after_its_first_hello(bench):
    """Others remembered a start that was not on disk: after kill -9 the store looked like
    one that was set back, and took a fresh actor at every such start."""
    bench.verb("import", "a", big_scene(bench, 10))
    a = bench.node("a")
    for _ in range(3):
        b = bench.node("b", "--peer", a.url)
        b.wait_for("joined")
        b.stop(signal.SIGKILL)
    b = bench.node("b", "--peer", a.url)
    b.wait_for("synced")
    assert b.stop() == 0
    events = [e["event"] for node in bench.nodes[1:] for e in node.events]
    assert "fork" not in events and "fresh" not in events, events
    assert a.stop() == 0


def test_a_server_set_back_whom_others_only_dial(bench):
    """It could ask nobody what it had lost, and took nothing that was pushed before it had
    asked: it never caught up again. Now a push is compared as an answer is."""
    bench.verb("add", "a", "lamp")

    def files():
        return [path for path in [bench.path("a/data.mdb"), *bench.path("state").rglob("*")] if path.is_file()]
    url = own_url()
    a = bench.node("a", "--listen", url)
    b = bench.node("b", "--peer", url, online=False)
    bench.await_equal("a", "b")
    assert a.stop() == 0
    kept = {path: path.read_bytes() for path in files()}
    a = bench.node("a", "--listen", url)
    bench.verb("set", "a", "lamp", "C.lost", "1")
    bench.verb("set", "a", "lamp", "C.both", '"before"')
    bench.await_equal("a", "b")
    assert a.stop() == 0
    for path, content in kept.items():
        path.write_bytes(content)
    bench.verb("set", "a", "lamp", "C.new", "2")
    a = bench.node("a", "--listen", url)
    bench.await_equal("a", "b")
    shown = bench.entities("b")["lamp"]["C"]
    assert (shown["lost"], shown["both"], shown["new"]) == (1, "before", 2), shown
    assert a.stop() == 0 and b.stop() == 0
    assert "fork" in [e["event"] for e in a.events]


def test_the_smallest_messages(bench):
    """--message-max below 16 KiB was an invalid argument: what is told about a person
    did not fit a quarter of a message."""
    bench.verb("node", "s", "--message-max", "4095", "--for", "0", code=2)
    bench.verb("import", "a", big_scene(bench, 300))
    a = bench.node("a", "--message-max", "4096")
    bench.node("b", "--peer", a.url, "--message-max", "4096")
    bench.await_equal("a", "b")
    bench.verb("set", "b", "entity-00001", "Text.value", '"' + "x" * 100000 + '"')
    bench.await_equal("a", "b")


def test_an_address_in_use(bench):
    """It was taken for a store that holds a scene already: the advice was to import into
    another one."""
    a = bench.node("a")
    result = bench.verb("node", "b", "--listen", a.url, code=1)
    assert b"in use" in result.err and b"import" not in result.err, result.err


if __name__ == "__main__":
    sys.exit(run_tests("trouble", dict(globals())))
