"""A real schema registry: Apicurio, by its Confluent-compatible API."""

import json
import shutil

from confluent_kafka.schema_registry import SchemaRegistryClient

from harness.http_client import request
from harness.java import JavaServer
from harness.ports import reserve_port
from harness.process import TOP
from harness.wait import Failure

APPLICATION = TOP / "build/e2e/registry/app"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"

SETTINGS = {
    "quarkus.http.host": "127.0.0.1",
    "apicurio.datasource.jdbc.max-size": 10,
    # A short start: no connections, and no two spare databases, before they are needed.
    "apicurio.datasource.jdbc.initial-size": 1,
    "apicurio.datasource.jdbc.min-size": 1,
    "apicurio.datasource.blue.jdbc.initial-size": 0,
    "apicurio.datasource.blue.jdbc.min-size": 0,
    "apicurio.datasource.green.jdbc.initial-size": 0,
    "apicurio.datasource.green.jdbc.min-size": 0,
}


class Registry(JavaServer):
    name = "registry"

    def __init__(self, directory):
        super().__init__(directory)
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}/apis/ccompat/v7"
        self.data = self.directory / "data"

    def _command(self):
        settings = SETTINGS | {
            "quarkus.http.port": self.port,
            # Written before it is answered, so that a kill loses nothing.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data}/registry;WRITE_DELAY=0",
        }
        program = next(APPLICATION.glob("*-runner.jar"))
        return ["-Xmx384m", *(f"-D{key}={value}" for key, value in settings.items()), "-jar", program]

    def _answers(self):
        try:
            return request("GET", f"{self.url}/subjects", timeout=2).status == 200
        except OSError:
            return False

    def remove(self):
        """Ends it and deletes its data; the log stays."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def wait_ready(self):
        super().wait_ready()
        # Confluent's default; Apicurio's own is to accept any change.
        self.set_compatibility("BACKWARD")

    def client(self):
        """Confluent's client, which is closed by `with`."""
        return SchemaRegistryClient({"url": self.url})

    def subjects(self):
        return request("GET", f"{self.url}/subjects").json()

    def register(self, subject, schema):
        """Registers an Avro schema (a text) by one plain request; returns its id."""
        return self._send("POST", f"subjects/{subject}/versions", {"schema": schema})["id"]

    def delete(self, subject):
        """All versions of a subject."""
        self._send("DELETE", f"subjects/{subject}")

    def set_compatibility(self, level, subject=None):
        """BACKWARD, FORWARD, FULL: for one subject, or for all that have no level of their own."""
        self._send("PUT", f"config/{subject}" if subject else "config", {"compatibility": level})

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        answer = request(method, f"{self.url}/{path}", data, {"Content-Type": MEDIA_TYPE})
        if answer.status != 200:
            raise Failure(f"{method} {path}: {answer.status} {answer.text()}")
        return answer.json()
