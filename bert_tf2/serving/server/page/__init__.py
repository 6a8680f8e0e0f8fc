"""The page to try a model in: one file of HTML, which loads nothing from elsewhere."""

import base64
import functools
import hashlib
import re
from pathlib import Path

from starlette.responses import Response

FILE = Path(__file__).with_name("page.html")


@functools.cache
def page():
    """The page's text, and the policy that lets it run its own script and style alone."""
    text = FILE.read_text("utf-8")
    hashes = {}
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = hashlib.sha256(inside.encode("utf-8")).digest()
        hashes[tag] = f"'sha256-{base64.b64encode(digest).decode()}'"
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text, policy


def page_response():
    """The page."""
    text, policy = page()
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return Response(text, headers=headers, media_type="text/html")
