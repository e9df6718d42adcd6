"""The scikit-learn interface of a head and its checks of arrays, without importing scikit-learn.

A head works wherever an estimator of multilabel indicator targets does: `clone`, `Pipeline`,
`cross_val_predict`, `GridSearchCV`. See "Developing scikit-learn estimators" in its user guide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfeat.errors import ConfigError, FitError, did_you_mean
from mmfeat.fit.heads.options import options_of
from mmfeat.types import UNKNOWN, FloatArray, IntArray, Targets

if TYPE_CHECKING:
    from sklearn.utils import Tags

HALF = 0.5  # a label is predicted where its probability is at least this


class Estimator(ABC):
    """Parameters, tags and label sets; `predict_proba` and `rates_` are the head's."""

    rates_: NDArray[np.float64]
    blocks_: tuple[int, ...]
    _dtype: np.dtype[Any] = np.dtype(np.uint8)  # of the targets that `fit` was given

    @abstractmethod
    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return probabilities of shape (n, k)."""

    def predict(self, X: FloatArray) -> Targets:
        """Return label sets of shape (n, k), 0 or 1: the labels of probability 0.5 or more.

        Their dtype is that of the targets given to `fit`.
        """
        sets: Targets = (self.predict_proba(X) >= HALF).astype(self._dtype)
        return sets

    def score(self, X: FloatArray, Y: Targets) -> float:
        """Return the share of rows whose label set is predicted exactly, as scikit-learn does.

        An unknown label cannot be wrong.
        """
        truth = np.asarray(Y)
        return float(((self.predict(X) == truth) | (truth == UNKNOWN)).all(axis=1).mean())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name."""
        return {name: getattr(self, name) for name in options_of(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Change options; raise `ConfigError` for a name that is not one."""
        known = options_of(type(self))
        for name, value in params.items():
            if name not in known:
                raise ConfigError(
                    f"{type(self).__name__} takes {', '.join(known)}",
                    f"{name!r} is not one of them",
                    did_you_mean(name, known, "check the spelling"),
                )
            setattr(self, name, value)
        return self

    @property
    def classes_(self) -> NDArray[np.int64]:
        """The numbers of the columns of the targets, (k,), after `fit`."""
        return np.arange(len(self.rates_))

    @property
    def n_features_in_(self) -> int:
        """The width of the rows that it was fitted on, after `fit`."""
        return sum(self.blocks_)

    def __sklearn_tags__(self) -> Tags:
        from sklearn.utils import (  # noqa: PLC0415 - only scikit-learn calls this
            ClassifierTags,
            InputTags,
            Tags,
            TargetTags,
        )

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, multi_output=True, single_output=False),
            classifier_tags=ClassifierTags(multi_label=True),
            input_tags=InputTags(),
            requires_fit=True,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return bool(self.blocks_)


def checked_matrix(X: Any) -> Any:
    """Return `X` unchanged if it is read in parts, else as an array (n, d) of finite numbers."""
    if hasattr(X, "buffer_rows"):
        return X
    if hasattr(X, "toarray") or np.iscomplexobj(X):
        kind = "sparse" if hasattr(X, "toarray") else "complex"
        raise FitError(
            "features are a dense array of real numbers",
            f"{kind.capitalize()} data not supported",
            "convert it first",
        )
    try:
        x = np.asarray(X, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise FitError(
            "features are an array of numbers, one row each", str(error), "give such an array"
        ) from error
    if x.ndim != 2:
        raise FitError(
            "features must have the shape (n, d)", f"theirs is {x.shape}", "reshape them"
        )
    if not np.isfinite(x.sum(dtype=np.float64)):  # of finite float32 numbers it always is
        raise FitError(
            "features must be finite", "some are NaN or infinite", "replace or remove them"
        )
    return x


def checked_targets(Y: Any) -> Targets:
    """Return `Y` as uint8 of shape (n, k); raise `FitError` for other shapes or values."""
    y = np.asarray(Y)
    if y.ndim != 2:
        raise FitError(
            "targets have one row per row of the features and one column per class",
            f"their shape is {y.shape}",
            "give an indicator matrix, e.g. of MultiLabelBinarizer",
        )
    if not np.isin(y, (0, 1, UNKNOWN)).all():
        known = f"targets are 0 or 1, or {UNKNOWN} where they are unknown"
        raise FitError(known, "some are not", "give an indicator matrix")
    return y.astype(np.uint8, copy=False)


def checked_groups(groups: Any, n_rows: int) -> IntArray:
    """Return the number of each row's group, (n,); raise `FitError` for another shape.

    Groups may have names of any kind.
    """
    names = np.asarray(groups)
    if names.shape != (n_rows,):
        raise FitError(
            f"groups of {n_rows} rows are a name or number for each",
            f"their shape is {names.shape}",
            "give one per row",
        )
    numbers: IntArray = np.unique(names, return_inverse=True)[1]
    return numbers
