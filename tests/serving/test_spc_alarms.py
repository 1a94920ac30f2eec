"""The alarm of a camera over products that take turns on it: one product's calm does not end another's alarm."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from data.decide import InForce
from data.verdict import Verdict
from serving.alarm_schema import Alarm
from serving.alarms import Alarms, find
from serving.gauges import Gauges
from serving.schema import Inspection, ModelRef
from serving.settings import load_settings
from serving.spc import ControlCharts
from serving.store import Store
from tests.conftest import ROOT

DATABASES = ("sqlite", "postgresql")

SPC = load_settings(ROOT / "configs/serving/default.yaml", []).spc.model_copy(
    update={"subgroup": 10, "baseline": 10, "calm": 3, "alarm_rules": ("beyond_3",)}
)
START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = Store.open(database)
    yield opened
    opened.close()


class Camera:
    """Sends frames to the charts of a server, which can be started anew."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.frames = 0
        self.changes: list[Alarm] = []
        self.restart()

    def restart(self) -> None:
        self.charts = ControlCharts(SPC, self.store, Alarms(self.store, Gauges(), self.changes.append))

    def send(self, points: int, version: str = "1", **flagged: int) -> None:
        """So many points of each product, frame by frame in turn; `flagged` of the ten frames of its points."""
        for number in range(10 * points):
            for product, of_ten in flagged.items():
                self.frames += 1
                self.charts.see(
                    Inspection.model_construct(
                        id=f"frame {self.frames}",
                        line="line-1",
                        station="final",
                        camera="top",
                        product=product,
                        model=ModelRef(name="m", version=version),
                        thresholds=InForce(pass_below=0.3, reject_from=0.7, change=None, guaranteed=None),
                        received_at=START + timedelta(seconds=self.frames),
                        verdict=Verdict.REJECT if number % 10 < of_ten else Verdict.PASS,
                        regions=[],
                    )
                )

    @property
    def standing(self) -> bool:
        with self.store.reading() as connection:
            return find(connection, cleared=False) != []


@pytest.fixture
def camera(store: Store) -> Camera:
    camera = Camera(store)
    camera.send(10, A=1, B=1)
    return camera


def test_an_alarm_stands_while_another_product_on_the_camera_is_calm(camera: Camera) -> None:
    camera.send(20, A=7, B=1)
    assert camera.standing
    assert len(camera.changes) == 1
    camera.send(2, A=1, B=1)
    assert camera.standing, "two calm points are not three"
    camera.send(1, A=1)
    assert not camera.standing
    assert len(camera.changes) == 2


def test_two_products_out_of_control_must_both_become_calm(camera: Camera) -> None:
    camera.send(3, A=7, B=8)
    camera.send(5, A=1)
    assert camera.standing
    camera.send(3, B=1)
    assert not camera.standing


def test_a_restart_forgets_no_product(camera: Camera) -> None:
    camera.send(3, A=7, B=1)
    camera.restart()
    camera.send(5, B=1)
    assert camera.standing
    camera.send(3, A=1)
    assert not camera.standing


def test_a_new_model_takes_over_the_alarm_of_its_product(camera: Camera) -> None:
    camera.send(3, A=7, B=1)
    camera.send(9, A=1, version="2")
    assert camera.standing, "nine points of the new model are no baseline"
    camera.restart()
    camera.send(3, B=1)
    assert camera.standing, "and the old one's last word stands, after a restart too"
    camera.send(4, A=1, version="2")
    assert not camera.standing, "the old model's last point stays as it is, and is looked at no more"
