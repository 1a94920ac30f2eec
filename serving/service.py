"""Everything that one running server holds, opened and closed in order."""

from datetime import UTC, datetime
from typing import Self

import structlog
from starlette.requests import Request

from data.bundle import check_provider
from data.errors import BundleError
from serving.admission import Arrivals
from serving.assumptions import adopt, read_assumptions
from serving.audit_trail import AuditWatch
from serving.bundle_watch import BundleWatch
from serving.candidates import read_candidates
from serving.claim import Claim
from serving.credentials import Credentials
from serving.engine import Engine
from serving.events import Events
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.keys import Keys
from serving.line import Line
from serving.line_holds import LineHolds
from serving.models import Models, manifests_in
from serving.oidc import IdentityProvider
from serving.people import People
from serving.repair import Repair
from serving.report_writer import ReportWriter
from serving.reports import Plant
from serving.retention import Retention
from serving.sampling import Sampler
from serving.sessions import Sessions
from serving.settings import Settings
from serving.shadow import Shadow
from serving.space import FreeBytes, Space, free_bytes
from serving.store import Store
from serving.thresholds import ThresholdChanges
from serving.tracing import Tracing
from serving.views import Views
from serving.watch import Watch
from serving.webhook import Webhook

log = structlog.get_logger()


class Service:
    """Open with `Service.open(settings)`; close when the last request is answered."""

    def __init__(self, settings: Settings, claim: Claim, free: FreeBytes | None = None) -> None:
        self.settings = settings
        self.claim = claim
        check_provider(settings.provider)
        self.gauges = Gauges()
        self.identity_provider = None if settings.oidc is None else IdentityProvider(settings.oidc)
        self.tracing = Tracing(settings.tracing)
        self.assumptions = read_assumptions(settings.roi_assumptions)
        self.candidates = [] if settings.roi_candidates is None else read_candidates(settings.roi_candidates)
        self.images = ImageStore(settings.images)
        self.store = Store.open(settings.database_url, lambda: claim.why_silent)
        self.events = Events(self.gauges)
        # A GPU, and OpenVINO with threads of its own, compute one large batch at a time.
        engine_threads = settings.threads if settings.provider == "cpu" else 1
        self.engine = Engine(settings.largest_batch, settings.batch_seconds, engine_threads, self.gauges)
        self.space = Space(settings.disk, free_bytes(settings) if free is None else free, self.gauges)
        self.arrivals = Arrivals(settings.queue_limit, self.gauges)
        self.views = Views(settings, self.store, self.events, self.gauges)
        self.repair = Repair(settings, self.store, self.images, self.gauges)
        self.sampler = Sampler(settings.audit, settings.costs, self.store)
        self.webhook = None if settings.webhook is None else Webhook(settings.webhook, self.store)
        self.watch = Watch(settings, self.store, self.engine, self.events, self.gauges, self.sampler, self.webhook)
        self.shadow = Shadow(self.store, self.gauges, settings.most_pixels, busy=lambda: self.line.in_progress > 0)
        self.line_holds = LineHolds(self.store, self.events, self.gauges)
        self.line = Line(
            settings,
            self.engine,
            self.store,
            self.images,
            self.space,
            self.views,
            self.events,
            self.gauges,
            self.tracing.tracer,
            self.watch,
            self.shadow,
            self.sampler,
            self.line_holds,
        )
        self.bundle_watch = BundleWatch(self.engine, self.shadow, self.gauges, lambda: manifests_in(settings.bundles))
        self.models = Models(settings, self.store, self.engine, self.shadow, self.watch, self.bundle_watch)
        self.thresholds = ThresholdChanges(settings, self.store, self.engine, self.models)
        self.people = People(self.store)
        self.keys = Keys(self.store)
        self.sessions = Sessions(self.store, self.people, settings.sessions)
        self.credentials = Credentials(self.store, settings.sessions)
        self.audit_watch = AuditWatch(self.store, self.gauges)
        self.retention = Retention(settings.retention, self.store, self.images, self.gauges)
        self.report_writer = ReportWriter(settings.reports, self.store, lambda: self.plant)

    @classmethod
    def open(cls, settings: Settings, free: FreeBytes | None = None) -> Self:
        """Raises InputError for a database, image store, provider or assumptions file that cannot be used, or that another
        server uses.

        An unfit bundle is no reason to stay down: parts are held and the reason is told until one is promoted. `free` tells
        the free bytes on the disks, instead of the system.
        """
        claim = Claim(settings)
        try:
            service = cls(settings, claim, free)
        except BaseException:
            claim.close()
            raise
        service.repair.begin()
        service.adopt_assumptions()
        service.views.load(datetime.now(UTC))
        try:
            service.models.start()
        except BundleError as error:
            service.line.why_no_model = str(error)
            log.error("not ready: no model", cause=str(error))
        service.line.why_no_recipe = service.models.start_recipes()
        service.thresholds.start()
        for (product, station), why in service.line.why_no_recipe.items():
            log.error("not ready: no model for a recipe", product=product, station=station, cause=why)
        service.sampler.start()
        if service.webhook is not None:
            service.webhook.start()
        service.audit_watch.start()
        service.bundle_watch.start()
        service.retention.start()
        service.report_writer.start()
        return service

    def adopt_assumptions(self) -> None:
        """Put the file's assumptions into a database that does not have them. Raises InputError for another currency."""
        file = self.settings.roi_assumptions
        self.store.submit(lambda connection: adopt(connection, self.assumptions, file)).result()

    @property
    def plant(self) -> Plant:
        """What reports need to know of this installation."""
        return Plant(
            settings=self.settings,
            given=self.assumptions,
            candidates=self.candidates,
            models=self.models.list(),
        )

    @property
    def why_not_ready(self) -> str | None:
        """Why frames would be held, of every product or of some; None when all are decided."""
        if self.line.draining:
            return "the server is stopping"
        if (silent := self.claim.why_silent) is not None:
            return f"the database does not answer: {silent}"
        if (unsafe := self.store.why_failing or self.claim.why_not_alone) is not None:
            return unsafe
        if self.engine.bundle is None:
            return self.line.why_no_model
        held = [name for name, bundle in self.engine.recipes.items() if bundle is None]
        return next(
            (f"product {one[0]} at {one[1]}: {self.line.why_no_recipe.get(one, 'it has no model')}" for one in held),
            None,
        )

    def close(self) -> None:
        """Finish what is in progress: decisions first, then what is to be written."""
        self.audit_watch.close()
        self.bundle_watch.close()
        self.sampler.close()
        self.retention.close()
        self.report_writer.close()
        self.line.close()
        self.engine.close()
        self.shadow.close()
        self.watch.close()
        if self.webhook is not None:
            self.webhook.close()
        self.images.close()
        self.repair.end()
        self.store.close()
        self.claim.close()
        self.tracing.close()


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service
