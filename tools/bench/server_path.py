"""Pushes a second through the full durable path, against a gRPC echo that does nothing.

Both servers run in a process of their own, with uvloop and the same options, and answer the same requests, one after
the other, from the same load generator in further processes: batches of 32 events, 64 in flight, unary. The echo
parses each request and answers it with a constant; the server authenticates, validates, merges, encrypts and commits
it to disk.

The machine's own pace changes from minute to minute, so rounds are short and alternate, and the ratio is the median of
those of a round of the server to the round of the echo before it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import grpc.aio
import uvloop

from inkling.sync.v1 import sync_pb2, sync_service_pb2_grpc
from inkling.topics import sendable
from inkling_server.auth import Identity, Kind, MemoryAuthenticator
from inkling_server.days import SECONDS_A_DAY, day_number, utc_now
from inkling_server.policy_book import PolicyBook
from inkling_server.rate_limit import RateLimit
from inkling_server.services.profiles import ProfileService
from inkling_server.services.serving import GrpcServer
from inkling_server.services.sync import Load, SyncService
from inkling_server.stores import open_store

TARGET = 0.4
PAIRINGS = 512
"""Accounts that the load is spread over, each with one pairing."""
IN_FLIGHT = 64
EVENTS = 32
TOPICS = 100
"""Topics that a wearer shows an interest in."""
GENERATORS = 2
"""Processes that make the load; each has its share of the pairings and of what is in flight."""

_PUSH = "/inkling.sync.v1.SyncService/Push"


class Echo(sync_service_pb2_grpc.SyncServiceServicer):
    """Answers at once."""

    async def Push(self, request: sync_pb2.PushRequest, context: object) -> sync_pb2.PushResponse:  # noqa: N802
        return sync_pb2.PushResponse(last_sequence=request.sequence, accepted_count=EVENTS)

    PushStream = GetPolicy = Push  # type: ignore[assignment]  # never called


@contextlib.asynccontextmanager
async def echo(directory: Path) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    sync_service_pb2_grpc.add_SyncServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@contextlib.asynccontextmanager
async def inkling(directory: Path) -> AsyncIterator[int]:
    identities = {
        f"token-{number}": Identity(Kind.DEVICE, f"account-{number}", f"pairing-{number}", "US", 1990)
        for number in range(PAIRINGS)
    }
    authenticator = MemoryAuthenticator(identities)
    policy = PolicyBook.open(directory, utc_now())
    async with open_store(f"sqlite://{directory / 'profiles.db'}") as store:
        sync = SyncService(
            store=store,
            authenticator=authenticator,
            policy=policy,
            rate_limit=RateLimit(1e6, 1_000_000),
            load=Load(busy=1 << 20, maximum=1 << 20),
        )
        profiles = ProfileService(store=store, authenticator=authenticator, policy=policy, provider_name="bench")
        server = GrpcServer("127.0.0.1:0", sync, profiles)
        async with server.serving():
            yield server.port


def serve(which: Any, directory: Path, pipe: Connection) -> None:
    """A server process: tells its port, and after the end of each round the seconds of CPU that it has used."""

    async def run() -> None:
        async with which(directory) as port:
            pipe.send(port)
            while await asyncio.to_thread(pipe.recv):
                pipe.send(time.process_time())

    uvloop.run(run())


def events(random_: random.Random, topics: list[int]) -> bytes:
    """The events of one batch: mostly voice, over the last three days."""
    request = sync_pb2.PushRequest()
    request.events.first_day_time.seconds = (day_number(utc_now()) - 2) * SECONDS_A_DAY
    for _ in range(EVENTS):
        request.events.topics.append(random_.choice(topics))
        request.events.day_offsets.append(random_.randrange(3))
        request.events.sources.append(random_.choice((1, 1, 1, 3)))  # type: ignore[arg-type]  # an enum's number
        request.events.percentages.append(random_.randrange(50, 100))
    return request.SerializeToString()


def generate(port: int, pairings: range, pipe: Connection) -> None:
    """A load generator: for each round it is told the seconds, and tells how many pushes a second it got through."""

    async def run() -> None:
        random_ = random.Random(pairings.start)
        vocabulary = sorted(sendable())
        batches = {number: events(random_, random_.sample(vocabulary, TOPICS)) for number in pairings}
        sequences = dict.fromkeys(pairings, 0)
        waiting = list(pairings)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            push: grpc.aio.UnaryUnaryMultiCallable[bytes, sync_pb2.PushResponse] = channel.unary_unary(
                _PUSH, None, sync_pb2.PushResponse.FromString
            )

            async def worker(end: float) -> int:
                done = 0
                while time.monotonic() < end:
                    number = waiting.pop(0)
                    sequences[number] += 1
                    # Fields may come in any order: the number is set without building the batch anew.
                    request = sync_pb2.PushRequest(sequence=sequences[number]).SerializeToString() + batches[number]
                    answer = await push(request, metadata=(("authorization", f"Bearer token-{number}"),))
                    assert answer.accepted_count == EVENTS, answer
                    waiting.append(number)
                    done += 1
                return done

            while seconds := await asyncio.to_thread(pipe.recv):
                started = time.monotonic()
                done = await asyncio.gather(*(worker(started + seconds) for _ in range(IN_FLIGHT // GENERATORS)))
                pipe.send(sum(done) / (time.monotonic() - started))

    uvloop.run(run())


class Server:
    """A server process, and the load generators that belong to it: at rest but for its rounds."""

    def __init__(self, which: Any, directory: Path) -> None:
        self._processes: list[BaseProcess] = []
        self._server = self._started(serve, which, directory)
        port = self._server.recv()
        share = PAIRINGS // GENERATORS
        self._generators = [
            self._started(generate, port, range(number * share, (number + 1) * share)) for number in range(GENERATORS)
        ]

    def round(self, seconds: float) -> Round:
        """Loads the server for a while."""
        before = self._cpu()
        for generator in self._generators:
            generator.send(seconds)
        rate = sum(generator.recv() for generator in self._generators)
        return Round(rate, (self._cpu() - before) / (rate * seconds) * 1e6)

    def close(self) -> None:
        for pipe in (*self._generators, self._server):
            pipe.send(0)
        for process in self._processes:
            process.join()

    def _started(self, target: Callable[..., None], *arguments: object) -> Connection:
        """The pipe to a new process."""
        context = multiprocessing.get_context("spawn")
        pipe, end = context.Pipe()
        process = context.Process(target=target, args=(*arguments, end), daemon=True)
        process.start()
        self._processes.append(process)
        return pipe

    def _cpu(self) -> float:
        self._server.send(True)
        return float(self._server.recv())


class Round(NamedTuple):
    """What a server did in a round."""

    rate: float
    """Pushes a second."""
    cpu: float
    """Microseconds of the server's CPU for each."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short run that reports and never fails")
    quick = parser.parse_args().quick
    rounds, seconds = (7, 0.5) if quick else (20, 1.0)
    with tempfile.TemporaryDirectory() as directory:
        servers = {"echo": Server(echo, Path(directory)), "inkling": Server(inkling, Path(directory))}
        results: dict[str, list[Round]] = {name: [] for name in servers}
        for server in servers.values():  # warm caches, and let the profiles grow to their usual size
            server.round(seconds * 3)
        for _ in range(rounds):
            for name, server in servers.items():
                results[name].append(server.round(seconds))
        for server in servers.values():
            server.close()
    for name, found in results.items():
        rate, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:>8}: {rate:7.0f} pushes/s, {cpu:5.0f} us of server CPU each")
    pairs = zip(results["inkling"], results["echo"], strict=True)
    ratio = statistics.median(path.rate / floor.rate for path, floor in pairs)
    print(f"server path: {ratio:.2f} of an echo that does nothing (at least {TARGET})")
    return 0 if quick or ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
