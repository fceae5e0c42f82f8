"""The studies, one a module: each fuses anew what was embedded once, and says what came out."""

from collections.abc import Sequence
from typing import Literal, get_args

from app.errors import ConfigurationError

StudyName = Literal["compare", "alpha", "queries", "languages", "texts", "encoders"]
STUDIES: tuple[StudyName, ...] = get_args(StudyName)


def studies_named(names: Sequence[str]) -> list[StudyName]:
    """The studies of these names.

    Raises:
        ConfigurationError: there is no such study.
    """
    for name in names:
        if name not in STUDIES:
            raise ConfigurationError(f"there is no study {name!r}; give {', '.join(STUDIES)}")
    return [study for study in STUDIES if study in names]
