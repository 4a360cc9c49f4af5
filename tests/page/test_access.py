"""Who gets what: made from the table of routes, so that no route can be forgotten."""

import dataclasses

import pytest
from bonefx_page.application import build
from bonefx_page.routes import ROUTES
from bonefx_page.store.users import Role
from page_client import NAME, answered, contents, form_token, sign_in
from starlette.testclient import TestClient

GUARDED = [route for route in ROUTES if route.role]
LIMITED = [(route, role) for route in GUARDED for role in Role if not role.may(route.role)]


def ask(client, route, out, **more):
    """Return the answer of a route about a film that exists."""
    film = next(path.name.partition("-")[0] for path in (out / "pictures").glob("*-large.jpg"))
    return client.request(route.method, route.path.format(sha256=film, kind="large"), **more)


def assert_gives_nothing(response, out) -> None:
    assert response.status_code in {303, 400, 403}
    assert NAME not in response.text
    assert not any(sha256 in response.text for sha256 in contents(out))
    assert not response.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
def test_without_a_session_nobody_gets_a_film_or_a_name(client, out, route) -> None:
    assert_gives_nothing(ask(client, route, out), out)
    client.cookies.set("bonefx", "made up")
    assert_gives_nothing(ask(client, route, out), out)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_another_host_name_gets_nothing(client, out, route) -> None:
    sign_in(client, Role.ADMIN)
    response = ask(client, route, out, headers={"Host": "attacker.example"})
    assert response.status_code == 400
    assert_gives_nothing(response, out)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "POST"], ids=lambda route: route.path
)
@pytest.mark.parametrize("form", [{}, {"answer": "fracture"}, {"form_token": "guessed"}])
def test_a_form_without_its_token_does_nothing(client, out, route, form) -> None:
    sign_in(client, Role.ADMIN)
    before = client.get("/audit").text.count("gave verdict")
    response = ask(client, route, out, data=form)
    assert response.status_code == 403
    assert client.get("/audit").text.count("gave verdict") == before


@pytest.mark.parametrize(
    ("route", "role"), LIMITED, ids=lambda each: getattr(each, "path", str(each))
)
def test_a_role_gets_only_what_it_may(client, out, route, role) -> None:
    sign_in(client, role)
    assert_gives_nothing(ask(client, route, out), out)


def test_every_route_of_the_table_answers_its_role(client, out) -> None:
    sign_in(client, Role.ADMIN)
    for route in GUARDED:
        if route.method == "GET":
            assert ask(client, route, out).status_code == 200, route.path


def test_every_answer_has_the_headers_that_keep_it_in_this_page(client) -> None:
    for path in ("/sign-in", "/", "/static/style.css", "/nothing"):
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_cookie_is_for_this_page_only(client) -> None:
    cookie = sign_in(client, Role.READER).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_with_tls_every_cookie_is_bound_to_this_host(settings) -> None:
    settings = dataclasses.replace(settings, behind_proxy=True)
    with TestClient(build(settings), base_url="https://127.0.0.1") as client:
        form = client.get("/sign-in")
        signed_in = sign_in(client, Role.READER)
        cookies = [form.headers["Set-Cookie"], signed_in.history[0].headers["Set-Cookie"]]
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        assert "; Path=/" in cookie
        assert "; Secure" in cookie
        assert "Domain" not in cookie


@pytest.mark.parametrize("kind", ["thumb", "large"])
def test_a_picture_without_its_page_is_in_the_audit_log_once(client, out, kind) -> None:
    sign_in(client, Role.ADMIN)
    film = answered(out)
    for _ in range(3):
        assert client.get(f"/picture/{film}/{kind}").status_code == 200
    assert client.get("/audit").text.count("saw picture") == 1


def test_the_pictures_of_a_page_are_part_of_its_entry(client, out) -> None:
    sign_in(client, Role.ADMIN)
    film, other = answered(out), contents(out)[-1]
    client.get("/?day=all")
    client.get(f"/picture/{film}/thumb")
    client.get(f"/film/{film}")
    client.get(f"/picture/{film}/large")
    client.get(f"/picture/{other}/large")
    log = client.get("/audit").text
    assert log.count("saw film") == 1
    assert log.count("saw picture") == (out / "pictures" / f"{other}-large.jpg").is_file()


def test_wrong_passwords_are_slowed_down_and_cost_the_right_one_a_pause_only(client) -> None:
    codes = [sign_in(client, Role.READER, "wrong").status_code for _ in range(8)]
    assert codes[:5] == [401] * 5
    assert codes[-1] == 429
    assert sign_in(client, Role.ADMIN).status_code == 303


def test_signing_out_ends_the_session(reader) -> None:
    token = form_token(reader.get("/").text)
    cookie = reader.cookies["bonefx"]
    assert reader.post("/sign-out", data={"form_token": token}).status_code == 303
    reader.cookies.set("bonefx", cookie)
    assert reader.get("/").headers["Location"] == "/sign-in"


def test_a_new_password_ends_all_sessions(reader) -> None:
    form = {"form_token": form_token(reader.get("/account").text), "password": "wrong"}
    new = {"new": "another long password", "again": "another long password"}
    assert reader.post("/account", data=form | new).status_code == 403
    right = form | new | {"password": "a password of the tests"}
    assert reader.post("/account", data=right | {"again": "x"}).status_code == 400
    assert reader.post("/account", data=right).status_code == 303
    assert reader.get("/").status_code == 303
    assert sign_in(reader, Role.READER, "another long password").status_code == 303
