"""flame - `./dev bench flame [NAME]`: where the time of one way goes, as a picture.

perf samples the whole machine while one TCP stream runs; stacks of the bench's own processes are folded
and drawn as build/flame.svg (widest at the bottom: who called; a title on every box: part of all samples).
"""
import html
import os
import subprocess
import sys

import meter
from bed import Bed, answers
from lab import Failed, Lab

SECONDS = 6
WIDTH, ROW = 1600, 17
OURS = ("pavise-xfrmd", "iperf3", "forward", "ksoftirqd")


class Box:
    def __init__(self):
        self.samples, self.inner = 0, {}


def fold(script):
    """The stacks of `perf script` as a tree, the caller outside."""
    root = Box()
    for sample in script.split("\n\n"):
        lines = [line for line in sample.split("\n") if line.strip()]
        if not lines or not lines[0].strip().startswith(OURS):
            continue
        frames = [lines[0].split()[0]]
        for line in reversed(lines[1:]):
            words = line.split()
            if len(words) > 1 and words[1] != "[unknown]":  # the compiler keeps no frame pointers
                frames.append(words[1].split("+")[0])
        box = root
        root.samples += 1
        for frame in frames:
            box = box.inner.setdefault(frame, Box())
            box.samples += 1
    return root


def draw(root, out):
    def depth(box):
        return 1 + max((depth(inner) for inner in box.inner.values() if inner.samples * 2000 > root.samples), default=0)

    def put(name, box, x, level):
        width = WIDTH * box.samples / root.samples
        if box.samples * 2000 <= root.samples:
            return
        y = height - (level + 1) * ROW
        part = 100 * box.samples / root.samples
        label = html.escape(name[:int(width / 7)]) if width > 20 else ""
        hue = sum(map(ord, name)) % 50
        out.write(f'<g><title>{html.escape(name)} {part:.1f} %</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.2):.1f}"'
                  f' height="{ROW - 1}" fill="hsl({hue},75%,62%)"/><text x="{x + 2:.1f}" y="{y + 12}">{label}</text></g>\n')
        for inner_name, inner in sorted(box.inner.items(), key=lambda item: -item[1].samples):
            put(inner_name, inner, x, level + 1)
            x += WIDTH * inner.samples / root.samples

    height = depth(root) * ROW + 4
    out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">\n')
    put("all", root, 0, 0)
    out.write("</svg>\n")


def record(bed, way, path):
    with open(path + ".log", "wb") as log:
        perf = subprocess.Popen(["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock", "-F", "997", "-o", path, "sleep",
                                 str(SECONDS)], stdout=log, stderr=log)
        figures = meter.tcp(bed, way, meter.Cpu(), SECONDS + 1)
        if perf.wait(30):
            raise Failed("perf record failed; its words are in " + path + ".log")
    return figures


def main(ways, names):
    name = next((n for n in ways if all(word.lower() in n.lower() for word in names)), None)
    if not name:
        print(f"./dev bench flame: no way is called '{' '.join(names)}'; see ./dev bench --help", file=sys.stderr)
        return 1
    if subprocess.run(["perf", "--version"], capture_output=True, check=False).returncode:
        print("./dev bench flame: perf is missing; install linux-perf", file=sys.stderr)
        return 1
    way, data = ways[name](), "build/flame.data"
    with Lab() as lab:
        bed = Bed(lab)
        way.up(bed)
        if not answers(bed, way):
            raise Failed(f"{name}: no answer")
        figures = record(bed, way, data)
    script = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym"], capture_output=True, text=True, check=False,
                            errors="replace")
    root = fold(script.stdout)
    os.unlink(data)
    if not root.samples:
        print(f"./dev bench flame: no samples: {script.stderr[:300]}", file=sys.stderr)
        return 1
    with open("build/flame.svg", "w", encoding="utf-8") as file:
        draw(root, file)
    print(f"{name}: {figures['gbit']:.2f} Gbit/s, {root.samples} samples; build/flame.svg")
    return 0
