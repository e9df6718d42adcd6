"""Stage one beside clip-retrieval: both command lines on the same pictures and weights.

    python -m venv CR && CR/bin/pip install clip-retrieval 'setuptools<81'
    python -m benchmarks.extract.clip_retrieval --python CR/bin/python --photos DIR

Weights are random, for a rate does not depend on them, and in one file that both load. Measured are
whole commands, in three rounds in turns, on few and on more pictures: their difference is the rate
without the start. clip-retrieval has an environment of its own, for it asks for other versions. It
is given pictures alone: of those with captions in files beside them, 2.45.0 finds no caption.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import open_clip
from safetensors.torch import save_file

from benchmarks.extract.extract import MODEL, make_photos
from benchmarks.extract.fidelity import cosines
from benchmarks.paths import existing
from benchmarks.results import machine, write_section
from mmfeat.store import FeatureStore

ROUNDS = 3
FEW, MANY = 64, 512  # pictures
LIMIT = 300  # seconds of a command
COMMAND = "from clip_retrieval.cli import main; main()"
PRECISIONS = ("fp32", "auto")


@dataclass(frozen=True)
class Tools:
    """Both command lines, in a folder with `photos-N` and a table `N.csv` for N pictures."""

    folder: Path
    python: Path

    def theirs(self, n: int) -> float | None:
        """The seconds of clip-retrieval; None: it fails, or is not done in time."""
        shutil.rmtree(self.folder / "theirs", ignore_errors=True)
        line = [str(self.python), "-c", COMMAND, "inference", "--input_dataset", f"photos-{n}"]
        line += ["--output_folder", "theirs", "--enable_text", "False"]
        return self._run([*line, "--clip_model", f"open_clip:{MODEL}/{self.folder}/w.safetensors"])

    def ours(self, n: int, precision: str) -> float | None:
        """The seconds of `mmfeat extract`."""
        (self.folder / f"{precision}.h5").unlink(missing_ok=True)
        line = [sys.executable, "-m", "mmfeat_cli", "extract", f"{n}.csv", "--text-col", ""]
        line += ["--images", f"photos-{n}", "--model", MODEL, "--pretrained", "w.safetensors"]
        return self._run([*line, "--out", f"{precision}.h5", "--precision", precision])

    def _run(self, line: list[str]) -> float | None:
        started = time.perf_counter()
        try:
            done = subprocess.run(
                line, cwd=self.folder, capture_output=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode:
            print(done.stderr.decode(errors="replace")[-600:], file=sys.stderr)
            return None
        return time.perf_counter() - started

    def least_cosine(self, precision: str) -> float:
        """The least cosine of an embedding of ours to that of clip-retrieval."""
        with FeatureStore.open(self.folder / f"{precision}.h5") as store:
            theirs = np.load(self.folder / "theirs/img_emb/img_emb_0.npy")
            return float(cosines(store.embeddings("image"), theirs).min())


def main() -> None:
    """Run both in turns, then once with a broken picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", type=existing, required=True, help="of clip-retrieval")
    parser.add_argument("--photos", type=existing, required=True, help="a folder of pictures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        tools = Tools(Path(place), asked.python.absolute())
        save_file(open_clip.create_model(MODEL).state_dict(), tools.folder / "w.safetensors")
        for n in (FEW, MANY):
            names = make_photos(asked.photos, tools.folder / f"photos-{n}", n)
            (tools.folder / f"{n}.csv").write_text("\n".join(["ImageID", *names]))
        write_section("clip-retrieval", "\n".join(measure(tools)))


def measure(tools: Tools) -> list[str]:
    """The lines of the section."""
    took: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for n in (FEW, MANY):
            for tool in ("theirs", *PRECISIONS):
                seconds = tools.theirs(n) if tool == "theirs" else tools.ours(n, tool)
                if seconds is None:
                    raise SystemExit(f"error: both must end well; {tool} did not; see above")
                took.setdefault((tool, n), []).append(seconds)
                print(f"{tool}, {n} pictures: {seconds:.1f} s", flush=True)
    alike = {precision: tools.least_cosine(precision) for precision in PRECISIONS}
    lines = [
        "## Stage one beside clip-retrieval",
        "",
        f"`python -m benchmarks.extract.clip_retrieval`: {MODEL}, random weights; whole commands,"
        f" medians of {ROUNDS} rounds in turns; {machine()}",
        "",
        f"| | {FEW} pictures | {MANY} pictures | pictures a second after the start"
        " | least cosine to clip-retrieval's |",
        "|---|---:|---:|---:|---:|",
    ]
    titles = ("clip-retrieval", "mmfeat, float32", "mmfeat, as it chooses")
    for title, tool in zip(titles, ("theirs", *PRECISIONS), strict=True):
        few, many = (median(took[tool, n]) for n in (FEW, MANY))
        lines.append(
            f"| {title} | {few:.1f} s | {many:.1f} s | {(MANY - FEW) / (many - few):.1f} |"
            f" {alike.get(tool, 1.0):.4f} |"
        )
    (tools.folder / f"photos-{FEW}" / "000000.jpg").write_bytes(b"no picture")
    ends = [tools.theirs(FEW), tools.ours(FEW, "auto")]
    told = [
        f"writes no result (an error, or {LIMIT} s)" if end is None else "ends well" for end in ends
    ]
    lines += ["", f"With a broken picture among them, clip-retrieval {told[0]}, mmfeat {told[1]}."]
    return lines


if __name__ == "__main__":
    main()
