"""English captions of synthetic scenes, which name some of the things but never all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfeat.demo.scenes import BACKGROUNDS, Placed, Scene

OPENINGS = (
    "{}",
    "{} {place}",
    "there is {}",
    "there is {} {place}",
    "I can see {}",
    "a picture of {}",
    "a picture of {} {place}",
    "look, {}",
    "{place} we found {}",
    "a snapshot with {}",
)
JOINS = (" and ", " next to ", " beside ", ", with ", " near ", " together with ")
PLACES = {
    "meadow": ("in a meadow", "in the grass", "on a sunny field"),
    "beach": ("on the beach", "by the sea", "on the sand"),
    "night": ("at night", "in the dark", "under a night sky"),
    "street": ("in the street", "in town", "on the road"),
    "room": ("in a room", "indoors", "at home"),
}
SIZES = (("small", "little", "tiny"), ("big", "large", "huge"))
HINTS = ("something {}", "a bit of {}", "a {} thing half hidden")


def describe(scene: Scene, rng: np.random.Generator, *, complete: bool = False) -> str:
    """Write one caption of `scene`.

    At least one thing is left out, and sometimes only its colour is mentioned. With `complete`
    every thing is named, as in most captions that the bundled encoder was trained on.
    """
    order = [scene.placed[i] for i in rng.permutation(len(scene.placed))]
    named = order if complete else order[: int(rng.integers(1, len(order), size=2).max())]
    phrases = [_name(placed, rng) for placed in named]
    if not complete and rng.random() < 0.25:
        phrases.append(str(rng.choice(HINTS)).format(order[-1].colour))
    place = str(rng.choice(PLACES[BACKGROUNDS[scene.background][0]]))
    sentence = str(rng.choice(OPENINGS)).format(_join(phrases, rng), place=place)
    return sentence[0].upper() + sentence[1:] + "."


def _name(placed: Placed, rng: np.random.Generator) -> str:
    words = [str(rng.choice(placed.thing.nouns))]
    if rng.random() < 0.45:
        words.insert(0, placed.colour)
    if rng.random() < 0.2:
        words.insert(0, str(rng.choice(SIZES[placed.size > 0.22])))
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words])


def _join(phrases: Sequence[str], rng: np.random.Generator) -> str:
    text = phrases[0]
    for phrase in phrases[1:]:
        text += str(rng.choice(JOINS)) + phrase
    return text
