"""`python -m serving.alive --config FILE`: exit code 0 when the server of these settings answers; for health checks.

Apart from `python -m serving`, which imports everything: that took 3.8 s of CPU against 1.3 s, every few seconds.
"""

import http.client
import ssl
from pathlib import Path

import typer

from data.errors import InputError
from serving.commands.options import Config, Overrides
from serving.settings import DEFAULT_CONFIG, Settings, load_settings

_SECONDS = 2
_MOST_BYTES = 64 * 1024
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what it listens on is nothing to call


def is_alive(settings: Settings) -> bool:
    """Whether a server of this project answers where `settings` say, whatever name its certificate is for."""
    return answer_of(settings, "/healthz") == b"ok\n"


def answer_of(settings: Settings, path: str) -> bytes | None:
    """What is answered at `path` where `settings` say, at most 64 KiB; None when nothing is."""
    certificate = settings.tls.certificate
    host = _ANY.get(settings.host, settings.host)
    connection = (
        http.client.HTTPConnection(host, settings.port, timeout=_SECONDS)
        if certificate is None
        else http.client.HTTPSConnection(host, settings.port, timeout=_SECONDS, context=_trust(certificate))
    )
    try:
        # by the name that every server knows itself by
        connection.request("GET", path, headers={"Host": "localhost"})
        return connection.getresponse().read(_MOST_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _trust(certificate: Path) -> ssl.SSLContext:
    """Belief in this one certificate, for whatever name: here it only tells whether the server is ours."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def alive(config: Config = DEFAULT_CONFIG, overrides: Overrides = None) -> None:
    """Exit code 0 when the server answers, 1 when it does not, 2 when the settings cannot be read."""
    try:
        settings = load_settings(config, overrides or ())
        answers = is_alive(settings)
    except (InputError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    if not answers:
        typer.echo(f"no server of ours answers on {settings.host}:{settings.port}", err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(alive)
