"""Texts that do not stand in the templates: reasons, cautions, advice, and what people did."""

import gettext

import bonefx_page
import pytest
from bonefx_edge.errors import ADVICE, Reason
from bonefx_edge.inference.decision import CAUTION_ADVICE, Caution
from bonefx_page.rendering import DOMAIN, LANGUAGES
from bonefx_page.store.audit import Action
from page_client import contents

CODES = (*Reason, Caution.NO_OPERATING_POINT, *Action)
TEXTS = [code.replace("_", " ") for code in CODES]
TEXTS += [*ADVICE.values(), *CAUTION_ADVICE.values()]


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_each_has_a_translation(language) -> None:
    (folder,) = bonefx_page.__path__
    known = gettext.translation(DOMAIN, f"{folder}/locales", [language])
    assert [text for text in TEXTS if known.gettext(text) == text] == []


def test_a_refused_film_says_in_the_language_of_the_browser_what_to_do(reader, out) -> None:
    headers = {"Accept-Language": "de"}
    pages = [reader.get(f"/film/{sha256}", headers=headers).text for sha256 in contents(out)]
    assert any("kein Bild" in page and "oder DICOM senden" in page for page in pages)
    assert "kein Bild" in reader.get("/?day=all", headers=headers).text
