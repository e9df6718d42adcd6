from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from PIL import Image

from mmfeat.core.workspace import Workspace
from mmfeat.demo.made_up import make_run
from mmfeat.report.curves import read_curves
from mmfeat.report.plots import PLOTS, draw_all
from mmfeat.report.svg import VARIABLES, inline, write_figure

ODD = ("<script>alert(1)</script>", '$\\frac$ &"', "שלום\x1b\n", "🙂" * 30)


@pytest.mark.parametrize("labels", [("a", "b", "c"), ODD, tuple(f"label {j}" for j in range(40))])
def test_every_plot_is_drawn_as_one_sound_svg(
    workspace: Workspace, labels: tuple[str, ...]
) -> None:
    figures = draw_all(read_curves(make_run(workspace, "r", labels=labels)))
    assert set(figures) == set(PLOTS)
    for name, figure in figures.items():
        text = inline(figure, title=f"{name} <&>", name=name)
        root = ElementTree.fromstring(text)
        assert (root.tag, root.get("role"), root.get("aria-label")) == ("svg", "img", f"{name} <&>")
        assert {element.tag for element in root.iter()}.isdisjoint({"script", "style", "metadata"})
        assert not [colour for colour in VARIABLES if colour in text]
        assert "var(--ink)" in text or "var(--soft)" in text
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        assert set(re.findall(r"url\(#(\w+)\)", text)) <= set(ids)


def test_labels_are_text_on_the_plot(workspace: Workspace) -> None:
    curves = read_curves(make_run(workspace, "r", labels=ODD))
    root = ElementTree.fromstring(inline(draw_all(curves)["precision-recall"], title="", name="x"))
    texts = [element.text for element in root.iter("text")]
    assert {"<script>…", "$\\frac$ …", "שלום", "🙂" * 8 + "…"} <= set(texts)


def test_classes_at_zero_are_counted_and_not_named(workspace: Workspace) -> None:
    curves = read_curves(make_run(workspace, "r", labels=tuple("abcdefgh"), rates=(0.3,) * 8))
    failed = [replace(c, f1_there=0.0, f1_nested=0.0) for c in curves.classes[:6]]
    figure = draw_all(replace(curves, classes=(*failed, *curves.classes[6:])))["support-f1"]
    (axes,) = figure.axes
    assert axes.get_title("left") == "F1; 6 classes at 0"
    assert {text.get_text() for text in axes.texts} <= {"g", "h"}


def test_the_same_run_gives_the_same_bytes(workspace: Workspace, tmp_path: Path) -> None:
    run = make_run(workspace, "r")
    pages = [
        [inline(figure, title=name, name=name) for name, figure in draw_all(curves).items()]
        for curves in (read_curves(run), read_curves(run))
    ]
    assert pages[0] == pages[1]
    for folder in ("one", "two"):
        write_figure(draw_all(read_curves(run))["reliability"], tmp_path / folder / "reliability")
    for suffix in (".svg", ".png"):
        one, two = (tmp_path / folder / f"reliability{suffix}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    with Image.open(tmp_path / "one" / "reliability.png") as picture:
        assert picture.width > 800


def test_settings_of_matplotlib_change_nothing(workspace: Workspace) -> None:
    curves = read_curves(make_run(workspace, "r"))
    plain = inline(draw_all(curves)["reliability"], title="", name="x")
    with mpl.rc_context({"font.size": 40, "text.usetex": True, "svg.fonttype": "path"}):
        assert inline(draw_all(curves)["reliability"], title="", name="x") == plain


def test_what_a_run_lacks_is_not_drawn(workspace: Workspace) -> None:
    run = make_run(workspace, "r", labels=("a",), rates=(0.5,), objective=None)
    (run.folder / "history.json").unlink()
    run.finish()
    assert set(PLOTS) - set(draw_all(read_curves(run))) == {"nested-tuned", "together", "training"}
    empty = make_run(workspace, "e", labels=("a", "b"), rates=(0.0, 0.0), objective=None)
    assert "precision-recall" not in draw_all(read_curves(empty))
