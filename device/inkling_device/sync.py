"""Brings the outbox to the server: batches in order, one on its way at a time, each counted once.

The server is asked for the policy first, so that the device knows the time, the account's standing and the number to
go on from before anything is sent. Failures come as the three kinds of `inkling_device.errors`: try again (back-off),
slow down (wait as told), never again (put it right or rest long). None is ever repeated at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from inkling_device import wire
from inkling_device.backoff import Backoff, Jitter
from inkling_device.clock import Clock
from inkling_device.credentials import Credentials, CredentialStore
from inkling_device.errors import (
    BatchRefused,
    CallRefused,
    DeviceError,
    NeverAgain,
    NotPaired,
    PairingEnded,
    PolicyRefusedError,
    SequenceGap,
    SlowDown,
    StateError,
    TokenRefused,
    TryAgain,
)
from inkling_device.outbox import DEFAULT_BATCH_EVENTS, Batch, Outbox
from inkling_device.pairing import wipe
from inkling_device.policy import PolicyHolder
from inkling_device.tokens import Tokens
from inkling_device.transport import Transport
from inkling_device.uplink import Uplink

log = logging.getLogger(__name__)

T = TypeVar("T")

POLICY_INTERVAL = 900.0
"""Seconds after which policy and standing are asked for again: a pause reaches the glasses within a quarter hour."""
LOGIN_INTERVAL = 5.0
"""Seconds between two looks for credentials while logged out."""
LEAST_REST = 1.0
"""Seconds that a device rests where the server says to slow down, but not for how long."""
LONGEST_REST = 3600.0
"""Seconds that a server can make a device wait at most, so that one wrong answer does not silence it for good."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One batch that the server has taken."""

    batch: Batch
    wire_bytes: int
    """Size of the message."""
    accepted: int
    """Events taken; 0 where the server had merged the batch before."""


class SyncClient:
    """Sends what the outbox holds. `run` does so for as long as the agent lives, `drain` once."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        policy: PolicyHolder,
        credentials: CredentialStore,
        tokens: Tokens,
        transport: Transport,
        clock: Clock,
        gather_seconds: float = 0.0,
        on_sent: Callable[[Sent], None] = lambda sent: None,
        jitter: Jitter | None = None,
    ) -> None:
        self._outbox = outbox
        self._policy = policy
        self._credentials = credentials
        self._tokens = tokens
        self._transport = transport
        self._clock = clock
        self._gather_seconds = gather_seconds
        self._on_sent = on_sent
        self._backoff = Backoff(jitter or random.Random())  # noqa: S311  (jitter needs no secrecy)
        self._one_at_a_time = asyncio.Lock()
        self._appended = asyncio.Event()
        self._network = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uplink: Uplink | None = None
        self._not_before = clock.monotonic()
        self._policy_due = clock.monotonic()
        self._last_failure: DeviceError | None = None
        self._failure_noted = True  # perhaps by a process before this one

    @property
    def last_failure(self) -> DeviceError | None:
        """Why the last attempt failed; None where it did not."""
        return self._last_failure

    async def run(self, stop: asyncio.Event) -> None:
        """Sends what is appended, until `stop`. What is on its way then is sent again at the next start."""
        self._loop = asyncio.get_running_loop()
        self._outbox.on_append(self.wake)
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.wait({working, stopping})
            await self.close()
        if not working.cancelled():
            working.result()

    def wake(self) -> None:
        """Says that there is something to send. For any thread."""
        self._set(self._appended)

    def network_changed(self) -> None:
        """Hints that the network is back or another one: failures before it count no longer. For any thread.

        A rest that the server asked for is kept.
        """
        self._backoff.reset()
        self._set(self._network)

    async def drain(self) -> None:
        """Sends all that waits, as far as the policy allows.

        Raises a `CallFailure` for what stopped it, `PolicyRefusedError` for a policy that does not verify, and
        `StateError`. Where the pairing has been ended, queue, ledger, policy and credentials are wiped.
        """
        async with self._one_at_a_time:
            try:
                await self._send_all()
            except PairingEnded as error:
                log.warning("%s; queue and credentials are wiped", error)
                await self._disconnect()
                await _in_thread(lambda: wipe(store=self._credentials, policy=self._policy, outbox=self._outbox))
                self._last_failure = error
                raise
            except SlowDown as error:
                self._rest_at_least(max(error.seconds, LEAST_REST))
                await self._note(error)
                raise
            except DeviceError as error:
                if isinstance(error, TryAgain):
                    # The next attempt begins with a new connection: an old one may not know that it is dead.
                    await self._disconnect()
                await self._note(error)
                raise
            await self._note(None)

    async def _note(self, failure: DeviceError | None) -> None:
        """Remembers why the attempt failed, for `status`, too; a success only where it ends a failure."""
        self._last_failure = failure
        if isinstance(failure, NotPaired) or (failure is None and not self._failure_noted):
            return
        self._failure_noted = True
        reason = None if failure is None else str(failure)
        with contextlib.suppress(StateError):  # the full disk itself may be the failure
            await _in_thread(lambda: self._outbox.note_sync(reason))
            self._failure_noted = failure is not None  # an end that could not be noted is noted by the next success

    async def close(self) -> None:
        """Ends the connection; the next `drain` makes another."""
        async with self._one_at_a_time:
            await self._disconnect()

    async def _work(self) -> None:
        while True:
            self._appended.clear()
            self._network.clear()
            try:
                await self.drain()
            except (SlowDown, PairingEnded):
                continue
            except NotPaired:
                await self._clock.sleep(LOGIN_INTERVAL)
            except (TryAgain, StateError) as error:
                await self._rest(self._backoff.failed(), error)
            except (NeverAgain, PolicyRefusedError) as error:
                await self._rest(self._backoff.after_refusal(), error)
            else:
                self._backoff.reset()
                await self._idle()

    async def _rest(self, seconds: float, error: DeviceError) -> None:
        log.info("sync rests for %.1f s: %s", seconds, error)
        await self._first_of(seconds, self._network)

    async def _idle(self) -> None:
        await self._first_of(self._policy_due - self._clock.monotonic(), self._appended, self._network)
        if self._appended.is_set():
            await self._first_of(self._gather_seconds, self._network)

    async def _first_of(self, seconds: float, *events: asyncio.Event) -> None:
        """Returns after `seconds`, or when one of the events is set."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(event.wait()) for event in events]
        waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)

    async def _send_all(self) -> None:
        credentials = self._credentials.current
        if credentials is None:
            raise NotPaired
        await self._turn()
        await _in_thread(lambda: self._outbox.bind(credentials.pairing))
        await self._connect(credentials)
        if await self._policy_is_due():
            await self._ask_policy()
        sent = 0
        while self._policy.refusal() is None and (batch := await _in_thread(self._next_batch)):
            await self._turn()
            await self._push(batch, more=sent > 0)
            sent += 1
            if self._clock.monotonic() >= self._policy_due:
                await self._ask_policy()
        if self._uplink is not None:
            await self._uplink.end_stream()

    async def _turn(self) -> None:
        """Waits as long as the server asked for."""
        await self._clock.sleep(self._not_before - self._clock.monotonic())

    def _rest_at_least(self, seconds: float) -> None:
        seconds = self._backoff.jittered(min(seconds, LONGEST_REST))
        self._not_before = max(self._not_before, self._clock.monotonic() + seconds)

    async def _policy_is_due(self) -> bool:
        return (
            self._clock.monotonic() >= self._policy_due
            or self._policy.held is None
            or not await _in_thread(lambda: self._outbox.aligned)
        )

    async def _ask_policy(self) -> None:
        held = self._policy.held
        version = held.policy.version if held else 0
        answer = await self._authorized(lambda uplink, token: uplink.get_policy(token, version))
        await _in_thread(lambda: self._policy.take(answer))
        await self._go_on_from(answer.last_sequence)
        self._policy_due = self._clock.monotonic() + POLICY_INTERVAL

    async def _go_on_from(self, last_sequence: int) -> None:
        await _in_thread(lambda: self._outbox.renumber(last_sequence))

    def _next_batch(self) -> Batch | None:
        held = self._policy.held
        allowed = held.policy.maximum_batch_events if held else 0
        return self._outbox.next_batch(min(allowed, DEFAULT_BATCH_EVENTS) or DEFAULT_BATCH_EVENTS)

    async def _push(self, batch: Batch, *, more: bool) -> None:
        request = wire.push_request(batch)
        try:
            response = await self._authorized(lambda uplink, token: uplink.push(token, request, more=more))
        except BatchRefused as error:
            await self._give_up(batch, error)
            return
        except SequenceGap as error:
            if error.last_sequence >= batch.sequence - 1:
                raise CallRefused(f"the server contradicts itself: {error}, and misses one before") from error
            log.warning("%s; what waits is numbered from there", error)
            await self._go_on_from(error.last_sequence)
            return
        if response.last_sequence < batch.sequence:
            raise TryAgain("the server's answer is about an earlier batch")
        rejections = wire.rejections(response)
        await _in_thread(lambda: self._outbox.acknowledge(response.last_sequence, rejections))
        self._backoff.reset()
        self._rest_at_least(wire.pause_seconds(response))
        if "STANDING" in rejections.values():
            self._policy_due = self._clock.monotonic()
        self._on_sent(Sent(batch, request.ByteSize(), response.accepted_count))

    async def _give_up(self, batch: Batch, error: BatchRefused) -> None:
        if not batch.events:
            raise CallRefused("the server refuses even an empty batch") from error
        await _in_thread(lambda: self._outbox.set_aside(batch.sequence, error.reason))

    async def _authorized(self, call: Callable[[Uplink, str], Awaitable[T]]) -> T:
        """A call with an access token, done once more where the server takes it for ended."""
        assert self._uplink is not None
        token = await self._tokens.access_token()
        try:
            return await call(self._uplink, token)
        except TokenRefused:
            token = await self._tokens.refresh(token)
        return await call(self._uplink, token)

    async def _connect(self, credentials: Credentials) -> None:
        if self._uplink is not None and self._uplink.target != credentials.grpc_target:
            await self._disconnect()
        if self._uplink is None:
            self._uplink = Uplink(self._transport, credentials.grpc_target)

    async def _disconnect(self) -> None:
        if self._uplink is not None:
            uplink, self._uplink = self._uplink, None
            await uplink.close()

    def _set(self, event: asyncio.Event) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(event.set)


async def _in_thread(work: Callable[[], T]) -> T:
    """Does blocking work off the loop; waits for its end also where the caller is cancelled."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise
