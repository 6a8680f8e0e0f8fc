"""Exported models over HTTP, in the protocols that clients already speak.

For development and small deployments; large ones belong on TensorFlow Serving or Triton, which read
the same folders. It needs the extra `serve`.
"""

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError as error:
    raise ImportError(
        "A server needs uvicorn and starlette: pip install 'bert_tf2[serve]', or pip install "
        "uvicorn starlette"
    ) from error
