"""OpenTelemetry: a span for each request (FastAPI's own) and, within it, for decoding, the engine and the store.

Off unless the settings name an endpoint; the SDK and the exporter are the extra `otel`.
"""

from opentelemetry.trace import NoOpTracerProvider, TracerProvider

from data.errors import InputError
from serving.settings import Tracing as TracingSettings

# What probes and scrapes ask for all day.
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})

_EXPORT_SECONDS = 5


class Tracing:
    """One server's tracer. Raises InputError when an endpoint is set but the extra `otel` is not installed."""

    def __init__(self, settings: TracingSettings) -> None:
        self._sdk = None if settings.endpoint is None else _sdk_provider(settings.endpoint, settings.share)
        self.provider: TracerProvider | None = self._sdk
        self.tracer = (self._sdk or NoOpTracerProvider()).get_tracer("serving")

    def close(self) -> None:
        """Send what is still queued."""
        if self._sdk is not None:
            self._sdk.shutdown()


def _sdk_provider(endpoint: str, share: float):  # type: ignore[no-untyped-def] # noqa: ANN202 - the SDK is optional
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as SdkProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise InputError(f"tracing.endpoint is set, but {error.name} is missing; pip install '.[otel]'") from error
    provider = SdkProvider(
        sampler=ParentBased(TraceIdRatioBased(share)), resource=Resource.create({"service.name": "verdict-line"})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS)))
    return provider
