"""A client's wire over HTTP: TensorFlow Serving's REST API, and our server's list of models."""

import json
import urllib.parse

import urllib3

from bert_tf2.messages import shorten
from bert_tf2.serving.client_columns import of_json, to_json
from bert_tf2.serving.client_errors import NotThere, TooMuch, unreachable

AGAIN = (429, 502, 503)  # of HTTP: busy, or not there at the moment
RISES = 0.2  # seconds before the second try; twice as much before each further one
LONGEST = 10.0  # seconds that a server may ask for before the next try
ERRORS = {401: PermissionError, 403: PermissionError, 404: NotThere, 405: NotThere}
ERRORS |= {413: TooMuch, 501: NotThere, 504: TimeoutError}


class _Retry(urllib3.Retry):
    """One that a server can have wait for a while, and not for an hour."""

    def get_retry_after(self, response):
        found = super().get_retry_after(response)
        return None if found is None else min(found, LONGEST)


class Rest:
    """See `Client` for what is given and raised."""

    def __init__(self, url, api_key, timeout, retries, concurrency):
        self.url = url
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        retry = _Retry(
            total=retries,
            read=min(retries, 1),  # which may be a server that does not bear more
            status_forcelist=AGAIN,
            allowed_methods=None,  # to ask a model changes nothing: POST, too
            backoff_factor=RISES,
            backoff_jitter=RISES / 2,
            raise_on_status=False,
        )
        self.pool = urllib3.PoolManager(
            maxsize=concurrency, timeout=urllib3.Timeout(timeout), retries=retry
        )

    def close(self):
        self.pool.clear()

    def models(self):
        """What the server says of its models: a list of dicts."""
        return self._ask("GET", "/models")[0]["models"]

    def about(self, model, version):
        """What is known of a model: a dict. `model` may be None, if the server has but one."""
        listed = {}
        try:
            listed = {x["name"]: x for x in self.models()}
        except NotThere:  # TensorFlow Serving has no such list
            if model is None:
                raise ValueError(f"{self.url} lists no models: give `model`, its name") from None
        if model is None:
            if not listed:
                raise NotThere(f"{self.url} has no model that answers: see the server's log")
            if len(listed) != 1:
                raise ValueError(f"`model` must be one of {', '.join(listed)}. Received: None")
            (model,) = listed
        found = self._ask("GET", f"{_place(model, version)}/metadata")[0]
        definitions = found["metadata"]["signature_def"]["signature_def"]
        about = listed.get(model, {"name": model, "task": None, "labels": None, "versions": []})
        return about | {"version": found["model_spec"]["version"], "signatures": definitions}

    def predict(self, model, version, name, columns, about):
        """One request.

        Args:
            name: of the signature. columns: dict of lists. about: see above.

        Returns:
            dict of arrays (n, …), and the version that answered, a str.
        """
        body = {"inputs": {n: to_json(side) for n, side in columns.items()}}
        body["signature_name"] = name
        found, headers = self._ask("POST", f"{_place(model, version)}:predict", body)
        specs = about["signatures"][name]["outputs"]
        return of_json(found["outputs"], specs), headers.get("Model-Version", about["version"])

    def _ask(self, method, path, body=None):
        """The JSON of an answer, and its headers."""
        content = None if body is None else json.dumps(body).encode("utf-8")
        headers = self.headers | ({"Content-Type": "application/json"} if content else {})
        try:
            answer = self.pool.request(method, self.url + path, body=content, headers=headers)
        except urllib3.exceptions.MaxRetryError as error:
            raise _unreachable(self.url, error.reason) from error
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(self.url, error) from error
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = None
        if answer.status == 200 and isinstance(found, dict):
            return found, answer.headers
        said = found.get("error") if isinstance(found, dict) else None
        raise _error(answer.status, f"{self.url}{path}: {said or shorten(answer.data)}")


def _place(model, version):
    return f"/v1/models/{urllib.parse.quote(model, safe='')}" + (
        "" if version is None else f"/versions/{version}"
    )


def _unreachable(url, reason):
    late = isinstance(reason, urllib3.exceptions.TimeoutError)
    refused = isinstance(reason, urllib3.exceptions.NewConnectionError)  # which is one, too
    return unreachable(url, reason, late and not refused)


def _error(status, message):
    if status in ERRORS:
        return ERRORS[status](message)
    return (ValueError if 400 <= status < 500 and status not in AGAIN else ConnectionError)(message)
