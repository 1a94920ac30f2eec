"""Who may do what: five roles, and the permissions that each has. serving.access says which permission a route needs."""

from enum import StrEnum


class Role(StrEnum):
    """What a person or an API key is, in the order of what they may do."""

    CAMERA = "camera"
    INSPECTOR = "inspector"
    ENGINEER = "engineer"
    MANAGER = "manager"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a caller may do."""

    PUBLIC = "public"
    """without saying who one is: sign in, health, the UI's own files (they hold no data)"""
    SELF = "self"
    """what everybody who is known may: sign out, change the own password, read the API's description"""
    POST = "post"
    """post frames"""
    ANSWER = "answer"
    """read an inspection: any with READ, else those that the own key posted"""
    READ = "read"
    """inspections, images, parts, models, events, throughput"""
    REVIEW = "review"
    """the queue, and decisions"""
    MODELS = "models"
    """which model decides, and at which thresholds"""
    WAIVE = "waive"
    """set thresholds that no guarantee covers"""
    MEASURE = "measure"
    """quality, ROI, and the figures for Prometheus"""
    PLAN = "plan"
    """change what the return on investment rests on: assumptions, baselines, roll-outs, imported figures"""
    ALARMS = "alarms"
    """say that an alarm is known and what is done about it"""
    HOLD_LINES = "hold_lines"
    """put a line on hold"""
    RELEASE_LINES = "release_lines"
    """release a line that is on hold"""
    AUDIT = "audit"
    """the audit trail, and whether it holds"""
    HOLDS = "holds"
    """legal holds, and what retention removes"""
    PEOPLE = "people"
    """who may come in: people and keys"""


_EVERYBODY = frozenset({Permission.PUBLIC, Permission.SELF})
_READER = _EVERYBODY | {Permission.ANSWER, Permission.READ}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.CAMERA: _EVERYBODY | {Permission.POST, Permission.ANSWER},
    Role.INSPECTOR: _READER | {Permission.REVIEW, Permission.ALARMS, Permission.HOLD_LINES},
    Role.ENGINEER: _READER
    | {Permission.MODELS, Permission.ALARMS, Permission.AUDIT, Permission.HOLD_LINES, Permission.RELEASE_LINES},
    Role.MANAGER: _READER
    | {Permission.MEASURE, Permission.PLAN, Permission.ALARMS, Permission.AUDIT, Permission.HOLDS}
    | {Permission.HOLD_LINES, Permission.RELEASE_LINES},
    Role.ADMIN: frozenset(Permission),
}
