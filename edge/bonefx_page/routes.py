"""Every route of the page, and who may use it. The tests of access are made from this table."""

from typing import Final, NamedTuple

from bonefx_page.guard import Handler
from bonefx_page.handlers import (
    account,
    commissioning,
    export,
    film,
    picture,
    report,
    sign_in,
    worklist,
)
from bonefx_page.store.users import Role


class PageRoute(NamedTuple):
    """One route."""

    method: str
    path: str
    role: Role | None
    """Needed at least; None: no session."""
    handler: Handler


ROUTES: Final = (
    PageRoute("GET", "/sign-in", None, sign_in.show),
    PageRoute("POST", "/sign-in", None, sign_in.submit),
    PageRoute("POST", "/sign-out", Role.TECHNICIAN, sign_in.sign_out),
    PageRoute("GET", "/account", Role.TECHNICIAN, account.show),
    PageRoute("POST", "/account", Role.TECHNICIAN, account.new_password),
    PageRoute("GET", "/", Role.TECHNICIAN, worklist.show),
    PageRoute("GET", "/film/{sha256}", Role.TECHNICIAN, film.show),
    PageRoute("GET", "/film/{sha256}/slip", Role.TECHNICIAN, film.slip),
    PageRoute("GET", "/picture/{sha256}/{kind}", Role.TECHNICIAN, picture.send),
    PageRoute("POST", "/film/{sha256}/verdict", Role.READER, film.give_verdict),
    PageRoute("GET", "/report", Role.READER, report.show),
    PageRoute("GET", "/export/manifest.csv", Role.READER, export.manifest),
    PageRoute("GET", "/export/boxes.csv", Role.READER, export.boxes),
    PageRoute("GET", "/commissioning", Role.ADMIN, commissioning.show),
    PageRoute("POST", "/commissioning", Role.ADMIN, commissioning.start),
    PageRoute("POST", "/commissioning/cancel", Role.ADMIN, commissioning.cancel),
    PageRoute("POST", "/commissioning/use", Role.ADMIN, commissioning.use),
    PageRoute("GET", "/commissioning/report", Role.ADMIN, commissioning.report),
    PageRoute("GET", "/audit", Role.ADMIN, account.audit),
)
