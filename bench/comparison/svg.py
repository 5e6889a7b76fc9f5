"""Plots as SVG: rows of dots on a logarithmic axis, with the spread of the runs as a line. They
are painted on a ground of their own and follow the reader's light or dark scheme."""
import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

LIGHT = {'ground': '#ffffff', 'frame': '#d0d7de', 'ink': '#1f2328', 'quiet': '#59636e', 'grid': '#e4e8ec',
         'ours': '#c2410c', 'peer': '#2f6fb3', 'anchor': '#77808a'}
DARK = {'ground': '#0d1117', 'frame': '#30363d', 'ink': '#e6edf3', 'quiet': '#9aa4af', 'grid': '#262c34',
        'ours': '#ff9263', 'peer': '#6db3f8', 'anchor': '#8b949e'}

WIDTH, MARGIN = 800, 20
LABEL_WIDTH, VALUE_WIDTH = 170, 190
ROW_HEIGHT, PANEL_HEAD, AXIS_HEIGHT = 20, 46, 22
PLOT_RIGHT = WIDTH - MARGIN - VALUE_WIDTH


@dataclass(frozen=True)
class Row:
    label: str
    marks: list  # (kind, Spread): kind is 'ours', 'peer' or 'anchor'
    value: str


@dataclass(frozen=True)
class Panel:
    title: str
    rows: list
    tick: object  # a number's text on the axis
    goal: float = None  # a dashed line
    goal_name: str = 'must'
    label_width: int = LABEL_WIDTH
    unit: float = 1  # ticks are round in this: 1048576 for MiB


def rules(colors):
    return '\n'.join([
        f'.ground {{ fill: {colors["ground"]}; stroke: {colors["frame"]} }}',
        f'text {{ fill: {colors["ink"]}; font: 13px system-ui, "DejaVu Sans", sans-serif }}',
        f'.title {{ font-size: 16px; font-weight: 600 }} .head {{ font-weight: 600 }}',
        f'.quiet {{ fill: {colors["quiet"]}; font-size: 12px }}',
        f'.own {{ fill: {colors["ours"]}; font-weight: 600 }}',
        f'.grid {{ stroke: {colors["grid"]} }}',
        f'.goal {{ stroke: {colors["quiet"]}; stroke-dasharray: 4 3 }}'] +
        [f'.{kind} {{ fill: {colors[kind]}; stroke: {colors[kind]} }}' for kind in ('ours', 'peer', 'anchor')])


def style():
    dark = rules(DARK).replace('\n', '\n  ')
    return (f'<style>\n{rules(LIGHT)}\n.line {{ fill: none; stroke-width: 2 }}\n'
            f'@media (prefers-color-scheme: dark) {{\n  {dark}\n}}\n</style>')


def text(x, y, content, classes='', anchor='start'):
    of_class = f' class="{classes}"' if classes else ''
    end = f' text-anchor="{anchor}"' if anchor != 'start' else ''
    return f'<text x="{x:.1f}" y="{y:.1f}"{of_class}{end}>{escape(content)}</text>'


class Axis:
    """Logarithmic, from `left` to `right`; whole decades if it spans more than one."""

    def __init__(self, low, high, left, right, unit=1):
        self.unit = unit
        low, high = math.log10(low / unit), math.log10(high / unit)
        if high - low < 0.3:
            low, high = low - 0.15, high + 0.15
        self.wide = high - low >= 1.5
        self.low = math.floor(low) if self.wide else low - 0.04
        self.high = math.ceil(high) if self.wide else high + 0.04
        self.left, self.right = left, right

    def at(self, value):
        share = (math.log10(value / self.unit) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)

    def ticks(self):
        factors = (1,) if self.wide else (1, 2, 5)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        ticks = [f * 10.0 ** p for p in powers for f in factors]
        return [t * self.unit for t in ticks if self.low - 1e-9 <= math.log10(t) <= self.high + 1e-9]


def panel_height(panel):
    return PANEL_HEAD + ROW_HEIGHT * len(panel.rows) + AXIS_HEIGHT


def draw_panel(panel, top):
    values = [v for row in panel.rows for _, s in row.marks for v in (s.low, s.high)]
    values += [panel.goal] if panel.goal else []
    left = MARGIN + panel.label_width
    axis = Axis(min(values), max(values), left, PLOT_RIGHT, panel.unit)
    mixed = any(kind != 'ours' for row in panel.rows for kind, _ in row.marks)
    bottom = top + PANEL_HEAD + ROW_HEIGHT * len(panel.rows)
    parts = [text(MARGIN, top + 20, panel.title, 'head')]
    for tick in axis.ticks():
        x = axis.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top + PANEL_HEAD - 4}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 15, panel.tick(tick), 'quiet', 'middle'))
    if panel.goal:
        x = axis.at(panel.goal)
        parts.append(f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{top + PANEL_HEAD - 8}" y2="{bottom}"/>')
        parts.append(text(x, top + PANEL_HEAD - 11, panel.goal_name, 'quiet', 'middle'))
    for i, row in enumerate(panel.rows):
        y = top + PANEL_HEAD + ROW_HEIGHT * i + ROW_HEIGHT / 2
        own = 'own' if mixed and any(kind == 'ours' for kind, _ in row.marks) else ''
        parts.append(text(left - 12, y + 4, row.label, own, 'end'))
        for kind, s in row.marks:
            if axis.at(s.high) - axis.at(s.low) > 1:
                parts.append(f'<line class="{kind} line" x1="{axis.at(s.low):.1f}" x2="{axis.at(s.high):.1f}" '
                             f'y1="{y}" y2="{y}"/>')
            parts.append(f'<circle class="{kind}" cx="{axis.at(s.median):.1f}" cy="{y}" r="4"/>')
        parts.append(text(PLOT_RIGHT + 14, y + 4, row.value, own or 'quiet'))
    return parts


def document(title, height, parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="{escape(title)}">')
    ground = f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>'
    return '\n'.join([head, style(), ground, text(MARGIN, 32, title, 'title'), *parts, '</svg>']) + '\n'


def legend(y, own='scenesync', peer='other engines', anchor='no engine: limits'):
    parts, x = [], MARGIN
    for kind, name in (('ours', own), ('peer', peer), ('anchor', anchor)):
        if name:
            parts.append(f'<circle class="{kind}" cx="{x + 5}" cy="{y - 4}" r="4"/>')
            parts.append(text(x + 14, y, name, 'quiet'))
            x += 30 + 7 * len(name)
    parts.append(text(WIDTH - MARGIN, y, 'dot: median of the runs, line: all of them', 'quiet', 'end'))
    return parts


def dot_plot(title, panels, **names):
    top = 62
    parts = legend(54, **names)
    for panel in panels:
        parts += draw_panel(panel, top)
        top += panel_height(panel) + 8
    return document(title, top + 8, parts)


def line_plot(title, points, tick_x, tick_y, label_x, goal=None):
    """`points`: (x, Spread), both axes logarithmic."""
    height, top, bottom = 330, 66, 268
    across = Axis(min(x for x, _ in points), max(x for x, _ in points), MARGIN + 80, WIDTH - MARGIN - 30)
    values = [v for _, s in points for v in (s.low, s.high)] + ([g for _, g in goal] if goal else [])
    values.append(min(values) * 0.75)  # room for what is written below the points
    up = Axis(min(values), max(values), bottom, top)
    parts = []
    for tick in across.ticks():
        x = across.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 18, tick_x(tick), 'quiet', 'middle'))
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(f'<line class="grid" x1="{across.left}" x2="{across.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(across.left - 10, y + 4, tick_y(tick), 'quiet', 'end'))
    path = ' '.join(f'{across.at(x):.1f},{up.at(s.median):.1f}' for x, s in points)
    parts.append(f'<polyline class="ours line" points="{path}" style="fill: none"/>')
    for x, s in points:
        at = across.at(x)
        parts.append(f'<line class="ours line" x1="{at:.1f}" x2="{at:.1f}" y1="{up.at(s.low):.1f}" '
                     f'y2="{up.at(s.high):.1f}"/>')
        parts.append(f'<circle class="ours" cx="{at:.1f}" cy="{up.at(s.median):.1f}" r="4"/>')
        parts.append(text(at, up.at(s.low) + 20, tick_y(s.median), 'own', 'middle'))
    for x, g in goal or ():
        at, y = across.at(x), up.at(g)
        parts.append(f'<line class="goal" x1="{at - 30:.1f}" x2="{at + 12:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(text(at - 34, y + 4, 'must', 'quiet', 'end'))
    parts.append(text((across.left + across.right) / 2, bottom + 42, label_x, 'quiet', 'middle'))
    return document(title, height, parts)
