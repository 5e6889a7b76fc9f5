"""The models of the sample scenes, each made of a few parts (mesh.py)."""
import math

from mesh import Model

OAK, BARK, DARK, PALE = "#8a6242", "#6e5038", "#5a3f2b", "#c49a6c"
STONE, SLATE, MORTAR = "#a39d92", "#5f6b7a", "#8c867c"
PLASTER, CREAM, TILES, RUST = "#eadcc0", "#f3ead6", "#b4553a", "#94432f"
GRASS, MOSS, IRON, GOLD = "#86a95c", "#5d8443", "#4a4e55", "#d9b45a"


# ---- land ----

def meadow(m):
    """16 m of grass, in patches."""
    step, count = 4.0, 4
    tones = ["#86a85b", "#8cae60", "#80a256", "#8fb164"]
    for i in range(count):
        for j in range(count):
            x, z = -8 + step * i, -8 + step * j
            tone = tones[m.random.below(len(tones))]
            m.face([(x, 0, z + step), (x + step, 0, z + step), (x + step, 0, z), (x, 0, z)], tone, vary=0.02)
    for _ in range(14):  # tufts
        x, z = (m.random.below(1500) / 100 - 7.5 for _ in range(2))
        for turn in (0, 72, 144):
            with m.at(x, 0, z, turn + m.random.below(40)):
                m.face([(-0.07, 0, 0.02), (0.07, 0, 0.02), (0.03, 0.26, 0.1)], "#6f9648", vary=0.1)
                m.face([(0.07, 0, 0.02), (-0.07, 0, 0.02), (0.03, 0.26, 0.1)], "#6f9648", vary=0.1)


def cobbles(m):
    """8 m of paving, a hand's breadth above the grass."""
    m.box((8, 0.05, 8), "#8d867a", sides="nesw", vary=0.02)
    size, row = 1.0, 0
    for j in range(8):
        shift = 0.5 if row % 2 else 0.0
        row += 1
        x = -4.0
        while x < 4.0 - 1e-9:
            width = min(size - (shift if x == -4.0 else 0), 4.0 - x)
            z = -4 + j
            tone = ["#aaa294", "#b3ab9d", "#a19a8d", "#bab3a5"][m.random.below(4)]
            y = 0.05 + m.random.below(3) / 200
            g = 0.03
            m.face([(x + g, y, z + 1 - g), (x + width - g, y, z + 1 - g), (x + width - g, y, z + g), (x + g, y, z + g)],
                   tone, vary=0.04)
            x += width
    m.face([(-4, 0.048, 4), (4, 0.048, 4), (4, 0.048, -4), (-4, 0.048, -4)], "#857e72", vary=0)


def stone_ground(m):
    m.face([(-8, 0, 8), (8, 0, 8), (8, 0, -8), (-8, 0, -8)], "#938c80", vary=0)
    for i in range(8):
        for j in range(8):
            x, z, g = -8 + 2 * i, -8 + 2 * j, 0.04
            tone = ["#b5ad9f", "#aca496", "#bdb6a9", "#a69e90"][m.random.below(4)]
            m.face([(x + g, 0.02, z + 2 - g), (x + 2 - g, 0.02, z + 2 - g), (x + 2 - g, 0.02, z + g), (x + g, 0.02, z + g)],
                   tone, vary=0.03)


def rock(m):
    m.blob((0.9, 0.75, 0.75), "#9a958c", at=(0, 0.3, 0), rough=0.2, flat=-0.3)
    m.blob((0.45, 0.4, 0.5), "#a8a399", at=(0.75, 0.15, 0.3), rough=0.2, flat=-0.15)


def flowers(m):
    colors = ["#e8615a", "#f2c14e", "#f4f0e6", "#b278c9", "#ef8fa8"]
    m.blob((0.75, 0.16, 0.75), MOSS, at=(0, 0.06, 0), rough=0.3, flat=-0.06)
    for i in range(16):
        t, r = i * 2.39996, 0.14 + 0.035 * i
        x, z, h = r * math.cos(t), r * math.sin(t), 0.28 + m.random.below(18) / 100
        m.tube(0.014, 0.01, h, "#4f7a3a", at=(x, 0, z), count=3, ends="")
        m.tube(0.0, 0.085, 0.06, colors[i % 5], at=(x, h, z), count=5)
        m.tube(0.03, 0.0, 0.03, "#f5d76b", at=(x, h + 0.06, z), count=4)


# ---- trees ----

def oak(m):
    m.tube(0.42, 0.26, 1.7, BARK, count=7, ends="")
    m.tube(0.2, 0.1, 1.2, BARK, at=(0.1, 1.5, 0.1), count=5, ends="")
    for x, y, z, r, tone in ((0, 3.3, 0, 1.55, "#5f8f3f"), (0.95, 2.75, 0.35, 1.05, "#679845"),
                             (-0.9, 2.85, -0.3, 1.1, "#568338"), (-0.25, 2.7, 0.9, 0.95, "#6b9d49"),
                             (0.15, 4.2, -0.25, 0.95, "#70a34d")):
        m.blob((r, r * 0.85, r), tone, at=(x, y, z), rough=0.1)


def birch(m):
    m.tube(0.17, 0.1, 3.4, "#e9e5da", count=6, ends="")
    for y in (0.5, 1.1, 1.5, 2.2, 2.7):
        with m.at(0, y, 0, m.random.below(360)):
            m.box((0.16, 0.07, 0.03), "#4b4641", at=(0, 0, 0.155 - 0.02 * y))
    for x, y, z, r, tone in ((0, 4.2, 0, 1.0, "#93b553"), (0.4, 3.3, 0.25, 0.85, "#8aac4c"),
                             (-0.4, 3.4, -0.2, 0.8, "#9cbe5b"), (0, 5.1, 0, 0.65, "#a3c463")):
        m.blob((r, r * 1.15, r), tone, at=(x, y, z), rough=0.12)


def pine(m):
    m.tube(0.26, 0.18, 1.1, BARK, count=6, ends="")
    for i, (r, y, h) in enumerate(((1.65, 0.8, 1.9), (1.35, 1.9, 1.8), (1.05, 2.95, 1.6), (0.7, 3.9, 1.5))):
        tone = ["#3f6b4c", "#467453", "#4c7c59", "#548661"][i]
        m.tube(r, 0.0, h, tone, at=(0, y, 0), count=9, ends="b", phase=0.3 * i, vary=0.07)


def lime_tree(m):
    m.tube(0.32, 0.2, 1.9, BARK, count=7, ends="")
    for x, y, z, r, tone in ((0, 3.1, 0, 1.3, "#8fb84a"), (0, 4.2, 0, 1.05, "#9bc455"), (0.55, 3.5, 0.5, 0.8, "#86ae42"),
                             (-0.6, 3.4, -0.4, 0.85, "#94bd4e"), (0, 5.0, 0, 0.6, "#a6ce60")):
        m.blob((r, r, r), tone, at=(x, y, z), rough=0.1)


def hedge(m):
    for x, w in ((-0.95, 0.75), (0.0, 0.7), (0.95, 0.75)):
        m.blob((w, 0.62, 0.5), "#5c8842", at=(x, 0.5, 0), rough=0.08, flat=-0.5)
    for x in (-1.3, -0.5, 0.35, 1.2):
        m.blob((0.22, 0.18, 0.2), "#6c9a4f", at=(x, 0.95, 0.15), rough=0.15)


# ---- houses: 6 m wide, the door looks to +z ----

def window(m, at, turn=0, size=(0.8, 1.0), frame=DARK, shutters=None, glow=True):
    w, h = size
    with m.at(*at, turn):
        m.box((w + 0.18, h + 0.18, 0.08), frame, at=(0, -0.09, 0))
        m.box((w / 2 - 0.05, h - 0.04, 0.1), "#ffd58a", at=(-w / 4, 0.02, 0.01), glow=glow, sides="n")
        m.box((w / 2 - 0.05, h - 0.04, 0.1), "#ffd58a", at=(w / 4, 0.02, 0.01), glow=glow, sides="n")
        m.box((w + 0.34, 0.09, 0.24), frame, at=(0, -0.18, 0.04))
        for s in (-1, 1) if shutters else ():
            m.box((w * 0.42, h + 0.06, 0.07), shutters, at=(s * (w / 2 + w * 0.21 + 0.1), -0.03, 0.02))


def door(m, at, turn=0, color=OAK, size=(1.0, 2.0)):
    w, h = size
    with m.at(*at, turn):
        m.box((w + 0.26, h + 0.13, 0.14), DARK)
        m.box((w, h, 0.2), color)
        m.box((0.08, 0.08, 0.3), GOLD, at=(w * 0.36, h * 0.46, 0), vary=0)
        m.box((w + 0.7, 0.14, 0.7), STONE, at=(0, 0, 0.3))


def chimney(m, at, height=1.9):
    m.box((0.7, height, 0.7), STONE, at=at)
    x, y, z = at
    m.box((0.84, 0.16, 0.84), MORTAR, at=(x, y + height, z))
    m.box((0.36, 0.22, 0.36), RUST, at=(x, y + height + 0.16, z))


def timber_house(m):
    m.box((6.1, 0.5, 5.1), STONE)
    m.box((5.9, 2.5, 4.9), PLASTER, at=(0, 0.5, 0))
    m.box((6.3, 2.1, 5.3), PLASTER, at=(0, 3.0, 0))
    for y, w, d in ((0.5, 6.0, 5.0), (2.86, 6.5, 5.5), (5.0, 6.45, 5.45)):
        m.box((w, 0.2, d), DARK, at=(0, y, 0), sides="neswtb")
    for x in (-2.98, -1.0, 1.0, 2.98):
        m.box((0.2, 2.5, 0.12), DARK, at=(x * 0.985, 0.5, 2.45))
        m.box((0.2, 2.5, 0.12), DARK, at=(x * 0.985, 0.5, -2.45))
    for x in (-3.1, -1.55, 0, 1.55, 3.1):
        m.box((0.2, 2.1, 0.12), DARK, at=(x, 3.0, 2.66))
        m.box((0.2, 2.1, 0.12), DARK, at=(x, 3.0, -2.66))
    for z in (-2.4, 0, 2.4):
        for s in (-1, 1):
            m.box((0.12, 2.1, 0.2), DARK, at=(s * 3.16, 3.0, z))
            m.box((0.12, 2.4, 0.2), DARK, at=(s * 2.96, 0.5, z * 0.98))
    m.roof((7.3, 6.7), 2.7, TILES, at=(0, 5.05, 0), gable=PLASTER)
    m.box((7.34, 0.16, 0.36), RUST, at=(0, 7.66, 0))
    for s in (-1, 1):
        m.box((0.12, 1.5, 0.2), DARK, at=(s * 3.16, 5.0, 0))
        window(m, (s * 3.16, 3.55, 1.2), s * 90)
        window(m, (s * 3.16, 3.55, -1.2), s * 90)
    door(m, (0, 0.42, 2.46))
    window(m, (-2.0, 1.3, 2.47), shutters="#5f7d5a")
    window(m, (2.0, 1.3, 2.47), shutters="#5f7d5a")
    for x in (-2.3, -0.78, 0.78, 2.3):
        window(m, (x, 3.6, 2.68), size=(0.66, 0.9))
    window(m, (-1.6, 1.3, -2.47), 180)
    window(m, (1.6, 3.6, -2.68), 180)
    chimney(m, (1.8, 6.1, -0.9))


def stone_house(m):
    m.box((5.8, 3.4, 4.8), "#b6aea0")
    m.box((6.0, 0.45, 5.0), MORTAR)
    for i, y in enumerate((0.5, 1.2, 1.9, 2.6)):
        for s in (-1, 1):
            for t in (-1, 1):
                m.box((0.6 if i % 2 else 0.45, 0.5, 0.5 if i % 2 else 0.65), "#9d968a", at=(s * 2.72, y, t * 2.2))
    m.roof((6.9, 6.3), 2.9, SLATE, at=(0, 3.42, 0), gable="#b6aea0")
    m.box((6.94, 0.14, 0.34), "#525d6b", at=(0, 6.22, 0))
    door(m, (-0.9, 0.1, 2.4), color="#4f6b76", size=(1.05, 2.0))
    window(m, (1.35, 1.25, 2.41), size=(1.2, 1.1), shutters="#4f6b76")
    for s in (-1, 1):
        window(m, (s * 2.91, 1.3, 0), s * 90)
        window(m, (s * 2.96, 4.15, 0), s * 90, size=(0.6, 0.8))
    window(m, (0, 1.3, -2.41), 180)
    chimney(m, (-1.9, 4.6, -0.6), 2.3)
    m.box((1.3, 0.35, 0.45), OAK, at=(1.35, 0.72, 2.65))
    for i in range(6):
        m.blob((0.16, 0.16, 0.16), ["#e8615a", "#f2c14e", "#ef8fa8"][i % 3], at=(0.85 + 0.2 * i, 1.12, 2.68), fine=0)


def bakery(m):
    m.box((6.6, 0.4, 5.4), STONE)
    m.box((6.4, 3.1, 5.2), "#f0dcae", at=(0, 0.4, 0))
    m.box((6.6, 0.22, 5.4), DARK, at=(0, 3.4, 0))
    m.roof((7.5, 6.9), 2.6, "#a2563e", at=(0, 3.62, 0), gable="#f0dcae")
    m.box((7.54, 0.16, 0.34), RUST, at=(0, 6.13, 0))
    door(m, (1.9, 0.35, 2.6), color="#8c4b34")
    window(m, (-1.1, 1.25, 2.6), size=(2.6, 1.4))
    for i in range(8):  # the awning
        x = -2.75 + 0.47 * i
        low, high = 2.35, 3.0
        color = "#c8473c" if i % 2 else CREAM
        m.face([(x, low, 3.9), (x + 0.47, low, 3.9), (x + 0.47, high, 2.62), (x, high, 2.62)], color)
        m.face([(x + 0.47, low - 0.03, 3.9), (x, low - 0.03, 3.9), (x, high - 0.03, 2.62), (x + 0.47, high - 0.03, 2.62)], color)
        m.face([(x, low - 0.22, 3.9), (x + 0.47, low - 0.22, 3.9), (x + 0.47, low, 3.9), (x, low, 3.9)], color)
    m.box((2.9, 0.12, 0.8), OAK, at=(-1.1, 0.95, 3.15))
    for x in (-2.3, 0.1):
        m.box((0.12, 0.95, 0.6), DARK, at=(x, 0, 3.15))
    for i in range(7):
        m.blob((0.2, 0.13, 0.14), "#c98a45", at=(-2.2 + 0.37 * i, 1.15, 3.1 + 0.12 * (i % 2)), fine=0, rough=0.06)
    with m.at(2.9, 2.6, 2.62):
        m.box((0.08, 0.08, 1.1), IRON, at=(0, 0.5, 0.5))
        m.tube(0.36, 0.36, 0.1, PALE, at=(0, -0.12, 0.75), count=10, ends="tb")
    window(m, (-3.21, 1.4, 0), -90, shutters="#8c4b34")
    window(m, (3.21, 1.4, -0.6), 90, shutters="#8c4b34")
    window(m, (3.26, 4.2, 0), 90, size=(0.6, 0.8))
    window(m, (-3.26, 4.2, 0), -90, size=(0.6, 0.8))
    chimney(m, (-2.0, 4.7, -1.2), 2.4)


def smithy(m):
    m.box((6.4, 0.3, 5.4), MORTAR)
    m.box((3.4, 3.0, 5.0), "#9a9286", at=(-1.4, 0.3, 0))
    for z in (-2.3, 2.3):
        m.box((0.28, 2.9, 0.28), DARK, at=(2.9, 0.3, z))
    m.box((3.2, 0.24, 0.26), DARK, at=(1.5, 3.06, 2.3))
    m.box((3.2, 0.24, 0.26), DARK, at=(1.5, 3.06, -2.3))
    m.roof((7.2, 6.6), 2.4, "#6d5a4a", at=(0, 3.32, 0), gable=OAK)
    m.box((1.5, 1.0, 1.5), STONE, at=(1.0, 0.3, -1.4))
    m.box((1.0, 0.1, 1.0), "#ff9d4d", at=(1.0, 1.3, -1.4), glow=True)
    m.box((1.5, 2.7, 0.5), STONE, at=(1.0, 1.3, -2.1), top=0.7)
    m.tube(0.34, 0.3, 0.6, OAK, at=(1.7, 0.3, 0.7), count=8)
    m.box((0.4, 0.2, 0.24), IRON, at=(1.7, 0.9, 0.7))
    m.box((0.85, 0.18, 0.3), IRON, at=(1.7, 1.1, 0.7), top=(0.92, 0.9))
    m.tube(0.4, 0.44, 0.7, OAK, at=(2.4, 0.3, -0.4), count=9)
    m.tube(0.38, 0.38, 0.04, "#6fa3b8", at=(2.4, 0.92, -0.4), count=9)
    door(m, (-1.6, 0.22, 2.5), color=BARK)
    window(m, (-3.11, 1.5, 0.4), -90)
    chimney(m, (1.0, 4.4, -1.9), 2.2)


def chapel(m):
    m.box((5.4, 0.5, 9.4), MORTAR)
    m.box((5.0, 4.4, 9.0), CREAM, at=(0, 0.5, 0))
    with m.at(0, 4.92, 0, 90):
        m.roof((9.7, 6.1), 3.0, SLATE, gable=CREAM)
    for z in (-3.1, -0.9, 1.3):
        for s in (-1, 1):
            with m.at(s * 2.51, 1.6, z, s * 90):
                m.box((0.7, 1.9, 0.1), STONE, at=(0, -0.1, 0))
                m.box((0.46, 1.6, 0.14), "#ffd58a", glow=True, sides="n")
            m.box((0.5, 3.2, 0.6), STONE, at=(s * 2.6, 0.5, z + 1.1), top=(0.6, 0.8))
    m.box((2.9, 7.2, 2.9), CREAM, at=(0, 0.4, 4.0))
    m.box((3.15, 0.3, 3.15), STONE, at=(0, 5.4, 4.0))
    m.box((3.15, 0.3, 3.15), STONE, at=(0, 7.5, 4.0))
    for turn in (0, 90, 180, 270):
        with m.at(0, 0, 4.0, turn):
            m.box((0.8, 1.3, 0.1), DARK, at=(0, 5.95, 1.44))
    m.tube(2.2, 0.0, 4.4, SLATE, at=(0, 7.8, 4.0), count=4)
    m.box((0.1, 1.1, 0.1), GOLD, at=(0, 12.0, 4.0), vary=0)
    m.box((0.6, 0.1, 0.1), GOLD, at=(0, 12.65, 4.0), vary=0)
    door(m, (0, 0.42, 5.46), color="#7a4a35", size=(1.3, 2.4))
    with m.at(0, 4.0, 5.46):
        m.tube(0.0, 0.5, 0.06, "#ffd58a", count=10, glow=True)


# ---- things ----

def well(m):
    for i in range(10):
        with m.at(0, 0, 0, 36 * i):
            m.box((0.64, 0.85, 0.34), ["#a39d92", "#989187", "#ada69a"][i % 3], at=(0, 0, 0.95))
    m.tube(0.8, 0.8, 0.02, "#4d7f95", at=(0, 0.5, 0), count=10)
    for s in (-1, 1):
        m.box((0.16, 2.1, 0.16), DARK, at=(s * 1.05, 0, 0))
    m.log(0.09, 2.1, OAK, at=(0, 1.75, 0), count=6)
    m.log(0.15, 0.6, PALE, at=(0, 1.75, 0), count=8)
    m.roof((2.9, 2.2), 0.95, TILES, at=(0, 2.1, 0), thick=0.1)
    m.box((0.03, 0.75, 0.03), PALE, at=(0, 1.0, 0))
    m.tube(0.14, 0.19, 0.3, OAK, at=(0, 0.72, 0), count=8)


def market_stall(m):
    for x in (-1.4, 1.4):
        m.box((0.12, 2.15, 0.12), OAK, at=(x, 0, 0.8))
        m.box((0.12, 2.6, 0.12), OAK, at=(x, 0, -0.8))
    m.box((3.0, 0.1, 1.1), PALE, at=(0, 0.9, 0.35))
    m.box((2.9, 0.75, 0.06), OAK, at=(0, 0.15, 0.85))
    stripes = 8
    for i in range(stripes):
        x, w = -1.6 + 0.4 * i, 0.4
        color = "#c9503f" if i % 2 else CREAM
        m.face([(x, 2.1, 1.25), (x + w, 2.1, 1.25), (x + w, 2.75, -1.0), (x, 2.75, -1.0)], color, vary=0.02)
        m.face([(x + w, 2.08, 1.25), (x, 2.08, 1.25), (x, 2.73, -1.0), (x + w, 2.73, -1.0)], color, vary=0.02)
        m.face([(x, 1.88, 1.25), (x + w, 1.88, 1.25), (x + w, 2.1, 1.25), (x, 2.1, 1.25)], color, vary=0.02)
    for k, (x, color) in enumerate(((-1.05, "#c7473d"), (-0.35, "#e39b3b"), (0.35, "#7fa650"), (1.05, "#8a5a9e"))):
        m.box((0.6, 0.2, 0.6), OAK, at=(x, 1.0, 0.35), top=1.08)
        for i in range(4):
            m.blob((0.13, 0.12, 0.13), color, at=(x - 0.14 + 0.28 * (i % 2), 1.24, 0.22 + 0.27 * (i // 2)), fine=0, rough=0.05)


def bench(m):
    for z in (-0.17, 0, 0.17):
        m.box((1.7, 0.06, 0.14), PALE, at=(0, 0.44, z))
    for y in (0.62, 0.82):
        m.box((1.7, 0.13, 0.05), PALE, at=(0, y, -0.29))
    for x in (-0.7, 0.7):
        m.box((0.09, 0.44, 0.48), IRON, at=(x, 0, 0))
        m.box((0.09, 0.55, 0.08), IRON, at=(x, 0.42, -0.25))


def barrel(m):
    for y, a, b in ((0, 0.33, 0.4), (0.27, 0.4, 0.42), (0.5, 0.42, 0.4), (0.77, 0.4, 0.33)):
        h = {0: 0.27, 0.27: 0.23, 0.5: 0.27, 0.77: 0.23}[y]
        m.tube(a, b, h, OAK, at=(0, y, 0), count=10, ends="")
    for y in (0.2, 0.74):
        m.tube(0.41, 0.42 if y < 0.5 else 0.4, 0.08, IRON, at=(0, y, 0), count=10, ends="tb")
    m.tube(0.32, 0.32, 0.02, PALE, at=(0, 0.95, 0), count=10)


def crate(m):
    m.box((0.84, 0.84, 0.84), PALE, at=(0, 0.03, 0))
    for y in (0, 0.78):
        m.box((0.92, 0.12, 0.92), OAK, at=(0, y, 0))
    for x in (-0.4, 0.4):
        for z in (-0.4, 0.4):
            m.box((0.13, 0.86, 0.13), OAK, at=(x, 0, z))
    with m.at(0, 0.9, 0, 0):
        m.box((0.5, 0.012, 0.12), OAK)


def wheel(m, at, radius=0.5):
    with m.at(*at):
        count = 10
        for i in range(count):
            t, u = (2 * math.pi * k / count for k in (i, i + 1))
            outer = [(radius * math.cos(a), radius * math.sin(a)) for a in (t, u)]
            inner = [(0.84 * x, 0.84 * y) for x, y in outer]
            for s in (1, -1):
                ring = [(*inner[0], 0.05 * s), (*outer[0], 0.05 * s), (*outer[1], 0.05 * s), (*inner[1], 0.05 * s)]
                m.face(ring if s > 0 else ring[::-1], DARK)
            m.face([(*outer[0], 0.05), (*outer[0], -0.05), (*outer[1], -0.05), (*outer[1], 0.05)], IRON)
        for i in range(4):
            c, s = (math.cos(math.pi * i / 4), math.sin(math.pi * i / 4))
            r, w = radius * 0.86, 0.035
            spoke = [(r * c - w * s, r * s + w * c), (-r * c - w * s, -r * s + w * c),
                     (-r * c + w * s, -r * s - w * c), (r * c + w * s, r * s - w * c)]
            m.face([(x, y, 0.03) for x, y in spoke], OAK)
            m.face([(x, y, -0.03) for x, y in spoke[::-1]], OAK)


def cart(m):
    m.box((2.2, 0.1, 1.1), PALE, at=(0, 0.62, 0))
    for z in (-0.55, 0.55):
        m.box((2.2, 0.42, 0.07), OAK, at=(0, 0.7, z))
    for x in (-1.08, 1.08):
        m.box((0.07, 0.42, 1.1), OAK, at=(x, 0.7, 0))
    for z in (-0.68, 0.68):
        wheel(m, (0.1, 0.5, z))
    m.box((0.12, 0.12, 1.4), DARK, at=(0.1, 0.45, 0))
    for z in (-0.4, 0.4):
        m.box((1.6, 0.08, 0.08), OAK, at=(-1.8, 0.58, z))
    for x, z, r in ((-0.5, 0, 0.5), (0.45, 0.1, 0.46), (0, -0.15, 0.4)):
        m.blob((r, r * 0.55, r * 0.85), GOLD, at=(x, 0.95, z), rough=0.14)


def lantern(m):
    m.tube(0.2, 0.14, 0.3, STONE, count=8)
    m.tube(0.07, 0.05, 2.4, IRON, at=(0, 0.3, 0), count=6, ends="")
    m.box((0.5, 0.05, 0.05), IRON, at=(0, 2.55, 0))
    m.tube(0.12, 0.17, 0.08, IRON, at=(0, 2.68, 0), count=6, ends="tb")
    m.tube(0.14, 0.18, 0.36, "#ffd58a", at=(0, 2.76, 0), count=6, ends="", glow=True)
    for i in range(6):
        with m.at(0, 2.76, 0, 60 * i):
            m.box((0.03, 0.36, 0.03), IRON, at=(0, 0, 0.17))
    m.tube(0.26, 0.05, 0.22, IRON, at=(0, 3.12, 0), count=6, ends="tb")
    m.blob((0.05, 0.06, 0.05), GOLD, at=(0, 3.38, 0), fine=0, rough=0)


def lamp_hanging(m):
    """A lantern without its post."""
    m.tube(0.12, 0.17, 0.08, IRON, count=6, ends="tb")
    m.tube(0.14, 0.18, 0.36, "#ffd58a", at=(0, 0.08, 0), count=6, ends="", glow=True)
    for i in range(6):
        with m.at(0, 0.08, 0, 60 * i):
            m.box((0.03, 0.36, 0.03), IRON, at=(0, 0, 0.17))
    m.tube(0.26, 0.05, 0.22, IRON, at=(0, 0.44, 0), count=6, ends="tb")


def signpost(m):
    m.box((0.14, 2.5, 0.14), DARK)
    for y, turn, length in ((2.05, 15, 1.3), (1.62, 195, 1.2), (1.2, 75, 1.05)):
        with m.at(0, y, 0, turn):
            e, h, t = length, 0.3, 0.05
            shape = [(0.05, 0), (e - 0.18, 0), (e, h / 2), (e - 0.18, h), (0.05, h)]
            m.face([(x, v, t + 0.07) for x, v in shape], PALE)
            m.face([(x, v, 0.07 - t) for x, v in shape[::-1]], PALE)
            for (a, b), (c, d) in zip(shape, shape[1:] + shape[:1]):
                m.face([(a, b, t + 0.07), (a, b, 0.07 - t), (c, d, 0.07 - t), (c, d, t + 0.07)], OAK)
            m.box((e * 0.55, 0.05, 0.02), DARK, at=(e * 0.45, 0.13, t + 0.07))
    m.tube(0.14, 0.0, 0.16, OAK, at=(0, 2.5, 0), count=4)


def haystack(m):
    m.tube(1.05, 1.2, 0.7, GOLD, count=11, ends="")
    m.tube(1.2, 0.75, 0.8, "#d2aa4e", at=(0, 0.7, 0), count=11, ends="", phase=0.2)
    m.tube(0.75, 0.0, 0.75, "#dfbd68", at=(0, 1.5, 0), count=11)
    m.box((0.05, 0.7, 0.05), OAK, at=(0, 1.95, 0))


def fence(m):
    for x in (-1.2, 0, 1.2):
        m.box((0.13, 1.05, 0.13), OAK, at=(x, 0, 0))
        m.tube(0.1, 0.0, 0.12, OAK, at=(x, 1.05, 0), count=4)
    for y in (0.32, 0.72):
        m.box((2.5, 0.12, 0.06), PALE, at=(0, y, 0.06))


def gate(m):
    for x in (-1.5, 1.5):
        m.box((0.6, 2.6, 0.6), STONE, at=(x, 0, 0), top=0.92)
        m.box((0.74, 0.2, 0.74), MORTAR, at=(x, 2.6, 0))
        m.blob((0.24, 0.24, 0.24), STONE, at=(x, 2.98, 0), rough=0.03)
    for s in (-1, 1):
        m.box((1.1, 0.14, 0.1), DARK, at=(s * 0.6, 0.4, 0))
        m.box((1.1, 0.14, 0.1), DARK, at=(s * 0.6, 1.6, 0))
        for i in range(4):
            m.box((0.2, 1.8 + 0.09 * (3 - i if s < 0 else i) * 0 + 0.08 * (3 - i), 0.07), OAK, at=(s * (0.18 + 0.28 * i), 0.15, 0.04))
    m.box((2.6, 0.22, 0.3), OAK, at=(0, 2.3, 0))
    m.roof((4.1, 1.3), 0.5, TILES, at=(0, 3.0 - 0.25, 0), thick=0.08)


MODELS = {
    "Meadow": meadow, "Cobbles": cobbles, "Timber House": timber_house, "Stone House": stone_house, "Bakery": bakery,
    "Smithy": smithy, "Chapel": chapel, "Well": well, "Market Stall": market_stall, "Oak": oak, "Birch": birch,
    "Pine": pine, "Hedge": hedge, "Fence": fence, "Gate": gate, "Bench": bench, "Barrel": barrel, "Crate": crate,
    "Cart": cart, "Lantern": lantern, "Signpost": signpost, "Haystack": haystack, "Rock": rock, "Flowers": flowers,
    "Stone Ground": stone_ground, "Lime Tree": lime_tree, "Hanging Lamp": lamp_hanging}

FLAT = ("Meadow", "Cobbles", "Stone Ground")


def make(name, random):
    """The bytes of a model's file, and its triangles."""
    model = Model(random, shade=1.0 if name in FLAT else 0.62)
    MODELS[name](model)
    return model.glb(name), model.triangles()
