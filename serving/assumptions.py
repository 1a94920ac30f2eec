"""What the return on investment assumes: typed numbers with unit, source and author, kept in versions.

The file gives the first version, when a database sees it first. From then on the database's count, and each change is a row
more, with who made it and why, told of in the audit trail.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, FiniteFloat, ValidationError, model_validator
from sqlalchemy import Connection, RowMapping, func, insert, select

from data.config import load_config
from data.errors import InputError
from data.record import Record
from data.wording import Text, text
from serving.audit import Action, append, digest
from serving.problem import ProblemError, explain_fields
from serving.schema import InvalidError
from serving.spread import Spread, Triangular
from serving.tables import assumptions

LARGEST = 1e12
"""of any number of a plant, in whatever unit: what is larger is a slip of the pen, and products of such have no meaning"""


class Assumption(Record):
    """One number, 0 or more: its unit, where it comes from, who put it down, and how far it may be off."""

    least: ClassVar[float] = 0.0
    most: ClassVar[float] = LARGEST

    value: FiniteFloat = Field(ge=0, le=LARGEST)
    unit: Text
    source: Text
    author: str = Field(min_length=1, max_length=128)
    kind: Literal["assumed", "measured"]
    spread: Spread | None = None

    @model_validator(mode="after")
    def _spread_holds_the_value(self) -> Self:
        if isinstance(self.spread, Triangular):
            if not self.spread.low <= self.value <= self.spread.high:
                raise InvalidError(
                    f"spread: {self.value:g} is not within {self.spread.low:g} to {self.spread.high:g}",
                    f"範圍：{self.value:g} 不在 {self.spread.low:g} 至 {self.spread.high:g} 之間",
                )
            if self.spread.low < self.least or self.spread.high > self.most:
                raise InvalidError(
                    f"spread: must stay within {self.least:g} to {self.most:g}",
                    f"範圍：須在 {self.least:g} 至 {self.most:g} 之間",
                )
        return self


class Share(Assumption):
    """A share in 0..1."""

    most = 1.0

    value: FiniteFloat = Field(ge=0, le=1)


class Positive(Assumption):
    """A number that others are divided by."""

    value: FiniteFloat = Field(ge=1e-6, le=LARGEST)


class Years(Assumption):
    """Whole years."""

    value: FiniteFloat = Field(ge=1, le=30, multiple_of=1)


class Inputs(Record):
    """What the formulas need. Rates are shares in 0..1; money is in the file's currency."""

    lines: Positive
    hours_per_line: Positive
    cycle_before: Positive
    cycle_after: Positive
    line_hour_cost: Assumption
    defective_rate: Share
    escape_rate_before: Share
    escape_rate_after: Share
    escape_cost: Assumption
    false_call_rate_before: Share
    false_call_rate_after: Share
    review_minutes: Assumption
    looked_at_before: Share
    look_seconds: Assumption
    wage: Assumption
    internal_failure_cost: Assumption
    rework_avoided: Assumption
    rework_cost: Assumption
    extra_units_sold: Assumption
    unit_margin: Assumption
    retained_margin: Assumption
    ramp_months: Assumption
    attribution: Share
    development: Assumption
    implementation: Assumption
    run: Assumption
    cost_overrun: Positive
    discount_rate: Share
    years: Years
    target_roi: Assumption

    @model_validator(mode="after")
    def _costs_something(self) -> Self:
        if self.development.value + self.implementation.value + self.run.value == 0:
            raise InvalidError(
                "development, implementation and run are all 0: a return on no cost is not defined",
                "開發、導入與運作皆為 0：沒有成本便無法計算投資報酬",
            )
        return self

    def with_values(self, values: Mapping[str, float]) -> Self:
        """The same with other values. Raises a 422 problem that names each key at fault and what may stand there."""
        tree = self.model_dump()
        unknown = sorted(values.keys() - tree.keys())
        if unknown:
            raise ProblemError(
                422,
                text(
                    f"{', '.join(unknown)}: no such assumption; GET /v1/roi lists them under case_study.inputs",
                    f"{'、'.join(unknown)}：沒有這項假設；GET /v1/roi 的 case_study.inputs 列出所有假設",
                ),
            )
        for key, value in values.items():
            tree[key] |= {"value": value}
            spread = tree[key]["spread"]
            if spread is not None and spread["kind"] == "triangular":
                tree[key]["spread"] = _around(getattr(self, key), value)
        try:
            return type(self).model_validate(tree)
        except ValidationError as error:
            raise ProblemError(422, explain_fields(error.errors())) from error


class Assumptions(Record):
    """An assumptions file, or what the database holds in its place."""

    name: Text = Field(description="what these numbers are called in the report")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217, such as USD")
    inputs: Inputs


def read_assumptions(path: Path) -> Assumptions:
    """Raises InputError naming the file and the key at fault."""
    return load_config(path, Assumptions)


def adopt(connection: Connection, given: Assumptions, file: Path) -> None:
    """Make the file's numbers the first version, or add those that the database does not know yet.

    Raises InputError when the database's money is in another currency.
    """
    known = _newest(connection)
    currencies = {row["currency"] for row in known.values()}
    if currencies - {given.currency}:
        raise InputError(
            f"{file}: currency is {given.currency}, but the assumptions in the database are in {', '.join(currencies)}; "
            "give the file that currency, or begin with a new database"
        )
    missing = [key for key in Inputs.model_fields if key not in known]
    if not missing:
        return
    version, at = _next_version(connection), datetime.now(UTC)
    rows = [
        _row(key, version, given.currency, getattr(given.inputs, key), str(file), f"as in {file}", at)
        for key in missing
    ]
    connection.execute(insert(assumptions), rows)
    written = connection.execute(select(assumptions).where(assumptions.c.version == version)).mappings()
    append(
        connection,
        Action.ASSUMPTIONS_ADOPTED,
        str(version),
        str(file)[:128],
        new={"file": str(file), "numbers": len(rows), "digest": digest(written)},
        reason="the first version comes from the file",
    )


def current(connection: Connection, given: Assumptions) -> Assumptions:
    """The newest version of every number."""
    rows = _newest(connection)
    return given.model_copy(
        update={"inputs": Inputs.model_validate({key: _from_row(row) for key, row in rows.items()})}
    )


def version_of(connection: Connection) -> int:
    """How many times the numbers have been set or changed."""
    return _next_version(connection) - 1


def set_at(connection: Connection) -> dict[str, tuple[int, datetime, str]]:
    """By key: the version, time and reason of the newest change."""
    return {key: (row["version"], row["set_at"], row["reason"]) for key, row in _newest(connection).items()}


def change(
    connection: Connection,
    given: Assumptions,
    key: str,
    changes: Mapping[str, Any],
    person: str,
    reason: str,
) -> None:
    """Add a version in which `key` has other values of Assumption's fields, and its audit entry.

    Raises a 404 problem for an unknown key, 422 for what the number cannot be.
    """
    _check_known(key)
    before = current(connection, given).inputs
    old = getattr(before, key)
    tree = before.model_dump(by_alias=True)
    tree[key] |= {**changes, "author": person}
    if "spread" not in changes and "value" in changes and isinstance(old.spread, Triangular):
        tree[key]["spread"] = _around(old, changes["value"])
    try:
        new = getattr(Inputs.model_validate(tree), key)
    except ValidationError as error:
        raise ProblemError(422, explain_fields(error.errors())) from error
    row = _row(key, _next_version(connection), given.currency, new, person, reason, datetime.now(UTC))
    (sequence,) = connection.execute(insert(assumptions).returning(assumptions.c.sequence), row).one()
    kept = ("value", "source", "kind", "spread")
    was = old.model_dump(include=set(kept), by_alias=True, mode="json")
    append(connection, Action.ASSUMPTION, str(sequence), person, old={"key": key, **was}, new=row, reason=reason)


def history(connection: Connection, key: str) -> list[RowMapping]:
    """Every version of one number, newest first. Raises a 404 problem for an unknown key."""
    _check_known(key)
    query = select(assumptions).where(assumptions.c.key == key).order_by(assumptions.c.sequence.desc())
    return list(connection.execute(query).mappings())


def _check_known(key: str) -> None:
    if key not in Inputs.model_fields:
        raise ProblemError(
            404,
            text(
                f"there is no assumption {key}; GET /v1/roi lists them under measured.inputs",
                f"沒有假設 {key}；GET /v1/roi 的 measured.inputs 列出所有假設",
            ),
        )


def _around(old: Assumption, value: float) -> dict[str, Any]:
    """A triangle moves with its number, and keeps within what the number may be."""
    assert isinstance(old.spread, Triangular)
    below, above = old.value - old.spread.low, old.spread.high - old.value
    low, high = max(old.least, value - below), min(old.most, value + above)
    return {"kind": "triangular", "low": min(low, value), "high": max(high, value)}


def _newest(connection: Connection) -> dict[str, RowMapping]:
    newest = select(func.max(assumptions.c.sequence)).group_by(assumptions.c.key)
    query = select(assumptions).where(assumptions.c.sequence.in_(newest))
    rows = {row["key"]: row for row in connection.execute(query).mappings()}
    return {key: row for key, row in rows.items() if key in Inputs.model_fields}


def _next_version(connection: Connection) -> int:
    return (connection.execute(select(func.max(assumptions.c.version))).scalar() or 0) + 1


def _row(
    key: str, version: int, currency: str, assumption: Assumption, person: str, reason: str, at: datetime
) -> dict[str, Any]:
    fields = assumption.model_dump(mode="json", by_alias=True)
    return {
        "version": version,
        "key": key,
        "currency": currency,
        **fields,
        "person": person[:128],
        "reason": reason,
        "set_at": at,
    }


def _from_row(row: RowMapping) -> dict[str, Any]:
    return {name: row[name] for name in Assumption.model_fields}
