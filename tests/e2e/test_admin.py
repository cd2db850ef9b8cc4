"""The admin port: what only a token may change, and what is not there."""

from harness.http_client import request

MODELS = ["residents", "units"]


def test_the_level_of_the_log(bridge, kafka):
    """Only with the token, and only to a level."""

    def put(running, level, token=None, method="PUT"):
        headers = {"Authorization": token} if token else {}
        return request(method, running.admin_url("/log/level"), level.encode(), headers).status

    bare = bridge("receive", {"bridge.models": MODELS})
    assert put(bare, "debug") == 403 and put(bare, "debug", "Bearer ") == 403
    running = bridge("receive", {"bridge.models": MODELS, "admin.token": "a token"})
    for token in (None, "Bearer", "Bearer ", "Bearer a toke", "Bearer a token ", "Basic a token", "a token"):
        assert put(running, "debug", token) == 401, token
    assert put(running, "debug", "Bearer a token", "GET") == 405
    assert put(running, "loud", "Bearer a token") == put(running, "", "Bearer a token") == 400
    assert not running.events("log_level")
    assert put(running, "debug", "Bearer a token") == 200
    running.wait_event("log_level", 5, level="debug")
    assert put(running, "error\n", "bearer a token") == 200
    running.wait_event("log_level", 5, level="error")
    assert "a token" not in running.log().replace("a token ", "")


def test_what_is_not_there(bridge, kafka):
    running = bridge("receive", {"bridge.models": MODELS})
    assert request("GET", running.admin_url("/nothing")).status == 404
    answer = request("POST", running.admin_url("/metrics"), b"")
    assert answer.status == 405 and answer.headers["allow"] == "GET"
