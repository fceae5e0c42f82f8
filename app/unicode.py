"""Text that JSON can carry and UTF-8 cannot."""


def is_unicode(text: str) -> bool:
    """Whether it can be encoded: JSON's ``\\ud800`` is half of a surrogate pair, and no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
