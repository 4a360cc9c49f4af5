"""The patient's age in a DICOM header: stated, or from the dates of birth and of the film."""

import re
from datetime import date
from typing import Final

from pydicom.dataset import Dataset

from bonefx_edge.decode.dicom.header import text_value
from bonefx_edge.decode.dicom.numbers import age_string_years

_FILM_DATES: Final = ("AcquisitionDate", "ContentDate", "StudyDate")
"""Of the film, the closest to the exposure first."""
_OLDEST_YEARS: Final = 130.0
"""Above it, a date is a stand-in (such as 18580101), or wrong."""


def read_age(dataset: Dataset) -> float | None:
    """Return the age in years, [0, 130], or None where the header does not give one.

    Patient's Age (0010,1010) counts where it is an age string (PS3.5 6.2, AS); `000Y` and `000D`
    are newborns. Otherwise the age is a date of the film less Patient's Birth Date (0010,0030).
    A birth after the film, and an age above 130, are none: then nobody knows the age.
    """
    stated = age_string_years(text_value(dataset, "PatientAge"))
    age = _from_dates(dataset) if stated is None else stated
    return age if age is not None and 0.0 <= age <= _OLDEST_YEARS else None


def _from_dates(dataset: Dataset) -> float | None:
    birth = _date(dataset, "PatientBirthDate")
    taken = next((day for name in _FILM_DATES if (day := _date(dataset, name))), None)
    if birth is None or taken is None:
        return None
    before_birthday = (taken.month, taken.day) < (birth.month, birth.day)
    return float(taken.year - birth.year - before_birthday)  # whole years; -1 before the birth


def _date(dataset: Dataset, keyword: str) -> date | None:
    """Return a date (PS3.5 6.2, DA: YYYYMMDD, formerly YYYY.MM.DD); None for any other text."""
    match = re.fullmatch(r"(\d{4})(\.?)(\d\d)\2(\d\d)", text_value(dataset, keyword))
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:  # no day of the calendar
        return None
