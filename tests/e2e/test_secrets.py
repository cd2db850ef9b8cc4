"""Who may send: sender profiles, integrations' own secrets, and secrets that change while the receiver runs."""

import base64
import hashlib
import hmac
import json
import signal
import time

from harness.wait import wait_until

MODELS = ["residents"]
FIRST, SECOND, OWN = "the first secret", "the second secret", "the secret of intg-9"
KEY = b"a key of some twenty-four bytes!"
STANDARD = "whsec_" + base64.b64encode(KEY).decode()
TOKEN = "a token that nobody guesses"


def event(integration="intg-1", record="r-1"):
    diff = {"new": {"first_name": "Mary"}, "previous": {"first_name": "Sarah"}}
    data = {"event": "DATA_UPDATE", "object": "residents", "record_id": record, "diff": diff}
    if integration:
        data["integration_id"] = integration
    return json.dumps({"trigger": "DATA_UPDATE", "data": data}).encode()


def standard(body, *, prefix="webhook", at=None, key=KEY, identity="msg_1"):
    """The three headers of Standard Webhooks, or of Svix."""
    at = str(int(time.time()) if at is None else at)
    made = hmac.new(key, b".".join([identity.encode(), at.encode(), body]), hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(made).decode()
    return [(f"{prefix}-id", identity), (f"{prefix}-timestamp", at), (f"{prefix}-signature", signature)]


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))


def test_profiles(bridge, kafka, prefix):
    config = {"bridge.models": MODELS, "receiver.senders": "propexo, standard-webhooks, token", "receiver.secret": TOKEN}
    receiver = bridge("receive", config | {"receiver.integration_secret": f"intg-9 {STANDARD}"})
    body = event()
    assert receiver.post(body, secret=TOKEN).status == 200
    assert receiver.post(body, headers=[("X-Webhook-Token", TOKEN)]).status == 200
    assert receiver.post(body, headers=standard(body)).status == 401  # the key is another integration's
    own = event("intg-9")
    for name in ("webhook", "svix"):
        assert receiver.post(own, headers=standard(own, prefix=name), path="/webhooks/intg-9").status == 200
    past = int(time.time()) - 301
    assert receiver.post(own, headers=standard(own, at=past), path="/webhooks/intg-9").status == 401
    assert receiver.post(own, headers=[("X-Webhook-Token", TOKEN)], path="/webhooks/intg-9").status == 401
    assert receiver.post(body, headers=standard(body), path="/webhooks/intg-9").status == 401  # it speaks of another
    kept = kafka.read(f"{prefix}.events.residents")
    assert sorted(message.key for message in kept) == [b"intg-1"] * 2 + [b"intg-9"] * 2
    reasons = {line["reason"] for line in receiver.events("webhook_unsigned")}
    assert reasons <= {"no_match", "timestamp", "other_integration"} and reasons
    assert receiver.metrics().sum("bridge_webhooks_total", outcome="signature") == 4


def test_rotation(bridge, kafka, prefix, tmp_path):
    """From the old secret over both to the new one, in the file and by signal; a file that is broken changes nothing."""
    general, owned = tmp_path / "general", tmp_path / "owned"
    write(general, FIRST)
    write(owned, f"intg-9 {OWN}")
    config = {"bridge.models": MODELS, "receiver.secret_file": general, "receiver.integration_secret_file": owned}
    receiver = bridge("receive", config | {"receiver.secret": ""})

    def status(secret, integration="intg-1", path="/webhooks"):
        return receiver.post(event(integration), secret=secret, path=path).status

    def reloads(outcome):
        return receiver.metrics().sum("bridge_reloads_total", outcome=outcome)

    assert (status(FIRST), status(SECOND)) == (200, 401)
    write(general, FIRST, SECOND)
    wait_until(lambda: status(SECOND) == 200, 5, "the second secret")
    assert status(FIRST) == 200
    write(general, SECOND)
    wait_until(lambda: status(FIRST) == 401, 5, "the first secret's end")
    assert status(SECOND) == 200
    # Another file in its place, as a mounted secret changes.
    other = tmp_path / "other"
    write(other, f"intg-9 {FIRST}", f"intg-9 {OWN}")
    other.rename(owned)
    path = "/webhooks/intg-9"
    wait_until(lambda: status(FIRST, "intg-9", path) == 200, 5, "the integration's second secret")
    assert status(OWN, "intg-9", path) == 200
    assert status(SECOND, "intg-9", path) == 401
    done = reloads("ok")
    for content in ("", "short\n", "\0\0\0\0\0\0\0\0\0\0\0\0\n"):
        failed = reloads("failed")
        general.write_text(content)
        wait_until(lambda failed=failed: reloads("failed") == failed + 1, 5, "a refusal")
        assert status(SECOND) == 200
    general.unlink()
    receiver.signal(signal.SIGHUP)
    wait_until(lambda: reloads("failed") >= 4, 5, "a refusal")
    assert status(SECOND) == 200 and reloads("ok") == done
    write(general, FIRST)
    receiver.signal(signal.SIGHUP)
    wait_until(lambda: status(FIRST) == 200, 5, "the first secret again")
    assert status(SECOND) == 401
    said = receiver.log_path.read_text()
    assert not any(secret in said for secret in (FIRST, SECOND, OWN))
    assert receiver.running


def test_hangup_ends_nothing(bridge, kafka, simulator):
    """Neither an enricher, which has nothing to read again, nor an end that is under way."""
    enricher = bridge("enrich", {"bridge.models": MODELS}, simulator=simulator(records=10, models=MODELS))
    enricher.wait_event("assigned", 30)
    enricher.signal(signal.SIGHUP)
    enricher.wait_event("reloaded", 5)
    enricher.terminate()
    for _ in range(20):
        if enricher.running:
            enricher.signal(signal.SIGHUP)
        time.sleep(0.01)
    assert enricher.wait() == 0
