"""What a content server names and takes: CIDs, deployments. Written from the specifications
(multiformats, UnixFS, DAG-PB), so that it is a second opinion on what the program computes."""

import base64
import hashlib
import json
import time
import uuid

from world import call

CHUNK = 262144
LINKS = 174


def varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def text_of(cid):
    return "b" + base64.b32encode(cid).decode().lower().rstrip("=")


def name_of(codec, block):
    return bytes([1, codec, 0x12, 0x20]) + hashlib.sha256(block).digest()


def cid_of(content):
    """The CIDv1 of a file: raw leaves of 256 KiB, a balanced DAG of 174 links above them."""
    chunks = [content[i:i + CHUNK] for i in range(0, len(content), CHUNK)] or [b""]
    level = [(name_of(0x55, c), len(c), len(c)) for c in chunks]  # name, file bytes, all bytes
    while len(level) > 1:
        level = [node_of(level[i:i + LINKS]) for i in range(0, len(level), LINKS)]
    return text_of(level[0][0])


def node_of(children):
    unixfs = b"\x08\x02" + b"\x18" + varint(sum(size for _, size, _ in children))
    unixfs += b"".join(b"\x20" + varint(size) for _, size, _ in children)
    block = b""
    for name, _, total in children:
        link = b"\x0a" + varint(len(name)) + name + b"\x12\x00" + b"\x18" + varint(total)
        block += b"\x12" + varint(len(link)) + link
    block += b"\x0a" + varint(len(unixfs)) + unixfs
    return name_of(0x70, block), sum(s for _, s, _ in children), len(block) + sum(t for _, _, t in children)


def auth_chain(entity_id):
    return [{"type": "SIGNER", "payload": SIGNER, "signature": ""},
            {"type": "ECDSA_SIGNED_ENTITY", "payload": entity_id, "signature": "0x" + "22" * 65}]


def multipart(parts):
    """(name, file name or None, bytes) -> body, content type."""
    mark = "----scenesync-test-5d1c0a"
    body = b""
    for name, file_name, content in parts:
        where = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
        body += f"--{mark}\r\nContent-Disposition: {where}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def deploy(servers, pointers, files, metadata=None, timestamp=None):
    """Deploy a scene of these files ({name: bytes}) at these parcels; the entity."""
    scene = {"display": {"title": "Courtyard"}, "main": "bin/game.js",
             "scene": {"base": pointers[0], "parcels": list(pointers)}}
    entity = {"version": "v3", "type": "scene", "pointers": list(pointers),
              "timestamp": timestamp or int(time.time() * 1000),
              "content": [{"file": name, "hash": cid_of(content)} for name, content in files.items()],
              "metadata": dict(scene, **(metadata or {}))}
    text = json.dumps(entity).encode()
    entity_id = cid_of(text)
    parts = [("entityId", None, entity_id.encode())]
    for i, link in enumerate(auth_chain(entity_id)):
        parts += [(f"authChain[{i}][{key}]", None, value.encode()) for key, value in link.items()]
    parts.append((entity_id, entity_id, text))
    parts += [(cid_of(content), cid_of(content), content) for content in files.values()]
    body, kind = multipart(parts)
    answer = call(servers.http, "POST", "/content/entities", body, headers={"Content-Type": kind})
    assert answer.status == 200, answer
    return dict(entity, id=entity_id)


def deploy_state(servers, pointer, state, **more):
    """Deploy a scene that is a scene-state-definition.json."""
    content = state if isinstance(state, bytes) else json.dumps(state).encode()
    return deploy(servers, [pointer], {"scene-state-definition.json": content}, **more)


def active(servers, pointer):
    """The deployed scene at a parcel, or None."""
    answer = call(servers.http, "POST", "/content/entities/active", {"pointers": [pointer]})
    assert answer.status == 200, answer
    return answer.json[0] if answer.json else None


def fetch(servers, name):
    answer = call(servers.http, "GET", f"/content/contents/{name}")
    assert answer.status == 200, answer
    assert cid_of(answer.body) == name
    return answer.body


SIGNER = "0x" + "11" * 20
SPELLING = {"isPublic": "is_public", "sceneId": "scene_id", "ethAddress": "eth_address", "createdAt": "created_at",
            "updatedAt": "updated_at", "isTemplate": "is_template", "templateStatus": "template_status"}
ROW = {"id", "title", "description", "thumbnail", "is_public", "scene_id", "eth_address", "rows", "cols", "created_at",
       "updated_at", "creation_coords", "is_template", "video", "template_status"}


def project_id(name):
    """Builder projects are called by UUIDs."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"scenesync:{name}"))


def signed_fetch(method, path):
    """The headers with which a call is signed, as far as it can be seen without keys."""
    chain = [{"type": "SIGNER", "payload": SIGNER, "signature": ""},
             {"type": "ECDSA_SIGNED_ENTITY", "payload": f"{method}:{path}".lower(), "signature": "0x" + "22" * 65}]
    return {f"x-identity-auth-chain-{i}": json.dumps(link) for i, link in enumerate(chain)}


def in_server_spelling(manifest):
    """A manifest as a Builder uploads it: its project as the server spells it."""
    project = {SPELLING.get(k, k): v for k, v in manifest["project"].items()}
    project.update(project.pop("layout", None) or {})
    project.setdefault("rows", 1)
    project.setdefault("cols", 1)
    project.setdefault("scene_id", project["id"])
    project.setdefault("description", "")
    return dict(manifest, project={k: v for k, v in project.items() if k in ROW})


def put_manifest(servers, project, manifest, headers=None):
    return call(servers.http, "PUT", f"/v1/projects/{project}/manifest", {"manifest": manifest}, headers=headers)


def get_manifest(servers, project, signed=False):
    """The stored manifest, or None."""
    path = f"/projects/{project}/manifest"
    answer = call(servers.http, "GET", "/v1" + path, headers=signed_fetch("get", path) if signed else None)
    for _ in range(3):
        if answer.status not in (301, 302):
            break
        where = {k.lower(): v for k, v in answer.headers.items()}["location"]
        path = where.split("/", 3)[3] if "://" in where else where.lstrip("/")
        answer = call(servers.http, "GET", "/" + path)
    return answer.json if answer.status == 200 else None


def from_manifest(manifest):
    """What a manifest shows: {entity: {component type: value}}."""
    scene = manifest["scene"]
    scene = scene.get("sdk6") or scene
    return {e["id"]: {scene["components"][c]["type"]: scene["components"][c]["data"] for c in e["components"]}
            for e in scene["entities"].values()}


def lamp_scene(count=12, **more):
    """A small scene: lamps in a row, each with a transform, a name and a shape."""
    return {"schemaVersion": 1, "entities": [
        {"id": f"lamp{i}", "components": [
            {"type": "GLTFShape", "value": {"assetId": "a-lamp", "src": "models/lamp.glb"}},
            {"type": "Transform", "value": {"position": {"x": i, "y": 0, "z": 0},
                                            "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
                                            "scale": {"x": 1, "y": 1, "z": 1}}},
            {"type": "Name", "value": {"value": f"Lamp {i}", "builderValue": f"lamp{i}"}}]}
        for i in range(count)], **more}
