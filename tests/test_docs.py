"""Tables of docs/ and the tree of docs/architecture.md are made from the code.

`make docs` writes them anew.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mmfeat
from mmfeat.core import LAYERS
from mmfeat.core.settings.keys import list_keys
from mmfeat_cli.help.registries import Kind, registry
from mmfeat_cli.list_ import options
from tests.support.commands import commands
from tests.support.named import unknown_names

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
SETTINGS = ROOT / "docs" / "reference" / "settings.md"
INDEX, RESULTS = ROOT / "docs" / "index.md", ROOT / "docs" / "results.md"
PYTHON = ROOT / "docs" / "reference" / "python.md"
COMMAND_LINE = ROOT / "docs" / "reference" / "commands.md"
CHOICES = ROOT / "docs" / "reference" / "choices.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
FOLDERS = {
    "mmfeat": "the library; nothing in it prints, nothing in it knows the command line",
    "cli": "the command line, one file per command; installed as `mmfeat_cli`",
    "tests": "mirrors mmfeat/; support/ holds fixtures and fakes",
    "benchmarks": "side-by-side measurements, one file per claim; `RESULTS.md`",
    "docs": "one page per topic; `python -m benchmarks.browser PAGE` takes the screenshots",
    "artifacts": "the default workspace: features/, runs/, submissions/ and more",
}


def first_line(path: Path) -> str:
    """The first line of a file's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return docstring.partition("\n")[0].rstrip(".")


def tree() -> str:
    """Every file of the library, the command line and the benchmarks, with what it is for."""
    lines: list[tuple[str, str]] = []

    def walk(folder: Path, depth: int) -> None:
        for path in sorted(folder.iterdir(), key=lambda p: (p.is_dir(), p.name)):
            indent = "    " * depth
            if path.suffix == ".py" and not path.name.startswith("__"):
                lines.append((f"{indent}{path.name}", first_line(path)))
            elif path.suffix == ".safetensors":
                lines.append((f"{indent}{path.name}", "the weights of the bundled encoder"))
            elif path.is_dir() and (path / "__init__.py").exists():
                lines.append((f"{indent}{path.name}/", first_line(path / "__init__.py")))
                walk(path, depth + 1)

    for name, text in FOLDERS.items():
        lines.append((f"{name}/", text))
        if name in ("mmfeat", "cli", "benchmarks"):
            walk(ROOT / name, 1)
    width = max(len(name) for name, _ in lines) + 2
    return "```\n" + "\n".join(f"{name:<{width}}{text}".rstrip() for name, text in lines) + "\n```"


def escaped(text: str) -> str:
    """Text for a cell of a markdown table."""
    return text.replace("|", "\\|")


def table(kind: Kind) -> Callable[[], str]:
    """A registry as a table."""

    def render() -> str:
        rows = [
            f"| `{name}` | {escaped(entry.summary)} |" for name, entry in registry(kind).items()
        ]
        return "\n".join([f"| {kind.value} | |", "|---|---|", *rows])

    return render


def layers() -> str:
    """The order of the rooms, the lowest first."""
    return "\n".join(
        f"{at}. {', '.join(f'`{r}`' for r in layer)}" for at, layer in enumerate(LAYERS, 1)
    )


def keys() -> str:
    """Every key of mmfeat.toml by section."""
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    for key in list_keys(Path("/")):  # where no mmfeat.toml lies
        name = f"[{key.section}] {key.name}" if key.section else key.name
        told = f"one of {', '.join(key.choices)}; {key.help}" if key.choices else key.help
        default = "not set" if key.default is None else f"`{json.dumps(key.default)}`"
        lines.append(f"| `{name}` | {key.type} | {default} | {escaped(told)} |")
    return "\n".join(lines)


def options_of_heads() -> str:
    """Every option of every head, and of an ensemble."""
    lines = ["| head | option | type | values | default | |", "|---|---|---|---|---|---|"]
    for head in registry(Kind.heads):
        for option in options(head):
            default = "" if option.default == "" else f"`{option.default}`"
            lines.append(
                f"| {head} | `{option.name}` | {escaped(option.type_name)} "
                f"| {option.rule.allowed} | {default} | {escaped(option.rule.help)} |"
            )
    return "\n".join(lines)


SECTIONS: dict[str, tuple[Path, Callable[[], str]]] = {
    **{kind.value: (CHOICES, table(kind)) for kind in Kind},
    "tree": (ARCHITECTURE, tree),
    "layers": (ARCHITECTURE, layers),
    "keys": (SETTINGS, keys),
    "options": (SETTINGS, options_of_heads),
    "commands": (COMMAND_LINE, commands),
}


def section(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<=<!-- {name} -->\n).*?(?=\n<!-- /{name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_section_is_true(name: str) -> None:
    page, render = SECTIONS[name]
    found = section(name).search(page.read_text())
    assert found, f"{page.name} has no section {name}"
    assert found.group() == render(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    """Every command and flag, in a block of code or in the text."""
    lines = re.findall(
        r"^(?:    |\$ )(mmfeat [a-z-]+.*)|`(mmfeat [a-z-]+[^`]*)`", page.read_text(), re.MULTILINE
    )
    shown = ["".join(line).partition("#")[0].replace("`", "") for line in lines]
    assert shown or page in (ARCHITECTURE, INDEX, RESULTS)
    assert [unknown_names(f"`{line}`", None) for line in shown] == [[]] * len(shown)


def test_links_lead_to_files() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_it_shows_the_two_commands() -> None:
    assert "    make demo " in README.read_text()
    assert "    make test " in README.read_text()


def test_the_readme_is_one_screen_and_leads_to_every_page() -> None:
    text = README.read_text()
    assert len(text.encode()) <= 8_000
    named = {page for page in PAGES if str(page.relative_to(ROOT)) in text}
    assert set(PAGES) - named == {README, INDEX, RESULTS}


def test_python_names_are_on_their_page() -> None:
    shown = re.findall(r"auto(?:function|class):: mmfeat\.(\w+)$", PYTHON.read_text(), re.MULTILINE)
    assert {*shown, "MmfeatError", "heads", "__version__"} == set(mmfeat.__all__)


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "1"]
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(tmp_path / "site"), "-d", str(tmp_path / "trees")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page != README}
    built = {str(page.relative_to(tmp_path / "site")) for page in tmp_path.glob("site/**/*.html")}
    assert {page.replace(".md", ".html") for page in pages} <= built
    outside = re.compile(r"""<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//""")
    assert [name for name in built if outside.search((tmp_path / "site" / name).read_text())] == []


if __name__ == "__main__":
    for name, (page, render) in SECTIONS.items():
        new = render()
        page.write_text(section(name).sub(lambda _, new=new: new, page.read_text()))  # type: ignore[misc]
