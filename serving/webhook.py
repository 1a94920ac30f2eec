"""Alarms to another system by webhook, signed as https://www.standardwebhooks.com says.

The alarm itself is the outbox: its row keeps when each message was taken, so that none is lost while the receiver or this
server is down. A message may come twice; its webhook-id is the same each time.
"""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import structlog
from sqlalchemy import Connection, Update, and_, or_, select, update
from standardwebhooks.webhooks import Webhook as Signer

from data.errors import InputError
from serving.alarms import SHOWN, alarm_of
from serving.periodic import Periodic
from serving.settings import Webhook as Settings
from serving.store import Store
from serving.tables import alarms

log = structlog.get_logger()

SECRET = "QC_WEBHOOK_SECRET"  # noqa: S105 - the variable's name

_LOOK_EVERY_SECONDS = 15.0
_OLDEST = timedelta(days=1)
_MOST = 100


class Webhook:
    """Sends what is not sent yet, in the order of the alarms, until the receiver takes it with a 2xx."""

    def __init__(self, settings: Settings, store: Store) -> None:
        secret = os.environ.get(SECRET, "")
        if not secret:
            raise InputError(f"webhook.url is set, and {SECRET} is not: set it to the secret that the receiver knows")
        try:
            self._signer = Signer(secret)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{SECRET}: not a secret of Standard Webhooks (whsec_ and base64): {error}") from error
        self._settings = settings
        self._store = store
        self._sending = threading.Lock()
        self._periodic = Periodic("webhook", self.run, _LOOK_EVERY_SECONDS)
        self.start, self.close, self.send_soon = self._periodic.start, self._periodic.close, self._periodic.run_soon

    def run(self, stop: threading.Event) -> None:
        """Send what waits; it is left for the next time at the first message that is not taken."""
        with self._sending:
            with self._store.reading() as connection:
                waiting = _waiting(connection)
            with httpx.Client(timeout=self._settings.timeout_seconds) as client:
                for id_, event, body in waiting:
                    if stop.is_set() or not self._send(client, id_, event, body):
                        return
                    told = update(alarms).where(alarms.c.id == id_).values({f"{event}_told_at": datetime.now(UTC)})
                    self._store.submit(partial(_execute, statement=told)).result()

    def _send(self, client: httpx.Client, id_: str, event: str, body: str) -> bool:
        message_id, now = f"{id_}.{event}", datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body),
        }
        try:
            # What it says beside the status is not read: there may be no end of it.
            with client.stream("POST", self._settings.url, content=body, headers=headers) as answer:
                taken, status = answer.is_success, answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("webhook not sent", alarm=id_, message=event, cause=str(error))
            return False
        if not taken:
            log.warning("webhook refused", alarm=id_, message=event, status=status)
        return taken


def _execute(connection: Connection, statement: Update) -> None:
    connection.execute(statement)


def _waiting(connection: Connection) -> list[tuple[str, str, str]]:
    """Alarm, event and body of each message that nobody took; what is older than a day concerns nobody any more."""
    raised = and_(alarms.c.raised_told_at.is_(None), alarms.c.raised_at >= datetime.now(UTC) - _OLDEST)
    cleared = and_(
        alarms.c.cleared_at.is_not(None), alarms.c.cleared_told_at.is_(None), alarms.c.raised_told_at.is_not(None)
    )
    query = select(*SHOWN, alarms.c.raised_told_at, alarms.c.cleared_told_at).where(or_(raised, cleared))
    messages: list[tuple[str, str, str]] = []
    for row in connection.execute(query.order_by(alarms.c.raised_at, alarms.c.id).limit(_MOST)).mappings():
        if row["raised_told_at"] is None:
            messages.append((row["id"], "raised", _body("raised", row["raised_at"], row)))
        if row["cleared_at"] is not None and row["cleared_told_at"] is None:
            messages.append((row["id"], "cleared", _body("cleared", row["cleared_at"], row)))
    return messages


def _body(event: str, at: datetime, row: Any) -> str:
    data = alarm_of({column.name: row[column.name] for column in SHOWN}).model_dump(mode="json", by_alias=True)
    return json.dumps({"type": f"alarm.{event}", "timestamp": at.isoformat(), "data": data}, separators=(",", ":"))
