"""The JSON of a service: what it answers, and how OpenAPI describes what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from mmfeat.serve.answers.answering import Answered, Answering
from mmfeat.serve.limits import Limits
from mmfeat.serve.page.examples import Example
from mmfeat.serve.parsing import JsonRows


class Scored(BaseModel):
    """A label of a row; `alone` is what each modality says without the others.

    `threshold` is null where sets of greatest expected F1 decide.
    """

    label: str
    probability: float
    threshold: float | None
    predicted: bool
    alone: dict[str, float]


class AnsweredRow(BaseModel):
    """The label set of a row, and its most probable labels."""

    predicted: list[str]
    labels: list[Scored]


class Answer(BaseModel):
    """An answer per row, in the order of the request."""

    rows: list[AnsweredRow]


class Problem(BaseModel):
    """Why a request was not answered: rule, finding, remedy."""

    error: str


class Health(BaseModel):
    """The service is up."""

    status: str


class ToTry(BaseModel):
    """A row to try; its picture is at `/examples/NUMBER.jpg`."""

    picture: str | None
    caption: str


class Model(BaseModel):
    """Which model answers, and what it takes."""

    name: str
    labels: list[str]
    decision: str
    takes: list[str]
    embeddings: dict[str, int]
    max_bytes: int
    max_caption: int
    max_rows: int
    examples: list[ToTry]


REASONS = {
    400: "The form is broken.",
    401: "The token is missing or wrong.",
    408: "The body did not come in time.",
    413: "The body or a picture is too large.",
    415: "The body is neither a form nor JSON.",
    421: "The request names another host; see --allow-host.",
    422: "The body, a picture or a caption is not what it should be.",
    429: "The queue is full; Retry-After says when to try again.",
    503: "The answer took too long.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": reason} for status, reason in REASONS.items()
}
FORM = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "format": "binary", "description": "A picture's file."},
        "caption": {"type": "string"},
    },
}


def body_document() -> dict[str, Any]:
    """What `POST /predict` takes, for OpenAPI."""
    schema = JsonRows.model_json_schema()
    row = schema.pop("$defs")["JsonRow"]
    schema["properties"]["rows"]["items"] = row
    content = {"multipart/form-data": {"schema": FORM}, "application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def answer_document(answered: Sequence[Answered]) -> Answer:
    """The answer to a request."""
    return Answer(
        rows=[
            AnsweredRow(
                predicted=[told.label for told in row.labels if told.is_predicted],
                labels=[
                    Scored(
                        label=told.label,
                        probability=told.probability,
                        threshold=told.threshold,
                        predicted=told.is_predicted,
                        alone={name: values[told.label] for name, values in row.alone.items()},
                    )
                    for told in row.labels
                ],
            )
            for row in answered
        ]
    )


def model_document(answering: Answering, limits: Limits, examples: Sequence[Example]) -> Model:
    """What is known of the model that answers."""
    model = answering.predictor
    return Model(
        name=model.run.name,
        labels=list(model.labels),
        decision=model.decision.describe(answering.decode),
        takes=list(answering.takes),
        embeddings=answering.widths,
        max_bytes=limits.max_bytes,
        max_caption=limits.max_caption,
        max_rows=limits.max_rows,
        examples=[
            ToTry(
                picture=f"/examples/{number}.jpg" if example.picture else None,
                caption=example.caption,
            )
            for number, example in enumerate(examples)
        ],
    )
