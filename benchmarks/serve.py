"""How many requests `mmfeat serve` answers, how soon, and whether each gets its own answer.

    python -m benchmarks.serve [--model ViT-B-32] [--requests 10000] [--clients 1,8,64] [--quick]

A bundle with an encoder of random weights is served in a process of its own; clients on loopback
each send a picture of 224 x 224 with a caption, and the next one when they have the answer. That
is compared with the same bundle predicting the same rows in this process: one by one, and all at
once, which is what batches can reach at best. The last number of clients sends all requests, the
others a tenth. An answer is lost where there is none, and mixed up where the scores of another
row are nearer to it than those of its own.
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

import mmfeat
from benchmarks.results import machine, write_section
from mmfeat.demo.data import write_demo_data
from mmfeat.export.load import load
from mmfeat.types import FloatArray

N_ROWS = 500  # different rows, more than are ever under way
ONE_BY_ONE = 200
QUICK = 10  # times fewer of everything
BOUNDARY = "benchmark"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
SCRIPT = Path(sys.executable).with_name("mmfeat")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A picture's file and its caption."""

    picture: bytes
    caption: str

    @property
    def form(self) -> bytes:
        """The body of its request."""
        head = "Content-Disposition: form-data; name="
        parts = (
            f'--{BOUNDARY}\r\n{head}"caption"\r\n\r\n{self.caption}\r\n'.encode(),
            f'--{BOUNDARY}\r\n{head}"image"; filename="a.jpg"\r\n\r\n'.encode(),
            self.picture,
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
        return b"".join(parts)


@dataclass
class Answers:
    """What clients got: seconds per request, and the scores (k,) by number of the request."""

    seconds: list[float] = field(default_factory=list)
    scores: dict[int, list[float]] = field(default_factory=dict)
    total: float = 0.0
    processor: float = 0.0  # seconds of whoever predicts, on any number of cores


def main() -> None:
    """Make the bundle, measure both ways, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    options = parser.parse_args()
    share = QUICK if options.quick else 1
    clients = [int(number) for number in options.clients.split(",")]
    counts = [options.requests // (share * 10)] * (len(clients) - 1) + [options.requests // share]
    with tempfile.TemporaryDirectory(prefix="mmfeat-serve-") as folder:
        bundle = make_bundle(Path(folder), options.model)
        rows = make_rows(min(N_ROWS, counts[-1]))
        expected, here = predict_here(bundle, rows, ONE_BY_ONE // share)
        measured = {}
        for n_clients, n_requests in zip(clients, counts, strict=True):
            with serving(bundle) as (address, process):
                ask(address, rows, clients=n_clients, requests=2 * n_clients)  # warm
                used = processor_seconds(process)
                found = ask(address, rows, clients=n_clients, requests=n_requests)
                found.processor = processor_seconds(process) - used
                measured[n_clients] = found
        table = report(options, here, measured, expected, counts)
        write_section(f"serve-{options.model}", table)


def make_bundle(folder: Path, model: str) -> Path:
    """Fit logistic regression on a few scenes, embedded by random weights, and export it."""
    write_demo_data(folder, n_train=120, n_test=2, seed=0)
    space = folder / "work"
    mmfeat.extract(
        folder / "train.csv",
        images=str(folder / "data"),
        split="train",
        model=model,
        pretrained="random",
        workspace=space,
    )
    run = mmfeat.fit("train", head="logreg", fusion="concat", folds=3, workspace=space)
    return run.export(folder / "bundle")


def make_rows(n_rows: int) -> list[Row]:
    """Photograph-like pictures with captions of about ten words, all different."""
    rng = np.random.default_rng(0)
    words = ("a", "red", "dog", "bus", "on", "the", "sofa", "green", "street", "cat")
    rows = []
    for number in range(n_rows):
        coarse = Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8))
        content = io.BytesIO()
        coarse.resize((224, 224), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
        caption = " ".join(rng.choice(words, size=9)) + f" {number}"
        rows.append(Row(picture=content.getvalue(), caption=caption))
    return rows


def predict_here(
    bundle: Path, rows: list[Row], n_alone: int
) -> tuple[FloatArray, tuple[Answers, Answers]]:
    """The scores (n, k) of all rows, labels by name; how long some take one by one, and all."""
    model = load(bundle, pretrained="random")
    alone, together = Answers(), Answers()
    model.predict_proba(rows[0].picture, rows[0].caption)  # it loads the encoder
    used = time.process_time()
    for row in rows[:n_alone]:
        started = time.perf_counter()
        model.predict_proba(row.picture, row.caption)
        alone.seconds.append(time.perf_counter() - started)
    alone.total, alone.processor = sum(alone.seconds), time.process_time() - used
    started, used = time.perf_counter(), time.process_time()
    scores = model.predict_proba([row.picture for row in rows], [row.caption for row in rows])
    together.total = time.perf_counter() - started
    together.processor = time.process_time() - used
    return scores[:, np.argsort(model.labels)], (alone, together)


@contextmanager
def serving(bundle: Path) -> Iterator[tuple[str, int]]:
    """Serve a bundle in a process of its own; gives its address and the process."""
    command = [str(SCRIPT), "serve", str(bundle), "--port", "0", "--quiet"]
    command += ["--pretrained", "random"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def processor_seconds(process: int) -> float:
    """What a process has used so far, of proc(5)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(address: str, rows: list[Row], *, clients: int, requests: int) -> Answers:
    """Send requests from several clients at once, each with a connection of its own."""
    forms = [row.form for row in rows]
    numbers, answers = itertools.count(), Answers()

    def send() -> None:
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
        while (number := next(numbers)) < requests:
            started = time.perf_counter()
            connection.request("POST", "/predict?top=1000", forms[number % len(forms)], FORM)
            response = connection.getresponse()
            document = json.loads(response.read())
            answers.seconds.append(time.perf_counter() - started)
            if response.status == 200:
                labels = document["rows"][0]["labels"]
                told = {label["label"]: label["probability"] for label in labels}
                answers.scores[number] = [told[name] for name in sorted(told)]
        connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.total = time.perf_counter() - started
    return answers


def count_mixed_up(answers: Answers, expected: FloatArray) -> int:
    """How many answers are nearer to the scores of another row."""
    mixed = 0
    for number, scores in answers.scores.items():
        distance = np.abs(expected - np.array(scores)).max(axis=1)
        mixed += int(distance.argmin() != number % len(expected))
    return mixed


def report(
    options: argparse.Namespace,
    here: tuple[Answers, Answers],
    measured: dict[int, Answers],
    expected: FloatArray,
    counts: list[int],
) -> str:
    """The table as markdown."""
    alone, together = here
    rows = [
        ("one by one, in process", len(alone.seconds), alone, "", ""),
        ("all at once, in process", len(expected), together, "", ""),
    ]
    for (clients, answers), count in zip(measured.items(), counts, strict=True):
        lost, mixed = count - len(answers.scores), count_mixed_up(answers, expected)
        rows.append((f"{clients} clients", count, answers, f"{lost}", f"{mixed}"))
    base = len(alone.seconds) / alone.total
    lines = []
    for name, count, answers, *found in rows:
        times = np.percentile(answers.seconds or [np.nan], [50, 99]) * 1000
        median, late = ("" if np.isnan(value) else f"{value:.0f}" for value in times)
        speed = count / answers.total
        lines.append(
            f"| {name} | {count:,} | {speed:.1f} | {speed / base:.2f}"
            f" | {1000 * answers.processor / count:.0f} | {median} | {late}"
            f" | {' | '.join(found)} |"
        )
    return "\n".join(
        [
            f"## Requests over HTTP: {options.model}",
            "",
            f"`python -m benchmarks.serve --model {options.model}"
            f" --requests {options.requests}{' --quick' if options.quick else ''}`: a picture and"
            f" a caption per request, random weights. {machine()}. Load {os.getloadavg()[0]:.1f}.",
            "",
            "| | requests | per s | times one by one | processor ms each | median ms | 99 % ms"
            " | lost | mixed up |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
            *lines,
        ]
    )


if __name__ == "__main__":
    main()
