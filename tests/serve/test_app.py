"""Requests get their own answers, whatever else comes at the same time, and errors in one line."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from mmfeat.serve.answers.answering import Answering, Row
from mmfeat.serve.limits import Limits
from tests.support.serving import (
    HOSTILE_BODIES,
    POISON,
    ColourEncoder,
    make_answering,
    picture,
    serving,
)

LIMITS = Limits(max_bytes=200_000, max_caption=100, max_rows=4, queue=256, delay=5)


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Answering:
    return make_answering(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def address(answering: Answering) -> Iterator[str]:
    with serving(answering, LIMITS) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=20) as made:
        yield made


def expected(answering: Answering, content: bytes | None, text: str) -> Any:
    """The probabilities of one row, predicted alone."""
    encoder = answering.encoder
    assert encoder is not None
    row = Row(picture=encoder.decode(content), caption=text, top=10, alone=False)
    (told,) = answering.answer([row])
    return near({label.label: label.probability for label in told.labels})


def near(values: Any) -> Any:
    """Equal but for rounding: how many rows are multiplied at once changes the last bits."""
    return pytest.approx(values, abs=1e-5)


def scores(row: dict[str, Any]) -> dict[str, float]:
    return {told["label"]: told["probability"] for told in row["labels"]}


def caption(text: str) -> dict[str, tuple[None, str]]:
    """A form with this caption alone."""
    return {"caption": (None, text)}


def error_of(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    (error,) = response.json().values()
    assert error.count("; ") >= 2 and "Traceback" not in error
    return str(error)


def test_a_form_and_json_say_the_same(client: httpx.Client, answering: Answering) -> None:
    content, text = picture(200, 30, 90), "a red bus"
    form = client.post("/predict", files={"image": content}, data={"caption": text})
    row = {"image": base64.b64encode(content).decode(), "caption": text}
    both = client.post("/predict", json={"rows": [row, {"caption": "b"}]}, params={"alone": True})
    assert form.status_code == both.status_code == 200
    first, second = both.json()["rows"]
    wanted = expected(answering, content, text)
    assert scores(form.json()["rows"][0]) == wanted
    assert scores(first) == wanted
    assert scores(second) == expected(answering, None, "b")
    assert second["labels"][0]["alone"] == near({"text": second["labels"][0]["probability"]})
    for told in first["labels"]:
        by_image, by_text = expected(answering, content, ""), expected(answering, None, text)
        for name, alone in (("image", by_image), ("text", by_text)):
            assert told["alone"][name] == near(alone.expected[told["label"]])
        assert told["predicted"] == (told["probability"] >= told["threshold"])
    assert first["predicted"] == [told["label"] for told in first["labels"] if told["predicted"]]


def test_a_late_fusion_tells_its_sources(tmp_path: Path) -> None:
    answering = make_answering(tmp_path, fusion="late-mean")
    encoder = answering.encoder
    assert encoder is not None
    decoded = encoder.decode(picture(200, 30, 90))
    (told,) = answering.answer([Row(picture=decoded, caption="bus", top=3, alone=True)])
    for label in told.labels:
        parts = [told.alone[name][label.label] for name in ("image", "text")]
        assert np.mean(parts) == pytest.approx(label.probability)


def test_sets_of_greatest_expected_f1_have_no_thresholds(answering: Answering) -> None:
    row = answering.sample()
    for decode, thresholds in (("expected-f1", {None}), ("thresholds", {0.5})):
        (told,) = replace(answering, decode=decode).answer([row])
        assert {label.threshold for label in told.labels} == thresholds


def test_a_model_of_captions_takes_no_picture(tmp_path: Path) -> None:
    answering = make_answering(tmp_path, fusion="text")
    with serving(answering, LIMITS) as found, httpx.Client(base_url=found) as c:
        refused = c.post("/predict", files={"image": picture(1, 2, 3)}, data={"caption": "a"})
        assert "looks at text alone" in error_of(refused, 422)
        assert c.post("/predict?alone=1", files=caption("a")).json()["rows"][0]["predicted"]
        assert c.get("/model").json()["takes"] == ["text"]


def test_embeddings_are_answered_where_a_run_was_fitted_on_them(tmp_path: Path) -> None:
    answering = make_answering(tmp_path, embedded=True)
    vectors = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    wanted = answering.predictor.predict_proba(
        embeddings={"image": vectors, "text": np.full_like(vectors, np.nan)}
    )
    with serving(answering, LIMITS) as found, httpx.Client(base_url=found) as c:
        rows = [{"embeddings": {"image": vector.tolist()}} for vector in vectors]
        answer = c.post("/predict", json={"rows": rows}).json()["rows"]
        assert [scores(row)["l0"] for row in answer] == near(wanted[:, 0].tolist())
        assert c.get("/model").json()["embeddings"] == {"image": 8, "text": 8}
        for wrong in ({}, {"image": [1.0]}, {"sound": [1.0] * 8}, {"image": [1e9] * 8}):
            error_of(c.post("/predict", json={"rows": [{"embeddings": wrong}]}), 422)
        assert "embeddings" in error_of(c.post("/predict", files=caption("a")), 422)


def test_200_requests_at_once_get_their_own_answers(address: str, answering: Answering) -> None:
    rng = np.random.default_rng(0)
    wanted = [(picture(*rng.integers(256, size=3)), f"caption {row}") for row in range(200)]
    encoder = answering.encoder
    assert encoder is not None and isinstance(encoder.encoder, ColourEncoder)
    encoder.encoder.batches.clear()

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as client:
            sent = (
                client.post("/predict", files={"image": content}, data={"caption": text})
                for content, text in wanted
            )
            bad = client.post("/predict", files={"image": b"no picture"})
            *answers, refused = await asyncio.gather(*sent, bad)
            error_of(refused, 422)
            return answers

    for (content, text), answer in zip(wanted, asyncio.run(ask()), strict=True):
        assert scores(answer.json()["rows"][0]) == expected(answering, content, text)
    assert max(encoder.encoder.batches) > 1


def test_only_the_request_at_fault_fails(
    address: str, answering: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    captions = ["a", POISON, "b", "c"]

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            return await asyncio.gather(
                *(client.post("/predict", files=caption(text)) for text in captions)
            )

    with caplog.at_level(logging.INFO, "mmfeat"):
        good, failed, *others = asyncio.run(ask())
    error_of(failed, 500)
    for text, answer in zip("abc", [good, *others], strict=True):
        assert scores(answer.json()["rows"][0]) == expected(answering, None, text)
    assert POISON not in caplog.text and "ValueError in" in caplog.text


def test_a_full_queue_says_when_to_try_again(answering: Answering) -> None:
    limits = Limits(queue=2, max_rows=2, batch=1, delay=0)
    encoder = answering.encoder
    assert encoder is not None and isinstance(encoder.encoder, ColourEncoder)

    async def ask(address: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            form = {"image": picture(1, 2, 3)}
            return await asyncio.gather(*(client.post("/predict", files=form) for _ in range(6)))

    encoder.encoder.seconds = 0.2
    try:
        with serving(answering, limits) as found:
            answers = asyncio.run(ask(found))
    finally:
        encoder.encoder.seconds = 0.0
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200, 200, 429, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "1"
    error_of(refused, 429)


def test_what_is_accepted_is_answered_when_the_service_stops(answering: Answering) -> None:
    encoder = answering.encoder
    assert encoder is not None and isinstance(encoder.encoder, ColourEncoder)

    async def ask(address: str, stop: Any) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            form = {"image": picture(1, 2, 3)}
            sent = [asyncio.create_task(client.post("/predict", files=form)) for _ in range(4)]
            await asyncio.sleep(0.15)
            await asyncio.to_thread(stop)
            return await asyncio.gather(*sent)

    encoder.encoder.seconds = 0.3
    try:
        running = serving(answering, LIMITS)
        found = running.__enter__()
        answers = asyncio.run(ask(found, lambda: running.__exit__(None, None, None)))
    finally:
        encoder.encoder.seconds = 0.0
    assert [answer.status_code for answer in answers] == [200] * 4


def test_a_token_is_needed_where_there_is_one(answering: Answering) -> None:
    with (
        serving(answering, LIMITS, token="secret") as found,
        httpx.Client(base_url=found) as client,
    ):
        for wrong in ({}, {"Authorization": "Bearer Secret"}, {"Authorization": "secret"}):
            response = client.post("/predict", files=caption("a"), headers=wrong)
            assert response.headers["WWW-Authenticate"] == "Bearer"
            error_of(response, 401)
        assert client.get("/metrics").status_code == client.get("/model").status_code == 401
        assert client.get("/healthz").status_code == client.get("/").status_code == 200
        right = {"Authorization": "Bearer secret"}
        assert client.post("/predict", files=caption("a"), headers=right).status_code == 200


def test_the_log_and_the_metrics_have_nothing_of_a_request(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "mmfeat"):
        client.post("/predict?top=3&word=ZZZ", data={"caption": "ZZZ"}, files={"image": b"ZZZ"})
        client.post("/predict", json={"rows": [{"caption": "ZZZ", "more": "ZZZ"}]})
        client.get("/ZZZ")
    assert "POST /predict 422" in caplog.text and "ZZZ" not in caplog.text
    told = client.get("/metrics").text
    assert 'mmfeat_requests_total{route="/predict",status="422"}' in told and "ZZZ" not in told


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has this many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + sum_

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def truncated() -> bytes:
    content = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()[:500]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"GIF89a", 422),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        (b"/etc/passwd", 422),
        (b"http://example.org/a.png", 422),
        (bomb(60_000, 60_000), 413),
        (bomb(2**31 - 1, 2**31 - 1), 413),
        (truncated(), 422),
        (bytes(300_000), 413),
    ],
)
def test_hostile_pictures_are_refused(client: httpx.Client, content: bytes, status: int) -> None:
    error_of(client.post("/predict", files={"image": content}), status)


@pytest.mark.parametrize(("how", "status"), HOSTILE_BODIES)
def test_hostile_bodies_are_refused(client: httpx.Client, how: dict[str, Any], status: int) -> None:
    error_of(client.post("/predict", **how), status)
