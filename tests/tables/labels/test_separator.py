"""The separator of labels is found where it is clear, and refused with the choices where not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mmfeat.config import DataSettings
from mmfeat.errors import TableError
from mmfeat.tables import read_table
from mmfeat.tables.labels.separator import find_separator, note_unused, spelt, writable_separator


def find(*cells: str) -> str:
    return find_separator(Counter(cells), "Labels", "t.csv")


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["scab|frog eye spot", "rust", "frog eye spot|rust"], "|"),
        (["a | b", "b"], "|"),
        (["hot dog;cat", "dog"], ";"),
        (["Drama, Comedy", "Comedy, War", "War"], ", "),
        (["Drama,Comedy", "Comedy, War", "War"], ","),
        (["Drama, Comedy", "Comedy"], ", "),
        (["cat dog", "dog bird", "bird"], " "),
        (["1 19", "3", "7 12 40"], " "),
        (["n02084071 n02085620", "n01440764"], " "),
        (["drama", "comedy"], " "),
        (["potted plant"] * 95 + ["potted plant|dog"] * 5, "|"),
        (["a b"] * 4, " "),
    ],
)
def test_a_clear_separator_is_found(cells: list[str], separator: str) -> None:
    assert find(*cells) == separator


@pytest.mark.parametrize(
    ("cells", "choices"),
    [
        (["potted plant", "traffic light", "dining table"], ["' '", "'|'"]),
        (["potted plant", "dog", "cat"], ["' '", "'|'"]),
        (["Quercus robur", "Quercus alba", "Fagus sylvatica"], ["' '", "'|'"]),
        (["Lesion, benign", "Melanoma", "Nevus"], ["','", "'|'"]),
        (["Lesion, benign", "Lesion, malignant", "Nevus"], ["','", "'|'"]),
        (["red|big", "blue;small"], ["'|'", "';'", "'/'"]),
        (["dog/cat", "dog", "cat"], ["'/'", "'|'"]),
        (["war & peace", "love & peace", "war & love"], ["' '", "'|'"]),
        (["red big", "blue small", "red small"] * 20 + ["blue,big"], ["','", "' '"]),
        (["a dog on a sofa", "a cat on a mat", "a sofa on a mat"], ["' '", "'|'"]),
    ],
)
def test_a_doubtful_separator_is_refused_with_the_choices(
    cells: list[str], choices: list[str]
) -> None:
    with pytest.raises(TableError, match="one label or several") as caught:
        find(*cells)
    assert [choice for choice in choices if f"--label-sep {choice}" not in str(caught.value)] == []


def test_a_remedy_reads_the_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ImageID,Labels\n0,potted plant\n1,traffic light\n")
    one = read_table(path, data=DataSettings(label_sep="|"))
    assert one.labels == ("potted plant", "traffic light") and one.format.label_sep == "|"
    several = read_table(path, data=DataSettings(label_sep=" "))
    assert several.labels == ("light", "plant", "potted", "traffic")


def test_labels_are_written_with_a_separator_that_none_of_them_has() -> None:
    assert writable_separator(["a", "b"]) == " "
    assert writable_separator(["hot dog", "cat"]) == "|"
    assert writable_separator(["hot dog", "a|b"]) == ";"


def test_a_message_writes_a_space_as_a_word() -> None:
    assert (spelt(" "), spelt("|")) == ("a space", "'|'")


@pytest.mark.parametrize(
    ("cells", "given", "better"),
    [
        (["Drama, Comedy", "Comedy, War", "War"], "|", "', ' would give 3 labels, 1.7 per row"),
        (["cat dog", "dog bird", "bird"], ";", "a space would give 3 labels, 1.7 per row"),
    ],
)
def test_a_separator_that_cuts_no_cell_is_told(cells: list[str], given: str, better: str) -> None:
    (note,) = note_unused(Counter(cells), given)
    assert note == f"no cell of labels is cut by {given!r}; {better}"


@pytest.mark.parametrize("cells", [["cat", "dog"], ["Quercus robur", "Quercus alba"], ["a|b, c"]])
def test_cells_of_one_label_need_no_separator(cells: list[str]) -> None:
    assert note_unused(Counter(cells), "|") == ()
