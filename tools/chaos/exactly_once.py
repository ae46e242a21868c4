"""Kills agent and server with SIGKILL at random moments; afterwards the profile must be that of a run without kills.

    python tools/chaos/exactly_once.py [--kills N] [--events N] [--seed N]

Two accounts get the same events: one in peace, one under fire. Prints how many kills met what, and exits 1 if the two
profiles differ in any topic, count, source, day or score, or if the agent set anything aside.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from inkling.profiles.v1 import profiles_pb2, profiles_service_pb2_grpc
from inkling_device.clock import SystemClock
from inkling_device.credentials import CredentialStore
from inkling_device.database import ReadOnlyDatabase
from inkling_device.ledger import Ledger
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.pairing import pair
from inkling_device.transport import Transport
from inkling_emulator.server import ServerProcess, server_process
from inkling_emulator.wearer import Login, Wearer

FEEDER = Path(__file__).with_name("feeder.py")


class Glasses:
    """The device's half: one state directory, and the feeder that works on it."""

    def __init__(self, directory: Path, server: ServerProcess, count: int, day: dt.date) -> None:
        self.directory = directory
        self._server = server
        self._count = count
        self._day = day
        self._process: subprocess.Popen[bytes] | None = None

    async def pair(self, login: Login) -> None:
        clock = SystemClock()

        async with Wearer(self._server.web, login) as wearer:
            await wearer.sign_up(home_region="US", birth_year=1980)

            async def show(code: DeviceCode) -> None:
                await wearer.let_in(code.user_code, "chaos")

            oauth = OAuthClient(self._server.web, Transport(insecure=True), clock)
            await pair(oauth, CredentialStore(self.directory), clock, show)

    def start(self) -> None:
        work = [str(self.directory), self._server.web, str(self._count), self._day.isoformat()]
        self._process = subprocess.Popen([sys.executable, str(FEEDER), *work], stderr=subprocess.DEVNULL)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def finish(self) -> None:
        """Waits until everything is sent. Raises `RuntimeError` where the feeder fails."""
        if not self.running():
            self.start()
        assert self._process is not None
        async with asyncio.timeout(180):
            exit_code = await asyncio.to_thread(self._process.wait)
        if exit_code != 0:
            raise RuntimeError(f"the feeder failed with exit code {exit_code}")


async def under_fire(glasses: Glasses, server: ServerProcess, kills: int, chance: random.Random) -> Counter[str]:
    """Kills one side or both, again and again, each after a random moment of work."""
    met: Counter[str] = Counter()
    glasses.start()
    while met.total() < kills:
        if not glasses.running():
            glasses.start()  # it was done: what is left to meet is the start with an empty queue
        await asyncio.sleep(chance.uniform(0.05, 1.2))
        victim = chance.choice(["agent", "server", "both"])
        if victim != "server":
            glasses.kill()
        if victim != "agent":
            await server.kill()
            await asyncio.sleep(chance.uniform(0, 0.3))
            await server.start()
        if victim != "server":
            glasses.start()
        met[victim] += 1
    return met


async def profile(server: ServerProcess, key: str, account: str) -> profiles_pb2.GetProfileResponse:
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = profiles_service_pb2_grpc.ProfileServiceStub(channel)
        answer: profiles_pb2.GetProfileResponse = await stub.GetProfile(
            profiles_pb2.GetProfileRequest(account=account), metadata=(("authorization", f"Bearer {key}"),)
        )
    return answer


async def profiles(
    server: ServerProcess, key: str, accounts: Sequence[str], today: Callable[[], dt.date]
) -> list[profiles_pb2.GetProfileResponse]:
    """The profiles as they stand on one day. Scores fade by the day: where one ends meanwhile, all are read again."""
    while True:
        day = today()
        answers = [await profile(server, key, account) for account in accounts]
        if today() == day:
            return answers


def utc_today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def comparable(answer: profiles_pb2.GetProfileResponse) -> list[tuple[object, ...]]:
    """Everything of a profile but when it was read; scores to the last bit, which are the same all day."""
    return sorted(
        (
            interest.topic,
            interest.score,
            interest.first_day_time.seconds,
            interest.last_day_time.seconds,
            tuple(sorted((count.source, count.count) for count in interest.source_counts)),
        )
        for interest in answer.interests
    )


async def run(directory: Path, *, kills: int, count: int, seed: int) -> bool:
    logins = [Login(f"{name}@chaos.example", "correct horse battery") for name in ("peace", "fire")]
    day = utc_today()
    async with server_process(directory) as server:
        glasses = [Glasses(directory / login.email, server, count, day) for login in logins]
        for each, login in zip(glasses, logins, strict=True):
            await each.pair(login)
        accounts = [line.split() for line in (await server.command("account", "list")).splitlines()]
        ids = [next(fields[0] for fields in accounts if login.email in fields) for login in logins]
        key = (await server.command("reader", "add", "chaos")).split()[-1]
        await glasses[0].finish()
        met = await under_fire(glasses[1], server, kills, random.Random(seed))
        await glasses[1].finish()
        peace, fire = await profiles(server, key, ids, utc_today)
    lost = [Ledger(ReadOnlyDatabase(each.directory), SystemClock()).totals() for each in glasses]
    same = comparable(peace) == comparable(fire)
    noticed = sum(source.count for interest in peace.interests for source in interest.source_counts)
    print(f"kills: {dict(met)}; events recorded {count}, in the profile {noticed}; profiles equal: {same}")
    clean = all(total.refused == total.set_aside == total.gave_way == 0 for total in lost)
    return same and clean and noticed == count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        good = asyncio.run(run(Path(directory), kills=args.kills, count=args.events, seed=args.seed))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
