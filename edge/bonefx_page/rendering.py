"""Pages from templates, in the language of the browser."""

import gettext
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from bonefx_edge.inference.score_scale import FRACTURE_FROM, UNCERTAIN_FROM, shown
from bonefx_edge.text import printable

_HERE: Final = Path(__file__).parent
LANGUAGES: Final = ("en", "de", "es")
"""The first one is that of the templates."""
DOMAIN: Final = "bonefx_page"


def language_of(accepted: str) -> str:
    """Return the first language of an Accept-Language header that there is.

    >>> language_of("fr-CH, de;q=0.9, en;q=0.8"), language_of("")
    ('de', 'en')
    """
    wanted = (part.partition(";")[0].strip().partition("-")[0] for part in accepted.split(","))
    return next((name.lower() for name in wanted if name.lower() in LANGUAGES), LANGUAGES[0])


class Renderer:
    """Makes the HTML of a page."""

    def __init__(self) -> None:
        self._environments = {name: _environment(name) for name in LANGUAGES}

    def html(self, template: str, *, language: str, values: Mapping[str, Any]) -> str:
        """Return the HTML of a template in a language of `LANGUAGES`."""
        page = self._environments[language].get_template(template)
        return page.render(values, language=language)


def _environment(language: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    translations = (
        gettext.NullTranslations()
        if language == LANGUAGES[0]
        else gettext.translation(DOMAIN, _HERE / "locales", [language])
    )
    install = environment.install_gettext_translations  # type: ignore[attr-defined]
    install(translations, newstyle=True)
    environment.filters |= {
        "local_time": local_time,
        "score": shown,
        "printable": printable,
        "percent": percent,
    }
    environment.globals |= {
        "UNCERTAIN_FROM": UNCERTAIN_FROM,
        "FRACTURE_FROM": FRACTURE_FROM,
    }
    return environment


def local_time(seconds: float, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Return a time in seconds since 1970 as local date and time."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime(pattern)


def percent(share: float) -> str:
    """Return a share as whole percent.

    >>> percent(0.254)
    '25 %'
    """
    return f"{100 * share:.0f} %"
