"""Synthetic scenes: things with a place and a colour, and the image of them.

A scene holds two to five things. Some stand behind others, so that an image does not show
everything; `mmfeat.demo.captions` leaves things out as well, so that the two complement each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mmfeat.demo.things import COLOURS, FIXED_TONES, THINGS, Thing

MIN_THINGS, MAX_THINGS = 2, 5
HIDDEN_SHARE = 0.4  # of all things but the last: those that stand behind the next one

#: (name, top colour, bottom colour)
BACKGROUNDS: tuple[tuple[str, tuple[int, int, int], tuple[int, int, int]], ...] = (
    ("meadow", (150, 196, 230), (120, 168, 92)),
    ("beach", (140, 200, 232), (222, 202, 150)),
    ("night", (22, 26, 58), (52, 56, 84)),
    ("street", (186, 190, 196), (110, 110, 116)),
    ("room", (214, 196, 176), (150, 118, 92)),
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A thing in a scene: `x`, `y` and `size` (half its width) are fractions of the image."""

    thing: Thing
    colour: str
    x: float
    y: float
    size: float
    angle: float
    flipped: bool


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The things of an image in drawing order: the last stands in front."""

    width: int
    height: int
    background: int
    placed: tuple[Placed, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the scene, in the order of `THINGS`."""
        return tuple(sorted({p.thing.label for p in self.placed}, key=int))


def make_scene(rng: np.random.Generator, *, sides: tuple[int, int] = (200, 380)) -> Scene:
    """Draw a scene at random; `sides` bounds its width and height in pixels."""
    things = _pick_things(rng)
    centres = _spread(rng, len(things))
    placed: list[Placed] = []
    for order, thing in enumerate(things):
        x, y = centres[order]
        size = float(rng.uniform(0.19, 0.28))
        if order + 1 < len(things) and rng.random() < HIDDEN_SHARE:
            # The next thing is drawn over this one, so move this one behind it.
            x, y = centres[order + 1] + rng.uniform(-0.13, 0.13, size=2)
            size = float(rng.uniform(0.15, 0.22))
        placed.append(
            Placed(
                thing=thing,
                colour=str(rng.choice(list(COLOURS))),
                x=float(np.clip(x, 0.12, 0.88)),
                y=float(np.clip(y, 0.12, 0.88)),
                size=size,
                angle=float(rng.uniform(-20.0, 20.0)),
                flipped=bool(rng.random() < 0.5),
            )
        )
    width, height = (int(side) for side in rng.integers(sides[0], sides[1] + 1, size=2))
    return Scene(
        width=width,
        height=height,
        background=int(rng.integers(len(BACKGROUNDS))),
        placed=tuple(placed),
    )


def draw_scene(scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Paint `scene` as an RGB image; `rng` gives the noise of the background."""
    image = _background(scene, rng)
    canvas = ImageDraw.Draw(image)
    side = min(scene.width, scene.height)
    for placed in scene.placed:
        angle = np.deg2rad(placed.angle)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        centre = np.array([placed.x * scene.width, placed.y * scene.height])
        mirror = np.array([-1.0 if placed.flipped else 1.0, 1.0])
        for tone, points in placed.thing.outline:
            corners = (points * mirror) @ turn.T * (placed.size * side) + centre
            canvas.polygon(corners.ravel().tolist(), fill=_shade(tone, placed.colour))
    return image


def _pick_things(rng: np.random.Generator) -> list[Thing]:
    chances = np.array([thing.chance for thing in THINGS])
    while True:
        chosen = np.flatnonzero(rng.random(len(THINGS)) < chances)
        if MIN_THINGS <= len(chosen) <= MAX_THINGS:
            rng.shuffle(chosen)
            return [THINGS[i] for i in chosen]


def _spread(rng: np.random.Generator, count: int) -> np.ndarray:
    """The best of eight draws of `count` centres, (count, 2): the furthest apart; fractions."""
    best, best_gap = np.empty((count, 2)), -1.0
    for _ in range(8):
        centres = rng.uniform(0.2, 0.8, size=(count, 2))
        gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        gap = float(gaps[np.triu_indices(count, 1)].min()) if count > 1 else 1.0
        if gap > best_gap:
            best, best_gap = centres, gap
    return best


def _background(scene: Scene, rng: np.random.Generator) -> Image.Image:
    _, top, bottom = BACKGROUNDS[scene.background]
    ramp = np.linspace(np.array(top), np.array(bottom), 12)[:, None, :]
    coarse = ramp + rng.normal(0.0, 12.0, size=(12, 12, 3))
    small = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8))
    return small.resize((scene.width, scene.height), Image.Resampling.BILINEAR)


def _shade(tone: str, colour: str) -> tuple[int, int, int]:
    if tone in FIXED_TONES:
        return FIXED_TONES[tone]
    red, green, blue = COLOURS[colour]
    if tone == "dark":
        return int(red * 0.6), int(green * 0.6), int(blue * 0.6)
    if tone == "light":
        return (red + 255) // 2, (green + 255) // 2, (blue + 255) // 2
    return red, green, blue
