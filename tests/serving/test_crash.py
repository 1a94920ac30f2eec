"""kill -9 under load, three times: nothing acknowledged is lost, nothing is stored twice."""

from pathlib import Path

import pytest

from benchmarks.crash import crash

DATABASES = ("sqlite", "postgresql")


@pytest.mark.heavy
def test_kill_9_loses_and_duplicates_nothing(tmp_path: Path, brightness_bundle: Path, database: str) -> None:
    tally = crash(3, brightness_bundle, tmp_path / "server", database)
    assert len(tally.acknowledged) > 30
    assert tally.repeated > 0, "frames were under way at every kill"
    assert (tally.lost, tally.duplicated, tally.images_wrong) == (0, 0, 0)
