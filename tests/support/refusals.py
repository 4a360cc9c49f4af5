"""How a file was refused."""

import pytest
from bonefx_edge.decode.reader import decode
from bonefx_edge.errors import DecodeError, Reason


def refusal(data: bytes, **options) -> tuple[Reason, str]:
    """Return the reason and message with which `decode` refuses `data`."""
    with pytest.raises(DecodeError) as caught:
        decode(data, **options)
    return caught.value.reason, str(caught.value)
