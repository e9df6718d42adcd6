"""mmfeat: which frozen-feature classifier is best, how good is it, and what does it predict?

The verbs are the commands of the same names. They are loaded when they are first asked for, so
that `import mmfeat` is cheap. `mmfeat.heads` is the package `mmfeat.fit.heads` by a shorter name:
`from mmfeat.heads import LogReg`.

Some packages of the library have the name of a verb. `mmfeat.fit` is the verb, and so is `fit`
after `from mmfeat import fit` or `import mmfeat.fit as fit`; `from mmfeat.fit.plan import …` finds
the modules of the package.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmfeat.compare.board.difference import compare_runs
    from mmfeat.compare.compare import compare
    from mmfeat.compare.search.search import search
    from mmfeat.convert.convert import convert
    from mmfeat.errors import MmfeatError
    from mmfeat.export.export import export
    from mmfeat.export.load import load
    from mmfeat.extract.extract import extract
    from mmfeat.extract.importing.import_embeddings import import_embeddings
    from mmfeat.fit.fit import fit
    from mmfeat.init.init import init
    from mmfeat.learning.learning_curve import learning_curve
    from mmfeat.near.duplicates import duplicates
    from mmfeat.predict.predict import predict
    from mmfeat.predict.score import score
    from mmfeat.predict.submit import submit
    from mmfeat.promote.promote import promote
    from mmfeat.report.report import report
    from mmfeat.runs.open import open_run, open_store
    from mmfeat.runs.run import Run
    from mmfeat.runs.tune import tune
    from mmfeat.runs.upkeep.clean import clean
    from mmfeat.runs.upkeep.remove import remove_run
    from mmfeat.runs.winner.ranking import rank_runs
    from mmfeat.sensitivity.sensitivity import sensitivity
    from mmfeat.serve.serve import serve
    from mmfeat.store.reader import FeatureStore
    from mmfeat.tables.check import check

__version__ = "0.1.0"

PUBLIC = {
    "init": "mmfeat.init.init",
    "convert": "mmfeat.convert.convert",
    "check": "mmfeat.tables.check",
    "extract": "mmfeat.extract.extract",
    "import_embeddings": "mmfeat.extract.importing.import_embeddings",
    "duplicates": "mmfeat.near.duplicates",
    "fit": "mmfeat.fit.fit",
    "compare": "mmfeat.compare.compare",
    "search": "mmfeat.compare.search.search",
    "sensitivity": "mmfeat.sensitivity.sensitivity",
    "learning_curve": "mmfeat.learning.learning_curve",
    "tune": "mmfeat.runs.tune",
    "predict": "mmfeat.predict.predict",
    "submit": "mmfeat.predict.submit",
    "score": "mmfeat.predict.score",
    "export": "mmfeat.export.export",
    "load": "mmfeat.export.load",
    "serve": "mmfeat.serve.serve",
    "rank_runs": "mmfeat.runs.winner.ranking",
    "compare_runs": "mmfeat.compare.board.difference",
    "promote": "mmfeat.promote.promote",
    "remove_run": "mmfeat.runs.upkeep.remove",
    "clean": "mmfeat.runs.upkeep.clean",
    "report": "mmfeat.report.report",
    "open_store": "mmfeat.runs.open",
    "open_run": "mmfeat.runs.open",
    "FeatureStore": "mmfeat.store.reader",
    "Run": "mmfeat.runs.run",
    "MmfeatError": "mmfeat.errors",
}

__all__ = [
    "FeatureStore",
    "MmfeatError",
    "Run",
    "__version__",
    "check",
    "clean",
    "compare",
    "compare_runs",
    "convert",
    "duplicates",
    "export",
    "extract",
    "fit",
    "heads",
    "import_embeddings",
    "init",
    "learning_curve",
    "load",
    "open_run",
    "open_store",
    "predict",
    "promote",
    "rank_runs",
    "remove_run",
    "report",
    "score",
    "search",
    "sensitivity",
    "serve",
    "submit",
    "tune",
]


class _Package(ModuleType):
    """The package, whose attribute `fit` stays the verb.

    Importing a module of the package `mmfeat.fit` makes the import system set the attribute `fit`
    to that package. Here it is not set: the package is found in `sys.modules`, which is where
    ``from mmfeat.fit import …`` looks.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in PUBLIC):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(PUBLIC[name]), name)
        self.__dict__[name] = value
        return value

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *PUBLIC})


sys.modules[__name__].__class__ = _Package

from mmfeat.fit import heads  # noqa: E402 - when `fit` can no longer be set

sys.modules[f"{__name__}.heads"] = heads  # for `from mmfeat.heads import LogReg`
