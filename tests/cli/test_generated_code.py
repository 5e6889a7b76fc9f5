#!/usr/bin/env python3
"""Generated code in a JavaScript engine builds what the scene shows (docs/CODEGEN.md)."""

import json
import os
import shutil
import subprocess
import sys
from random import Random

from harness import Skip, canonical, run_tests, shared

# A host that looks at what is carried, and one as of 2021 that does not: the first prints
# what it built, the second only has to take every call.
HOST = r"""
const vm = require("vm"), fs = require("fs");
const code = fs.readFileSync(process.argv[2], "utf8");
const entities = new Map(), components = new Map(), real = new Map();
const strip = (json, made) => {
  const value = JSON.parse(json);
  for (const key of made || []) delete value[key];
  return value;
};
let head = null;
const dcl = {
  subscribe(event, carried) { head = carried; },
  addEntity(n, carried) { entities.set(n, {...carried, parent: "0", components: []}); },
  setParent(n, parent) {
    if (parent !== "0" && !entities.has(parent)) throw new Error("no parent " + parent);
    entities.get(n).parent = parent;
  },
  componentCreated(name, slot, id, carried) {
    if (components.has(name)) throw new Error("twice: " + name);
    components.set(name, {slot, id, type: carried.type});
  },
  componentUpdated(name, json, carried) {
    components.get(name).value = strip(json, carried && carried.made);
  },
  attachEntityComponent(n, slot, name) {
    const {type, value} = components.get(name);
    entities.get(n).components.push({type, value});
  },
  updateEntityComponent(n, slot, id, json, carried) {
    entities.get(n).components.push({type: carried.type, value: strip(json, carried.made)});
  },
  scenesync(n, carried) { entities.get(n).components.push(carried); },
};
vm.runInNewContext(code, {dcl});

const plain = (name, count) => (...all) => {
  const given = all.slice(0, count);
  if (given.length < count || given.some((x) => typeof x !== "string" && typeof x !== "number"))
    throw new Error(name);
  if (name === "updateEntityComponent" && given[2] === 1) {
    const t = JSON.parse(given[3]);
    for (const [field, axes] of [["position", "xyz"], ["rotation", "xyzw"], ["scale", "xyz"]])
      for (const axis of axes)
        if (typeof t[field][axis] !== "number") throw new Error(field + "." + axis);
  }
};
const old = {};
for (const [name, count] of Object.entries({subscribe: 1, addEntity: 1, setParent: 2, componentCreated: 3,
    componentUpdated: 2, attachEntityComponent: 3, updateEntityComponent: 4})) old[name] = plain(name, count);
vm.runInNewContext(code, {dcl: old});
process.stdout.write(JSON.stringify({head, entities: [...entities.values()]}));
"""


def build(bench, store):
    """What an engine builds from the code of a store: {entity: ...}, in order."""
    node = shutil.which("node")
    if node is None:
        raise Skip("node is not installed")
    code = bench.path(f"{store}.js")
    bench.verb("codegen", store, "-o", code)
    again = bench.verb("codegen", store).out
    assert code.read_bytes() == again
    host = bench.write("host.js", HOST)
    done = subprocess.run([node, host, code], capture_output=True, timeout=300)
    assert done.returncode == 0, (store, done.stderr.decode()[-2000:])
    built = json.loads(done.stdout)
    numbers = {"0": None}
    for index, entity in enumerate(built["entities"]):
        numbers[str(index + 1)] = entity["id"]
    for entity in built["entities"]:
        entity["parent"] = numbers[entity["parent"]]
    return built


def same(built, wanted, what):
    got, meant = json.dumps(canonical(built)), json.dumps(canonical(wanted))
    at = next((i for i, (a, b) in enumerate(zip(got, meant)) if a != b), min(len(got), len(meant)))
    assert got == meant, f"{what}: {got[max(0, at - 60):at + 100]} is not {meant[max(0, at - 60):at + 100]}"


def without(record, *keys):
    return {k: v for k, v in record.items() if k not in keys}


def component_of(component):
    """type and value; the number of the second of one type is told elsewhere."""
    return [component["type"], component.get("value"), component.get("binary"), "value" in component]


def shown_in_state(scene):
    for entity in scene["entities"]:
        fields = without(entity, "id", "components", "scenesync")
        yield [entity["id"], fields, [
            [c["type"], c.get("value"), c.get("scenesync", {}).get("binary"),
             "value" in c and "binary" not in c.get("scenesync", {})] for c in entity["components"]]]


def check_state(bench, store):
    built = build(bench, store)
    wanted = list(shown_in_state(bench.export(store, "--format", "state")))
    assert built["head"]["origin"] == "state"
    same([[e["id"], e.get("fields", {}), [component_of(c) for c in e["components"]]] for e in built["entities"]],
         wanted, store)
    for entity in built["entities"]:
        parents = [c["value"].get("parent") for c in entity["components"]
                   if c["type"] == "Transform" and "number" not in c and isinstance(c.get("value"), dict)]
        named = [str(p) for p in parents if p not in (None, 0, "", "0")]
        assert entity["parent"] == (named[0] if named else None), entity


def test_states(bench):
    for number, path in enumerate(sorted(shared("data", "state").glob("*.scene-state-definition.json"))):
        if "invalid__" not in path.name:
            bench.verb("import", f"s{number}", path)
            check_state(bench, f"s{number}")


def test_manifests(bench):
    """Entities with their own fields, components in their order; shared ones are one object."""
    for number, path in enumerate(sorted(shared("data", "builder").glob("*.json"))):
        if "invalid__" in path.name:
            continue
        store = f"b{number}"
        bench.verb("import", store, path)
        built = build(bench, store)
        manifest = bench.export(store, "--format", "builder")
        scene = manifest["scene"]
        scene = scene.get("sdk6") or (scene if "entities" in scene else None)
        if scene is None:
            continue
        wanted = {}
        for key, entity in scene["entities"].items():
            rows = [scene["components"][c] for c in entity["components"] if c in scene["components"]]
            wanted[key] = [without(entity, "id", "components", "scenesync"),
                           [[c["type"], c.get("data")] for c in rows]]
        got = {e["id"]: [e.get("fields", {}), [[c["type"], c.get("value")] for c in e["components"]]]
               for e in built["entities"]}
        same(got, wanted, path.name)
        code = bench.path(f"{store}.js").read_text()
        models = {c for e in scene["entities"].values() for c in e["components"]
                  if scene["components"].get(c, {}).get("type") == "GLTFShape"}
        assert code.count("dcl.componentCreated('gltfShape") == len(models), path.name


def test_composites(bench):
    for number, path in enumerate(sorted(shared("data", "composite").glob("**/*.composite.json"))):
        if "invalid__" in path.name:
            continue
        store = f"c{number}"
        bench.verb("import", store, path)
        built = build(bench, store)
        assert built["head"]["origin"] == "composite"
        wanted = {}
        for column in bench.export(store, "--format", "composite")["components"]:
            for entity, data in (column.get("data") or {}).items():
                wanted.setdefault(entity, []).append(
                    [column["name"], data.get("json"), data.get("binary"), "json" in data])
        got = {e["id"]: [component_of(c) for c in e["components"]] for e in built["entities"]}
        order = lambda rows: {k: sorted(v, key=canonical) for k, v in rows.items() if v}
        same(order(got), order(wanted), path.name)


def test_edited(bench):
    """After edits, with hostile names, a cycle, an orphan, and two of one name."""
    bench.verb("add", "e", "table")
    bench.verb("set", "e", "lamp", "Transform",
               '{"position":{"x":1,"y":2,"z":3},"rotation":{"x":0,"y":0,"z":0,"w":1},"scale":{"x":1,"y":1,"z":1}}')
    bench.verb("move", "e", "lamp", "--parent", "table")
    bench.verb("set", "e", "orphan", "Transform", '{"parent":"nobody"}')
    for name in ("lamp", "table", "'); throw 1; ('", "</script>\u2028"):
        bench.verb("set", "e", name, "Name", '{"value":"Lamp"}')
        bench.verb("set", "e", name, "Glow", '{"__proto__":{"a":[1,{}]},"constructor":"</script>\u2029"}')
        bench.verb("set", "e", name, "BoxShape", '{"__proto__":7}')
    bench.verb("set", "e", "numbers", "PlaneShape", '[1e21,-0.0,5e-324,0.1,9007199254740993,1e-7]')
    bench.verb("set", "e", "numbers", "SphereShape", '{"x":1e21,"y":5e-324,"z":123456789.125,"10":1,"9":2}')
    check_state(bench, "e")


def random_value(random, depth=3):
    kind = random.randrange(8 if depth else 5)
    if kind == 0:
        return random.choice([None, True, False])
    if kind == 1:
        return random.choice([0, 1, -1, 0.1, 1e21, 1e-7, 5e-324, 2**53, -2.5e300, random.random()])
    if kind <= 4:
        return "".join(random.choice("aZ0 '\"\\</!-\u2028\u2029\u00e9\U0001f600\n\0$`{}") for _ in range(random.randrange(12)))
    if kind == 5:
        return [random_value(random, depth - 1) for _ in range(random.randrange(4))]
    keys = ["__proto__", "constructor", "x", "y", "z", "w", "10", "9", "", "toString", "position", "</script>"]
    return {random.choice(keys): random_value(random, depth - 1) for _ in range(random.randrange(5))}


def random_component(random, ids):
    kind = random.choice(["Transform", "GLTFShape", "NFTShape", "Script", "Name", "LockedOnEdit", "BoxShape",
                          "AudioSource", "Glow", "it's", "__proto__", "core::Transform"])
    component = {"type": kind}
    if random.random() < 0.05:
        return component
    if kind == "Transform" and random.random() < 0.8:
        vector = {"x": random.random() * 16, "y": 0, "z": -random.random()}
        component["value"] = {"position": vector, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}, "scale": vector,
                              "parent": random.choice(ids + [None, 0, "", "nobody"])}
        for key in random.sample(sorted(component["value"]), random.randrange(3)):
            del component["value"][key]
    elif kind == "GLTFShape" and random.random() < 0.5:
        component["value"] = {"assetId": "a", "visible": random_value(random, 1)}
    else:
        component["value"] = random_value(random)
    return component


def test_random_scenes(bench):
    """Whatever a state file may hold; the seed that fails is told."""
    seed = int(os.environ.get("SCENESYNC_SEED", "1"))
    for number in range(seed, seed + 15):
        random = Random(number)
        ids = [random.choice([str(i), f"e{i}", f"'{i}\u2028</script>", f"__proto__{i}"]) for i in range(25)]
        entities = []
        for entity in ids:
            components = [random_component(random, ids) for _ in range(random.randrange(5))]
            fields = {"note": random_value(random, 1)} if random.random() < 0.2 else {}
            entities.append({"id": entity, "components": components, **fields})
        path = bench.write("random.json", {"schemaVersion": 1, "entities": entities})
        try:
            bench.verb("import", f"r{number}", path)
            check_state(bench, f"r{number}")
        except AssertionError as fault:
            raise AssertionError(f"SCENESYNC_SEED={number}: {fault}") from fault


if __name__ == "__main__":
    sys.exit(run_tests("generated_code", dict(globals())))
