"""Listening beyond loopback: refused unless callers are known and nothing goes in the clear; and HTTPS itself."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from data.errors import InputError
from serving.doctor import Level, examine
from serving.role import Role
from serving.server import Server
from serving.settings import load_settings
from tests.accounts import add_person, sign_in
from tests.conftest import ROOT, StartServer, settings_arguments

CONFIG = ROOT / "configs/serving/default.yaml"


def self_signed(directory: Path, days: float = 90) -> dict[str, str]:
    """A certificate for 127.0.0.1 that is valid for so many days yet, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "qc.plant.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = {"certificate": directory / "cert.pem", "private_key": directory / "key.pem"}
    files["certificate"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files["private_key"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {kind: str(file) for kind, file in files.items()}


CLOSED: list[tuple[dict[str, str], str]] = [
    ({"host": "0.0.0.0"}, "in the clear"),
    ({"host": "192.168.1.5", "auth": "off"}, "who is calling"),
    ({"host": "'::'", "auth": "off", "tls": "{proxy: 10.0.0.1}", "hosts": "[qc.example]"}, "who is calling"),
    ({"host": "0.0.0.0", "hosts": "[qc.example]"}, "in the clear"),
    ({"host": "0.0.0.0", "tls": "{proxy: 10.0.0.1}"}, "set hosts"),
    ({"auth": "off", "hosts": "[qc.example]"}, "who is calling"),
    ({"tls": "{certificate: cert.pem}"}, "go together"),
    ({"tls": "{proxy: '*'}"}, "no IP address"),
    ({"tls": "{proxy: proxy.plant.example}"}, "no IP address"),
]


@pytest.mark.parametrize(("settings", "named"), CLOSED)
def test_what_would_let_strangers_in_is_refused(settings: dict[str, str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_settings(CONFIG, [f"{key}={value}" for key, value in settings.items()])


@pytest.mark.parametrize("tls", ["{proxy: 10.0.0.1}", "{certificate: cert.pem, private_key: key.pem}"])
def test_authentication_and_tls_open_the_network(tls: str) -> None:
    settings = load_settings(CONFIG, ["host='0.0.0.0'", "hosts=[qc.example]", f"tls={tls}"])
    assert (settings.auth, settings.https, settings.is_loopback) == (True, True, False)


def test_authentication_is_on_unless_switched_off() -> None:
    assert load_settings(CONFIG).auth


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    return self_signed(tmp_path)


def test_a_key_that_does_not_fit_its_certificate_is_named(tmp_path: Path, certificate: dict[str, str]) -> None:
    other = tmp_path / "other"
    other.mkdir()
    mixed = {**certificate, "private_key": self_signed(other)["private_key"]}
    for tls in (mixed, {**certificate, "certificate": "nowhere.pem"}):
        settings = load_settings(CONFIG, settings_arguments(tmp_path, tmp_path, auth=True, tls=tls))
        with pytest.raises(InputError, match="cannot be used"):
            Server(settings)


def test_https_is_served_with_secure_cookies_and_hsts(
    start_server: StartServer, certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate["certificate"])
    server = start_server(auth=True, tls=certificate, scheme="https", hosts=["qc.plant.example"])
    assert server.url.startswith("https://")
    add_person(server, "ann", Role.ADMIN)
    answer = sign_in(server.client, "ann")
    assert answer.headers["set-cookie"].startswith("__Host-qc_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert server.client.get("/v1/people").status_code == 200
    host = {"Host": "qc.plant.example"}
    assert server.client.get("/healthz", headers=host).status_code == 200
    origin = {"Origin": "https://qc.plant.example"}
    assert server.client.delete("/v1/session", headers={**host, **origin}).status_code == 204
    assert server.client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url.replace("https", "http"))


@pytest.mark.parametrize(("days", "level"), [(90, Level.OK), (10, Level.WARN), (-2, Level.FAIL)])
def test_the_doctor_looks_at_the_certificate(tmp_path: Path, days: float, level: Level) -> None:
    tls = self_signed(tmp_path, days)
    settings = load_settings(CONFIG, settings_arguments(tmp_path, tmp_path, auth=True, tls=tls))
    assert {finding.subject: finding.level for finding in examine(settings)}["certificate"] is level


def test_the_doctor_knows_its_server_by_https_too(
    start_server: StartServer, certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate["certificate"])
    server = start_server(auth=True, tls=certificate, scheme="https")
    monkeypatch.delenv("SSL_CERT_FILE")
    settings = server.service.settings.model_copy(update={"port": int(server.url.rsplit(":", 1)[1])})
    port = next(finding for finding in examine(settings) if finding.subject == "port")
    assert (port.level, "the server runs" in port.what) == (Level.OK, True)


def test_an_old_protocol_is_refused(
    start_server: StartServer, certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate["certificate"])
    server = start_server(auth=True, tls=certificate, scheme="https")
    old: Any = ssl.create_default_context(cafile=certificate["certificate"])
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert httpx.get(f"{server.url}/healthz", verify=old).status_code == 200
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/healthz", verify=old)


def test_the_proxys_word_on_the_callers_address_counts_and_nobody_elses(start_server: StartServer) -> None:
    server = start_server(auth=True, tls={"proxy": "127.0.0.1"}, hosts=["qc.plant.example"])
    forwarded = {"X-Forwarded-For": "10.1.2.3", "X-Forwarded-Proto": "https"}
    for _ in range(3):
        body = {"name": "ann", "password": "wrong"}
        assert server.client.post("/v1/session", json=body, headers=forwarded).status_code == 401
    assert set(server.service.sessions._by_address._failures) == {"10.1.2.3"}
