"""What of a cluster each worker can have, for clusters that are not here."""

from __future__ import annotations

import pytest

from mmfeat.errors import ClusterError

ray = pytest.importorskip("ray", reason="needs mmfeat[ray]")
cluster = pytest.importorskip("mmfeat.core.cluster")
HEAD = {"CPU": 4.0}
EIGHT = {"CPU": 64.0, "GPU": 8.0}
SMALL = {"CPU": 2.0}


@pytest.mark.parametrize(
    ("machines", "asked", "share"),
    [
        ([HEAD, EIGHT, EIGHT], {}, (16, 7.0, 1.0)),
        ([HEAD, EIGHT, EIGHT], {"workers": 4}, (4, 31.0, 1.0)),
        ([HEAD, EIGHT], {"gpus": 0.5}, (16, 3.0, 0.5)),
        ([HEAD, EIGHT], {"gpus": 2.0}, (4, 15.0, 2.0)),
        ([{"CPU": 4.0, "GPU": 4.0}], {}, (4, 0.5, 1.0)),
        ([EIGHT], {"gpus": 0.0}, (1, 63.0, 0.0)),
        ([SMALL], {}, (1, 1.0, 0.0)),
        ([SMALL], {"workers": 2}, (2, 0.5, 0.0)),
        ([SMALL, SMALL, SMALL], {}, (3, 1.0, 0.0)),
        ([{"CPU": 1.0}], {}, (1, 0.5, 0.0)),
    ],
)
def test_a_cpu_of_every_machine_stays_free_where_it_can(
    monkeypatch: pytest.MonkeyPatch,
    machines: list[dict[str, float]],
    asked: dict[str, float],
    share: tuple[int, float, float],
) -> None:
    pretend(monkeypatch, machines)
    found = cluster.share_out(**asked)
    assert (found.workers, found.cpus, found.gpus) == share


@pytest.mark.parametrize(
    ("machines", "asked"),
    [
        ([SMALL], {"workers": 5}),
        ([SMALL], {"gpus": 1.0}),
        ([HEAD, EIGHT], {"workers": 9}),
        ([EIGHT, EIGHT], {"gpus": 9.0}),  # no single machine has them
        ([{}], {}),
    ],
)
def test_what_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, machines: list[dict[str, float]], asked: dict[str, float]
) -> None:
    pretend(monkeypatch, machines)
    with pytest.raises(ClusterError, match="room for"):
        cluster.share_out(**asked)


def pretend(monkeypatch: pytest.MonkeyPatch, machines: list[dict[str, float]]) -> None:
    nodes = [{"Alive": True, "Resources": machine} for machine in machines]
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes, {"Alive": False, "Resources": EIGHT}])
