#!/usr/bin/env python3
"""Makes the sample scenes of this folder: the same bytes every time.

    docs/scenes/make.py          writes them beside this script

courtyard  small, one file a format, with everything that is odd but allowed: components
           that several entities share, or none, or that do not exist; scripts that refer
           to entities by name; unknown fields and types; null, absent and {}.
village    real size: 604 entities of the builder on 8 x 8 parcels, 24 shared models.
"""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


class Random:
    """A generator that is the same everywhere (splitmix64)."""

    def __init__(self, seed):
        self.state = seed

    def bits(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def below(self, bound):
        return self.bits() % bound

    def uuid(self):
        h = "%016x%016x" % (self.bits(), self.bits())
        return "%s-%s-4%s-a%s-%s" % (h[:8], h[8:12], h[13:16], h[17:20], h[20:32])


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def at(x, z, y=0, turn=0, size=1):
    turns = {0: (0, 1), 90: (0.7071067811865475, 0.7071067811865476),
             180: (1, 0), 270: (-0.7071067811865475, 0.7071067811865476)}
    s, c = turns[turn]
    return {"position": {"x": x, "y": y, "z": z},
            "rotation": {"x": 0, "y": s, "z": 0, "w": c},
            "scale": {"x": size, "y": size, "z": size}}


def asset(random, name, category, script=None, parameters=(), actions=()):
    slug = name.lower().replace(" ", "_")
    return {"id": random.uuid(), "assetPackId": "6d1c2a4e-5b0f-4c77-a1de-0f3b8a9c7e10",
            "name": name, "model": slug + ".glb", "script": script,
            "thumbnail": "https://assets.example.org/" + slug + ".png",
            "tags": [category, "sample"], "category": category,
            "contents": {slug + ".glb": "Qm%032x" % random.bits()},
            "metrics": {"triangles": 40 + random.below(900), "materials": 1 + random.below(3),
                        "meshes": 1 + random.below(4), "bodies": 1, "entities": 1,
                        "textures": random.below(3)},
            "parameters": list(parameters), "actions": list(actions)}


def limits(parcels):
    import math
    log = math.log2(parcels + 1)
    return {"triangles": 10000 * parcels, "materials": int(20 * log),
            "meshes": int(200 * log), "bodies": 300 * parcels, "entities": 200 * parcels,
            "textures": int(10 * log)}


def metrics(assets, shown):
    names = ["triangles", "materials", "meshes", "bodies", "entities", "textures"]
    return {n: sum(assets[a]["metrics"][n] for a in shown) for n in names}


def project(random, title, rows, cols, scene):
    return {"id": random.uuid(), "title": title, "description": "A sample scene",
            "thumbnail": "", "isPublic": False, "sceneId": scene, "ethAddress": None,
            "layout": {"rows": rows, "cols": cols},
            "createdAt": "2020-10-06T09:00:00.000Z", "updatedAt": "2020-10-06T09:30:00.000Z"}


def courtyard_state():
    write("courtyard.scene-state-definition.json", {
        "schemaVersion": 1,
        "title": "Courtyard",
        "entities": [
            {"id": "ground", "components": [
                {"type": "GLTFShape", "value": {"assetId": "a-ground"}},
                {"type": "Transform", "value": at(8, 8)},
                {"type": "LockedOnEdit", "value": {"isLocked": True}},
                {"type": "Name", "value": {"value": "Ground", "builderValue": "ground"}}]},
            {"id": "cart", "components": [
                {"type": "GLTFShape", "value": {"assetId": "a-cart"}},
                {"type": "Transform", "value": at(4.25, 6.5, 0, 90)},
                {"type": "Name", "value": {"value": "Cart — große Räder", "builderValue": "cart"}}]},
            {"id": "lantern", "note": "hangs on the cart", "components": [
                {"type": "GLTFShape", "value": {"assetId": "a-lantern"}},
                {"type": "Transform", "value": dict(at(0, 0.5, 1.75), parent="cart")},
                {"type": "Glow", "value": {"color": "#ffcc66", "radius": 3.5, "until": None}},
                {"type": "Glow", "value": {"color": "#ff8800", "radius": 1e-7}},
                {"type": "Name", "value": {"value": "Lantern 🏮", "builderValue": "lantern"}}]},
            {"id": "gate", "components": [
                {"type": "Script", "value": {"assetId": "a-gate", "values": {
                    "onOpen": [{"entityName": "lantern", "actionId": "toggle", "values": {}}],
                    "text": "first line\nsecond \"line\""}}},
                {"type": "Transform", "value": at(8, 0.5, 0, 180)},
                {"type": "GLTFShape", "value": {"assetId": "a-gate"}},
                {"type": "VisibleOnEdit", "value": {"isVisible": True}, "since": 2}]},
            {"id": "marks", "components": [
                {"type": "Empty", "value": {}},
                {"type": "Nothing"},
                {"type": "Null", "value": None},
                {"type": "List", "value": [1, [2.5, {"three": "3"}], False]},
                {"type": "Large", "value": {"number": 9007199254740993, "small": -0.0}}]},
            {"id": "picture", "components": [
                {"type": "NFTShape", "value": {
                    "src": "ethereum://0x0000000000000000000000000000000000000001/7",
                    "assetId": "0x0000000000000000000000000000000000000001",
                    "color": {"r": 0.5, "g": 0.25, "b": 0.125, "a": 1}, "style": 3}},
                {"type": "Transform", "value": at(12, 8, 2)}]},
            {"id": "nothing", "components": []}]})


def courtyard_builder():
    random = Random(1)
    open_action = {"id": "open", "label": "Open", "parameters": []}
    assets = [asset(random, "Stone Ground", "ground"), asset(random, "Lime Tree", "nature"),
              asset(random, "Gate", "doors", "bin/game.js",
                    [{"id": "onOpen", "label": "When open", "type": "actions"}], [open_action])]
    assets = {a["id"]: a for a in assets}
    ground, tree, gate = assets
    ids = [random.uuid() for _ in range(20)]
    components = {}

    def component(kind, data, **extra):
        key = random.uuid()
        components[key] = dict({"id": key, "type": kind, "data": data}, **extra)
        return key

    ground_shape = component("GLTFShape", {"assetId": ground})
    tree_shape = component("GLTFShape", {"assetId": tree})
    gate_shape = component("GLTFShape", {"assetId": gate})
    component("Transform", at(1, 1))  # of no entity
    entities = {}

    def entity(index, name, listed, **extra):
        entities[ids[index]] = dict({"id": ids[index], "components": listed, "name": name},
                                    **extra)

    entity(0, "stoneGround", [ground_shape, component("Transform", at(8, 8))],
           disableGizmos=True)
    for i in range(1, 6):
        place = component("Transform", at(2 + 2.5 * i, 3 + (i * 7) % 11, 0, 90 * (i % 4)))
        listed = [tree_shape, place] if i % 2 else [place, tree_shape]
        entity(i, "limeTree" if i == 1 else "limeTree%d" % i, listed)
    script = component("Script", {"assetId": gate, "values": {
        "onOpen": [{"entityName": "limeTree3", "actionId": "open", "values": {"speed": 2.5}}]}})
    entity(6, "gate", [script, gate_shape, component("Transform", at(8, 0))])
    entity(7, "gate2", [component("Script", {"assetId": gate, "values": {}}), gate_shape,
                        component("Transform", at(8, 16, 0, 180)), "no-such-component"])
    entity(8, "nft", [component("Transform", at(12, 8, 2)), component("NFTShape", {
        "url": "ethereum://0x0000000000000000000000000000000000000001/7"}, edited=None)])
    entity(9, "bare", [], tags=["a", "b"])
    shown = [ground] + [tree] * 5 + [gate] * 2
    scene = random.uuid()
    write("courtyard.builder.json", {
        "version": 10,
        "project": project(random, "Courtyard", 1, 1, scene),
        "scene": {"id": scene, "entities": entities, "components": components,
                  "assets": assets, "metrics": metrics(assets, shown), "limits": limits(1),
                  "ground": {"assetId": ground, "componentId": ground_shape}}})


def courtyard_composite():
    name_schema = {"type": "object", "properties": {
        "value": {"type": "string", "serializationType": "utf8-string"}},
        "serializationType": "map"}
    bell_schema = {"type": "object", "properties": {
        "tone": {"type": "number", "serializationType": "float64"},
        "rope": {"type": "integer", "serializationType": "entity"}},
        "serializationType": "map"}

    def column(name, data, **extra):
        return dict({"name": name}, **extra, data={k: {"json": v} for k, v in data.items()})

    places = {"512": dict(at(8, 8), parent=0), "513": dict(at(4, 6), parent=512),
              "514": dict(at(0, 0.5, 1.75), parent=513), "515": at(1, 1)}
    write("courtyard.composite.json", {
        "version": 1,
        "components": [
            column("core::Transform", places),
            column("core-schema::Name", {"512": {"value": "Ground"}, "513": {"value": "Cart"},
                                         "514": {"value": "Lantern 🏮"},
                                         "515": {"value": "Cart"}}, jsonSchema=name_schema),
            column("core::GltfContainer", {
                "512": {"src": "assets/ground.glb", "visibleMeshesCollisionMask": 0,
                        "invisibleMeshesCollisionMask": 3},
                "513": {"src": "assets/cart.glb"}}),
            column("inspector::Config", {"513": {"fields": []}}),
            column("sample::Bell", {"514": {"tone": 440.5, "rope": 513}, "513": {"tone": 220}},
                   jsonSchema=bell_schema, origin={"made": "by hand"}),
            column("inspector::Config", {"512": {"fields": [{"name": "core::Transform"}]},
                                         "513": {"fields": ["again"]}}),
            column("composite::root", {}),
            {"name": "core::MeshRenderer", "data": {
                "515": {"$case": "json", "json": {"mesh": {"$case": "box", "box": {"uvs": []}}}},
                "514": {"$case": "binary", "binary": "CgQKAhAB"},
                "513": {"json": {"mesh": None}}}},
            column("inspector::Nodes", {"0": {"value": [
                {"entity": 0, "children": [512, 515]}, {"entity": 512, "children": [513]},
                {"entity": 513, "children": [514], "open": True},
                {"entity": 514, "children": []}, {"entity": 515, "children": []}]}},
                jsonSchema={"type": "object", "properties": {}, "serializationType": "map"})]})


def village():
    random = Random(2)
    names = ["Cobble Ground", "Timber House", "Stone House", "Bakery", "Smithy", "Chapel",
             "Well", "Market Stall", "Oak", "Birch", "Pine", "Hedge", "Fence", "Gate", "Bench",
             "Barrel", "Crate", "Cart", "Lantern", "Signpost", "Haystack", "Rock", "Flowers",
             "Mushrooms"]
    assets = {}
    order = []
    for name in names:
        made = asset(random, name, "ground" if not order else "village")
        assets[made["id"]] = made
        order.append(made["id"])
    components = {}
    entities = {}
    shape_of = {}
    shown = []
    counts = {}

    def component(kind, data):
        key = random.uuid()
        components[key] = {"id": key, "type": kind, "data": data}
        return key

    def entity(index, place, script=None, **extra):
        model = order[index]
        if model not in shape_of:
            shape_of[model] = component("GLTFShape", {"assetId": model})
        words = names[index].split()
        base = words[0].lower() + "".join(words[1:])
        counts[base] = counts.get(base, 0) + 1
        name = base if counts[base] == 1 else base + str(counts[base])
        listed = [shape_of[model], component("Transform", place)]
        if script is not None:
            listed.insert(0, component("Script", {"assetId": model, "values": script}))
        key = random.uuid()
        entities[key] = dict({"id": key, "components": listed, "name": name}, **extra)
        shown.append(model)
        return name

    rows = cols = 8
    for i in range(rows):
        for j in range(cols):
            entity(0, at(16 * i + 8, 16 * j + 8), disableGizmos=True)
    for n in range(540):
        index = 1 + random.below(len(names) - 1)
        place = at(random.below(16 * rows * 100) / 100, random.below(16 * cols * 100) / 100,
                   0, 90 * random.below(4), 0.5 + random.below(6) / 4)
        script = None
        if names[index] in ("Gate", "Lantern") and n % 3 == 0:
            script = {"onClick": [{"entityName": "well", "actionId": "splash", "values": {}}],
                      "text": "No. %d" % n}
        entity(index, place, script)
    scene = random.uuid()
    write("village.builder.json", {
        "version": 10,
        "project": project(random, "Village", rows, cols, scene),
        "scene": {"id": scene, "entities": entities, "components": components,
                  "assets": assets, "metrics": metrics(assets, shown),
                  "limits": limits(rows * cols),
                  "ground": {"assetId": order[0], "componentId": shape_of[order[0]]}}})


if __name__ == "__main__":
    courtyard_state()
    courtyard_builder()
    courtyard_composite()
    village()
