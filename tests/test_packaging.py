"""The wheel holds the two packages and what they need; the winner is used from it alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.pages import Step, follow

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "guides" / "use.md"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source") / "mmfeat"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in tracked:
        target = source / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    folder = tmp_path_factory.mktemp("wheel")
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *command, str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_it_should(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mmfeat", "mmfeat_cli"}
    assert "mmfeat/py.typed" in names
    assert "mmfeat/extract/encoders/families/tiny_demo.safetensors" in names
    templates = ("page.html", "parts.html", "colours.css", "page.css", "page.js")
    assert {f"mmfeat/report/templates/{name}" for name in templates} <= set(names)
    assert {f"mmfeat/serve/page/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "mmfeat").rglob("*.py")}
    assert sources <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the dependencies, and nothing of the checkout."""
    home = tmp_path_factory.mktemp("env")
    venv.create(home)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    command = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *command], check=True)
    # The dependencies come from this environment; its own editable mmfeat stays invisible,
    # since a path that a .pth file adds has its own .pth files ignored.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_the_winner_is_used_in_a_clean_environment(environment: Path, tmp_path: Path) -> None:
    """The first section of its page, as it stands."""
    section = PAGE.read_text().partition("\n## ")[0]
    programs = environment / "bin"
    changed = {"PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "80"}

    def run(command: str) -> Step:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | changed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Step(command, done.stdout, done.returncode)

    where = "import mmfeat, mmfeat_cli; print(mmfeat.__file__, mmfeat_cli.__file__)"
    assert run(f"python -c '{where}'").printed.count(str(environment / "lib")) == 2
    steps = list(follow(section, tmp_path, run))
    assert len(steps) == 8 and [step for step in steps if step.status] == []
    assert len((tmp_path / "best.csv").read_text().splitlines()) == 311
    loaded = ast.literal_eval(steps[-1].printed.splitlines()[-1])
    assert loaded == [tuple(answer_over_http(programs, tmp_path))]


def answer_over_http(programs: Path, folder: Path) -> list[str]:
    """The labels that `mmfeat serve winner` gives the image of the page."""
    command = [str(programs / "mmfeat"), "serve", "winner", "--port", "0", "--quiet"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            image = (folder / "data" / "300.jpg").read_bytes()
            answer = httpx.post(f"{address}/predict", files={"image": image}, timeout=30)
        finally:
            server.terminate()
    assert server.returncode == 0
    labels: list[str] = answer.json()["rows"][0]["predicted"]
    return labels
