"""Where a study lives, in words that may be kept and shown."""

import re

__all__ = ["without_password"]


def without_password(text: str) -> str:
    """`text` with the passwords of the URLs in it made unreadable.

    >>> without_password("postgresql://me:hush@host/studies?password=hush")
    'postgresql://me:***@host/studies?password=***'
    """
    text = re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)
    return re.sub(r"([?&]password=)[^&\s]*", r"\1***", text)
