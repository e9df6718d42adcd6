"""The eighteen kinds of thing in synthetic scenes: label, nouns, frequency and outline.

An outline is a list of filled polygons in a box from -1 to 1 (y points down, as in images),
drawn in order. A polygon's tone is ``main`` (the thing's own colour), ``dark`` or ``light``
(shades of it), or a fixed colour such as ``skin``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Polygon = tuple[str, NDArray[np.float64]]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (242, 132, 30),
    "yellow": (240, 212, 44),
    "green": (52, 160, 70),
    "blue": (42, 98, 214),
    "purple": (132, 62, 176),
    "pink": (240, 136, 186),
    "white": (240, 240, 240),
}

FIXED_TONES: dict[str, tuple[int, int, int]] = {
    "skin": (226, 178, 142),
    "black": (28, 28, 32),
    "snow": (250, 250, 250),
    "wood": (120, 78, 42),
    "leaf": (40, 130, 60),
    "flame": (255, 190, 40),
}


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One kind of thing: label in the table, probability in a scene, nouns and outline."""

    label: str
    chance: float
    nouns: tuple[str, ...]
    outline: tuple[Polygon, ...]


def _polygon(tone: str, *points: tuple[float, float]) -> Polygon:
    return tone, np.array(points, dtype=np.float64)


def _box(tone: str, left: float, top: float, right: float, bottom: float) -> Polygon:
    return _polygon(tone, (left, top), (right, top), (right, bottom), (left, bottom))


def _arc(
    tone: str,
    x: float,
    y: float,
    rx: float,
    ry: float | None = None,
    *,
    start: float = 0.0,
    stop: float = 360.0,
) -> Polygon:
    """A filled ellipse, or the part of it between two angles in degrees (clockwise from east)."""
    angles = np.deg2rad(np.linspace(start, stop, 21))
    return tone, np.stack(
        [x + rx * np.cos(angles), y + (rx if ry is None else ry) * np.sin(angles)], axis=1
    )


def _star() -> Polygon:
    angles = np.deg2rad(np.arange(10) * 36.0 - 90.0)
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return "main", np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _petals() -> tuple[Polygon, ...]:
    angles = np.deg2rad(np.arange(6) * 60.0)
    return tuple(
        _arc("main", 0.44 * float(np.cos(a)), -0.35 + 0.44 * float(np.sin(a)), 0.3) for a in angles
    )


THINGS: tuple[Thing, ...] = (
    Thing(
        label="1",
        chance=0.57,
        nouns=("person", "man", "woman", "child", "walker"),
        outline=(
            _box("black", -0.32, 0.35, -0.05, 1.0),
            _box("black", 0.05, 0.35, 0.32, 1.0),
            _polygon("main", (-0.5, -0.4), (0.5, -0.4), (0.36, 0.45), (-0.36, 0.45)),
            _arc("skin", 0.0, -0.7, 0.3),
        ),
    ),
    Thing(
        label="2",
        chance=0.235,
        nouns=("ball", "football", "beach ball"),
        outline=(
            _arc("main", 0.0, 0.0, 0.95),
            _box("snow", -0.92, -0.2, 0.92, 0.2),
            _arc("dark", 0.0, 0.0, 0.3),
        ),
    ),
    Thing(
        label="3",
        chance=0.2,
        nouns=("car", "taxi", "automobile"),
        outline=(
            _polygon("light", (-0.5, -0.1), (-0.3, -0.55), (0.35, -0.55), (0.6, -0.1)),
            _box("main", -1.0, -0.12, 1.0, 0.38),
            _arc("black", -0.55, 0.4, 0.26),
            _arc("black", 0.55, 0.4, 0.26),
        ),
    ),
    Thing(
        label="4",
        chance=0.165,
        nouns=("house", "cottage", "cabin"),
        outline=(
            _box("main", -0.8, -0.1, 0.8, 0.95),
            _polygon("dark", (-1.0, -0.1), (0.0, -0.95), (1.0, -0.1)),
            _box("wood", -0.18, 0.3, 0.22, 0.95),
            _box("snow", -0.62, 0.12, -0.3, 0.45),
        ),
    ),
    Thing(
        label="5",
        chance=0.14,
        nouns=("tree", "oak"),
        outline=(
            _box("wood", -0.16, 0.2, 0.16, 1.0),
            _arc("main", -0.38, -0.1, 0.45),
            _arc("main", 0.38, -0.1, 0.45),
            _arc("light", 0.0, -0.5, 0.48),
        ),
    ),
    Thing(
        label="6",
        chance=0.118,
        nouns=("boat", "sailboat", "ship"),
        outline=(
            _box("wood", -0.05, -0.95, 0.05, 0.5),
            _polygon("main", (0.08, -0.9), (0.85, 0.35), (0.08, 0.35)),
            _polygon("light", (-0.08, -0.7), (-0.65, 0.35), (-0.08, 0.35)),
            _polygon("dark", (-0.95, 0.45), (0.95, 0.45), (0.6, 0.9), (-0.6, 0.9)),
        ),
    ),
    Thing(label="7", chance=0.098, nouns=("star",), outline=(_star(),)),
    Thing(
        label="8",
        chance=0.083,
        nouns=("cup", "mug", "teacup"),
        outline=(
            _arc("dark", 0.6, 0.1, 0.38),
            _arc("snow", 0.6, 0.1, 0.2),
            _polygon("main", (-0.8, -0.6), (0.6, -0.6), (0.45, 0.8), (-0.65, 0.8)),
            _arc("black", -0.1, -0.6, 0.7, 0.18),
        ),
    ),
    Thing(
        label="9",
        chance=0.069,
        nouns=("flower", "daisy", "blossom"),
        outline=(
            _box("leaf", -0.07, -0.2, 0.07, 1.0),
            _arc("leaf", 0.3, 0.65, 0.28, 0.13),
            *_petals(),
            _arc("flame", 0.0, -0.35, 0.24),
        ),
    ),
    Thing(
        label="10",
        chance=0.058,
        nouns=("fish", "goldfish"),
        outline=(
            _polygon("dark", (0.45, 0.0), (1.0, -0.5), (1.0, 0.5)),
            _arc("main", -0.2, 0.0, 0.78, 0.48),
            _arc("snow", -0.62, -0.12, 0.15),
            _arc("black", -0.64, -0.12, 0.07),
        ),
    ),
    Thing(
        label="11",
        chance=0.048,
        nouns=("umbrella", "parasol"),
        outline=(
            _box("black", -0.06, -0.2, 0.06, 0.9),
            _box("black", 0.0, 0.78, 0.32, 0.92),
            _arc("main", 0.0, -0.05, 0.98, 0.85, start=180.0),
            _arc("light", 0.0, -0.05, 0.35, 0.85, start=180.0),
        ),
    ),
    Thing(
        label="13",
        chance=0.04,
        nouns=("kite",),
        outline=(
            _polygon("black", (-0.04, 0.4), (0.3, 0.7), (0.1, 1.0), (0.2, 0.7)),
            _polygon("main", (0.0, -1.0), (0.62, -0.25), (0.0, 0.5), (-0.62, -0.25)),
            _polygon("light", (0.0, -1.0), (0.62, -0.25), (0.0, -0.25)),
            _polygon("light", (0.0, 0.5), (-0.62, -0.25), (0.0, -0.25)),
        ),
    ),
    Thing(
        label="14",
        chance=0.0045,
        nouns=("key",),
        outline=(
            _arc("main", -0.55, 0.0, 0.45),
            _arc("black", -0.55, 0.0, 0.2),
            _box("main", -0.15, -0.13, 1.0, 0.13),
            _box("main", 0.5, 0.1, 0.66, 0.5),
            _box("main", 0.82, 0.1, 0.98, 0.42),
        ),
    ),
    Thing(
        label="15",
        chance=0.034,
        nouns=("clock", "watch"),
        outline=(
            _arc("main", 0.0, 0.0, 0.95),
            _arc("snow", 0.0, 0.0, 0.72),
            _box("black", -0.07, -0.6, 0.07, 0.05),
            _box("black", -0.05, -0.07, 0.45, 0.07),
        ),
    ),
    Thing(
        label="16",
        chance=0.028,
        nouns=("mushroom", "toadstool"),
        outline=(
            _polygon("snow", (-0.25, 0.0), (0.25, 0.0), (0.35, 0.95), (-0.35, 0.95)),
            _arc("main", 0.0, 0.15, 0.95, 0.95, start=180.0),
            _arc("snow", -0.42, -0.2, 0.15),
            _arc("snow", 0.35, -0.25, 0.17),
        ),
    ),
    Thing(
        label="17",
        chance=0.023,
        nouns=("hat", "top hat"),
        outline=(
            _box("main", -0.5, -0.75, 0.5, 0.45),
            _box("black", -0.5, 0.1, 0.5, 0.36),
            _arc("main", 0.0, 0.5, 0.98, 0.25),
        ),
    ),
    Thing(
        label="18",
        chance=0.019,
        nouns=("candle",),
        outline=(
            _box("wood", -0.6, 0.75, 0.6, 0.98),
            _box("main", -0.26, -0.3, 0.26, 0.8),
            _polygon("flame", (0.0, -1.0), (0.24, -0.52), (0.0, -0.3), (-0.24, -0.52)),
        ),
    ),
    Thing(
        label="19",
        chance=0.016,
        nouns=("ladder", "stepladder"),
        outline=(
            _box("main", -0.55, -1.0, -0.35, 1.0),
            _box("main", 0.35, -1.0, 0.55, 1.0),
            *(_box("dark", -0.4, y, 0.4, y + 0.16) for y in (-0.8, -0.4, 0.0, 0.4, 0.72)),
        ),
    ),
)
