"""Captions to tokens by a tokenizer of transformers, and tokens to the input of a model.

In arrays of tokens, `NONE` stands where a caption has no token. What a batch is padded with, and
on which side, is decided when it is run, so that it is padded to its longest caption.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmfeat.extract.encoders.base import Tokenized, Tokens

NONE = -1
LETTERS = 32  # of a token: more than any has on average in a word that fills the context


class Subwords:
    """A tokenizer at a context length.

    Parameters
    ----------
    whole
        Whether every batch is padded to the whole context.
    prompt
        What stands before every caption.
    """

    def __init__(
        self, tokenizer: Any, *, context: int, whole: bool = False, prompt: str = ""
    ) -> None:
        self._tokenizer = tokenizer
        self.context = context
        self._whole, self._prompt = whole, prompt

    @property
    def name(self) -> str:
        """The class of the tokenizer."""
        return type(self._tokenizer).__name__

    def __call__(self, captions: Sequence[str]) -> Tokenized:
        """Turn captions into tokens (b, context), cut as the tokenizer cuts."""
        cut = cut_words(captions, context=self.context)
        wanted = self._ids(cut)
        long = [row for row, ids in enumerate(wanted) if len(ids) > self.context]
        ids = dict(enumerate(wanted))
        if long:
            short = self._ids([cut[row] for row in long], truncation=True, max_length=self.context)
            ids.update(zip(long, short, strict=True))
        tokens = np.full((len(captions), self.context), NONE, np.int64)
        for row, found in ids.items():
            tokens[row, : len(found)] = found
        truncated = [a != b for a, b in zip(cut, captions, strict=True)]
        truncated_too = np.array([len(found) > self.context for found in wanted], np.uint8)
        return Tokenized(
            tokens=tokens,
            lengths=(tokens != NONE).sum(axis=1),
            truncated=truncated_too | np.array(truncated, np.uint8),
        )

    def inputs(self, tokens: Tokens) -> dict[str, Tokens]:
        """The input of a model for tokens (b, context): ids and, where it takes one, the mask."""
        lengths = (tokens != NONE).sum(axis=1)
        width = self.context if self._whole else max(int(lengths.max()), 1)
        kept = tokens[:, :width]
        if self._tokenizer.padding_side == "left":
            ahead = np.arange(width) - (width - lengths[:, None])  # of each row's first token
            kept = np.where(ahead >= 0, np.take_along_axis(kept, ahead.clip(0), axis=1), NONE)
        pad = self._tokenizer.pad_token_id
        found = {"input_ids": np.where(kept == NONE, 0 if pad is None else pad, kept)}
        if "attention_mask" in self._tokenizer.model_input_names:
            found["attention_mask"] = (kept != NONE).astype(np.int64)
        return found

    def _ids(self, captions: Sequence[str], **options: Any) -> list[list[int]]:
        found = self._tokenizer(
            [self._prompt + caption for caption in captions],
            return_attention_mask=False,
            verbose=False,
            **options,
        )
        ids: list[list[int]] = found["input_ids"]
        return ids


def cut_words(captions: Sequence[str], *, context: int) -> list[str]:
    """Cut words of thousands of letters where they exceed the context anyway.

    Tokenizers take time that grows with the square of a word's length.
    """
    long_word = re.compile(rf"(\S{{{LETTERS * context}}})\S+")
    return [long_word.sub(r"\1", caption) for caption in captions]
