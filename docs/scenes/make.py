#!/usr/bin/env python3
"""Makes the sample scenes of this folder: the same bytes every time.

    docs/scenes/make.py [FOLDER]     writes them beside this script, or into another folder

courtyard  small, one file a format, with everything that is odd but allowed: components
           that several entities share, or none, or that do not exist; scripts that refer
           to entities by name; unknown fields and types; null, absent and {}.
village    real size: 604 entities of the builder on 8 x 8 parcels, 24 shared models.
models     what they show, as binary glTF: made here too (models.py), free of any rights (CC0).
"""
import base64
import hashlib
import json
import math
import os
import sys

sys.dont_write_bytecode = True  # the folder holds what is made, nothing else
import models  # noqa: E402

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))


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
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def at(x, z, y=0, turn=0, size=1):
    turns = {0: (0, 1), 90: (0.7071067811865475, 0.7071067811865476),
             180: (1, 0), 270: (-0.7071067811865475, 0.7071067811865476)}
    s, c = turns[turn]
    return {"position": {"x": x, "y": y, "z": z},
            "rotation": {"x": 0, "y": s, "z": 0, "w": c},
            "scale": {"x": size, "y": size, "z": size}}


def turned(x, z, y, degrees, size):
    """The same for any angle."""
    half = math.radians(degrees) / 2
    return dict(at(x, z, y, 0, size), rotation={"x": 0, "y": round(math.sin(half), 6), "z": 0,
                                                "w": round(math.cos(half), 6)})


def slug_of(name):
    return name.lower().replace(" ", "_")


MADE = {}  # slug -> (CID, triangles)


def make_models():
    os.makedirs(os.path.join(FOLDER, "models"), exist_ok=True)
    for number, name in enumerate(models.MODELS):
        content, triangles = models.make(name, Random(100 + number))
        assert len(content) <= 262144, "its CID would be that of a tree"
        digest = b"\x01\x55\x12\x20" + hashlib.sha256(content).digest()
        MADE[slug_of(name)] = ("b" + base64.b32encode(digest).decode().lower().rstrip("="), triangles)
        with open(os.path.join(FOLDER, "models", slug_of(name) + ".glb"), "wb") as file:
            file.write(content)


def asset(random, name, category, script=None, parameters=(), actions=()):
    slug = slug_of(name)
    cid, triangles = MADE[slug]
    return {"id": random.uuid(), "assetPackId": "6d1c2a4e-5b0f-4c77-a1de-0f3b8a9c7e10",
            "name": name, "model": slug + ".glb", "script": script,
            "thumbnail": "https://assets.example.org/" + slug + ".png",
            "tags": [category, "sample"], "category": category,
            "contents": {slug + ".glb": cid},
            "metrics": {"triangles": triangles, "materials": 1, "meshes": 1, "bodies": 1, "entities": 1, "textures": 0},
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
                "512": {"src": "models/stone_ground.glb", "visibleMeshesCollisionMask": 0,
                        "invisibleMeshesCollisionMask": 3},
                "513": {"src": "models/cart.glb"}}),
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


class Village:
    """Who stands where: two roads that cross at a square, houses along them, gardens and fields
    behind, woods around. x and z from 0 to 128 m."""

    SIDE = 128
    MIDDLE = 64

    def __init__(self, random):
        self.random = random
        self.things = []   # (model, x, z, y, turn, size)
        self.circles = []  # what is taken: x, z, radius

    def number(self, low, high):
        """Between these, in centimetres."""
        return low + self.random.below(int((high - low) * 100) + 1) / 100

    def put(self, name, x, z, turn=0, size=1, y=0, radius=0):
        self.things.append((name, round(x, 2), round(z, 2), y, turn % 360, size))
        if radius > 0:
            self.circles.append((x, z, radius * size))

    def along(self, x, z, turn, forward, aside):
        """A place as seen from somebody at x, z who looks towards `turn`."""
        s, c = math.sin(math.radians(turn)), math.cos(math.radians(turn))
        return x + s * forward + c * aside, z + c * forward - s * aside

    def is_free(self, x, z, radius):
        near_road = min(abs(x - self.MIDDLE), abs(z - self.MIDDLE)) < 4.5 + radius
        return not near_road and all((x - a) ** 2 + (z - b) ** 2 > (r + radius) ** 2 for a, b, r in self.circles)

    def scatter(self, names, count, radius, low, high, wanted):
        """So many of these where `wanted` says and nothing stands yet."""
        tries = 0
        while count > 0 and tries < 100000:
            tries += 1
            x, z = self.number(1.5, self.SIDE - 1.5), self.number(1.5, self.SIDE - 1.5)
            size = self.number(low, high)
            if wanted(x, z) and self.is_free(x, z, radius * size):
                self.put(names[self.random.below(len(names))], x, z, self.random.below(360), size, radius=radius)
                count -= 1
        assert count == 0, "the village is full"

    # ---- what there is ----

    def roads(self):
        m = self.MIDDLE
        for k in range(-7, 8):
            self.put("Cobbles", m + 8 * k, m)
            if k != 0:
                self.put("Cobbles", m, m + 8 * k)
        for x in (-8, 8):
            for z in (-8, 8):
                self.put("Cobbles", m + x, m + z)

    def square(self):
        m = self.MIDDLE
        self.put("Well", m, m, 20, 1.1, y=0.05)
        for x, z, turn in ((-9, -4.6, 90), (-9, 4.8, 90), (9.2, 4.6, 270), (4.6, -9.4, 0), (-4.6, 9.2, 180)):
            self.put("Market Stall", m + x, m + z, turn, y=0.05, radius=2)
        for x, z, turn in ((4.2, 2.4, 240), (-3.2, -3.6, 40), (3.4, -4.2, 320), (-4.4, 3.2, 130)):
            self.put("Bench", m + x, m + z, turn, y=0.05)
        for x in (-11, 11):
            for z in (-11, 11):
                self.put("Lantern", m + x, m + z, 45, y=0.05, radius=0.5)
        for x, z in ((-7.4, -9.8), (-10.6, -8.2), (10.4, 8.4), (9.6, 10.2), (-9.4, 10.6)):
            self.put("Barrel" if x < 0 else "Crate", m + x, m + z, self.random.below(90), y=0.05, radius=0.6)
        self.put("Cart", m + 8.6, m - 8.8, 205, y=0.05, radius=1.6)
        self.put("Signpost", m - 5.4, m - 6.2, 30, y=0.05)

    def houses(self):
        """Three on each side of each road's four arms; the chapel, the bakery and the smithy
        next to the square."""
        special = {(0, 1, 0): "Chapel", (1, -1, 0): "Bakery", (2, 1, 0): "Smithy"}
        for arm in range(4):
            for side in (-1, 1):
                for row in range(3):
                    name = special.get((arm, side, row))
                    distance = 19.5 + 13 * row + self.number(-0.6, 0.6)
                    back = 12.5 if name == "Chapel" else 11 + self.number(-0.4, 1.6)
                    x, z = self.along(self.MIDDLE, self.MIDDLE, 90 * arm, distance, back * side)
                    turn = 90 * arm - 90 * side  # to the road
                    corner = row == 0 and arm % 2 == 1  # its garden would be that of the other road's
                    self.house(name or ("Timber House", "Stone House")[self.random.below(2)], x, z, turn, not corner)

    def house(self, name, x, z, turn, garden):
        self.put(name, x, z, turn + self.number(-4, 4), 1, radius=5.4 if name == "Chapel" else 4.6)
        if name == "Chapel":
            for aside in (-3.6, 3.6):
                self.put("Flowers", *self.along(x, z, turn, 6.2, aside), self.random.below(360), 1)
            return
        for thing, forward, aside, radius in (("Flowers", 3.7, -2.0, 0), ("Barrel", 3.1, 3.0, 0.6), ("Crate", 0.6, 3.8, 0.7)):
            if self.random.below(5) < 3:
                self.put(thing, *self.along(x, z, turn, forward, aside), self.random.below(360),
                         self.number(0.85, 1.1), radius=radius)
        if not garden:
            return
        border = ("Hedge", "Fence")[self.random.below(2)]
        for i in range(3):  # behind the house
            self.put(border, *self.along(x, z, turn, -6.6, 2.6 * (i - 1)), turn, radius=1.2)
        for forward in (-5.2, -2.6):
            self.put(border, *self.along(x, z, turn, forward, -5.2), turn + 90, radius=1.2)

    def lights(self):
        for arm in range(4):
            for k in range(5):
                side = 1 if (arm + k) % 2 else -1
                at = self.along(self.MIDDLE, self.MIDDLE, 90 * arm, 17 + 9 * k, 4.9 * side)
                self.put("Lantern", *at, 90 * arm, radius=0.4)
            self.put("Gate", *self.along(self.MIDDLE, self.MIDDLE, 90 * arm, 58.5, 0), 90 * arm, 1.9, y=0.05)
            self.put("Signpost", *self.along(self.MIDDLE, self.MIDDLE, 90 * arm, 55, 5.6), 90 * arm + 40)
            self.put("Bench", *self.along(self.MIDDLE, self.MIDDLE, 90 * arm, 26, 5.1), 90 * arm - 90, radius=1)

    def distance(self, x, z):
        return math.hypot(x - self.MIDDLE, z - self.MIDDLE)

    def fields(self):
        self.scatter(["Haystack"], 12, 1.3, 0.9, 1.25, lambda x, z: 34 < self.distance(x, z) < 48)
        self.scatter(["Cart"], 3, 1.9, 1, 1, lambda x, z: 34 < self.distance(x, z) < 48)
        self.scatter(["Flowers"], 26, 0.9, 0.8, 1.4, lambda x, z: 14 < self.distance(x, z) < 54)

    def woods(self, count):
        """Thick at the edge, and single trees between the houses."""
        rim = lambda x, z: min(x, z, self.SIDE - x, self.SIDE - z) < 17
        self.scatter(["Rock"], 18, 1.2, 0.6, 1.6, rim)
        count -= 18
        inner = count // 7
        self.scatter(["Oak", "Birch", "Birch"], inner, 2.1, 0.7, 1.1, lambda x, z: not rim(x, z) and self.distance(x, z) > 20)
        self.scatter(["Oak", "Birch", "Pine", "Pine", "Pine", "Oak"], count - inner, 1.5, 0.8, 1.5, rim)

    def build(self, count):
        """What people look for first; what they walk on last."""
        self.roads()
        paving, self.things = self.things, []
        self.square()
        self.houses()
        self.lights()
        self.fields()
        self.woods(count - len(paving) - len(self.things))
        return self.things + paving


def village():
    random = Random(2)
    names = ["Meadow", "Cobbles", "Timber House", "Stone House", "Bakery", "Smithy", "Chapel",
             "Well", "Market Stall", "Oak", "Birch", "Pine", "Hedge", "Fence", "Gate", "Bench",
             "Barrel", "Crate", "Cart", "Lantern", "Signpost", "Haystack", "Rock", "Flowers"]
    assets = {}
    order = {}
    for name in names:
        made = asset(random, name, "ground" if not order else "village")
        assets[made["id"]] = made
        order[name] = made["id"]
    components = {}
    entities = {}
    shape_of = {}
    shown = []
    counts = {}

    def component(kind, data):
        key = random.uuid()
        components[key] = {"id": key, "type": kind, "data": data}
        return key

    def entity(title, place, script=None, **extra):
        model = order[title]
        if model not in shape_of:
            shape_of[model] = component("GLTFShape", {"assetId": model})
        words = title.split()
        base = words[0].lower() + "".join(words[1:])
        counts[base] = counts.get(base, 0) + 1
        name = base if counts[base] == 1 else base + str(counts[base])
        listed = [shape_of[model], component("Transform", place)]
        if script is not None:
            listed.insert(0, component("Script", {"assetId": model, "values": script}))
        key = random.uuid()
        entities[key] = dict({"id": key, "components": listed, "name": name}, **extra)
        shown.append(model)

    rows = cols = 8
    for n, (title, x, z, y, turn, size) in enumerate(Village(random).build(540)):
        script = None
        if title == "Gate" or (title == "Lantern" and n % 3 == 0):
            script = {"onClick": [{"entityName": "well", "actionId": "splash", "values": {}}],
                      "text": "No. %d" % n}
        entity(title, turned(x, z, y, turn, size), script)
    for i in range(rows):
        for j in range(cols):
            entity("Meadow", at(16 * i + 8, 16 * j + 8), disableGizmos=True)
    scene = random.uuid()
    write("village.builder.json", {
        "version": 10,
        "project": project(random, "Village", rows, cols, scene),
        "scene": {"id": scene, "entities": entities, "components": components,
                  "assets": assets, "metrics": metrics(assets, shown),
                  "limits": limits(rows * cols),
                  "ground": {"assetId": order["Meadow"], "componentId": shape_of[order["Meadow"]]}}})


if __name__ == "__main__":
    make_models()
    courtyard_state()
    courtyard_builder()
    courtyard_composite()
    village()
