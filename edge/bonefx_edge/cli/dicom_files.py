"""Write the result of each DICOM film as DICOM objects into one folder."""

import hashlib
import sys
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from bonefx_dicom.results.film import NoStudyError
from bonefx_dicom.results.kinds import ObjectKind
from bonefx_dicom.results_folder import write_objects

from bonefx_edge.cli.heatmap_files import make_folder
from bonefx_edge.decode.reader import read_file
from bonefx_edge.errors import DecodeError
from bonefx_edge.finding import Finding


class DicomResultFolder:
    """The folder of DICOM results, and what was written there."""

    def __init__(self, folder: Path, kinds: Collection[ObjectKind]) -> None:
        """Make the folder, with those above it where they are absent.

        Raises
        ------
        UsageError
            If it cannot be made, or is a file.
        """
        self._folder, self._kinds = make_folder(folder, "DICOM results"), kinds
        self._films = 0
        self._without: Counter[str] = Counter()

    def write(self, finding: Finding) -> Finding:
        """Write the objects of a finding, if its file can have some, and return the finding.

        Raises
        ------
        OutputError
            If an object cannot be written.
        """
        path = Path(finding.path)
        try:
            data = read_file(path)
            # The result is not older than the file. Whole seconds, as DICOM shows them.
            when = datetime.fromtimestamp(int(path.stat().st_mtime), tz=UTC).astimezone()
            if hashlib.sha256(data).hexdigest() == finding.sha256:
                write_objects(self._folder, data, finding.to_dict(), when, kinds=self._kinds)
                self._films += 1
            else:
                self._without["The file changed while it was classified. Classify it again."] += 1
        except (DecodeError, OSError):  # the table says what is wrong with the file
            self._without["The file cannot be read."] += 1
        except NoStudyError as err:
            self._without[str(err)] += 1
        return finding

    def report(self) -> None:
        """Say on standard error how many films have DICOM results, and why others have none."""
        sys.stderr.write(f"DICOM results for {self._films} image{_s(self._films)}\n")
        for reason, count in self._without.items():
            sys.stderr.write(f"no DICOM result for {count} file{_s(count)}: {reason}\n")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
