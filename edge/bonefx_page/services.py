"""What the handlers share: folders, templates, throttle, health."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bonefx_page.films.commissioning import Commissioning
from bonefx_page.films.health import HealthReader
from bonefx_page.films.journal import JournalView, open_journal
from bonefx_page.films.pictures import Pictures
from bonefx_page.rendering import Renderer
from bonefx_page.settings import Settings
from bonefx_page.store.audit import AuditMemory
from bonefx_page.store.throttle import Throttle


class Services:
    """Made once, when the page starts."""

    def __init__(self, settings: Settings, database: Path) -> None:
        """Store the settings and the path of the database of the page, which exists."""
        self.settings, self.database = settings, database
        self.renderer = Renderer()
        self.throttle = Throttle()
        self.audit_memory = AuditMemory()
        self.unwritten_sessions: dict[str, float] = {}
        self.health = HealthReader(settings.health_port)
        self.pictures = Pictures(settings.pictures)
        self.commissioning = Commissioning(
            settings.data / "commissioning", settings.commission_options
        )
        # Browsers take a cookie of this prefix only by TLS, from this host, and for all paths.
        prefix = "__Host-" if settings.is_encrypted else ""
        self.cookie_name, self.form_cookie_name = f"{prefix}bonefx", f"{prefix}bonefx-form"
        self.known_cookie_name = f"{prefix}bonefx-known"

    def journal(self) -> AbstractContextManager[JournalView]:
        """Return the journal of the service, to be used with `with`."""
        return open_journal(self.settings.journal, self.database)

    def predictor(self) -> dict[str, Any] | None:
        """Return the newest finding: its model and site profile stand on each page."""
        with self.journal() as journal:
            newest = journal.worklist.newest()
            return journal.images.image(newest).finding if newest else None
