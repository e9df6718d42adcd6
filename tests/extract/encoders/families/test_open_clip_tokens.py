"""Tokens are those of the model's tokenizer, and cut captions are counted."""

from __future__ import annotations

import numpy as np
import pytest
from open_clip import SimpleTokenizer

from mmfeat.extract.encoders.families.open_clip_tokens import tokenize
from tests.support.stage_one.toy import ODD_CAPTIONS


@pytest.mark.parametrize("context", [8, 77])
def test_tokens_are_those_of_the_tokenizer_and_cuts_are_counted(context: int) -> None:
    tokenizer = SimpleTokenizer(context_length=context)
    found = tokenize(tokenizer, ODD_CAPTIONS, context=context)
    assert np.array_equal(found.tokens, tokenizer(ODD_CAPTIONS).numpy())
    assert np.array_equal(found.lengths, (found.tokens != 0).sum(axis=1))
    assert found.truncated.tolist() == [0, 0, 0, 1, int(context == 8), int(context == 8)]


def test_a_word_beyond_the_context_is_cut_before_the_tokenizer_sees_it() -> None:
    tokenizer = SimpleTokenizer(context_length=8)
    words = "".join(chr(97 + i * i % 26) for i in range(2000))
    longer = tokenize(tokenizer, [f"a {words}", "a " * 2000 + words], context=8)
    shorter = tokenizer([f"a {words[:300]}", "a " * 9])
    assert np.array_equal(longer.tokens, shorter.numpy())
    assert longer.truncated.tolist() == [1, 1] and longer.lengths.tolist() == [8, 8]
