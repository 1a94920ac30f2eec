"""What the database reads for a frame that arrives."""

from contextlib import closing
from operator import itemgetter

import pytest
from sqlalchemy import Connection, insert

from serving.store import Store
from serving.tables import inspections
from tests.serving.test_hourly import rows


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_a_frame_reads_only_its_own_part_on_a_database_that_was_empty_when_the_server_began(database: str) -> None:
    frames = sorted(({**row, "line": "a", "part_id": row["id"]} for row in rows(400)), key=itemgetter("received_at"))

    def read(connection: Connection) -> int:
        connection.execute(insert(inspections), frames)
        query = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'inspections'"
        return int(connection.exec_driver_sql(query).scalar_one())

    with closing(Store.open(database)) as store:
        assert store.submit(read).result() < 2 * len(frames)
