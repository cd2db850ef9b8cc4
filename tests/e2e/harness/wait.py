"""Waiting with a deadline. A wait that ends in vain fails the test and says what was waited for."""

import os
import time

# Slow builds (sanitizers) or machines stretch every deadline by this factor.
TIMEOUT_FACTOR = float(os.environ.get("E2E_TIMEOUT_FACTOR", "1"))
INTERVAL_SECONDS = 0.01


class Failure(AssertionError):
    """What a test fails with; its message says what to look at."""


def wait_until(condition, timeout, what, interval=INTERVAL_SECONDS):
    """Calls condition() until its result is true, and returns that. `what` is a text, or a function that makes it."""
    deadline = time.monotonic() + timeout * TIMEOUT_FACTOR
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise Failure(f"not within {timeout * TIMEOUT_FACTOR:g} s: {text}")
        time.sleep(interval)
