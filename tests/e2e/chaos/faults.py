"""The faults: which, to whom, when and for how long, as the seed says."""

import contextlib
import itertools
import random
import threading
import time
from collections import Counter

from chaos.kafka_proxy import ANSWERS, FETCHER, MEMBER, PRODUCER, REQUESTS
from chaos.world import PARTITIONS, SESSION_MS, SPOOL_AFTER_MS, rest_until

AT_ONCE = 3
SHARE_SECONDS = 15
TRANSACTION_SECONDS = 15  # KAFKA_TRANSACTION_TIMEOUT_MS in bridge/kafka/settings.h
NEWER = 100  # snapshots that show that an enricher is at work
API_FAULTS = (
    "500:60%", "503:100%", "502:30%", "429:40%", "reset:40%", "slow:50%:2000", "slow:70%:700", "truncate:40%",
    "timeout:30%:5000", "500:20%,429:20%,reset:10%,slow:20%:1500,truncate:10%",
)  # fmt: skip


class Faults:
    """Runs faults until stop(); each heals itself. `counts` says how many of each kind there were."""

    def __init__(self, world, seed):
        self.world = world
        self.random = random.Random(seed)
        self.counts = Counter()
        self.problems = []
        self._brokers = threading.Lock()
        self._api = threading.Lock()
        self._threads = []
        self._free = threading.Semaphore(AT_ONCE)
        self._long = [self.overtake, self.rejoin]  # they need much of what runs, and do not count among those at once
        self._kinds = {
            self.kill_receiver: 4,
            self.kill_enricher: 5,
            self.stop_receiver: 2,
            self.stop_enricher: 5,
            self.cut_and_kill_receiver: 4,
            self.cut: 5,
            self.stall: 3,
            self.delay: 3,
            self.kill_broker: 3,
            self.stop_broker: 3,
            self.kafka_away: 1,
            self.api: 6,
            self.drip: 3,
            self.api_cut: 2,
            self.order: 4,
            self.large_record: 2,
            self.overtake: 1,
            self.rejoin: 1,
        }
        # Every other one is of a kind that there was none of yet; early those that last.
        self._first = self.random.sample([kind for kind in self._kinds if kind not in self._long], len(self._kinds) - 2)
        for place, kind in zip((0, 2), self.random.sample(self._long, 2)):
            self._first.insert(place, kind)

    def run(self, until):
        """Begins faults until that moment, and returns when all have healed."""
        kinds = list(self._kinds)
        weights = list(self._kinds.values())
        for draw in itertools.count():
            if time.monotonic() >= until:
                break
            first = draw % 2 == 0 and self._first
            kind = self._first.pop(0) if first else self.random.choices(kinds, weights)[0]
            # What a fault needs of chance is drawn here, in one thread: the order of the draws is the seed's.
            chance = random.Random(self.random.random())
            counts = kind not in self._long
            if counts:
                self._free.acquire()
            thread = threading.Thread(target=self._one, args=(kind, chance, until, counts), daemon=True)
            self._threads.append(thread)
            thread.start()
            rest_until(until, self.random.uniform(0.1, 2.5))
        for thread in self._threads:
            thread.join()

    def _one(self, kind, chance, until, counts):
        try:
            if kind(chance, until):
                self.counts[kind.__name__] += 1
            elif not self.counts[kind.__name__] and kind not in self._first:
                self._first.append(kind)
        except Exception as problem:  # noqa: BLE001  a fault that fails is the harness's fault, and told
            self.problems.append(f"{kind.__name__}: {problem!r}")
        finally:
            if counts:
                self._free.release()

    @contextlib.contextmanager
    def _alone(self, lock):
        """True for the one that has it; the others go without, so that they do not keep a place from other faults."""
        mine = lock.acquire(blocking=False)
        try:
            yield mine
        finally:
            if mine:
                lock.release()

    # Processes of the bridge

    def _hurt(self, members, chance, hurt):
        """Does it to one of them that has no other fault now; False when all have."""
        for member in chance.sample(members, len(members)):
            if member.lock.acquire(blocking=False):
                try:
                    hurt(member)
                finally:
                    member.lock.release()
                return True
        return False

    def _kill(self, members, chance, until):
        def hurt(member):
            member.kill()
            rest_until(until, chance.uniform(0.1, 4))
            member.revive()

        return self._hurt(members, chance, hurt)

    def kill_receiver(self, chance, until):
        return self._kill(self.world.receivers, chance, until)

    def kill_enricher(self, chance, until):
        return self._kill(self.world.enrichers, chance, until)

    def stop_receiver(self, chance, until):
        def hurt(member):
            member.program.freeze()
            rest_until(until, chance.uniform(0.5, 6))
            member.program.thaw()

        return self._hurt(self.world.receivers, chance, hurt)

    def stop_enricher(self, chance, until):
        """Mostly for longer than its session: another one takes over. What was on its way to Kafka arrives at once, or when it
        goes on."""
        seconds = chance.choice([chance.uniform(0.5, 4), SESSION_MS / 1000 + chance.uniform(1, 8)])
        late = chance.choice([False, True])

        def hurt(member):
            if late:
                member.kafka.stall()
            member.program.freeze()
            rest_until(until, seconds)
            member.kafka.heal()
            member.program.thaw()

        return self._hurt(self.world.enrichers, chance, hurt)

    def cut_and_kill_receiver(self, chance, until):
        """What it had not yet been told to be kept must not have been answered 200."""

        def hurt(member):
            member.kafka.cut()
            rest_until(until, chance.uniform(0.2, 4 * SPOOL_AFTER_MS / 1000))
            member.kill()
            member.kafka.heal()
            rest_until(until, chance.uniform(0.1, 2))
            member.revive()

        return self._hurt(self.world.receivers, chance, hurt)

    def _ways(self, member, chance):
        """Of one process: all its ways to Kafka, or that to one broker."""
        return chance.choice([member.kafka, *member.kafka.proxies])

    def cut(self, chance, until):
        def hurt(member):
            ways = self._ways(member, chance)
            ways.cut()
            rest_until(until, chance.uniform(0.5, 9))
            ways.heal()

        return self._hurt(self.world.members, chance, hurt)

    def stall(self, chance, until):
        def hurt(member):
            ways = self._ways(member, chance)
            ways.stall()
            rest_until(until, chance.uniform(0.5, 12))
            ways.heal()

        return self._hurt(self.world.members, chance, hurt)

    def delay(self, chance, until):
        def hurt(member):
            member.kafka.delay(chance.uniform(20, 400))
            rest_until(until, chance.uniform(3, 10))
            member.kafka.heal()

        return self._hurt(self.world.members, chance, hurt)

    # Brokers

    def kill_broker(self, chance, until):
        with self._alone(self._brokers) as mine:
            if not mine:
                return False
            node = chance.choice(self.world.cluster.nodes)
            node.kill()
            rest_until(until, chance.uniform(0.5, 8))
            node.start(wait=False)
            node.wait_ready()
        return True

    def stop_broker(self, chance, until):
        with self._alone(self._brokers) as mine:
            if not mine:
                return False
            node = chance.choice(self.world.cluster.nodes)
            node.freeze()
            rest_until(until, chance.uniform(1, 10))
            node.thaw()
        return True

    def kafka_away(self, chance, until):
        with self._alone(self._brokers) as mine:
            if not mine:
                return False
            nodes = chance.sample(self.world.cluster.nodes, chance.choice([2, 3]))
            for node in nodes:
                node.freeze()
            rest_until(until, chance.uniform(3, 10))
            for node in nodes:
                node.thaw()
        return True

    # The API, and what is asked of the bridge

    def api(self, chance, until):
        with self._alone(self._api) as mine:
            if not mine:
                return False
            self.world.simulator.set_faults(chance.choice(API_FAULTS))
            rest_until(until, chance.uniform(2, 9))
            self.world.simulator.set_faults("")
        return True

    def drip(self, chance, until):
        """The API's answers come drop by drop: a page of 250 records takes longer than its request may."""

        def hurt(member):
            member.api.drip(int(1000 * 10 ** chance.uniform(0, 2)))
            rest_until(until, chance.uniform(3, 9))
            member.api.heal()

        return self._hurt(self.world.enrichers, chance, hurt)

    def api_cut(self, chance, until):
        """Within answers too, and nobody is there for a while."""

        def hurt(member):
            member.api.cut()
            rest_until(until, chance.uniform(0.1, 5))
            member.api.heal()

        return self._hurt(self.world.enrichers, chance, hurt)

    def order(self, chance, until):
        """A first sync, which orders backfills, or a sync, which is a barrier."""
        kind = chance.choice(["FIRST_SYNC_COMPLETE", "SYNC_COMPLETE"])
        self.world.load.sync(kind, chance.choice(self.world.load.busy))
        return True

    def large_record(self, chance, until):
        self.world.load.make_large()
        rest_until(until, chance.uniform(4, 8))
        self.world.load.make_small()
        return True

    # Two enrichers: one has work in hand that is the other one's by now

    @contextlib.contextmanager
    def _share(self, chance):
        """One enricher and the other one, each with partitions; None when that does not come. Nothing else happens to them."""
        with self._brokers, self._api, contextlib.ExitStack() as locks:
            for enricher in self.world.enrichers:
                locks.enter_context(enricher.lock)
            pair = chance.sample(self.world.enrichers, 2)
            shared = watch(lambda: sum(owned(pair)) == PARTITIONS and all(owned(pair)), time.monotonic() + SHARE_SECONDS)
            yield pair if shared else None

    def _order_backfills(self):
        for integration in self.world.load.busy:
            self.world.load.sync("FIRST_SYNC_COMPLETE", integration)

    def overtake(self, chance, until):
        """An enricher is of the group no more, and does not know: the answer to a heartbeat comes late, so that its session
        ends later for itself than for the group. Another one reads those pages of its backfills that it has read but not
        brought to Kafka; then it does that. Of events it hears nothing meanwhile: such pages are all that it has in hand.
        """
        with self._share(chance) as pair:
            session = SESSION_MS / 1000
            if pair is None or until - time.monotonic() < 2 * session:
                return False
            member, other = pair
            member.api.drip(int(chance.uniform(52_000, 64_000)))
            self._order_backfills()
            time.sleep(0.2)
            gate = member.kafka.gate
            gate.hold(FETCHER, ANSWERS)
            time.sleep(1)
            begun = time.monotonic()
            gate.hold(MEMBER, ANSWERS)
            time.sleep(2.5)
            # What it heard of before is done by now, and is committed before more pages come.
            member.api.stall()
            rest_until(begun + session - 1, session)
            gate.hold(MEMBER, REQUESTS)
            gate.release(MEMBER, ANSWERS)
            gate.hold_transactions()
            time.sleep(0.2)
            member.api.heal()
            # For itself its session lasts until here.
            end = begun + 2 * session - 1
            watch(lambda: other.partitions == PARTITIONS, end - 1)
            before = other.snapshots
            watch(lambda: other.snapshots > before + NEWER, end - 1)
            rest_until(end - 1, chance.uniform(0, 0.5))
            gate.release(PRODUCER, REQUESTS)
            rest_until(end, session)
            member.kafka.heal()
        return True

    def rejoin(self, chance, until):
        """An enricher has work in hand that Kafka does not get while partitions go over to another one, which it learns of;
        and is in the group again when it can go on."""
        with self._share(chance) as pair:
            session = SESSION_MS / 1000
            if pair is None or until - time.monotonic() < 3 * session:
                return False
            member, other = pair
            other.kill()
            watch(lambda: member.partitions == PARTITIONS, time.monotonic() + 2 * session)
            self._order_backfills()
            time.sleep(chance.uniform(0.3, 1))
            member.kafka.gate.hold_transactions()
            watch(lambda: member.kafka.gate.met, time.monotonic() + session)
            # What is held is one transaction; before it ends by itself it is to go on.
            end = time.monotonic() + TRANSACTION_SECONDS - 3
            other.revive()
            watch(lambda: other.snapshots > NEWER, end)
            rest_until(end, chance.uniform(2, 3))
            member.kafka.heal()
        return True


def owned(members):
    return [member.partitions for member in members]


def watch(condition, deadline):
    """Waits for it, but not beyond the deadline. False when it has not come."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
