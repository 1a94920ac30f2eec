"""A simulated production line: posts held-out images as cameras would, knows the truth, and counts what went wrong."""

import asyncio
import itertools
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console
from rich.table import Table

from data.catalog import Catalog, CatalogRow
from data.errors import InputError
from data.verdict import ReviewDecision, Verdict
from serving.account_schema import SessionInfo
from serving.quality_schema import EscapeMetrics, QualityFigures
from serving.review_schema import QueueItem, ReviewQueue
from serving.roi_schema import RoiReport
from serving.role import Permission
from serving.schema import Inspection, ReviewRequest
from serving.truth import Compared, compare

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
_LAST_TRIES = 10.0
_PARTS_A_LOT = 50
_SEED = 7
_AUDIT_EVERY = 0.5
INSPECTOR = "simulated-inspector"


@dataclass(frozen=True)
class Simulation:
    """What to simulate; `rate` is frames a second over all lines, `seconds` None runs until stopped."""

    catalog: Catalog
    url: str = "http://127.0.0.1:8000"
    key: str | None = None
    rate: float = 5.0
    lines: int = 2
    cameras: int = 2
    review_share: float = 0.0
    seconds: float | None = None


@dataclass
class Summary:
    """What happened. Every frame that was taken up was answered: a camera tries again until it is."""

    verdicts: Counter[tuple[bool, Verdict]] = field(default_factory=Counter)
    """keyed by truly defective, and verdict"""
    latencies_ms: list[float] = field(default_factory=list)
    """from sending the request that succeeded to its answer"""
    held: int = 0
    """parts kept because their line was on hold, whatever the verdict"""
    retries: int = 0
    reviews: int = 0
    roi: RoiReport | None = None
    compared: list[Compared] | None = None
    """the figures beside the truth; None when they are of others' frames too, or may not be read"""

    @property
    def inspections(self) -> int:
        return self.verdicts.total()

    def count(self, defective: bool, *verdicts: Verdict) -> int:
        return sum(self.verdicts[defective, verdict] for verdict in verdicts or Verdict)

    def latency_ms(self, share: float) -> float | None:
        """The latency that `share` of the answers did not exceed (nearest rank)."""
        ordered = sorted(self.latencies_ms)
        return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)] if ordered else None


def simulate_line(simulation: Simulation, stop: threading.Event) -> Summary:
    """Run until `stop` is set, the time is over or Ctrl-C; frames on the way are finished first.

    Raises InputError when the catalog has no test images, or when the server refuses a frame for good.
    """
    if not simulation.catalog.of_split("test"):
        raise InputError("the catalog has no test images to post; split it first (column split, value test)")
    return asyncio.run(_Run(simulation, stop).run())


class _Run:
    def __init__(self, simulation: Simulation, stop: threading.Event) -> None:
        self._simulation = simulation
        self._stop = stop
        self._random = random.Random(_SEED)  # noqa: S311 - a reproducible order, not a secret
        self._parts = itertools.count()
        self._run_id = uuid4().hex[:8]
        self._rows = self._shuffled()
        self._summary = Summary()
        self._over_since: float | None = None
        self._reviewer = INSPECTOR
        self._truth: dict[str, CatalogRow] = {}
        """by part, of those that were posted and may be drawn for an audit"""
        self._posting = True
        self._end = None if simulation.seconds is None else time.monotonic() + simulation.seconds

    async def run(self) -> Summary:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        headers = {} if self._simulation.key is None else {"Authorization": f"Bearer {self._simulation.key}"}
        async with httpx.AsyncClient(base_url=self._simulation.url, headers=headers, timeout=30) as client:
            started = datetime.now(UTC)
            caller = SessionInfo.model_validate_json((await self._send(client, "GET", "/v1/session")).content)
            self._check(caller)
            auditor = asyncio.create_task(self._audit(client)) if self._simulation.review_share > 0 else None
            await asyncio.gather(
                *(
                    self._camera(client, f"line-{line}", f"camera-{camera}")
                    for line in range(1, self._simulation.lines + 1)
                    for camera in range(1, self._simulation.cameras + 1)
                )
            )
            self._posting = False
            if auditor is not None:
                await auditor
            if Permission.MEASURE in caller.permissions:
                query = {"since": started.isoformat()}
                answer = await self._send(client, "GET", "/v1/metrics/escapes", params=query)
                escapes = EscapeMetrics.model_validate_json(answer.content)
                answer = await self._send(client, "GET", "/v1/metrics/quality/figures", params=query)
                figures = QualityFigures.model_validate_json(answer.content)
                self._summary.compared = compare(self._summary.verdicts, figures, escapes)
                answer = await self._send(client, "GET", "/v1/roi")
                self._summary.roi = RoiReport.model_validate_json(answer.content)
        return self._summary

    def _check(self, caller: SessionInfo) -> None:
        """What would fail later is said before the first frame."""
        if Permission.POST not in caller.permissions:
            raise InputError(
                f"{self._simulation.url} lets cameras in by key: make one with `python -m serving key add NAME`, and "
                "give it as --key or QC_KEY"
            )
        if self._simulation.review_share > 0 and Permission.REVIEW not in caller.permissions:
            raise InputError(f"the key {caller.name} may not review; leave --review-share out")
        self._reviewer = caller.name or INSPECTOR

    def _give_up(self) -> float:
        """Until when the frames on the way are tried again once the simulation is over."""
        self._over_since = self._over_since or time.monotonic()
        return self._over_since + _LAST_TRIES

    def _running(self) -> bool:
        return not self._stop.is_set() and (self._end is None or time.monotonic() < self._end)

    def _shuffled(self) -> Iterator[CatalogRow]:
        rows = self._simulation.catalog.of_split("test")
        while True:
            yield from self._random.sample(rows, len(rows))

    async def _camera(self, client: httpx.AsyncClient, line: str, camera: str) -> None:
        interval = self._simulation.lines * self._simulation.cameras / self._simulation.rate
        due = time.monotonic() + self._random.uniform(0, interval)
        while self._running():
            wait = min(due - time.monotonic(), 0.2)
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            due = max(due + interval, time.monotonic() - interval)
            await self._post(client, next(self._rows), line, camera)

    async def _post(self, client: httpx.AsyncClient, row: CatalogRow, line: str, camera: str) -> None:
        number = next(self._parts)
        content = await asyncio.to_thread(self._simulation.catalog.file(row).read_bytes)
        where = {
            "product": row.product or row.source,
            "line": line,
            "station": "final",
            "camera": camera,
            "part_id": f"{self._run_id}-{number:06d}",
            "lot": f"{self._run_id}-{number // _PARTS_A_LOT:03d}",
            "captured_at": datetime.now(UTC).isoformat(),
        }
        answer = await self._send(
            client,
            "POST",
            "/v1/inspections",
            params=where,
            content=content,
            headers={"Idempotency-Key": uuid4().hex, "Content-Type": "application/octet-stream"},
        )
        inspection = Inspection.model_validate_json(answer.content)
        self._truth[inspection.part_id] = row
        self._summary.verdicts[row.is_defect, inspection.verdict] += 1
        self._summary.held += inspection.line_hold is not None
        self._summary.latencies_ms.append(answer.elapsed.total_seconds() * 1000)
        if inspection.verdict.flagged and self._random.random() < self._simulation.review_share:
            self._truth.pop(inspection.part_id, None)
            await self._review(client, inspection, row)

    async def _audit(self, client: httpx.AsyncClient) -> None:
        """Decide what is to be decided blind, as it comes and once more at the end."""
        again = True
        while again:
            again = self._posting
            answer = await self._send(client, "GET", "/v1/reviews/queue", params={"limit": 100})
            queue = ReviewQueue.model_validate_json(answer.content)
            mine = [item for item in queue.items if item.blind and item.part_id in self._truth]
            for item in mine:
                await self._review(client, item, self._truth.pop(item.part_id))
            if again and not mine:
                await asyncio.sleep(_AUDIT_EVERY)
            again = again or bool(mine)

    async def _review(self, client: httpx.AsyncClient, inspection: Inspection, row: CatalogRow) -> None:
        review = ReviewRequest(
            inspection_id=inspection.id,
            decision=ReviewDecision.DEFECT_CONFIRMED if row.is_defect else ReviewDecision.FALSE_CALL,
            defect_class=row.label if row.is_defect else None,
            blind=isinstance(inspection, QueueItem),
            reviewer=self._reviewer,
            seconds=round(self._random.uniform(3, 12), 1),
            decided_at=datetime.now(UTC),
        )
        headers = {"Content-Type": "application/json"}
        await self._send(client, "PUT", f"/v1/reviews/{uuid4()}", content=review.model_dump_json(), headers=headers)
        self._summary.reviews += 1

    async def _send(self, client: httpx.AsyncClient, method: str, path: str, **content: Any) -> httpx.Response:
        """Send until answered: overload, rate limit, full disk and lost connection are waited out, a refusal is an error."""
        wait = _FIRST_WAIT
        while True:
            try:
                answer = await client.request(method, path, **content)
            except httpx.TransportError as error:
                if not self._running() and time.monotonic() > self._give_up():
                    raise InputError(
                        f"{self._simulation.url} does not answer ({error}); the last frames are not inspected"
                    ) from error
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
                    raise InputError(f"{method} {path} was refused with {answer.status_code}: {answer.text}")
                wait = max(wait, float(answer.headers.get("Retry-After", wait)))
            self._summary.retries += 1
            await asyncio.sleep(wait * self._random.uniform(0.5, 1.5))
            wait = min(wait * 2, _LONGEST_WAIT)


def print_summary(summary: Summary, console: Console) -> None:
    """Inspections, truth against verdicts with escapes and overkill, latency and the headline of the ROI."""
    table = Table(title=f"{summary.inspections} inspections: truth against verdict")
    for heading in ("truth", *(verdict.value for verdict in Verdict), "all"):
        table.add_column(heading, justify="left" if heading == "truth" else "right")
    for truth, name in ((True, "defective"), (False, "good")):
        counts = [summary.count(truth, verdict) for verdict in Verdict]
        table.add_row(name, *map(str, counts), str(sum(counts)))
    both = [summary.count(True, verdict) + summary.count(False, verdict) for verdict in Verdict]
    table.add_row("all", *map(str, both), str(sum(both)), end_section=True)
    console.print(table)
    escaped, defective = summary.count(True, Verdict.PASS), summary.count(True)
    flagged = [verdict for verdict in Verdict if verdict.flagged]
    overkill, good = summary.count(False, *flagged), summary.count(False)
    console.print(f"escapes: {_share(escaped, defective)} of the truly defective")
    console.print(f"overkill: {_share(overkill, good)} of the truly good")
    if summary.compared:
        console.print(_against_truth(summary.compared))
        for one in summary.compared:
            console.print(f"  {one.name}: {(one.figure.why_unknown or one.figure.rests_on).en}", highlight=False)
    p50, p95 = summary.latency_ms(0.5), summary.latency_ms(0.95)
    if p50 is not None and p95 is not None:
        console.print(f"latency as the camera sees it: p50 {p50:.1f} ms, p95 {p95:.1f} ms, {summary.retries} retries")
    if summary.held:
        console.print(f"kept because their line was on hold: {summary.held}")
    console.print(f"simulated reviews: {summary.reviews}")
    if summary.roi is not None:
        print_roi(summary.roi, console)


def _against_truth(compared: list[Compared]) -> Table:
    table = Table(title="figures from reviews and audits alone, against the truth")
    for heading in ("figure", "measured", "95 %", "true", ""):
        table.add_column(heading, justify="right" if heading in ("measured", "true") else "left")
    for one in compared:
        figure = one.figure
        form = ".1f" if figure.unit == "count" else ".1%"
        if figure.value is None:
            table.add_row(one.name, "unknown", "", f"{one.true:{form}}", "")
            continue
        interval = f"{figure.low:{form}} to {figure.high:{form}}"
        table.add_row(
            one.name, f"{figure.value:{form}}", interval, f"{one.true:{form}}", "inside" if one.inside else "outside"
        )
    return table


def print_roi(report: RoiReport, console: Console) -> None:
    """The headline of both scenarios, and what they cannot say yet."""
    for scenario in (report.case_study, report.measured):
        payback = "never" if scenario.payback_months is None else f"{scenario.payback_months:.1f} months"
        console.print(
            f"ROI, {scenario.name.replace('_', ' ')}: first year {scenario.first_year_roi:.0%}, benefit "
            f"{report.currency} {scenario.first_year_benefit / 1e6:.1f} M, payback {payback}"
        )
    odds, inputs = report.measured.odds, report.measured.inputs
    console.print(
        f"  90 % of the outcomes lie between {odds.p5:.0%} and {odds.p95:.0%}, {odds.reaches_target:.0%} reach "
        f"{odds.target:.0%}; {len(odds.certain)} of {len(inputs)} inputs have no spread and are taken as certain",
        highlight=False,
    )
    for note in report.notes:
        console.print(f"  {note.en}", highlight=False)


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else f"{part} of 0"
