"""DICOM results of bonefx that come back into the watched folder: no films, so passed over."""

import logging
import os
from collections import OrderedDict
from typing import Final

from bonefx_dicom.results.own_objects import is_own_file

from bonefx_edge.watch.files import Signature

logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 4096
"""Files that are not looked into again at each walk; of more, the head is read again."""


class OwnResults:
    """The files of the watched folder that bonefx itself wrote."""

    def __init__(self, root: bytes) -> None:
        """Remember nothing yet; `root` is the watched folder."""
        self._root = root
        self._signatures: OrderedDict[bytes, Signature] = OrderedDict()

    def has(self, path: bytes, signature: Signature) -> bool:
        """Return whether this file was found to be a result of bonefx, and did not change."""
        return self._signatures.get(path) == signature

    def find(self, path: bytes, signature: Signature) -> bool:
        """Read the head of a file; return whether it is a result of bonefx."""
        if not is_own_file(os.path.join(self._root, path)):
            return False
        self._signatures[path] = signature
        self._signatures.move_to_end(path)
        if len(self._signatures) > MAX_REMEMBERED:
            self._signatures.popitem(last=False)
        logger.info("a DICOM result of bonefx is passed over")
        return True
