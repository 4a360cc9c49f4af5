"""The pictures of films."""

from http import HTTPStatus

from starlette.responses import Response

from bonefx_page.films.pictures import Kind, is_sha256
from bonefx_page.guard import Asked


def send(asked: Asked) -> Response:
    """Send a picture; 404 if the service has not written it, or has removed it."""
    sha256, kind = asked.request.path_params["sha256"], asked.request.path_params["kind"]
    known = is_sha256(sha256) and kind in set(Kind)
    data = asked.services.pictures.read(sha256, Kind(kind)) if known else None
    if data is None:
        return Response("no such picture\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
    asked.audit.note_picture(
        asked.signed_in.user.name, sha256, is_thumb=kind == Kind.THUMB, now=asked.now
    )
    return Response(data, media_type="image/jpeg")
