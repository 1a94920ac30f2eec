import pytest
from mlflow.entities.model_registry import ModelVersion

from data.bundle import Metric
from training.tracking import judge


def version(auroc: float, test_sha256: str) -> ModelVersion:
    one = ModelVersion(name="cells", version="3", creation_timestamp=0)
    one._tags = {"test_auroc": repr(auroc), "test_sha256": test_sha256}
    return one


@pytest.mark.parametrize(
    ("champion", "wins", "why"),
    [
        (None, True, "first version"),
        (version(0.90, "same"), True, "beats version 3 on the same test images: AUROC 0.9100 against 0.9000"),
        (version(0.91, "same"), False, "does not beat version 3"),
        (version(0.95, "same"), False, "does not beat version 3"),
        (version(0.50, "other"), False, "tested on other images"),
    ],
)
def test_champion_changes_only_on_the_same_images(champion: ModelVersion | None, wins: bool, why: str) -> None:
    decision = judge(Metric(value=0.91, low=0.88, high=0.94, n=100), "same", champion)
    assert decision[0] is wins
    assert why in decision[1]
