from pathlib import Path

import pytest

from data.durable import replacing


def test_file_is_replaced_whole_and_its_directory_made(tmp_path: Path) -> None:
    file = tmp_path / "new" / "one.bin"
    for content in (b"old", b"new and longer"):
        with replacing(file) as stream:
            stream.write(content)
        assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "one.bin"
    file.write_bytes(b"old")

    def fail() -> None:
        with replacing(file) as stream:
            stream.write(b"half of the new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
