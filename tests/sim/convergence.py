#!/usr/bin/env python3
"""Draw how long replicas need to be equal, by share of packets lost: docs/convergence.svg.

usage: scenesync fuzz --convergence --runs 10 --json | tests/sim/convergence.py > docs/convergence.svg
"""

import json, math, sys

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 130, 20, 50
COLOURS = ["#4e79a7", "#59a14f", "#9c755f", "#f28e2b", "#e15759", "#b07aa1"]
LOW, HIGH = 10, 60000  # ms


def x_of(loss):
    return LEFT + (WIDTH - LEFT - RIGHT) * loss / 75


def y_of(ms):
    share = math.log(max(ms, LOW) / LOW) / math.log(HIGH / LOW)
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def text(x, y, words, anchor="middle", more=""):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="13" fill="#444"'
            f'{more}>{words}</text>')


def grid():
    for ms, words in ((10, "10 ms"), (100, "0.1 s"), (1000, "1 s"), (10000, "10 s"), (60000, "60 s")):
        y = y_of(ms)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        yield text(LEFT - 8, y + 4, words, "end")
    for loss in (0, 10, 20, 30, 40, 50, 60, 75):
        yield text(x_of(loss), HEIGHT - BOTTOM + 20, f"{loss} %")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "of all packets are lost")


def main():
    points = [json.loads(line) for line in sys.stdin if line.strip()]
    counts = sorted({p["replicas"] for p in points})
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
          f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    print("\n".join(grid()))
    for colour, count in zip(COLOURS, counts):
        row = sorted((p["loss"], p["median_ms"]) for p in points if p["replicas"] == count)
        path = " ".join(f"{x_of(loss):.1f},{y_of(ms):.1f}" for loss, ms in row)
        print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 20 + 20 * counts.index(count)
        print(f'<line x1="{WIDTH - RIGHT + 12}" y1="{y - 4}" x2="{WIDTH - RIGHT + 32}" '
              f'y2="{y - 4}" stroke="{colour}" stroke-width="2"/>')
        print(text(WIDTH - RIGHT + 38, y, f"{count} replicas", "start"))
    print("</svg>")


if __name__ == "__main__":
    main()
