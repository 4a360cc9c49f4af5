"""How long a session lasts."""

from contextlib import closing

import pytest
from bonefx_page.store.database import connect, create
from bonefx_page.store.sessions import IDLE_S, LIFETIME_S, Sessions
from bonefx_page.store.users import Role, User
from page_client import add_users

READER = User(Role.READER.value, Role.READER)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_session_goes_on_while_it_is_used_also_on_a_full_disk(tmp_path, is_full) -> None:
    add_users(tmp_path)
    with closing(connect(create(tmp_path))) as connection:
        cookie = Sessions(connection, {}).begin(READER, now=0.0)
        if is_full:  # SQLite refuses to write, as then
            connection.execute("PRAGMA query_only = ON")
        unwritten: dict[str, float] = {}
        for step in range(1, 24):
            session = Sessions(connection, unwritten).find(cookie, now=step * LIFETIME_S / 24)
            assert session is not None
            assert session.user == READER
        assert Sessions(connection, unwritten).find(cookie, now=LIFETIME_S) is None
        if is_full:
            connection.execute("PRAGMA query_only = OFF")
        idle = Sessions(connection, unwritten).begin(READER, now=0.0)
        assert Sessions(connection, unwritten).find(idle, now=IDLE_S) is None
        assert not unwritten
