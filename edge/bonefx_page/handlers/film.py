"""One film: its result, its verdicts, its slip."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from bonefx_edge.errors import ADVICE, Reason, UsageError
from bonefx_edge.inference.decision import CAUTION_ADVICE, Caution
from bonefx_edge.watch.journal.listing import ListedImage
from starlette.responses import RedirectResponse, Response

from bonefx_page.films.pictures import Kind, is_sha256
from bonefx_page.films.site_figures import figures_of
from bonefx_page.guard import Asked
from bonefx_page.handlers.queries import query_of
from bonefx_page.store.audit import Action
from bonefx_page.store.users import Role
from bonefx_page.store.verdicts import MAX_REMARK, Answer, Box, Verdict, Verdicts

_BOX: Final = ("left", "top", "width", "height")
_PERCENT: Final = 100.0


def show(asked: Asked) -> Response:
    """Show a film with its result."""
    image, values = _film(asked)
    query = query_of(asked)
    with asked.services.journal() as journal:
        key = journal.worklist.key_of(query.filter, image.sha256)
        before = journal.worklist.before(query.filter, key) if key else None
        after = journal.worklist.after(query.filter, key, limit=1) if key else []
    asked.note(Action.SAW_FILM, image.sha256)
    return asked.page(
        "film.html",
        values
        | {
            "query": query,
            "before": before.sha256 if before else "",
            "after": after[0].sha256 if after else "",
            "may_judge": asked.signed_in.user.role.may(Role.READER) and image.finding is not None,
            "answers": list(Answer),
            "mine": _latest_of(asked.signed_in.user.name, values["history"]),
            "max_remark": MAX_REMARK,
            "saved": "saved" in asked.request.query_params,
        },
    )


def slip(asked: Asked) -> Response:
    """Show a film on one page of paper."""
    image, values = _film(asked)
    asked.note(Action.SAW_SLIP, image.sha256)
    return asked.page("slip.html", values | {"now": asked.now})


def give_verdict(asked: Asked) -> Response:
    """Store a verdict and show the film again."""
    image, _ = _film(asked)
    if image.finding is None:
        msg = "this film has no result yet; wait for it"
        raise UsageError(msg)
    verdict = _verdict(asked, image, image.finding)
    Verdicts(asked.database, asked.services.settings.data).give(verdict)
    asked.note(Action.GAVE_VERDICT, image.sha256)
    address = f"/film/{image.sha256}?{query_of(asked).text(saved='1')}"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def _film(asked: Asked) -> tuple[ListedImage, dict[str, Any]]:
    """Return an image, and what page and slip show of it.

    Raises
    ------
    UsageError
        There is no such film.
    """
    sha256, services = asked.request.path_params["sha256"], asked.services
    with services.journal() as journal:
        if not is_sha256(sha256) or not journal.images.is_known(sha256):
            msg = "there is no such film; start from the list"
            raise UsageError(msg)
        image = journal.images.image(sha256)
        earlier = journal.images.replaced_by(sha256)
    finding = image.finding or {}
    reason, caution = finding.get("reason"), finding.get("caution")
    profile = finding.get("site_profile")
    figures = figures_of(services.settings.site_profile, profile["sha256"]) if profile else None
    return image, {
        "image": image,
        "finding": image.finding,
        "advice": ADVICE[Reason(reason)] if reason else "",
        "caution_advice": CAUTION_ADVICE[Caution(caution)] if caution else "",
        "figures": figures,
        "earlier": earlier,
        "history": Verdicts(asked.database, services.settings.data).history(sha256),
        "has_large": services.pictures.has(sha256, Kind.LARGE),
        "has_overlay": services.pictures.has(sha256, Kind.OVERLAY),
    }


def _latest_of(reader: str, history: Sequence[Verdict]) -> Verdict | None:
    """Return the reader's own verdict: that of another one must not stand in the form."""
    return next((each for each in reversed(history) if each.reader == reader), None)


def _verdict(asked: Asked, image: ListedImage, finding: dict[str, Any]) -> Verdict:
    form = asked.form
    if form.get("answer") not in set(Answer):
        msg = "choose one of the answers, then save again"
        raise UsageError(msg)
    if form.get("classified_at") != repr(image.classified_at):
        msg = "this film has a new result since the page was opened; open it again and look at it"
        raise UsageError(msg)
    profile, model = finding["site_profile"], finding["model"]
    answer = Answer(form["answer"])
    return Verdict(
        sha256=image.sha256,
        given=asked.now,
        reader=asked.signed_in.user.name,
        answer=answer,
        box=_box(form) if answer is Answer.FRACTURE else None,
        remark=" ".join(form.get("remark", "").split())[:MAX_REMARK],
        received=image.received,
        state=finding["state"],
        score=finding["score"],
        reason=finding["reason"],
        model=f"{model['name']} {model['version']}",
        model_sha256=model["sha256"],
        mode=finding["mode"],
        operating_point=finding["operating_point"],
        site_profile=profile["sha256"] if profile else None,
        body_part=finding.get("body_part"),
    )


def _box(form: Any) -> Box | None:
    """Return the box of a form in percent of the film, cut at the edges; None if it is empty."""
    given = [form.get(name, "").strip().replace(",", ".") for name in _BOX]
    if not any(given):
        return None
    msg = "the place needs four numbers from 0 to 100 percent, width and height above 0; correct it"
    try:
        left, top, width, height = (float(text) / _PERCENT for text in given)
    except ValueError as err:
        raise UsageError(msg) from err
    right, bottom = min(1.0, left + width), min(1.0, top + height)
    inside = 0 <= left < right and 0 <= top < bottom and width > 0 and height > 0
    if not inside or not all(map(math.isfinite, (left, top, width, height))):
        raise UsageError(msg)
    return Box(left, top, right - left, bottom - top)
