"""The wheel holds the two packages and what they need; the winner is used from it alone."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.pages import follow, run

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


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
    assert "mmfeat/extract/encoders/tiny_demo.safetensors" in names
    templates = ("page.html", "parts.html", "page.css", "page.js")
    assert {f"mmfeat/report/templates/{name}" for name in templates} <= set(names)
    assert {f"mmfeat/serve/page/page.{kind}" for kind in ("html", "css", "js")} <= set(names)
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "mmfeat").rglob("*.py")}
    assert sources <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the dependencies, and nothing of the checkout."""
    home = tmp_path_factory.mktemp("env")
    venv.create(home, with_pip=True)
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([home / "bin" / "python", *command], check=True)
    # The dependencies come from this environment; its own editable mmfeat stays invisible,
    # since a path that a .pth file adds has its own .pth files ignored.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_the_winner_is_used_in_a_clean_environment(environment: Path, tmp_path: Path) -> None:
    """The section of the README, as it stands."""
    section = README.read_text().partition("\n## Use the winner\n")[2].partition("\n## ")[0]
    programs = environment / "bin"
    where = run(
        "python -c 'import mmfeat, mmfeat_cli as c; print(mmfeat.__file__, c.__file__)'",
        tmp_path,
        programs=programs,
    )
    assert where.printed.count(str(environment / "lib")) == 2
    steps = list(follow(section, tmp_path, programs=programs))
    assert len(steps) == 9 and [step for step in steps if step.status] == []
    assert len((tmp_path / "best.csv").read_text().splitlines()) == 311
