"""Captions to tokens by tokenizers of open_clip, counted before they are cut to the context."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfeat.extract.encoders.base import Tokenized
from mmfeat.extract.encoders.subwords import cut_words


def _tokenizer_of_open_clip() -> Any:
    """Load the module of open_clip's tokenizer without its package, which takes three seconds."""
    name = "open_clip.tokenizer"
    if name not in sys.modules:
        package = find_spec("open_clip")
        assert package is not None and package.origin is not None
        spec = spec_from_file_location(name, Path(package.origin).with_name("tokenizer.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module_from_spec(spec)  # where the package finds it, too
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].SimpleTokenizer


SimpleTokenizer = _tokenizer_of_open_clip()


def tokenize(tokenizer: Any, captions: Sequence[str], *, context: int) -> Tokenized:
    """Return the tokens of `tokenizer`, and which captions they do not hold entirely."""
    cut = cut_words(captions, context=context)
    found = _tokenize(tokenizer, cut, context)
    shortened = np.array([a != b for a, b in zip(cut, captions, strict=True)], np.uint8)
    return replace(found, truncated=found.truncated | shortened)


def _tokenize(tokenizer: Any, captions: Sequence[str], context: int) -> Tokenized:
    if type(tokenizer) is SimpleTokenizer and tokenizer.reduction_fn is None:
        return _simple(tokenizer, captions, context)
    tokens = tokenizer(list(captions)).numpy()
    wanted = _uncut_lengths(tokenizer, captions)
    return Tokenized(
        tokens=tokens,
        lengths=np.minimum(wanted, context),
        truncated=(wanted > context).astype(np.uint8),
    )


def _simple(tokenizer: Any, captions: Sequence[str], context: int) -> Tokenized:
    """Like `SimpleTokenizer.__call__`, but encode captions once for their length and tokens."""
    tokens = np.zeros((len(captions), context), np.int64)
    wanted = np.zeros(len(captions), np.int64)
    for row, caption in enumerate(captions):
        pieces = [tokenizer.sot_token_id, *tokenizer.encode(caption), tokenizer.eot_token_id]
        wanted[row] = len(pieces)
        if len(pieces) > context:
            pieces = [*pieces[: context - 1], tokenizer.eot_token_id]
        tokens[row, : len(pieces)] = pieces
    return Tokenized(
        tokens=tokens,
        lengths=np.minimum(wanted, context),
        truncated=(wanted > context).astype(np.uint8),
    )


def _uncut_lengths(tokenizer: Any, captions: Sequence[str]) -> NDArray[np.int64]:
    """Count the tokens of a Hugging Face tokenizer without its limit."""
    if hasattr(tokenizer, "tokenizer"):
        clean = [tokenizer.clean_fn(caption) for caption in captions]
        return np.array([len(tokenizer.tokenizer(text)["input_ids"]) for text in clean], np.int64)
    return np.array([len(tokenizer.encode(caption)) + 2 for caption in captions], np.int64)
