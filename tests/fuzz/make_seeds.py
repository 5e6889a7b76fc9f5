#!/usr/bin/env python3
"""Write the first inputs of the targets that read steps: corpus/NAME/seed_*.

Usage: tests/fuzz/make_seeds.py. They are made of the golden files and of the corpora of the
decoders, so run it again when a format changes. Inputs that campaigns found lie beside them.
"""

import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"


def files(*patterns):
    return [p.read_bytes() for pattern in patterns for p in sorted(HERE.parent.glob(pattern))]


def put(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed_{name}").write_bytes(data)


def newest(stem):
    return sorted(GOLDEN.glob(f"{stem}.v*.bin"))[-1].read_bytes()


def sized(data):
    return struct.pack("<H", len(data)) + data


def record():
    answer, batch = newest("answer_full"), newest("batch_absolute")
    history = newest("history")
    one = lambda kind, data: kind + sized(data)
    put("record", "all", one(b"c", answer) + one(b"b", batch) + one(b"h", history))
    put("record", "answer", one(b"a", newest("answer")) + one(b"a", answer))
    put("record", "template", one(b"b", newest("template")) + one(b"b", newest("batch_relative")))
    put("record", "meta", one(b"m", b"\x01\x00\x90\x90\x90"))


def journal():
    group = lambda sector, number, data: bytes([0, sector, number, len(data) // 4]) + data
    text = b"abcdefgh" * 8
    put("journal", "two", bytes([3, 4]) + group(0, 5, text) + group(1, 6, text))
    put("journal", "halves", bytes([1, 4]) + group(0, 5, text) + group(2, 6, text)
        + group(3, 7, text))
    put("journal", "torn", bytes([3, 4]) + group(0, 5, text) + group(1, 6, text)
        + bytes([1, 2, 100, 3]) + b"xyz")
    put("journal", "hole", bytes([3, 4]) + group(0, 5, text) + group(2, 7, text))
    put("journal", "cut", bytes([3, 4]) + group(0, 5, text) + bytes([2, 1, 44]))


def store():
    step = lambda which, kind, place, rest: bytes([which, kind]) + place.to_bytes(3, "little") + rest
    put("store", "flip", step(0, 0, 8192 + 20, b"\1\1"))
    put("store", "over", step(0, 1, 4096 + 16, b"\4\xff\xff\xff\xff") + step(1, 1, 600, b"\2ab"))
    put("store", "page", step(0, 2, 3 * 4096, b"\4"))
    put("store", "swapped", step(0, 2, 0, b"\1"))
    put("store", "cut", step(0, 3, 5 * 4096, b"") + step(1, 3, 700, b""))
    put("store", "header", step(0, 4, 4 * 4096, b"\6\xff\x0f"))
    put("store", "journal", step(1, 0, 512, b"\1\1"))


def replica():
    messages = {p.name: p.read_bytes() for p in sorted((HERE / "corpus/message").glob("kind_*"))}
    step = lambda kind, who, data: bytes([kind, who]) + sized(data)
    edit, tick = bytes([7, 3]), bytes([4, 20])
    for name, data in messages.items():
        number = int(name[5:])
        kind = 0 if number < 16 else 1 if number < 32 else 2
        put("replica", name, edit + step(kind, 0, data) + tick + step(kind, 1, data))
    hello = messages.get("kind_16", b"")
    put("replica", "answered", edit + step(1, 0, hello) + tick
        + step(8, 1, newest("answer_full")) + step(9, 2, newest("answer")) + tick)
    put("replica", "batch", step(10, 1, newest("batch_absolute")) + tick + edit
        + step(10, 1, newest("batch_relative")) + bytes([4, 255]))
    honest, all_there = bytes([11, 3]), bytes([12, 0, 3])
    put("replica", "talk", edit + honest + tick + all_there + tick + all_there + honest + tick
        + all_there)
    put("replica", "late", honest * 3 + bytes([7, 5]) + tick + all_there + bytes([11, 7]) + tick
        + bytes([12, 0, 1]) + bytes([12, 1, 2, 0, 40, 1]) + all_there)
    put("replica", "links", bytes([5, 0, 5, 1, 5, 2, 3, 0]) + tick
        + step(6, 0, b"tcp://three:1") + tick)


def sealed():
    publish = lambda end, data: bytes([0, end, len(data) - 12]) + data
    ask = lambda end, data: bytes([1, end, len(data) - 12]) + data
    carry = lambda index, kind, to: bytes([2, index, kind, to])
    text = b"SSNtopicplaza chair"
    # b asks a: a challenge, asked again, an answer; then a publication
    talk = (ask(1, text) + carry(0, 1, 0) + carry(1, 2, 1) + carry(2, 1, 0) + carry(3, 2, 1)
            + publish(0, text) + carry(4, 0, 1))
    put("sealed", "talk", talk)
    put("sealed", "replay", talk + carry(4, 0, 1) + carry(2, 1, 0) + bytes([5, 60]) + carry(4, 0, 1))
    put("sealed", "changed", talk + publish(0, text) + bytes([3, 5, 0, 1, 0, 20, 1])
        + bytes([4, 5, 0, 1, 0, 30]))
    put("sealed", "swapped", talk + publish(0, text) + carry(5, 1, 1) + carry(5, 2, 1)
        + carry(5, 0, 0) + bytes([6, 1, 0, 9, 40]) + b"x" * 40)


def control():
    def ask(*arguments, text=b""):
        head = b"SCS1" + struct.pack("<IQ", len(arguments), len(text))
        return head + b"".join(struct.pack("<I", len(a)) + a for a in arguments) + text
    put("control", "set", ask(b"set", b"lamp", b"Transform.position", b"[1,2,3]"))
    put("control", "import", ask(b"import", b"-", text=b'{"entities":[]}'))
    put("control", "none", ask())
    put("control", "claims", b"SCS1" + struct.pack("<IQ", 256, 1 << 28)
        + struct.pack("<I", 32 << 20))


def exchange():
    step = lambda kind, data=b"", flags=0: bytes([kind, flags, len(data)]) + data
    host = step(1, b"host:localhost:8080")
    get = step(0, b"GET /scenes/0,0") + host + step(3) + step(6)
    put("exchange", "get", get + get)
    put("exchange", "query", step(0, b"GET /a") + host + step(2, b"x=1") + step(2, b"y=%41")
        + step(3) + step(6))
    put("exchange", "post", step(8, b"x" * 100, 15) + step(0, b"POST /a") + host
        + step(1, b"content-length:8") + step(1, b"content-type:application/json") + step(3)
        + step(4, b"{}  ") + step(4, b"{}  ") + step(5) + step(6) + step(6))
    put("exchange", "origin", step(0, b"OPTIONS /a") + host + step(1, b"origin:http://localhost:8080")
        + step(3) + step(6) + step(7, b"", 20))
    put("exchange", "refused", step(0, b"GET /../etc") + host + step(3) + step(6)
        + step(0, b"GET /a") + step(1, b"host:evil.example") + step(3) + step(6))
    put("exchange", "deferred", step(8, b"x", 17) + get + step(6))
    put("exchange", "socket", step(0, b"GET /renderer") + host + step(1, b"upgrade:websocket")
        + step(9, b"") + step(4, b'{"a":1}', 3) + step(4, b'{"a"', 1) + step(4, b":1}", 2) + step(6)
        + step(10, b"\0" * 8) + step(4, b"x", 7))


def texts():
    put("json", "all", b'{"a":[1,-2.5,1e-7,true,false,null,"\\u00e9\\n\xe2\x82\xac"],"":{},"b":[[[]]]}')
    put("json", "numbers", b"[0,-0,1e308,5e-324,9007199254740993,0.1,18446744073709551616]")
    put("json", "pair", b'"\\ud83d\\ude00"')
    for name, text in (
            ("set", "set\nlamp\nTransform.position\n[1,2,3]\n--store\n/tmp/x"),
            ("node", "node\n--store=/x\n--listen\ntcp://0.0.0.0:1\n--peer\ntcp://h:2"),
            ("move", "move\nchair\n--parent\ntable\n--as=ann"), ("help", "import\n--help"),
            ("worker", "worker\n--scene\n0,0\n--http\n127.0.0.1:0\n--\n-"), ("log", "log\n-n\n5"),
            ("path", "set\na\\.b.c.d\n-1")):
        put("args", name, text.encode())
    put("key", "hex", b"0123456789abcdef" * 4 + b"\n")
    put("key", "base64", b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    put("key", "plain", b" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")


def formats():
    scenes = HERE.parent.parent / "docs" / "scenes"
    for letter, name in (("S", "scene-state-definition"), ("C", "composite"), ("B", "builder")):
        text = (scenes / f"courtyard.{name}.json").read_bytes()
        put("format", name, letter.encode() + text)
    put("format", "state_small", b'{"schemaVersion":1,"title":"t","entities":[{"id":"a","components":[{"type":"Transform","value":'
        b'{"position":{"x":1,"y":2,"z":3}}}]}]}')
    put("format", "composite_small", b'{"version":1,"components":[{"name":"core::Transform","jsonSchema":'
        b'{"type":"object"},"data":{"512":{"json":{"position":{"x":1,"y":0,"z":0},"parent":0}}}}]}')
    put("format", "builder_small", b'{"version":10,"project":{"id":"p","title":"t"},"scene":{"id":"s",'
        b'"entities":{"e":{"id":"e","components":["c"]}},"components":{"c":{"id":"c","type":"Transform",'
        b'"data":{"position":{"x":1,"y":2,"z":3}}}},"assets":{},"ground":null}}')


def people():
    text = lambda kind, data: bytes([kind]) + sized(data)
    one = (b'{"worker":{"saves":true,"saved":"1@ab"},"people":[{"id":"x","name":"Ana","color":"#00ff00",'
        b'"role":"edit","selection":["a","b"],"camera":{"position":{"x":1,"y":2,"z":3}},"editing":null}]}')
    put("presence", "one", text(0, one) + text(1, one) + text(5, b"\1"))
    put("presence", "ours", text(4, b'{"selection":["lamp"],"camera":{"x":1},"editing":{"entityId":"lamp"}}')
        + text(0, one))
    put("presence", "none", text(2, b'{"people":[]}') + text(2, b"[]"))
    address = b"0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
    login = (b"Decentraland Login\nEphemeral address: " + address
        + b"\nExpiration: 2026-01-31T12:00:00.000Z")
    put("signed", "chain", b"cSIGNER|" + address + b"||ECDSA_EPHEMERAL|" + login
        + b"|0x12ab|ECDSA_SIGNED_ENTITY|put:/projects/a|0x12AB")
    put("signed", "links", b'l[{"type":"SIGNER","payload":"' + address + b'","signature":""},'
        b'{"type":"ECDSA_SIGNED_ENTITY","payload":'
        b'"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","signature":"0x12ab"}]')
    put("signed", "time", b"t2026-01-31T12:00:00.000Z")
    put("signed", "cid", b"ibafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")
    put("signed", "cid0", b"iQmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG")
    put("signed", "parcels", b"p0,0;0,1;-1,1")
    put("signed", "assets", b'a{"ok":true,"data":[{"id":"a","model":"m.glb","contents":{"m.glb":"Qm"},'
        b'"metrics":{"triangles":5}},{"id":"b","script":"s.js","contents":{}}]}')
    put("plan", "small", b"scenesync fuzz plan 1\nseed 4711\nplaces 3\nnetwork 30 10 1 20\ndisk 5\n"
        b"shape mesh\nsmall\nsteps\nput 0 e1 Transform position 3\nmove 1 e1 e2 &\ncut 0 1\nwait 120\n"
        b"undo 2\ncrash 0\nstart 0\nquiet\n")


def http():
    host = b"Host: edit.example\r\n"
    get = b"GET /scenes/0,0?x=1 HTTP/1.1\r\n" + host + b"\r\n"
    upgrade = (b"GET /socket HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    frame = lambda tag, data: bytes([tag, 0x80 | len(data), 0, 0, 0, 0]) + data
    post = (b"POST /a HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}")
    put("http", "get", b"\0" + get)
    put("http", "two", b"\3" + get + post + get)
    put("http", "post", b"\1" + post)
    put("http", "chunked", b"\0POST /a HTTP/1.1\r\n" + host
        + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    put("http", "socket", b"\0" + upgrade + frame(0x81, b'{"a":1}') + frame(0x89, b"ping")
        + frame(0x01, b"a") + frame(0x80, b"b") + frame(0x88, b"\x03\xe8"))
    put("http", "long", b"\2" + upgrade + bytes([0x81, 0xfe, 1, 0, 0, 0, 0, 0]) + b"x" * 256)
    put("http", "preflight", b"\0OPTIONS /a HTTP/1.1\r\n" + host
        + b"Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n")


def client():
    ok = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    put("client", "ok", b"\0" + ok + b"Content-Length: 2\r\n\r\n{}")
    put("client", "chunked", b"\0" + ok + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    put("client", "to_end", b"\0" + ok + b"\r\n{}")
    put("client", "moved", b"\1HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")
    put("client", "outside", b"\1HTTP/1.1 303 F\r\nLocation: https://120\r\n\r\n")
    put("client", "again", b"\1HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    put("client", "packed", b"\0" + ok + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")
    put("client", "early", b"\0HTTP/1.1 100 Continue\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n")


def main():
    for make in (record, journal, store, replica, sealed, control, exchange, texts, formats, people, http,
                 client):
        make()


if __name__ == "__main__":
    main()
