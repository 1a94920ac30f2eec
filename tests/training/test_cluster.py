import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data.config import load_config
from data.errors import InputError
from tests.training_fixture import draw_textures, tiny_config
from training.config import TrainConfig
from training.run import cross_validate

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head with no cores and two machines that train, each with an address of its own on the loopback interface."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - Ray's own 15 takes minutes on a busy machine
    head = {"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for address in ("127.0.0.3", "127.0.0.4"):
        cluster.add_node(num_cpus=1, node_ip_address=address)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cluster")
    draw_textures(place / "images")
    return place / "var"


def settings(output: Path, name: str, **changes: Any) -> TrainConfig:
    file = output.parent / f"{name}.yaml"
    few = {"folds": 3, "fit": {"epochs": 2, "batch_size": 8}}
    tiny_config(file, output.parent / "images", output, name=name, **(few | changes))
    return load_config(file, TrainConfig, [])


@pytest.fixture(scope="module")
def one_after_another(output: Path) -> bytes:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    predictions, _ = cross_validate(settings(output, "alone"))
    torch.set_num_threads(threads)
    return predictions.read_bytes()


def test_folds_on_two_machines_score_as_one_after_another(
    output: Path,
    cluster: Cluster,
    one_after_another: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "training")
    predictions, _ = cross_validate(settings(output, "cluster", fold_cluster=cluster.address))
    assert predictions.read_bytes() == one_after_another
    assert not list((output / "checkpoints").glob("cluster-*"))
    epochs = [record.getMessage() for record in caplog.records if "of 3, epoch" in record.getMessage()]
    assert {line.split(":")[0] for line in epochs} == {
        f"fold {fold} of 3, epoch {epoch}" for fold in (1, 2, 3) for epoch in (0, 1, 2)
    }


def test_fold_of_a_machine_that_dies_goes_on_on_another(
    output: Path,
    cluster: Cluster,
    one_after_another: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "training")

    def kill_one() -> None:
        while len(list((output / "checkpoints").glob("struck-*fold*.pt"))) < 2:
            threading.Event().wait(0.001)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    killer = threading.Thread(target=kill_one)
    killer.start()
    predictions, _ = cross_validate(settings(output, "struck", fold_cluster=cluster.address))
    killer.join()
    cluster.add_node(num_cpus=1, node_ip_address="127.0.0.5")
    assert [record for record in caplog.records if "lost its machine" in record.getMessage()]
    assert predictions.read_bytes() == one_after_another


def test_fold_that_does_not_learn_ends_all_with_its_own_sentence(output: Path, cluster: Cluster) -> None:
    fit = {"epochs": 1, "batch_size": 8, "learning_rate": 1e38}
    with pytest.raises(InputError, match=r"^the loss became .*; lower fit\.learning_rate"):
        cross_validate(settings(output, "diverges", fold_cluster=cluster.address, fit=fit))
    assert not ray.is_initialized()


def test_cluster_that_is_not_there_is_named(output: Path) -> None:
    with pytest.raises(InputError, match=r"fold_cluster: 127\.0\.0\.1:9 cannot be joined .*ray start --address"):
        cross_validate(settings(output, "nowhere", fold_cluster="127.0.0.1:9"))
