"""What a server may answer that is no answer, beside what Python has a name for."""


class NotThere(ValueError):
    """The server has no such model, version, signature or route."""


class TooMuch(ValueError):
    """The server does not take so much at once."""


def unreachable(url, reason, late=False):
    """The error where nobody answers; `late`: not in time."""
    kind = TimeoutError if late else ConnectionError
    return kind(f"{url} does not answer: {reason}. Is the server running there?")
