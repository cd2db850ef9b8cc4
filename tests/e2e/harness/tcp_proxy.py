"""TCP in the middle: what goes through it can be cut off, held still, slowed down or let through drop by drop.

    with TcpProxy() as proxy:
        port = proxy.add(target_port)   # a listener that forwards to 127.0.0.1:target_port; as many as needed
        proxy.cut()                     # open connections are reset, new ones are refused
        proxy.stall()                   # connections stay open and new ones are taken, but nothing goes through
        proxy.delay(200)                # each piece arrives so many milliseconds later, in both directions
    proxy.drip(1000)                # so many bytes a second go through each connection, in each direction
        proxy.heal()                    # everything passes again, at once

Each of these holds for all listeners of the proxy, from its return on. A broker of Kafka tells its clients its own
address: give it a door for the proxy (`Kafka(..., doors=1)`), and the proxy `add_door(kafka.doors[0])`.
"""

import asyncio
import contextlib
import socket
import struct
import threading

from harness.ports import reserve_port

PIECE = 65536
PIECES_UNDER_WAY = 64
CALL_SECONDS = 30
DROPS_A_SECOND = 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class TcpProxy:
    def __init__(self):
        self.connections = 0  # that were taken so far
        self._targets = {}  # port: (host, port)
        self._servers = {}  # port: asyncio's server; empty while cut
        self._open = set()  # writers, of both sides
        self._delay = 0.0
        self._drop = 0  # bytes that go at once while it drips; 0 = it does not
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="tcp-proxy")
        self._thread.start()

    # From any thread

    def add(self, port, host="127.0.0.1", listen=None):
        """Forwards to a port from now on; returns the port on 127.0.0.1 to use instead."""
        listen = listen or reserve_port()
        self._call(self._add(listen, (host, port)))
        return listen

    def add_door(self, door):
        """The same for a broker's door (`kafka.Door`)."""
        return self.add(door.inner, listen=door.outer)

    def cut(self):
        self._call(self._cut())

    def stall(self):
        self._call(self._stall())

    def delay(self, milliseconds):
        self._call(self._set_delay(milliseconds / 1000))

    def drip(self, bytes_a_second):
        self._call(self._set_drop(max(1, bytes_a_second // DROPS_A_SECOND)))

    def heal(self):
        self._call(self._heal())

    def close(self):
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_SECONDS)

    # On the loop's thread

    async def _add(self, port, target):
        self._targets[port] = target
        await self._listen(port)

    async def _listen(self, port):
        async def serve(reader, writer):
            await self._serve(port, reader, writer)

        self._servers[port] = await asyncio.start_server(serve, "127.0.0.1", port)

    async def _cut(self):
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        for writer in tuple(self._open):
            reset(writer)

    async def _stall(self):
        self._flowing.clear()

    async def _set_delay(self, seconds):
        self._delay = seconds

    async def _set_drop(self, size):
        self._drop = size

    async def _heal(self):
        self._delay = 0.0
        self._drop = 0
        self._flowing.set()
        for port in self._targets.keys() - self._servers.keys():
            await self._listen(port)

    async def _end(self):
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, port, reader, writer):
        self.connections += 1
        back_writer = None
        try:
            self._enter(port, writer)
            back_reader, back_writer = await asyncio.open_connection(*self._targets[port])
            self._enter(port, back_writer)
            await asyncio.gather(
                self._copy(reader, back_writer, writer, is_answer=False),
                self._copy(back_reader, writer, writer, is_answer=True),
            )
        except OSError:
            reset(writer)
            if back_writer:
                reset(back_writer)
        finally:
            for one in filter(None, (writer, back_writer)):
                self._open.discard(one)
                one.close()

    def _enter(self, port, writer):
        """One that was on its way while everything was cut is cut as well."""
        if port not in self._servers:
            raise ConnectionResetError
        self._open.add(writer)

    async def _copy(self, reader, writer, client, is_answer):
        """One direction. What is read waits in a queue until it is due, so that a delay does not narrow the way."""
        queue = asyncio.Queue(PIECES_UNDER_WAY)
        await asyncio.gather(self._read(reader, queue), self._write(queue, writer, client, is_answer))

    async def _read(self, reader, queue):
        data = True
        while data:
            data = await reader.read(PIECE)
            await queue.put((self._loop.time() + self._delay, data))

    async def _write(self, queue, writer, client, is_answer):
        data = True
        while data:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - self._loop.time()))
            await self._may_pass(data, client, is_answer)
            await self._pass(data, writer)
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _may_pass(self, data, client, is_answer):
        """Returns when the data may go on. `client` stands for its connection; a proxy that knows the protocol may look at it."""
        await self._flowing.wait()

    async def _pass(self, data, writer):
        while self._drop and len(data) > self._drop:
            writer.write(data[: self._drop])
            data = data[self._drop :]
            await asyncio.sleep(1 / DROPS_A_SECOND)
        if data:
            writer.write(data)
            await writer.drain()


def reset(writer):
    """Ends a connection as a broken network does: what is under way is lost, and the peer sees a reset."""
    peer = writer.get_extra_info("socket")
    if peer is not None and not writer.is_closing():
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
