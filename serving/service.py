"""Everything that one running server holds, opened and closed in order."""

from typing import Self

import structlog
from starlette.requests import Request

from data.errors import BundleError
from serving.engine import Engine
from serving.events import Events
from serving.gauges import Gauges
from serving.image_store import ImageStore
from serving.line import Line
from serving.models import Models
from serving.roi import read_assumptions
from serving.settings import Settings
from serving.shadow import Shadow
from serving.store import Store
from serving.watch import Watch

log = structlog.get_logger()


class Service:
    """Open with `Service.open(settings)`; close when the last request is answered."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gauges = Gauges()
        self.assumptions = read_assumptions(settings.roi_assumptions)
        self.images = ImageStore(settings.images)
        self.store = Store.open(settings.database_url)
        self.events = Events(self.gauges)
        self.engine = Engine(settings.largest_batch, settings.queue_limit, self.gauges)
        self.watch = Watch(settings, self.store, self.engine, self.events, self.gauges)
        self.shadow = Shadow(self.store, self.gauges, settings.most_pixels, busy=lambda: self.line.busy)
        self.line = Line(
            settings, self.engine, self.store, self.images, self.events, self.gauges, self.watch, self.shadow
        )
        self.models = Models(settings, self.store, self.engine, self.shadow, self.watch)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Raises InputError for a database, image store or assumptions file that cannot be used.

        An unfit bundle is no reason to stay down: parts are held and the reason is told until one is promoted.
        """
        service = cls(settings)
        try:
            service.models.start()
        except BundleError as error:
            service.line.why_no_model = str(error)
            log.error("not ready: no model", cause=str(error))
        return service

    @property
    def why_not_ready(self) -> str | None:
        """Why frames would be held; None when they are decided."""
        return None if self.engine.bundle is not None else self.line.why_no_model

    def close(self) -> None:
        """Finish what is in progress: decisions first, then what is to be written."""
        self.line.close()
        self.engine.close()
        self.shadow.close()
        self.watch.close()
        self.store.close()


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service
