"""The wheel holds the two packages and what they need, and works in a clean environment."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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


def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    # The dependencies come from this environment; its own editable mmfeat stays invisible,
    # since a path that a .pth file adds has its own .pth files ignored.
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for arguments, expected in (
        (["--help"], "tune-thresholds"),
        (["list", "heads"], "logreg"),
    ):
        answer = subprocess.run(
            [home / "bin" / "mmfeat", *arguments],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in answer.stdout
    where = subprocess.run(
        [python, "-c", "import mmfeat, mmfeat_cli; print(mmfeat.__file__, mmfeat_cli.__file__)"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.count(str(site)) == 2
