"""The programs of one scenario, on a Kafka that others may use too."""

import json
import uuid

from budget.client import OtherClient
from budget.reader import Reader
from budget.scenario import LATENCY_SECONDS, LIMIT
from harness import snapshots
from harness.bridge import Bridge
from harness.http_client import request
from harness.ports import reserve_port
from harness.simulator import SECRET, TOKEN, Simulator
from harness.wait import Failure, wait_until

FLAGS = {
    "limit_per_minute": LIMIT,
    "latency_ms": round(LATENCY_SECONDS * 1000),
    "new_percent": 0,
    "last_seen_percent": 0,
    "updated_at": "all",
}
START_SECONDS = 60


class Stage:
    """Everything that runs while a scenario is measured. Used as a context: nothing of it is left behind."""

    def __init__(self, scenario, kafka, directory):
        self.scenario = scenario
        self.kafka = kafka
        self.directory = directory
        self.prefix = f"{scenario.name}-{uuid.uuid4().hex[:6]}"
        # Known beforehand, for the simulator, which also finds the receiver again after a kill.
        self.port = reserve_port()
        self.simulator = self.receiver = self.reader = self.other = None
        self.enrichers = []

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        scenario = self.scenario
        flags = {"models": scenario.models, "records": scenario.records, "integrations": scenario.integrations}
        flags["webhook_url"] = f"http://127.0.0.1:{self.port}/webhooks"
        self.simulator = Simulator(directory=self.directory, **(FLAGS | flags | scenario.flags))
        self.simulator.start()
        if scenario.enrichers == 0:
            self.receiver = self._bridge("run", "bridge")
            self.enrichers = [self.receiver]
        else:
            self.receiver = self._bridge("receive", "receive")
            self.enrichers = [self._bridge("enrich", f"enrich-{number + 1}") for number in range(scenario.enrichers)]
        for program in dict.fromkeys([self.receiver, *self.enrichers]):
            program.start_ready()
        wait_until(self._shared_out, START_SECONDS, "an assignment of each enricher", interval=0.1)
        self.reader = Reader(self.kafka, self.prefix, scenario.models)

    def _bridge(self, command, label):
        config = {
            "bridge.models": self.scenario.models,
            "bridge.instance": f"{self.prefix}-{label}",
            "receiver.listen": f"127.0.0.1:{self.port}",
            "receiver.secret": SECRET,
            "admin.listen": "127.0.0.1:0",
            "kafka.bootstrap.servers": self.kafka.bootstrap,
            "topics.prefix": self.prefix,
            "enricher.group": self.prefix,
            "api.base_url": self.simulator.url,
            "api.token": TOKEN,
            "api.requests_per_minute": LIMIT,
        }
        return Bridge(command, config | self.scenario.config, directory=self.directory, label=label)

    def _shared_out(self):
        # A group that no one has joined yet may be one whose coordinator does not answer yet.
        if not all(one.events("assigned") for one in self.enrichers):
            return False
        members = self.kafka.group(self.prefix).members
        owned = [len(member.assignment.topic_partitions) for member in members]
        return len(owned) == len(self.enrichers) and all(owned)

    # Steering

    def start_other_client(self):
        if self.scenario.other_client:
            self.other = OtherClient(self.simulator, self.scenario.models[0], self.scenario.other_client)

    def stop_other_client(self):
        """Returns when all its answers have come."""
        if self.other is not None:
            self.other.close()

    def change_one_of_each_integration(self):
        """As nearly at the same moment as the requests for it can be made."""
        (model,) = self.scenario.models
        chosen = {record["integration_id"]: record for record in self.simulator.truth(model).values()}
        for record in chosen.values():
            body = {"model": model, "id": record["id"], "fields": {"x_id": f"changed {record['id']}"}}
            self.control("POST", "change", body)

    def told(self):
        """The simulator's notes of all webhooks; all must have been delivered."""
        told = [json.loads(line) for line in self.control("GET", "told").text().splitlines()]
        undelivered = [note for note in told if note["outcome"] != "ok"]
        if undelivered:
            raise Failure(f"{len(undelivered)} of {len(told)} webhooks were not delivered, such as {undelivered[:3]}")
        return told

    def control(self, method, page, body=None):
        data = None if body is None else json.dumps(body).encode()
        answer = request(method, f"{self.simulator.url}/_sim/{page}", data)
        if answer.status != 200:
            raise Failure(f"{method} /_sim/{page}: {answer.status} {answer.text()}")
        return answer

    def kill(self):
        self.receiver.kill()
        self.receiver.start()
        self.receiver.wait_ready()

    # Reading

    def snapshots(self, model, registry=None):
        return snapshots.read(self.kafka, self.prefix, model, registry)

    def committed(self):
        return not self.kafka.behind(self.prefix, f"{self.prefix}.events.")

    def metric(self, name, **labels):
        """Of each enricher."""
        return [enricher.metrics().sum(name, **labels) for enricher in self.enrichers]

    def keep_metrics(self):
        """Beside the logs, for whoever looks into a run that did not come to its end."""
        for enricher in self.enrichers:
            text = request("GET", enricher.admin_url("/metrics")).text()
            (self.directory / f"{enricher.label}-metrics.txt").write_text(text)

    def check(self):
        """Fails when a program has ended, or the reader has failed."""
        self.reader.check()
        for program in dict.fromkeys([self.simulator, self.receiver, *self.enrichers]):
            if not program.running:
                raise Failure(f"{program.label} ended with {program.exit_code}\n{program.log()[-3000:]}")

    # The end

    def end(self):
        """SIGTERM for the bridges, which must end with 0."""
        for program in dict.fromkeys([*self.enrichers, self.receiver]):
            program.close()

    def __exit__(self, *_):
        for part in (self.other, self.reader):
            if part is not None:
                part.close()
        for program in dict.fromkeys([*self.enrichers, self.receiver, self.simulator]):
            if program is not None and program.running:
                program.kill()
        topics = list(self.kafka.topics(f"{self.prefix}.")) if self.kafka.running else []
        if topics:
            self.kafka.delete_topics(*topics)
