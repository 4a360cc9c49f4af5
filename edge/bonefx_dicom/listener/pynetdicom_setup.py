"""What is set in pynetdicom for the whole process, before the first association."""

from typing import TYPE_CHECKING, Any

import pynetdicom
from pydicom.uid import UID
from pynetdicom import _config, dimse_messages
from pynetdicom.dsutils import create_file_meta

from bonefx_dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

if TYPE_CHECKING:
    from pydicom.dataset import FileMetaDataset

    from bonefx_dicom.listener.incoming import IncomingFiles


def receive_to_disk(files: "IncomingFiles") -> None:
    """Let pynetdicom write data sets to files of ours while they arrive.

    Its own temporary files stay when an association is aborted, abort it when the disk is full, and
    name pynetdicom's version in the file meta information. Both names replaced here are those that
    `DIMSEMessage.decode_msg` uses; the versions allowed in pyproject.toml have them, and a test
    stores a film with each.

    Raises
    ------
    AttributeError
        This pynetdicom does not have them.
    """
    _config.STORE_RECV_CHUNKED_DATASET = True
    for name in ("NamedTemporaryFile", "create_file_meta"):
        if not hasattr(dimse_messages, name):
            msg = f"expected pynetdicom 3.0, got {pynetdicom.__version__}: it has no {name}"
            raise AttributeError(msg)

    def open_incoming(**_: Any) -> Any:
        return files.open()

    vars(dimse_messages).update(NamedTemporaryFile=open_incoming, create_file_meta=_file_meta)


def _file_meta(
    *, sop_class_uid: UID, sop_instance_uid: UID, transfer_syntax: UID
) -> "FileMetaDataset":
    """Return file meta information without AE title (PS3.10 section 7.1): the same for ever."""
    return create_file_meta(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax=transfer_syntax,
        implementation_uid=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION_NAME,
    )
