"""Small models in a few calls: coloured faces, written as binary glTF (GLB).

A model is one mesh: faces with a colour of their own, flat shaded, and darker towards the
ground, as if light came from the sky. So a model is one draw call, and no picture is needed.
Same calls, same bytes: what comes of trigonometry is rounded before it is used.

Units are metres, y is up, the front looks to +z.
"""
import json
import math
import struct


def rgb(text):
    """ "#rrggbb" as three numbers from 0 to 1, linear as glTF has them."""
    channels = [int(text[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)


def near(number):
    return round(number, 4) + 0.0  # no -0.0


def sub(a, b):
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def unit(a):
    size = math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) or 1.0
    return (a[0] / size, a[1] / size, a[2] / size)


class Model:
    """Faces, in two materials: plain ones, and those that glow."""

    def __init__(self, random, shade=0.62, shade_height=1.2):
        self.random = random
        self.shade = shade                # of what touches the ground; 1: none
        self.shade_height = shade_height  # up to where it is felt
        self.faces = {False: [], True: []}
        self.frames = [(0.0, 0.0, 0.0, 0.0)]

    # ---- where: parts are put together around a point, turned about y ----

    def at(self, x=0, y=0, z=0, turn=0):
        """The parts made in `with model.at(...)` stand there, turned by so many degrees."""
        self.pending = (x, y, z, math.radians(turn))
        return self

    def __enter__(self):
        self.frames.append(self.pending)

    def __exit__(self, *_):
        self.frames.pop()

    def place(self, point):
        for x, y, z, turn in reversed(self.frames):
            c, s = math.cos(turn), math.sin(turn)
            point = (point[0] * c + point[2] * s + x, point[1] + y, point[2] * c - point[0] * s + z)
        return tuple(near(p) for p in point)

    # ---- parts ----

    def face(self, points, color, glow=False, vary=0.05):
        """A flat polygon, counterclockwise as seen from where it is seen."""
        points = [self.place(p) for p in points]
        tone = 1 + vary * (self.random.below(2001) / 1000 - 1)
        self.faces[glow].append((points, tuple(c * tone for c in rgb(color))))

    def box(self, size, color, at=(0, 0, 0), top=1.0, turn=0, glow=False, vary=0.05, sides="nsewtb"):
        """Stands on `at`; `top`: how much wider it is above (a number, or x and z)."""
        w, h, d = size[0] / 2, size[1], size[2] / 2
        tx, tz = top if isinstance(top, tuple) else (top, top)
        low = [(-w, 0, d), (w, 0, d), (w, 0, -d), (-w, 0, -d)]
        high = [(x * tx, h, z * tz) for x, _, z in low]
        with self.at(*at, turn):
            for i, side in enumerate("nesw"):
                if side in sides:
                    j = (i + 1) % 4
                    self.face([low[i], low[j], high[j], high[i]], color, glow, vary)
            if "t" in sides:
                self.face(high, color, glow, vary)
            if "b" in sides:
                self.face(low[::-1], color, glow, vary)

    def tube(self, low, high, height, color, at=(0, 0, 0), count=8, ends="t", glow=False, vary=0.05, phase=0.5):
        """A cylinder or cone of `count` sides, of these radii below and above."""
        def ring(radius, y):
            turns = [2 * math.pi * (i + phase) / count for i in range(count)]
            return [(radius * math.sin(t), y, radius * math.cos(t)) for t in turns]
        with self.at(*at):
            under, over = ring(low, 0), ring(high, height)
            for i in range(count):
                j = (i + 1) % count
                if high == 0:
                    self.face([under[i], under[j], (0, height, 0)], color, glow, vary)
                elif low == 0:
                    self.face([(0, 0, 0), over[j], over[i]], color, glow, vary)
                else:
                    self.face([under[i], under[j], over[j], over[i]], color, glow, vary)
            if "t" in ends and high > 0:
                self.face(over, color, glow, vary)
            if "b" in ends and low > 0:
                self.face(under[::-1], color, glow, vary)

    def log(self, radius, length, color, at=(0, 0, 0), turn=0, count=8, cap=None, vary=0.05):
        """A cylinder that lies along x, its axis at `at`."""
        turns = [2 * math.pi * (i + 0.5) / count for i in range(count)]
        ring = [(radius * math.cos(t), radius * math.sin(t)) for t in turns]
        a = [(-length / 2, y, z) for y, z in ring]
        b = [(length / 2, y, z) for y, z in ring]
        with self.at(*at, turn):
            for i in range(count):
                j = (i + 1) % count
                self.face([a[i], b[i], b[j], a[j]][::-1], color, vary=vary)
            self.face(a[::-1], cap or color, vary=vary)
            self.face(b, cap or color, vary=vary)

    def roof(self, size, height, color, at=(0, 0, 0), turn=0, gable=None, thick=0.18):
        """Two slopes with the ridge along x; `gable`: the colour of the walls below it."""
        w, d = size[0] / 2, size[1] / 2
        with self.at(*at, turn):
            for s in (1, -1):
                eave = [(-w * s, 0, d * s), (w * s, 0, d * s)]
                ridge = [(w * s, height, 0), (-w * s, height, 0)]
                self.face(eave + ridge, color, vary=0.03)
                under = [(x, y - thick, z) for x, y, z in eave]
                self.face([under[0], under[1], eave[1], eave[0]], color, vary=0.03)
                low = [(x, y - thick, z) for x, y, z in ridge]
                self.face([under[1], under[0], low[1], low[0]], color, vary=0.03)
            for s in (1, -1):
                edge = [(w * s, 0, d * s), (w * s, 0, -d * s), (w * s, height, 0)]
                low = [(x, y - thick, z) for x, y, z in edge]
                self.face([edge[2], low[2], low[0], edge[0]][::-1], color, vary=0.03)
                self.face([edge[1], low[1], low[2], edge[2]][::-1], color, vary=0.03)
                if gable is not None:
                    inset = 0.86
                    self.face([(w * s * inset, -thick, d * s * inset), (w * s * inset, -thick, -d * s * inset),
                               (w * s * inset, height * inset, 0)], gable)

    def blob(self, radii, color, at=(0, 0, 0), rough=0.12, fine=1, vary=0.06, flat=None):
        """A ball of triangles, pressed to these radii, its points moved in and out by chance;
        nothing of it is below `flat`."""
        points, faces = sphere(fine)
        moved = []
        for p in points:
            r = 1 + rough * (self.random.below(2001) / 1000 - 1)
            x, y, z = (p[i] * radii[i] * r for i in range(3))
            moved.append((x, y if flat is None else max(y, flat), z))
        with self.at(*at):
            for face in faces:
                corners = [moved[i] for i in face]
                if flat is None or any(c[1] > flat for c in corners):
                    self.face(corners, color, vary=vary)

    # ---- writing ----

    def lit(self, color, point, normal):
        """Darker near the ground and below, as bytes."""
        up = min(max(point[1] / self.shade_height, 0), 1)
        light = self.shade + (1 - self.shade) * up
        light *= 0.94 + 0.06 * normal[1] if normal[1] < 0.5 else 1.0
        return bytes(min(255, max(0, int(c * light * 255 + 0.5))) for c in color) + b"\xff"

    def primitive(self, glow):
        position, normal, color, index = b"", b"", b"", []
        corners = []
        for points, shade in self.faces[glow]:
            n = (0.0, 0.0, 0.0)
            for i in range(1, len(points) - 1):
                m = cross(sub(points[i], points[0]), sub(points[i + 1], points[0]))
                n = (n[0] + m[0], n[1] + m[1], n[2] + m[2])
            n = tuple(near(c) for c in unit(n))
            first = len(corners)
            for p in points:
                corners.append(p)
                position += struct.pack("<3f", *p)
                normal += struct.pack("<3f", *n)
                color += b"\xff\xff\xff\xff" if glow else self.lit(shade, p, n)
            for i in range(1, len(points) - 1):
                index += [first, first + i, first + i + 1]
        return corners, position, normal, color, struct.pack(f"<{len(index)}H", *index), len(index)

    def glb(self, name, glow_color="#ffd58a"):
        """The bytes of the file."""
        body, views, accessors, primitives = b"", [], [], []

        def add(data, target, **accessor):
            nonlocal body
            body += b"\0" * (-len(body) % 4)
            views.append({"buffer": 0, "byteOffset": len(body), "byteLength": len(data), "target": target})
            body += data
            accessors.append({"bufferView": len(views) - 1, **accessor})
            return len(accessors) - 1

        kinds = [glow for glow in (False, True) if self.faces[glow]]
        for glow in kinds:
            corners, position, normal, color, index, count = self.primitive(glow)
            assert len(corners) < 65536
            size = len(corners)
            # The bounds as the 32-bit numbers that are written.
            low = [struct.unpack("<f", struct.pack("<f", min(p[i] for p in corners)))[0] for i in range(3)]
            high = [struct.unpack("<f", struct.pack("<f", max(p[i] for p in corners)))[0] for i in range(3)]
            primitives.append({
                "attributes": {
                    "POSITION": add(position, 34962, componentType=5126, count=size, type="VEC3", min=low, max=high),
                    "NORMAL": add(normal, 34962, componentType=5126, count=size, type="VEC3"),
                    "COLOR_0": add(color, 34962, componentType=5121, normalized=True, count=size, type="VEC4")},
                "indices": add(index, 34963, componentType=5123, count=count, type="SCALAR"),
                "material": kinds.index(glow)})
        plain = {"name": "plain", "pbrMetallicRoughness": {"metallicFactor": 0, "roughnessFactor": 0.92}}
        glowing = {"name": "glow", "emissiveFactor": [near(c) for c in rgb(glow_color)],
                   "pbrMetallicRoughness": {"baseColorFactor": [*[near(c) for c in rgb(glow_color)], 1],
                                            "metallicFactor": 0, "roughnessFactor": 0.6}}
        text = json.dumps({
            "asset": {"version": "2.0", "generator": "docs/scenes/make.py", "copyright": "CC0 1.0"},
            "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"name": name, "mesh": 0}],
            "meshes": [{"name": name, "primitives": primitives}], "materials": [glowing if glow else plain for glow in kinds],
            "buffers": [{"byteLength": len(body)}], "bufferViews": views, "accessors": accessors},
            separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        body += b"\0" * (-len(body) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(body), 0x004E4942) + body
        return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks

    def triangles(self):
        return sum(len(points) - 2 for glow in self.faces.values() for points, _ in glow)


def sphere(fine):
    """An icosahedron whose faces were divided `fine` times: points of length 1, faces."""
    g = (1 + math.sqrt(5)) / 2
    points = [unit(p) for p in ((-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g),
                                (0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1))]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2),
             (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5),
             (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]
    for _ in range(fine):
        middles = {}

        def middle(a, b):
            key = (min(a, b), max(a, b))
            if key not in middles:
                middles[key] = len(points)
                points.append(unit(tuple((points[a][i] + points[b][i]) / 2 for i in range(3))))
            return middles[key]
        faces = [new for a, b, c in faces for ab, bc, ca in [(middle(a, b), middle(b, c), middle(c, a))]
                 for new in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    return points, faces
