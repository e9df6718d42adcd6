"""The service does what its own OpenAPI document says, whatever schemathesis makes of it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from mmfeat.serve.app import make_app
from mmfeat.serve.limits import Limits
from tests.support.serving import make_answering

TOKEN = {"Authorization": "Bearer secret"}
# A text is rarely a picture, so what fits the document is often refused all the same.
LEFT_OUT = [positive_data_acceptance]
N_CASES = 15


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    answering = make_answering(tmp_path_factory.mktemp("served"))
    app = make_app(answering, limits=Limits(delay=0), token="secret")
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found: list[Any] = list(schema.get_all_operations())
    return {result.ok().path: result.ok() for result in found}


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/predict", GenerationMode.POSITIVE),
        ("/predict", GenerationMode.NEGATIVE),
        ("/model", GenerationMode.POSITIVE),
        ("/healthz", GenerationMode.POSITIVE),
        ("/metrics", GenerationMode.POSITIVE),
    ],
)
def test_it_does_what_its_document_says(
    operations: dict[str, Any], path: str, mode: GenerationMode
) -> None:
    @given(operations[path].as_strategy(generation_mode=mode))
    @settings(
        max_examples=N_CASES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers=TOKEN, excluded_checks=LEFT_OUT)

    ask()


def test_the_document_names_every_address(operations: dict[str, Any]) -> None:
    assert sorted(operations) == ["/healthz", "/metrics", "/model", "/predict"]
