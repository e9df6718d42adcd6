"""The demo's table over several seeds: is there something to win, and does fusing win it?

python -m benchmarks.demo [--seeds 3] [--folder DIR]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.results import machine, write_section
from mmfeat.demo.job import judge_all, prepare
from mmfeat_cli.demo.demo import run_command

N_TRAIN, N_TEST = 6000, 3000  # half as many again as `mmfeat demo` draws
MACRO = ("macro-f1 at 0.5", "macro-f1 tuned")
SCORES = (*MACRO, "samples-f1 at 0.5", "samples-f1 tuned")


def main() -> None:
    """Run the demo once per seed and write the table of means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the demos are kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mmfeat-demo-"))
    cells: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    durations: list[float] = []
    for seed in range(options.seeds):
        started = time.monotonic()
        place = folder / str(seed)
        command = run_command(place, quiet=True)
        prepare(place, n_train=N_TRAIN, n_test=N_TEST, seed=seed, command=command)
        for row in judge_all(place)[0]:
            cells[row["head"], row["fusion"]].append(row)
        durations.append(time.monotonic() - started)
    write_section("demo", report(cells, durations))


def report(cells: dict[tuple[str, str], list[dict[str, float]]], durations: list[float]) -> str:
    """The table as markdown, with the two margins that the demo has to show."""
    lines = [
        "## The demo over seeds",
        "",
        f"`python -m benchmarks.demo`: {N_TRAIN} training and {N_TEST} test scenes per seed, "
        f"{len(durations)} seeds; mean ± standard deviation on the hidden solution. {machine()}",
        "",
        "| head | fusion | " + " | ".join(SCORES) + " | seconds | bytes |",
        "|---|---|" + "---:|" * (len(SCORES) + 2),
    ]
    for (head, fusion), rows in cells.items():
        values = [_spread([row[name] for row in rows]) for name in SCORES]
        seconds = statistics.mean(row["seconds"] for row in rows)
        size = statistics.mean(row["bytes"] for row in rows)
        lines.append(f"| {head} | {fusion} | {' | '.join(values)} | {seconds:.1f} | {size:,.0f} |")
    lines.append("")
    for seed in range(len(durations)):
        lines.append(f"- seed {seed}: {_margins(cells, seed)}; {durations[seed]:.0f} s in all")
    return "\n".join(lines)


def _margins(cells: dict[tuple[str, str], list[dict[str, float]]], seed: int) -> str:
    texts = []
    for name in MACRO:
        best = {
            fusion: max(rows[seed][name] for (_, f), rows in cells.items() if f == fusion)
            for fusion in ("image", "text", "concat")
        }
        margin = best["concat"] - max(best["image"], best["text"])
        texts.append(f"{name}: best fused head ahead of the best single modality by {margin:+.3f}")
    gains = [rows[seed][MACRO[1]] - rows[seed][MACRO[0]] for rows in cells.values()]
    return f"{'; '.join(texts)}; tuning changes macro-F1 by {min(gains):+.3f} to {max(gains):+.3f}"


def _spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
