"""Tokens of transformers' tokenizers, padded as those pad."""

from __future__ import annotations

import numpy as np
import pytest

from mmfeat.extract.encoders.subwords import NONE, Subwords


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_batch_is_padded_as_by_the_tokenizer(side: str, whole: bool) -> None:
    pytest.importorskip("transformers")
    from tests.support.stage_one.saved_models import CONTEXT, make_tokenizer  # noqa: PLC0415

    tokenizer = make_tokenizer(padding_side=side)
    subwords = Subwords(tokenizer, context=CONTEXT, whole=whole, prompt="a ")
    captions = ["dog", "two cats", "", "word " * 30]
    found = subwords(captions)
    assert found.lengths.tolist() == [6, 10, 3, CONTEXT]
    assert found.truncated.tolist() == [0, 0, 0, 1]
    assert ((found.tokens != NONE).sum(axis=1) == found.lengths).all()
    for part in (slice(0, 4), slice(0, 3), slice(2, 3)):
        wanted = tokenizer(
            [f"a {caption}" for caption in captions[part]],
            padding="max_length" if whole else "longest",
            truncation=True,
            return_tensors="np",
        )
        for name, array in subwords.inputs(found.tokens[part]).items():
            np.testing.assert_array_equal(array, wanted[name])
