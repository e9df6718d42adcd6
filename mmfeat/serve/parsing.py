"""The body of a request becomes rows: a form with one picture and caption, or JSON with many.

Whatever is in it is content: a picture is bytes, and no text of a request is ever a path or an
address.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from mmfeat.config import is_utf8
from mmfeat.errors import counted
from mmfeat.extract.encoders.base import suffices
from mmfeat.extract.guard import Refusal
from mmfeat.serve.answers.answering import NO_PICTURE, Answering, Row
from mmfeat.serve.limits import MOST_ROWS, Limits
from mmfeat.serve.refusal import RequestError, invalid
from mmfeat.store.layout import Status
from mmfeat.types import FloatArray

FIELDS = ("image", "caption")
LONGEST_FIELD = 2**20  # bytes of a caption, before its characters are counted
Vector = Annotated[list[float], Field(min_length=1, max_length=2**16)]
LARGEST = float(np.finfo(np.float16).max)  # of a number in a store


class JsonRow(BaseModel):
    """A row of a JSON request: an image, a caption or both; or embeddings by modality."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    image: Annotated[
        str | None,
        Field(
            description="The bytes of a picture's file in base64.",
            json_schema_extra={"contentEncoding": "base64"},
        ),
    ] = None
    caption: str | None = None
    embeddings: Annotated[
        dict[str, Vector] | None,
        Field(description="Where the service takes embeddings: a vector per modality."),
    ] = None


class JsonRows(BaseModel):
    """A JSON request: one row or many."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rows: Annotated[list[JsonRow], Field(min_length=1, max_length=MOST_ROWS)]


@dataclass(frozen=True, kw_only=True)
class Parser:
    """Makes rows of bodies, within the limits of a service."""

    answering: Answering
    limits: Limits

    def read_json(self, body: bytes) -> list[JsonRow]:
        """Read a JSON request; raise `RequestError` for another body or too many rows."""
        try:
            rows = JsonRows.model_validate_json(body).rows
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise invalid(
                'a JSON request is {"rows": [{"image": BASE64, "caption": TEXT}, …]}',
                f"{where}: {first['msg']}" if where else first["msg"],
                "see /openapi.json",
            ) from None  # the cause quotes the request
        if len(rows) > self.limits.max_rows:
            raise invalid(
                f"a request has at most {counted(self.limits.max_rows, 'row')}",
                f"this one has {len(rows)}",
                "send several requests",
            )
        return rows

    async def read_form(self, request: Request) -> tuple[bytes | None, str | None]:
        """Read image and caption; raise `RequestError` for a broken form or other fields."""
        try:
            form = await request.form(max_files=1, max_fields=1, max_part_size=LONGEST_FIELD)
        except (HTTPException, UnicodeError) as error:
            found = error.detail if isinstance(error, HTTPException) else "its charset is odd"
            raise RequestError(
                400,
                "a form is multipart/form-data with one image and one caption at most",
                found.rstrip("."),
                "see /openapi.json",
            ) from None
        try:
            image, caption = form.get("image"), form.get("caption")
            if not set(form) <= set(FIELDS):
                raise invalid(
                    "a form has the fields image and caption",
                    f"it has {counted(len(form), 'field')}",
                    "leave the others out",
                )
            if isinstance(image, str) or isinstance(caption, UploadFile):
                raise invalid(
                    "image is a file and caption is a text",
                    "they are not",
                    "send image with a file name, and caption without",
                )
            return (await image.read() if image else None), caption
        finally:
            await form.close()

    def decode(
        self, image: bytes | None, caption: str | None, *, where: str = "", top: int, alone: bool
    ) -> Row:
        """Decode a picture and check a caption; raise `RequestError`, which says `where`."""
        encoder = self.answering.encoder
        if encoder is None:
            raise invalid(
                "this service takes embeddings",
                f"{where}it is an image or a caption",
                'send JSON with "embeddings"',
            )
        text = caption or ""
        if not is_utf8(text) or len(text) > self.limits.max_caption:
            raise invalid(
                f"a caption is text of at most {self.limits.max_caption:,} characters",
                f"{where}it is longer, or no UTF-8",
                "shorten it",
            )
        if image is None and not text.strip():
            raise invalid(
                "a row is an image, a caption or both",
                f"{where}it is empty",
                "give one of them",
            )
        for name, given in (("image", image is not None), ("text", bool(text.strip()))):
            if given and name not in self.answering.takes:
                raise invalid(
                    f"this model looks at {' and '.join(self.answering.takes)} alone",
                    f"{where}it has {name} as well",
                    "leave it out",
                )
        looks_at = self.answering.modalities
        if not suffices(picture=image is not None, caption=bool(text.strip()), modalities=looks_at):
            raise invalid(
                "this model looks at an image and its caption together",
                f"{where}it has one of them",
                "give both",
            )
        picture = encoder.decode(image)
        if image is not None and isinstance(picture, Refusal):
            raise RequestError(
                413 if picture.status == Status.TOO_LARGE else 422,
                "an image must be readable",
                f"{where}{picture.reason}",
                "give another one",
            )
        return Row(picture=picture, caption=text, top=top, alone=alone)

    def decode_json(self, row: JsonRow, *, at: int, top: int, alone: bool) -> Row:
        """Decode a row of a JSON request; raise `RequestError`, which names the row `at`."""
        where = f"row {at}: "
        if row.embeddings is not None:
            if row.image is not None or row.caption is not None:
                raise invalid(
                    "a row has embeddings, or an image and a caption",
                    f"{where}it has both",
                    "leave one of them out",
                )
            vectors = self._check_vectors(row.embeddings, where)
            return Row(picture=NO_PICTURE, embeddings=vectors, top=top, alone=alone)
        try:
            image = None if row.image is None else base64.b64decode(row.image, validate=True)
        except (binascii.Error, ValueError):
            raise invalid(
                "an image is the bytes of its file in base64",
                f"{where}it is not",
                "encode it, without a prefix such as data:",
            ) from None
        return self.decode(image, row.caption, where=where, top=top, alone=alone)

    def _check_vectors(self, given: Mapping[str, list[float]], where: str) -> dict[str, FloatArray]:
        widths = self.answering.widths
        wanted = ", ".join(f"{name} ({width})" for name, width in widths.items())
        rule = f"a row has one vector of finite numbers or more: {wanted}"
        if not widths:
            raise invalid(
                "this service takes images and captions",
                f"{where}it has embeddings",
                "send what they are of",
            )
        vectors = {name: np.array(values, np.float32) for name, values in given.items()}
        found = {name: len(vector) for name, vector in vectors.items()}
        if not found or any(widths.get(name) != width for name, width in found.items()):
            raise invalid(rule, f"{where}it has others", "send those of the training rows")
        if any(np.abs(vector).max() > LARGEST for vector in vectors.values()):
            raise invalid(rule, f"{where}some are above {LARGEST:g}", "check them")
        return vectors
