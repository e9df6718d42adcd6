"""Licences of encoders' weights, as far as their publishers say: told on the model card.

A line of `LICENCES` names what its author could read, and where. Nothing is inferred: weights that
no line fits have a licence that mmfeat does not know.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

OPEN_CLIP = "MIT, as open_clip's maintainers say of weights that they provide (open_clip issue 177)"

# Where weights come from, as `describe_weights` says -> their licence, and who says so.
LICENCES: dict[str, str] = {
    "the package mmfeat": "MIT, as all of mmfeat",
    "https://huggingface.co/laion/CLIP-*": (
        "MIT by the cards of LAION's CLIP repositories on the hub, of which some were read"
    ),
    "* (tag openai of open_clip)": (
        "not stated: the code of openai/CLIP is under MIT, and nobody answered whether its weights"
        " are (issues 203 and 241); its model card puts deployed use out of scope"
    ),
    "* (tag metaclip_* of open_clip)": (
        "CC BY-NC by docs/PRETRAINED.md of open_clip: no commercial use"
    ),
    "* (tag laion400m_e3[12] of open_clip)": OPEN_CLIP,
    "* (tag laion2b_e16 of open_clip)": OPEN_CLIP,
    "* (tag yfcc15m of open_clip)": OPEN_CLIP,
    "* (tag cc12m of open_clip)": OPEN_CLIP,
}


def licence_of(weights_from: str) -> str | None:
    """The licence of weights and who says so; None where it is not known."""
    fitting = (said for where, said in LICENCES.items() if fnmatchcase(weights_from, where))
    return next(fitting, None)
