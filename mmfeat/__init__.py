"""mmfeat: which frozen-feature classifier is best, and what does it predict?"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["FeatureStore", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the public classes when they are first asked for, so that `import mmfeat` is cheap."""
    if name == "FeatureStore":
        from mmfeat.store.reader import FeatureStore  # noqa: PLC0415

        return FeatureStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
