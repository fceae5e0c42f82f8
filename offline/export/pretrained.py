"""Load from the hub or a folder; what goes wrong is said in a line."""

from typing import Any

import transformers

from app.errors import ConfigurationError


def load_pretrained(loader: Any, source: str, revision: str, **options: Any) -> Any:
    """``loader.from_pretrained(source)``.

    Raises:
        ConfigurationError: there is no such model, or its files cannot be read.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        return loader.from_pretrained(source, revision=revision, **options)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0].split(". ")[0].rstrip(".")
        raise ConfigurationError(
            f"cannot load {source}: {first[:300]}; give a hub id or a Hugging Face folder"
        ) from error
