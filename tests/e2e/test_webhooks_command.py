"""`propexo-bridge webhooks`: what Propexo holds for us becomes what the configuration asks for."""

import json

import pytest

from harness.wait import wait_until

URL = "https://bridge.test/webhooks"
MODELS = ["residents", "units", "resident_pets"]
ACCOUNT = {"SYNC_COMPLETE", "FIRST_SYNC_COMPLETE", "JOB_SUCCESS", "JOB_FAILURE", "WRITE_OPERATION_FAILURE"}
HUSH = "hush-hush-hush"


@pytest.fixture
def propexo(simulator):
    return simulator(models="units", records=1, limit_per_minute=0)


@pytest.fixture
def run(bridge, propexo):
    """run("plan", code=1) runs the command to its end; what it printed: output and log. Neither tells a secret."""

    def to_its_end(word, *arguments, code=0, url=URL, timeout=60, **config):
        program = start(word, *arguments, code=code, url=url, **config)
        return finish(program, code, timeout)

    def start(word, *arguments, code=0, url=URL, **config):
        settings = {"bridge.models": MODELS, "kafka.bootstrap.servers": "embedded"} | config
        given = (*([word] if word else []), *([] if url is None else ["--url", url]), *arguments)
        return bridge("webhooks", settings, simulator=propexo, arguments=given, start=False, exit_code=code).start()

    def finish(program, code, timeout=60):
        assert program.wait(timeout) == code, program.output() + program.log()
        printed = program.output() + program.log()
        told = {program.config.get("receiver.secret"), propexo.secret, program.config["api.token"], HUSH} - {None, ""}
        assert [secret for secret in told if secret in printed] == []
        return program.output(), program.log()

    to_its_end.start, to_its_end.finish = start, finish
    return to_its_end


def subscribe(propexo, **members):
    """Asks for a webhook as another program would; its id."""
    wanted = {"url": URL, "triggers": ["DATA_NEW", "DATA_UPDATE"], "active": True, "secret": HUSH} | members
    answer = propexo.call("POST", "/v1/webhooks/", wanted)
    assert answer.status == 200, answer.text()
    return answer.json()["result"]["id"]


def change(propexo, webhook, **members):
    kept = {name: webhook[name] for name in ("url", "triggers", "model", "headers", "secret", "active")}
    assert propexo.call("PUT", f"/v1/webhooks/{webhook['id']}", kept | members).status == 200


def by_model(propexo):
    found = {webhook["model"]: webhook for webhook in propexo.webhooks()}
    assert len(found) == len(propexo.webhooks())
    return found


def assert_complete(propexo, models, secret=None):
    found = by_model(propexo)
    assert found.keys() == {*models, None}
    for model, webhook in found.items():
        assert webhook["url"] == URL and webhook["active"] is True
        assert webhook["secret"] == (secret or propexo.secret)
        assert set(webhook["triggers"]) == ({"DATA_NEW", "DATA_UPDATE"} if model else ACCOUNT)
    return found


def test_plan_shows_and_changes_nothing(run, propexo):
    output, _ = run("plan", code=1)
    assert [line.split()[:2] for line in output.splitlines()[:4]] == [
        ["create", "residents"], ["create", "units"], ["create", "resident_pets"], ["create", "(account)"],
    ]
    assert "4 to create, 0 to update, 0 to remove, 0 as they should be; 0 of others" in output
    assert propexo.webhooks() == []


def test_apply_makes_all_and_a_second_time_nothing(run, propexo, bridge):
    output, _ = run("apply")
    assert output.splitlines()[-1] == "4 created, 0 updated, 0 removed"
    found = assert_complete(propexo, MODELS)
    run("plan")
    output, _ = run("apply")
    assert output.splitlines()[-1] == "0 created, 0 updated, 0 removed"
    assert by_model(propexo) == found
    receiver = bridge("receive", {"bridge.models": MODELS, "kafka.bootstrap.servers": "embedded"}, simulator=propexo)
    event = {"event": "DATA_UPDATE", "integration_id": "i", "object": "units", "record_id": "u", "diff": {"new": {}}}
    assert receiver.post(event, secret=found["units"]["secret"]).status == 200
    assert receiver.post(event, secret="another-secret").status == 401


def test_a_slash_at_the_end_makes_no_difference(run, propexo):
    run("apply", url=URL + "/")
    assert_complete(propexo, MODELS)
    run("plan")


def test_webhooks_of_others_are_not_touched(run, propexo):
    others = [f"https://elsewhere.test/{i}?token={HUSH}" for i in range(260)]  # more than a page
    others += [f"{URL}/integration-1", f"{URL}s", f"http://user:{HUSH}@bridge.test/webhooks"]
    for url in others:
        subscribe(propexo, url=url, model="units", active=False, headers=[{"header": "x-token", "value": HUSH}])
    before = propexo.webhooks()
    output, _ = run("apply")
    assert "263 of others are not touched" in output
    assert propexo.webhooks()[: len(before)] == before
    assert len(propexo.webhooks()) == len(before) + 4
    output, _ = run("apply", "--json")
    assert json.loads(output)["applied"] == {"create": 0, "update": 0, "remove": 0}
    output, _ = run("list")
    assert "4 ours, 263 of others" in output
    listed = json.loads(run("list", "--json")[0])["webhooks"]
    assert sum(webhook["ours"] for webhook in listed) == 4
    assert {webhook["url"] for webhook in listed if webhook["ours"]} == {URL}
    assert "https://elsewhere.test/7?..." in {webhook["url"] for webhook in listed}


def test_changed_ones_are_mended_and_keep_their_headers(run, propexo):
    run("apply")
    found = by_model(propexo)
    headers = [{"header": "x-token", "value": HUSH}]
    change(propexo, found["units"], active=False, headers=headers)
    change(propexo, found["resident_pets"], triggers=["DATA_NEW"])
    change(propexo, found[None], url=URL + "/", triggers=["SYNC_COMPLETE"])
    output, _ = run("plan", "--json", code=1)
    told = {webhook["model"]: webhook.get("fields") for webhook in json.loads(output)["webhooks"]}
    assert told == {"residents": None, "units": ["active"], "resident_pets": ["triggers"], None: ["url", "triggers"]}
    output, _ = run("apply")
    assert output.splitlines()[-1] == "0 created, 3 updated, 0 removed"
    assert {model: webhook["id"] for model, webhook in assert_complete(propexo, MODELS).items()} == {
        model: webhook["id"] for model, webhook in found.items()
    }
    assert by_model(propexo)["units"]["headers"] == headers


def test_models_no_longer_configured_and_duplicates_are_removed(run, propexo):
    run("apply")
    twice = subscribe(propexo, model="units", secret=propexo.secret)
    output, _ = run("plan", code=1, **{"bridge.models": ["units"]})
    assert "not in bridge.models" in output and "there is another one" in output
    output, _ = run("apply", **{"bridge.models": ["units"]})
    assert output.splitlines()[-1] == "0 created, 0 updated, 3 removed"
    found = assert_complete(propexo, ["units"])
    assert found["units"]["id"] <= twice  # of equal ones the lowest id stays


def test_a_new_secret_is_set_on_demand(run, propexo):
    run("apply")
    new = {"receiver.secret": "another-secret-0"}
    output, _ = run("plan", **new)
    assert "The API does not show secrets" in output and "--rotate" in output
    assert "secret" in run("plan", "--rotate", code=1, **new)[0]
    output, _ = run("apply", "--rotate", **new)
    assert output.splitlines()[-1] == "0 created, 4 updated, 0 removed"
    assert_complete(propexo, MODELS, secret="another-secret-0")


def test_unsigned_webhooks_need_no_secret(run, propexo):
    run("apply", **{"receiver.secret": "", "receiver.allow_unsigned": True})
    assert {webhook["secret"] for webhook in propexo.webhooks()} == {None}


def test_an_outage_in_the_middle_and_then_again(run, propexo):
    everything = {"bridge.models": "*"}
    propexo.set_faults("slow:100%:30")
    program = run.start("apply", code=69, **everything)
    wait_until(lambda: len(propexo.webhooks()) >= 5, 20, "the first webhooks")
    propexo.set_faults("503:100%")
    output, log = run.finish(program, 69)
    made = len(propexo.webhooks())
    assert 5 <= made < 113
    assert f"{made} of 113 changes are known to be made, running it again goes on: cannot create the webhook for " in log
    assert "status 503" in log
    assert output.splitlines()[-1] == f"{made} created, 0 updated, 0 removed"
    propexo.set_faults("")
    output, _ = run("apply", **everything)
    assert output.splitlines()[-1] == f"{113 - made} created, 0 updated, 0 removed"
    assert len(by_model(propexo)) == 113
    run("plan", **everything)


def test_answers_that_are_lost_leave_no_duplicates(run, propexo):
    """A POST without an answer was perhaps done: it is tried again, and what stands there twice is removed."""
    models = ["residents", "units", "resident_pets", "leases", "leads", "events", "listings"]
    propexo.set_faults("reset:25%,truncate:15%")
    for _ in range(5):
        program = run.start("apply", **{"bridge.models": models})
        program.wait(90)
        if program.exit_code == 0:
            break
        assert program.exit_code in (69, 75), program.log()
    assert program.exit_code == 0
    assert propexo.stats()["requests_webhooks"] > len(models) + 3  # some were asked again
    propexo.set_faults("")
    assert_complete(propexo, models)
    run("plan", **{"bridge.models": models})


def test_a_limit_is_waited_out(run, propexo):
    propexo.set_faults("429:100%")
    program = run.start("apply")
    wait_until(lambda: propexo.stats()["status_429"] >= 2, 20, "two refusals")
    propexo.set_faults("")
    run.finish(program, 0)
    assert_complete(propexo, MODELS)


def test_wrong_token_and_no_service(run, propexo):
    _, log = run("plan", code=78, **{"api.token": "another-token"})
    assert "the list of webhooks: status 401" in log
    run("plan", code=69, **{"api.base_url": "http://127.0.0.1:9"})
    assert propexo.webhooks() == []


def test_what_the_api_refuses_is_told_in_its_words(run, propexo):
    propexo.set_faults("403:100%")
    _, log = run("apply", code=78)
    assert log == "propexo-bridge: the list of webhooks: status 403, this failure is simulated\n"


@pytest.mark.parametrize(
    ("word", "arguments", "url", "sentence"),
    [
        (None, (), URL, "one of these must follow: plan apply list"),
        ("plan", (), None, "--url URL must be given"),
        ("plan", (), "", "is not understood"),
        ("plan", ("--url", URL), URL, "is not understood"),
        ("plan", ("--url",), None, "is not understood"),
        ("plan", ("--follow",), URL, "--follow is not understood"),
        ("remove", (), URL, "remove is not understood"),
        ("list", ("--rotate",), URL, "list takes no --rotate"),
    ],
)
def test_wrong_arguments(run, word, arguments, url, sentence):
    assert sentence in run(word, *arguments, url=url, code=64)[1]


@pytest.mark.parametrize(
    ("url", "config", "sentence"),
    [
        ("ftp://bridge.test/webhooks", {}, "--url must be"),
        ("bridge.test/webhooks", {}, "--url must be"),
        ("https://", {}, "--url must be"),
        ("https:///webhooks", {}, "--url must be"),
        ("https://bridge.test/web hooks", {}, "--url must be"),
        (URL, {"receiver.secret": ""}, "a webhook needs a secret"),
        (URL, {"receiver.secret": "äöüäöü"}, "at least 10 characters"),
        (URL, {"receiver.secret": "xyzzy"}, "10"),
        (URL, {"bridge.models": "dragons"}, "dragons"),
    ],
)
def test_what_cannot_be_asked_for(run, propexo, url, config, sentence):
    assert sentence in run("apply", url=url, code=78, **config)[1]
    assert propexo.webhooks() == []
