"""The application: what is asked at which address, and what is answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from mmfeat import __version__
from mmfeat.serve.answers.answering import Answered, Answering, Row
from mmfeat.serve.answers.documents import (
    PROBLEMS,
    Answer,
    Health,
    Model,
    answer_document,
    body_document,
    model_document,
)
from mmfeat.serve.batching import Batcher, Places
from mmfeat.serve.guard import Guard
from mmfeat.serve.limits import Limits
from mmfeat.serve.metrics import Metrics
from mmfeat.serve.page import FILES
from mmfeat.serve.page.examples import make_examples
from mmfeat.serve.parsing import Parser
from mmfeat.serve.refusal import RequestError, invalid

DECODERS = os.cpu_count() or 1  # threads; Pillow decodes without the GIL
TOP = 10


def make_app(
    answering: Answering,
    *,
    limits: Limits,
    token: str | None = None,
    hosts: Set[str] | None = None,
) -> FastAPI:
    """Make the service of a loaded model.

    With a `token`, requests need it; with `hosts`, they must be addressed to one of these names.
    """
    places = Places(limits.queue)
    metrics = Metrics(waiting=lambda: places.taken)
    parser = Parser(answering=answering, limits=limits)
    examples = make_examples(answering)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        batcher = Batcher[Row, Answered](
            work=answering.answer,
            most=limits.batch,
            delay=limits.delay / 1000,
            on_batch=metrics.batches.observe,
        )
        running = asyncio.create_task(batcher.run())
        decoders = ThreadPoolExecutor(DECODERS, "decoder")
        yield {"batcher": batcher, "decoders": decoders}
        decoders.shutdown(wait=False)
        running.cancel()

    app = FastAPI(
        title=f"mmfeat serve {answering.predictor.run.name}",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from another address
        redoc_url=None,
    )
    app.add_middleware(Guard, limits=limits, token=token, hosts=hosts, metrics=metrics)

    @app.exception_handler(HTTPException)
    async def refuse(_: Request, error: HTTPException) -> Response:
        rule = "requests go to the addresses of /openapi.json, with their methods"
        told = RequestError(error.status_code, rule, error.detail.lower(), "look there")
        return JSONResponse({"error": str(told)}, told.status, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def refuse_query(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        found = f"{first['loc'][-1]}: {first['msg']}"
        told = invalid("a query is as /openapi.json describes it", found, "look there")
        return JSONResponse({"error": str(told)}, told.status)

    @app.post("/predict", responses=PROBLEMS, openapi_extra=body_document())
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, le=10_000)] = TOP,
        alone: Annotated[bool, Query()] = False,
    ) -> Answer:
        """Answer one row as a form, or rows as JSON.

        Told are the `top` most probable labels of each row and all predicted ones; with `alone`
        also what each modality says without the others.
        """
        how: Any = {"top": top, "alone": alone}
        decoders, batcher = request.state.decoders, request.state.batcher
        loop = asyncio.get_running_loop()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        with places.take(1):
            if kind == "multipart/form-data":
                image, caption = await parser.read_form(request)
                work = [partial(parser.decode, image, caption, **how)]
            elif kind == "application/json":
                body = await request.body()
                found = await loop.run_in_executor(decoders, parser.read_json, body)
                work = [
                    partial(parser.decode_json, row, at=at, **how) for at, row in enumerate(found)
                ]
            else:
                raise RequestError(
                    415,
                    "a request is multipart/form-data or application/json",
                    "this one is neither",
                    "set its Content-Type",
                )
            with places.take(len(work) - 1):
                decoding = (loop.run_in_executor(decoders, one) for one in work)
                rows = await asyncio.gather(*decoding)
                return answer_document(await batcher.answer(rows))

    @app.get("/model", responses={401: PROBLEMS[401]})
    async def model() -> Model:
        """Say which model answers, what it takes, and its labels with their thresholds."""
        return model_document(answering, limits, examples)

    @app.get("/healthz")
    async def healthz() -> Health:
        """Say that the service is up."""
        return Health(status="ok")

    @app.get("/metrics", response_class=PlainTextResponse, responses={401: PROBLEMS[401]})
    async def read_metrics() -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(metrics.text())

    for path, (content, kind) in FILES.items():
        app.add_api_route(path, _constant(content, kind), include_in_schema=False)
    for number, example in enumerate(examples):
        if example.picture:
            made = _constant(example.picture, "image/jpeg")
            app.add_api_route(f"/examples/{number}.jpg", made, include_in_schema=False)
    return app


def _constant(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def give() -> Response:
        return Response(content, media_type=kind)

    return give
