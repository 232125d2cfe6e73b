"""Figures that move: groups of an SVG with an animation of their own (CSS, no script), and the same frames as a GIF.

Printed, on a page of somebody who asked for less motion, and in PDF what moves stands where it begins, and nothing is
covered. An artist's `gid` says how far it goes.
"""

from __future__ import annotations

import io
import os
import re

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from nwbglm.whole import write_together

SECONDS = 12.0
FRAMES_PER_SECOND = 5
SLIDE, COVER = "slide", "cover"
GROUP = re.compile(rf'<g id="({SLIDE}|{COVER})_(-?[\d.]+)_(-?[\d.]+)_(\d+)">')

HIDDEN = re.compile(r'(<g class="nwbglm-cover[^>]*>\s*<path [^>]*style="[^"]*)opacity: 0')

CSS = f"""
.nwbglm-slide, .nwbglm-cover {{ animation: nwbglm-slide {SECONDS:g}s 5 }}
.nwbglm-cover {{ opacity: 0; animation-name: nwbglm-cover }}
svg:hover .nwbglm-slide, svg:hover .nwbglm-cover {{ animation-play-state: paused }}
@keyframes nwbglm-slide {{ to {{ transform: translate(var(--dx), var(--dy)) }} }}
@keyframes nwbglm-cover {{ from {{ opacity: 1 }} to {{ opacity: 1; transform: translate(var(--dx), var(--dy)) }} }}
@media (prefers-reduced-motion: reduce) {{ .nwbglm-slide, .nwbglm-cover {{ animation: none }} }}
@media print {{ .nwbglm-slide, .nwbglm-cover {{ animation: none }} }}
"""


def mark(artist: Artist, kind: str, dx: float, dy: float, steps: int) -> None:
    """Let an artist move: points to the right and up over the whole way, in so many steps.

    What is of the kind `COVER` is seen while it moves only.
    """
    artist.set_gid(f"{kind}_{dx:.2f}_{dy:.2f}_{steps}")


def animate(svg: str) -> str:
    """Give the groups of an SVG that move their animation; an SVG without such groups stays as it is."""
    if not GROUP.search(svg):
        return svg

    rules: dict[str, str] = {}

    def moving(found: re.Match[str]) -> str:
        kind, dx, dy, steps = found.groups()
        way = re.sub(r"[^\w-]", "_", f"nwbglm-to-{dx}-{dy}-{steps}")
        rules[way] = f"--dx: {dx}px; --dy: {-float(dy):.2f}px; animation-timing-function: steps({steps})"
        return f'<g class="nwbglm-{kind} {way}">'

    text = GROUP.sub(moving, svg)
    ways = "".join(f".{way} {{ {rule} }}\n" for way, rule in rules.items())
    text = text.replace("</style>", f"{CSS}{ways}</style>", 1)
    return HIDDEN.sub(r"\1opacity: 1", text)  # the group hides it, but while it moves


def moving_artists(figure: Figure) -> list[tuple[Artist, str, float, float, int]]:
    """List what moves: artist, kind, points to the right and up over the whole way, and steps."""
    found = []
    for artist in figure.findobj(lambda one: str(one.get_gid() or "").startswith((f"{SLIDE}_", f"{COVER}_"))):
        kind, dx, dy, steps = str(artist.get_gid()).split("_")
        found.append((artist, kind, float(dx), float(dy), int(steps)))
    return found


def save_gif(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the animation of a figure as a GIF, a frame a step; whole or not at all."""
    from PIL import Image

    moving = moving_artists(figure)
    steps = max((steps for *_, steps in moving), default=0)
    frames = []
    places = {id(artist): Artist.get_transform(artist) for artist, *_ in moving}  # a patch's own shape apart
    for step in range(steps + 1):
        for artist, kind, dx, dy, _ in moving:
            shift = ScaledTranslation(dx * step / steps / 72, dy * step / steps / 72, figure.dpi_scale_trans)
            artist.set_transform(places[id(artist)] + shift)
            if kind == COVER:
                artist.set_alpha(1.0)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=80)
        frames.append(Image.open(buffer).convert("P", palette=Image.Palette.ADAPTIVE, colors=32))
    for artist, kind, *_ in moving:
        artist.set_transform(places[id(artist)])
        artist.set_alpha(0.0 if kind == COVER else artist.get_alpha())
    out = io.BytesIO()
    frames[0].save(out, "gif", save_all=True, append_images=frames[1:], duration=int(1000 / FRAMES_PER_SECOND), loop=0)
    write_together({path: out.getvalue()})
