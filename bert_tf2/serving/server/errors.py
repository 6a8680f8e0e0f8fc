"""What a server refuses, with the status that says so in HTTP."""


class Refused(Exception):
    """A request that is not answered, and why.

    Args:
        status: of HTTP: 400 what cannot be read, 404 what is not there, 413 too much of it, 422
            what this model does not do, 501 what no server of ours does, 503 too busy, 504 too
            late.
        message: for people: what was expected, what came, what to do.
    """

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
