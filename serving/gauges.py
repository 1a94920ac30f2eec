"""What Prometheus scrapes at /metrics."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Gauges:
    """One server's figures; labels take only values from a closed list, so that no camera can add series."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.inspections = Counter(
            "qc_inspections", "Inspections stored, by verdict", ["verdict"], registry=self.registry
        )
        self.no_decisions = Counter(
            "qc_no_decisions", "Parts held without a decision, by cause", ["cause"], registry=self.registry
        )
        self.unknown = Counter(
            "qc_unknown", "Frames unlike anything the model was trained on, sent to review", registry=self.registry
        )
        self.faults = Counter(
            "qc_camera_faults", "Frames with a fault of the camera, not of the part", ["fault"], registry=self.registry
        )
        self.alarms = Counter("qc_alarms", "Alarms raised about a camera, by kind", ["kind"], registry=self.registry)
        self.alarms_open = Gauge("qc_alarms_open", "Alarms not yet cleared, by kind", ["kind"], registry=self.registry)
        self.lines_held = Gauge("qc_lines_held", "Lines that a person put on hold", registry=self.registry)
        self.watch_dropped = Counter(
            "qc_watch_dropped", "Inspections that drift and alarms did not see for lack of time", registry=self.registry
        )
        self.bundles_amiss = Gauge(
            "qc_bundles_amiss",
            "Bundles in use whose files are missing or altered on disk: the next start could not take them",
            registry=self.registry,
        )
        self.shadow_scored = Counter("qc_shadow_scored", "Frames that a shadow model scored", registry=self.registry)
        self.shadow_dropped = Counter(
            "qc_shadow_dropped",
            "Frames that the shadow model left out because the line was busy",
            registry=self.registry,
        )
        self.shadow_failed = Counter(
            "qc_shadow_failed", "Frames on which the shadow model failed", registry=self.registry
        )
        self.seconds = Histogram(
            "qc_inspection_seconds",
            "From the last byte received until the inspection was committed",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "qc_batch_size", "Frames in one run of the model", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )
        self.in_progress = Gauge("qc_in_progress", "Inspections between arrival and answer", registry=self.registry)
        self.overloaded = Counter("qc_overloaded", "Inspections answered 503 for overload", registry=self.registry)
        self.rate_limited = Counter(
            "qc_rate_limited", "Inspections answered 429 for a camera above its rate", registry=self.registry
        )
        self.disk_refused = Counter(
            "qc_disk_refused", "Inspections answered 507 for a disk that is nearly full", registry=self.registry
        )
        self.disk_free = Gauge("qc_disk_free_bytes", "Free on the disk of images and database", registry=self.registry)
        self.not_kept = Counter(
            "qc_images_not_kept", "Images of passed frames not kept for a disk nearly full", registry=self.registry
        )
        self.replayed = Counter(
            "qc_replayed", "Inspections answered again for a repeated Idempotency-Key", registry=self.registry
        )
        self.clock_skew = Gauge(
            "qc_clock_skew_seconds",
            "captured_at of the last frame less the server's time, positive when the camera's clock is ahead",
            registry=self.registry,
        )
        self.clock_wrong = Counter(
            "qc_clock_wrong", "Frames captured too far from the server's time", registry=self.registry
        )
        self.views_awaited = Gauge(
            "qc_parts_awaiting_views", "Parts with a view missing, within their time window", registry=self.registry
        )
        self.views_overdue = Gauge(
            "qc_parts_overdue", "Parts with a view missing beyond their time window", registry=self.registry
        )
        self.orphans = Counter(
            "qc_orphan_images", "Images without an inspection set aside after a crash", registry=self.registry
        )
        self.not_stored = Counter("qc_not_stored", "Inspections answered 503 for a failed disk", registry=self.registry)
        self.reviews = Counter("qc_reviews", "Reviews stored", registry=self.registry)
        self.refused = Counter(
            "qc_refused", "Requests of unknown callers, or of callers who may not", ["status"], registry=self.registry
        )
        self.event_clients = Gauge("qc_event_clients", "Open event streams", registry=self.registry)
        self.events_dropped = Counter(
            "qc_event_clients_dropped",
            "Event streams closed because the client read too slowly",
            registry=self.registry,
        )
        self.audit_holds = Gauge(
            "qc_audit_trail_holds", "1 when the last check of the audit trail found nothing", registry=self.registry
        )
        # 0 is an alarm, and before the first check nobody knows.
        self.audit_holds.set(math.nan)
        self.audit_entries = Gauge(
            "qc_audit_trail_entries", "Entries at the last check of the audit trail", registry=self.registry
        )
        self.removed = Counter(
            "qc_retention_removed",
            "Removed by retention, by rule; images count frames",
            ["rule"],
            registry=self.registry,
        )
        self.files_removed = Counter(
            "qc_retention_files_removed", "Image files that no inspection needed any more", registry=self.registry
        )
        ProcessCollector(registry=self.registry)

    def render(self) -> bytes:
        return generate_latest(self.registry)
