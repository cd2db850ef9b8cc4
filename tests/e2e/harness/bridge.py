"""The bridge: its configuration file, its addresses, its metrics, and webhooks sent to it."""

import hashlib
import hmac
import json
from pathlib import Path

from harness.http_client import request
from harness.process import Program
from harness.prometheus import Metrics

SIGNATURE_HEADER = "propexo-signature"


def sign(body, secret):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def write_config(path, config):
    """Writes {"section.key": value} as an INI file. A list is joined by commas; True and False in small letters."""
    sections = {}
    for name, value in config.items():
        section, key = name.split(".", 1)
        sections.setdefault(section, []).append(f"{key} = {_text(value)}\n")
    parts = (f"[{section}]\n{''.join(lines)}\n" for section, lines in sections.items())
    Path(path).write_text("".join(parts), encoding="utf-8")


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


class Bridge(Program):
    def __init__(self, command, config, *, directory, arguments=(), environment=None, label="propexo-bridge"):
        self.config_path = Path(directory) / f"{label}.conf"
        self.config = dict(config)
        write_config(self.config_path, self.config)
        super().__init__(
            "propexo-bridge",
            [command, "--config", self.config_path, *arguments],
            directory=directory,
            environment=environment,
            label=label,
        )

    def start_ready(self, timeout=20):
        """Starts it and returns when it says that it is ready."""
        self.start()
        self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=20):
        """The ready event: its receiver, admin and kafka are addresses."""
        return self.wait_event("ready", timeout)

    def receiver_url(self, path="/webhooks"):
        return f"http://{self.wait_ready()['receiver']}{path}"

    def admin_url(self, path):
        return f"http://{self.wait_ready()['admin']}{path}"

    def metrics(self):
        return Metrics(request("GET", self.admin_url("/metrics")).text())

    def post(self, body, *, secret=None, path="/webhooks", method="POST", headers=None, timeout=30):
        """Sends a webhook: bytes as they are, anything else as JSON. Signed when a secret is given.

        `headers` (a list of pairs) joins the usual ones; a name given here replaces the usual one.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        extra = list(headers or [])
        usual = [("Content-Type", "application/json")]
        if secret is not None:
            usual.append((SIGNATURE_HEADER, sign(data, secret)))
        given = {name.lower() for name, _ in extra}
        pairs = [pair for pair in usual if pair[0].lower() not in given] + extra
        return request(method, self.receiver_url(path), data, pairs, timeout=timeout)
