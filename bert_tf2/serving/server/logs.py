"""The log of a server: a JSON object a line, which never holds a text or a key."""

import datetime
import json
import logging
import sys

PLAIN = {*vars(logging.makeLogRecord({})), "message", "color_message", "taskName"}


class Lines(logging.Formatter):
    """`time`, `level`, `event`, and what was said besides."""

    def format(self, record):
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        said = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in PLAIN}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


class Stderr(logging.Handler):
    """Writes to what standard error is at the moment."""

    def emit(self, record):
        print(self.format(record), file=sys.stderr, flush=True)


def to_stderr():
    """Sends the server's events, and uvicorn's warnings, to standard error."""
    handler = Stderr()
    handler.setFormatter(Lines())
    for name, level in (("bert_tf2.serving", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
