"""What a passive scan asks of every response, made from the table of routes.

Rules of OWASP ZAP (zaproxy.org/docs/alerts) that are asked here, with their numbers: cookies
(10010, 10011, 10054), scripts of other origins (10017), content type (10019, 90011), frames
(10020), sniffing (10021), errors that say too much (10023, 90022), names and tokens in addresses
(10024, 3), comments (10027), caches (10015, 10049), version of the server (10036, 10037), policy of
the content (10038, 10055), mixed content (10040), permissions (10063), other origins (10098), form
tokens (10202), private addresses (2), isolation (90004), scripts that evaluate text (10110),
windows (10108).

Not asked: HSTS (10035): a device with a certificate of its own would lock people out when it is
renewed. ZAP would note hashes (10097: films are named by them) and one time (10096: a verdict says
to which result it belongs) as informational.
"""

import http.client
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from bonefx_page.application import STATIC, build
from bonefx_page.routes import ROUTES
from bonefx_page.settings import Settings, default_folders
from bonefx_page.store.users import Role
from page_client import NAME, add_users, answered, contents, give, sign_in
from page_server import serve
from starlette.testclient import TestClient
from watch_service import film_bytes, run_once

HOSTILE = '"><img src=x onerror=alert(1)>{{7*7}}.png'
"""Name of a film; its sender wants a script to run."""
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
}
POLICY = {
    "default-src": "'none'",
    "img-src": "'self'",
    "style-src": "'self'",
    "script-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
TYPES = ("text/html; charset=utf-8", "text/plain; charset=utf-8", "text/csv; charset=utf-8")
FORBIDDEN_HEADERS = ("server", "x-powered-by", "access-control-allow-origin")
TELLTALE = re.compile(r"Traceback|File \"|\.py\b|sqlite|starlette|uvicorn|/tmp/")
"""Of an error that says what runs here, and where."""
PRIVATE = re.compile(r"\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+")


@pytest.fixture(name="out", scope="session")
def _out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scanned")
    films = folder / "films"
    films.mkdir()
    (films / f"{NAME}.png").write_bytes(film_bytes(1))
    (films / HOSTILE).write_bytes(film_bytes(2))
    run_once(films, folder / "out", "--pictures", str(folder / "out" / "pictures"))
    assert len(contents(folder / "out")) == 2
    return folder / "out"


def addresses(out) -> list[tuple[str, str]]:
    """Return method and address of each route, about a film that there is; errors, too."""
    found = [
        (route.method, route.path.format(sha256=film, kind=kind))
        for route in ROUTES
        for film in contents(out)
        for kind in ("large", "thumb")
    ]
    found += [("GET", f"/static/{path.name}") for path in STATIC.iterdir()]
    wrong = ["/nothing", "/static/nothing", "/?state=x", "/film/x", "/picture/x/x", "/?after=x"]
    found += [*(("GET", address) for address in wrong), ("DELETE", "/"), ("PUT", "/sign-in")]
    return list(dict.fromkeys(found))


def assert_safe_headers(response) -> None:
    headers = response.headers
    assert EXPECTED.items() <= dict(headers).items(), response.url
    assert not set(FORBIDDEN_HEADERS) & set(headers)
    given = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert given == POLICY
    assert "camera=()" in headers["permissions-policy"]
    if response.content and response.status_code != 304:
        kind = headers["content-type"]
        assert kind in TYPES or kind.startswith(("image/", "text/css", "text/javascript")), kind
    for cookie in headers.get_list("set-cookie"):
        assert {"httponly", "path=/"} <= set(cookie.lower().split("; "))
        assert "samesite=strict" in cookie.lower()
        assert "domain=" not in cookie.lower()


def assert_safe_body(response) -> None:
    kind = response.headers.get("content-type", "")
    if not kind.startswith("text/"):
        return
    text = response.text
    assert not PRIVATE.search(text)
    if kind.startswith("text/javascript"):
        assert not re.search(r"\beval\b|innerHTML|document\.write|new Function", text)
        return
    if not kind.startswith("text/csv"):  # names of files are what they are for
        assert not TELLTALE.search(text), response.url
    if not kind.startswith("text/html"):
        return
    assert "<!--" not in text
    assert "<img src=x" not in text
    assert "49.png" not in text
    assert not re.search(r"<[^>]*\s(?:on\w+|style)=|javascript:|<script(?! src=\"/static/)", text)
    assert not re.search(r"(?:src|href|action)=\"(?!/|#main)", text), "another origin"
    assert 'target="' not in text
    linked = re.findall(r"(?:src|href|action)=\"([^\"]*)", text) + re.findall("<title>(.*)<", text)
    assert not any(NAME in each or "token" in each or "onerror" in each for each in linked)
    for form in re.findall(r"<form method=\"post\".*?</form>", text, re.DOTALL):
        assert 'name="form_token" value="' in form


@pytest.mark.parametrize("role", [None, Role.TECHNICIAN, Role.ADMIN])
def test_every_response_passes_a_passive_scan(client, out, role) -> None:
    if role:
        assert_safe_headers(sign_in(client, role))
    if role is Role.ADMIN:
        give(client, answered(out), answer="fracture", remark="<b>'\"</b>")
    for method, address in addresses(out):
        if address == "/sign-out" and method == "POST":
            continue
        response = client.request(method, address)
        assert response.status_code < 500
        assert_safe_headers(response)
        assert_safe_body(response)
        assert NAME not in response.headers.get("location", "")


def test_an_error_that_nobody_foresaw_says_nothing(out, tmp_path) -> None:
    shutil.copytree(out, tmp_path / "out")
    folders = default_folders(tmp_path / "out")
    add_users(folders["data"])
    with closing(sqlite3.connect(folders["journal"] / "journal.sqlite")) as journal:
        journal.execute("""UPDATE image SET record = '{"finding": {"state": "fracture"}}'""")
        journal.commit()
    application = build(Settings(out=tmp_path / "out", **folders))
    with TestClient(
        application, base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        sign_in(client, Role.READER)
        response = client.get("/?day=all")
    assert response.status_code == 500
    assert_safe_headers(response)
    assert_safe_body(response)


def test_cookies_come_by_tls_only_where_there_is_tls(settings, out) -> None:
    encrypted = Settings(
        out=out, **default_folders(out) | {"data": settings.data}, behind_proxy=True
    )
    with TestClient(build(encrypted), base_url="https://127.0.0.1") as client:
        form, session = client.get("/sign-in"), sign_in(client, Role.READER)
    for response in (form, *session.history):
        for cookie in response.headers.get_list("set-cookie"):
            assert "secure" in cookie.lower().split("; ")
            assert cookie.startswith("__Host-")


def test_the_server_itself_names_no_version_and_hands_out_no_folder(out, tmp_path) -> None:
    """Through uvicorn: what it adds, and what it answers before the page is asked."""
    paths = ("/sign-in", "/static/../guard.py", "/static/%2e%2e/guard.py", "/static/", "/film/%00")
    asked = [*(("GET", path) for path in paths), ("TRACE", "/"), ("GET", "/" + "a" * 70_000)]
    with serve(out, tmp_path / "page", films=out) as served:
        for method, path in asked:
            with closing(
                http.client.HTTPConnection(served.origin.removeprefix("http://"))
            ) as server:
                server.request(method, path)
                response = server.getresponse()
                assert response.getheader("server") is None
                assert b"import" not in response.read()
                assert response.status != 200 or path == "/sign-in"
