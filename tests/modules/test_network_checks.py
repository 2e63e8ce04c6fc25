"""What the modules make of servers on this machine, for names, pages and certificates."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from worlds.host_modules import MODULES, SHARED, loaded, module_answer


def run(module: str, **arguments: Any) -> dict[str, Any]:
    return module_answer([str(MODULES / f"{module}.py")], arguments, timeout_s=60)


def shared(name: str) -> ModuleType:
    return loaded(SHARED / f"{name}.py")


@contextlib.contextmanager
def serving(work: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which each connection is given to `work`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def loop() -> None:
            with contextlib.suppress(OSError):
                while True:
                    made, _ = server.accept()
                    with made, contextlib.suppress(OSError):
                        work(made)

        threading.Thread(target=loop, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_port_that_is_open_and_one_that_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = run("listening_port", port=port, address="127.0.0.1")
    assert found["connection"] == "open"
    assert found["attempts"][0]["from_address"] == "127.0.0.1"
    found = run("listening_port", port=port, address="127.0.0.1")
    assert [one["outcome"] for one in found["attempts"]] == ["refused"]


def test_a_family_of_addresses_that_this_kernel_has_not() -> None:
    made, outcome, _ms = shared("connecting").tried(socket.AF_IPX, ("::1", 1))
    assert (made, outcome) == (None, "no_route")


def test_a_port_of_a_name_that_means_nothing() -> None:
    found = run("listening_port", port=1, address="no-such-host.invalid")
    assert found["connection"] == "name_not_found"


BODIES = {
    "/": b"hello",
    "/long": b"x" * 5000,
    "/binary": b"\0\1",
    "/key": b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n",
    "/latin": "gr\u00fcn".encode("latin-1"),
}


class Pages(http.server.BaseHTTPRequestHandler):
    """Pages of a made-up server."""

    def do_GET(self) -> None:
        if self.path in ("/away", "/round", "/cloud", "/file", "/broken", "/letters"):
            target = {
                "/away": "/",
                "/cloud": "http://169.254.169.254/",
                "/file": "file:///etc/a",
                "/broken": "http://[::1",
                "/letters": "/gr\u00fcn",
            }
            self.send_response(302)
            self.send_header("Location", target.get(self.path, self.path))
            self.end_headers()
            return
        body = BODIES.get(self.path)
        self.send_response(200 if body is not None else 404)
        charset = "; charset=latin-1" if self.path == "/latin" else ""
        self.send_header("Content-Type", f"text/plain{charset}")
        self.send_header("Set-Cookie", "session=secret")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", {"status": 200, "body": "hello", "body_bytes": 5, "truncated": False}),
        ("/nothing", {"status": 404}),
        ("/long", {"body_bytes": 5000, "truncated": True}),
        ("/binary", {"body_left_out": "it is no text"}),
        ("/key", {"body_left_out": "it holds a private key"}),
        ("/latin", {"body": "gr\u00fcn"}),
    ],
)
def test_pages(pages: str, path: str, told: dict[str, Any]) -> None:
    found = run("http_request", url=pages + path)
    assert {key: found[key] for key in told} == told
    assert "secret" not in json.dumps(found)
    assert len(found.get("body", "")) <= 1000


def test_redirects_are_followed_and_told(pages: str) -> None:
    found = run("http_request", url=f"{pages}/away")
    assert (found["status"], found["url"]) == (200, f"{pages}/")
    assert found["redirects"] == [{"status": 302, "url": f"{pages}/"}]
    assert len(run("http_request", url=f"{pages}/round")["redirects"]) == 5
    assert run("http_request", url=f"{pages}/letters")["url"] == f"{pages}/gr%FCn"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("{pages}/cloud", "protected_address"),
        ("{pages}/file", "invalid_argument"),
        ("{pages}/broken", "invalid_argument"),
        ("http://169.254.169.254/latest/", "protected_address"),
        ("http://[::ffff:a9fe:a9fe]/", "protected_address"),
        ("http://user:word@127.0.0.1/", "invalid_argument"),
        ("http://no-such-host.invalid/", "not_connected"),
        ("http://127.0.0.1:1/", "not_connected"),
    ],
)
def test_what_is_not_asked_for(pages: str, url: str, code: str) -> None:
    assert run("http_request", url=url.format(pages=pages))["playrail_code"] == code


def test_another_address_than_the_names(pages: str) -> None:
    port = pages.rpartition(":")[2]
    found = run("http_request", url=f"http://www.invalid:{port}/", address="127.0.0.1")
    assert (found["status"], found["address"]) == (200, "127.0.0.1")


def test_a_connection_made_when_time_is_over_is_cut_too(pages: str) -> None:
    module = loaded(MODULES / "http_request.py")
    given = {"url": f"{pages}/away", "address": None, "method": "GET"}
    deadline = shared("connecting").Deadline(60)
    answer, made, _untrusted = module.step(given["url"], given, deadline)
    made.close()
    assert answer.status == 302
    deadline.cut()
    with pytest.raises(module.NoAnswer, match="in time"):
        module.step(given["url"], given, deadline)


def test_what_speaks_no_http() -> None:
    with serving(lambda made: made.sendall(b"SSH-2.0-x\r\n")) as port:
        found = run("http_request", url=f"http://127.0.0.1:{port}/")
    assert found["playrail_code"] == "no_http_answer"


OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and certificates of it that are good, and for one day."""
    place = tmp_path_factory.mktemp("certificates")
    (place / "names").write_text("subjectAltName=DNS:www.lab.test,DNS:*.x.lab.test,IP:192.0.2.1")

    def openssl(*words: str) -> None:
        subprocess.run([str(OPENSSL), *words], cwd=place, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Lab/CN=CA")
    openssl("req", *curve, "-keyout", "key", "-out", "csr", "-subj", "/CN=www.lab.test")
    for name, days in (("good", "90"), ("short", "1")):
        words = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-in", "csr", *words, "-days", days, "-out", f"{name}.pem")
    openssl("x509", "-in", "good.pem", "-outform", "der", "-out", "good.der")
    whole = (place / "good.pem").read_text() + (place / "ca.pem").read_text()
    (place / "whole.pem").write_text(whole)
    return place


def on_port(place: Path, plain: Callable[[socket.socket], None] | None = None) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "whole.pem", place / "key")

    def work(one: socket.socket) -> None:
        if plain is not None:
            plain(one)
        with contextlib.suppress(OSError), context.wrap_socket(one, server_side=True) as secured:
            secured.recv(1)

    return serving(work)


@needs_openssl
@pytest.mark.parametrize(
    ("file", "name", "problems"),
    [
        ("good.pem", "www.lab.test", ["issuer_unknown"]),
        ("good.der", "a.x.lab.test", ["issuer_unknown"]),
        ("good.pem", "b.a.x.lab.test", ["name_mismatch", "issuer_unknown"]),
        ("good.pem", "192.0.2.1", ["issuer_unknown"]),
        ("short.pem", None, ["issuer_unknown", "expires_soon"]),
        ("whole.pem", None, ["untrusted"]),
        ("ca.pem", None, ["self_signed"]),
    ],
)
def test_files(made: Path, file: str, name: str | None, problems: list[str]) -> None:
    found = run("certificate", path=str(made / file), **({"name": name} if name else {}))
    soon = ["expires_soon"] if file == "ca.pem" and found["days_left"] < 14 else []
    assert found["problems"] == problems + soon
    assert found["key"] == "ec P-256"
    words = [str(OPENSSL), "x509", "-noout", "-enddate", "-fingerprint", "-sha256", "-in"]
    form = "DER" if file.endswith("der") else "PEM"
    command = [*words, str(made / file), "-inform", form]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found["fingerprint_sha256"] in told.replace(":", "").lower()


@needs_openssl
@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("bücher.lab.test", True),
        ("BÜCHER.lab.test.", True),
        ("xn--bcher-kva.lab.test", True),
        ("bücher.x.lab.test", True),
        ("bucher.lab.test", False),
        ("ü" * 70, False),
        ("2001:DB8:0:0::1", True),
        ("2001:db8::1%eth0", True),
        ("::ffff:192.0.2.9", True),
        ("2001:db8::2", False),
    ],
)
def test_other_spellings_of_a_name(tmp_path: Path, name: str, fits: bool) -> None:
    names = (
        "subjectAltName=DNS:xn--bcher-kva.lab.test,DNS:*.x.lab.test,IP:2001:db8::1,"
        "IP:::ffff:192.0.2.9"
    )
    words = [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    words += ["ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "key")]
    words += ["-subj", "/CN=x", "-addext", names, "-out", str(tmp_path / "own.pem")]
    subprocess.run(words, check=True, capture_output=True)
    certificates = shared("certificates")
    (found,) = certificates.certificates_in((tmp_path / "own.pem").read_bytes())
    assert found.fits(name) is fits


@needs_openssl
def test_a_name_that_is_malformed_makes_no_certificate(tmp_path: Path) -> None:
    words = [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    words += ["ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "key")]
    words += ["-subj", "/CN=x", "-outform", "DER", "-out", str(tmp_path / "own.der")]
    subprocess.run(words, check=True, capture_output=True)
    common_name = b"\x06\x03\x55\x04\x03\x0c\x01x"
    raw = (tmp_path / "own.der").read_bytes()
    assert raw.count(common_name) == 2
    (tmp_path / "own.der").write_bytes(raw.replace(common_name, b"\x0c\x06malign"))
    found = run("certificate", path=str(tmp_path / "own.der"))
    assert found["playrail_code"] == "no_certificate"


@needs_openssl
def test_a_port(made: Path) -> None:
    with on_port(made) as port:
        found = run("certificate", address="127.0.0.1", port=port, name="www.lab.test")
    assert found["problems"] == ["untrusted"] if "chain_not_known" not in found else True
    assert found["names"] == ["www.lab.test", "*.x.lab.test", "192.0.2.1"]
    assert found["trusted"] is False


def smtp(one: socket.socket) -> None:
    one.sendall(b"220 mail ESMTP\r\n")
    one.recv(100)
    one.sendall(b"250-mail\r\n250 STARTTLS\r\n")
    one.recv(100)
    one.sendall(b"220 go on\r\n")


@needs_openssl
def test_tls_is_asked_for_where_mail_is_spoken(made: Path) -> None:
    with on_port(made, smtp) as port:
        found = run("certificate", address="127.0.0.1", port=port)
    assert (found["starttls"], found["subject"]) == ("smtp", "CN=www.lab.test")


@needs_openssl
def test_a_name_that_can_be_none(made: Path) -> None:
    with on_port(made) as port:
        found = run("certificate", address="127.0.0.1", port=port, name="a" * 70 + ".test")
    assert found["playrail_code"] in ("invalid_argument", "no_tls")


def test_what_speaks_no_tls() -> None:
    with serving(lambda one: one.sendall(b"SSH-2.0-x\r\n")) as port:
        assert run("certificate", address="127.0.0.1", port=port)["playrail_code"] == "no_tls"


@pytest.mark.parametrize("content", [b"", b"words", b"\x30\x82\xff\xff", b"\x30\x03\x02\x01\x01"])
def test_a_file_without_a_certificate(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    found = run("certificate", path=str(tmp_path / "file"))
    assert found["playrail_code"] == "no_certificate"
    assert run("certificate", path=str(tmp_path))["playrail_code"] == "is_a_directory"


@pytest.mark.parametrize("name", ["fe80::1%softdog", "::1%lo", "127.0.0.1%lo", "localhost%lo"])
def test_a_zone_is_not_looked_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel would load a module of the name that the zone has."""
    connecting = shared("connecting")
    monkeypatch.setattr(connecting.socket, "getaddrinfo", lambda *_: pytest.fail("looked up"))
    with pytest.raises(connecting.NotConnected, match="zone"):
        connecting.looked_up(name, 80)
