"""A server in small, for tests: the pairing endpoints and the sync service of the contract, on loopback.

It keeps everything in memory, and does on demand what a real server does seldom: loses an answer, forgets its newest
batches, asks to slow down, ends a pairing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self

import grpc
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from inkling import topics
from inkling.policy.v1 import policy_pb2
from inkling.sync.v1 import sync_pb2, sync_service_pb2_grpc
from inkling_device.clock import ManualClock
from inkling_device.credentials import CredentialStore
from inkling_device.database import StateDatabase
from inkling_device.ledger import Ledger
from inkling_device.oauth import DEFAULT_INTERVAL, DEVICE_CODE_GRANT, DeviceCode, OAuthClient
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Outbox
from inkling_device.pairing import pair
from inkling_device.policy import PolicyHolder
from inkling_device.sync import Sent, SyncClient
from inkling_device.tokens import Tokens
from inkling_device.transport import Transport
from inkling_device.wire import DOMAIN

GRACE = dt.timedelta(seconds=60)
"""How long the refresh token before the last is taken once more, for a device that did not get the answer."""
TOKEN_LIFE = dt.timedelta(hours=1)

PLAINTEXT = Transport(insecure=True)
_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_Context = grpc.aio.ServicerContext[Any, Any]


def signed_policy(key: Ed25519PrivateKey, now: dt.datetime, **changes: Any) -> policy_pb2.SignedPolicy:
    """The default policy, with `changes` to its fields, signed by `key` at `now`."""
    policy = policy_pb2.Policy(
        version=1,
        excluded_regions=["DE", "FR", "GB", "KR"],
        minimum_age_years=18,
        sources=[1, 2, 3, 4],  # type: ignore[list-item]
        maximum_batch_events=256,
    )
    policy.issue_time.FromDatetime(now)
    policy.expire_time.FromDatetime(now + dt.timedelta(days=30))
    policy.start_time.FromDatetime(dt.datetime(2025, 12, 16))  # noqa: DTZ001  (protobuf takes naive times as UTC)
    for name, value in changes.items():
        match value:
            case dt.datetime():
                getattr(policy, name).FromDatetime(value)
            case list():
                del getattr(policy, name)[:]
                getattr(policy, name).extend(value)
            case _:
                setattr(policy, name, value)
    content = policy.SerializeToString(deterministic=True)
    return policy_pb2.SignedPolicy(policy=content, signature=key.sign(content))


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call of the sync service fails."""

    code: grpc.StatusCode
    reason: str = ""
    """A name of `ErrorReason` without its prefix; empty for none."""
    retry_seconds: float | None = None
    """Of a `RetryInfo`; None for none."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Pairing:
    """One pair of glasses, as the server knows it."""

    id: str
    access_token: str = ""
    expires: dt.datetime = _NEVER
    refresh_tokens: list[str] = field(default_factory=list)
    """All that were given out, the newest last."""
    rotated: dt.datetime = _NEVER
    repeated: bool = False
    """Whether the token before the last was taken once more."""
    ended: bool = False
    batches: list[list[InterestEvent]] = field(default_factory=list)

    @property
    def refresh_token(self) -> str:
        """The one that the device should hold."""
        return self.refresh_tokens[-1]


class FakeServer:
    """Behaves as the contract says. `async with FakeServer(...)` listens on free ports.

    Attributes are for tests to read and to set between calls.
    """

    def __init__(self, now: Callable[[], dt.datetime], tls: tuple[Path, Path] | None = None) -> None:
        """`tls` names the PEM files of certificate chain and private key; without them no TLS."""
        self.now = now
        self._tls = tls
        self.policy_key = Ed25519PrivateKey.generate()
        self.signed_policy = signed_policy(self.policy_key, now())
        self.standing: policy_pb2.Standing = policy_pb2.STANDING_ELIGIBLE
        self.home_region = "US"
        self.birth_year = 1980
        self.approved: set[str] = set()
        """User codes that the wearer has entered."""
        self.denied: set[str] = set()
        self.expired: set[str] = set()
        self.poll_errors: list[str] = []
        """OAuth errors with which the next polls are answered."""
        self.polls = 0
        """How often a device has asked whether the code was entered."""
        self.code_life = 600.0
        """Seconds for which a code can be entered."""
        self.failures: list[Failure] = []
        """How the next pushes fail."""
        self.lost_answers: set[int] = set()
        """Sequences whose answer is lost once, after they were merged."""
        self.lost_token_answers = 0
        """How many of the next answers to a refresh are lost."""
        self.token_changes: dict[str, object] = {}
        """Fields of the next token answers, in place of the right ones; None leaves one out."""
        self.web_failures: list[tuple[int, str | None]] = []
        """HTTP status and `Retry-After` with which the next requests for a token fail."""
        self.malformed: Callable[[sync_pb2.PushRequest], bool] = lambda request: False
        self.pause = 0.0
        """Seconds that every answer to a push asks to wait."""
        self.streaming = True
        self.requests: list[bytes] = []
        """The pushes that came, as they were on the wire."""
        self.streamed = 0
        """How many of them came on a stream."""
        self.policy_calls = 0
        self.pairings: dict[str, _Pairing] = {}
        self.revoked: list[str] = []
        self._codes: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._exit = contextlib.AsyncExitStack()
        self.web_address = ""
        self.grpc_target = ""

    async def __aenter__(self) -> Self:
        await self.start_grpc()
        app = web.Application()
        app.router.add_post("/oauth/device_authorization", self._device_authorization)
        app.router.add_post("/oauth/token", self._token)
        app.router.add_post("/oauth/revoke", self._revoke)
        runner = web.AppRunner(app)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        if self._tls:
            context.load_cert_chain(*self._tls)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context if self._tls else None)
        await site.start()
        port = runner.addresses[0][1]
        self.web_address = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_grpc()
        await self._exit.aclose()

    async def start_grpc(self) -> None:
        """Takes calls of the sync service, on the same port as before."""
        self._grpc = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        sync_service_pb2_grpc.add_SyncServiceServicer_to_server(_SyncService(self), self._grpc)
        address = self.grpc_target or "127.0.0.1:0"
        if self._tls:
            certificate, key = (path.read_bytes() for path in self._tls)
            port = self._grpc.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
        else:
            port = self._grpc.add_insecure_port(address)
        self.grpc_target = f"127.0.0.1:{port}"
        await self._grpc.start()

    async def stop_grpc(self) -> None:
        """Drops all connections, as a server that is killed."""
        await self._grpc.stop(None)

    def merged(self) -> list[InterestEvent]:
        """All events of all pairings that count, in the order of merging."""
        return [event for pairing in self.pairings.values() for batch in pairing.batches for event in batch]

    def sign_policy(self, **changes: Any) -> None:
        """Puts a policy in force whose fields differ from the default by `changes`."""
        self.signed_policy = signed_policy(self.policy_key, self.now(), **changes)

    def expire_tokens(self) -> None:
        """Lets all access tokens end, without the devices knowing."""
        for pairing in self.pairings.values():
            pairing.access_token = ""

    def end_pairings(self) -> None:
        """Ends all pairings, as their wearers can."""
        for pairing in self.pairings.values():
            pairing.ended = True

    def restore_backup(self, last_sequence: int) -> None:
        """Forgets the batches after `last_sequence`, as a server restored from an older backup."""
        for pairing in self.pairings.values():
            del pairing.batches[last_sequence:]

    def pairing_of(self, token: str) -> _Pairing | None:
        return next((pairing for pairing in self.pairings.values() if token and token == pairing.access_token), None)

    async def _device_authorization(self, request: web.Request) -> web.Response:
        fields = await request.post()
        if fields.get("client_id") != "inkling-device":
            return _oauth_error("invalid_client")
        number = next(self._numbers)
        device_code, user_code = f"device-code-{number}", f"WDJB-{number:04d}"
        self._codes[device_code] = user_code
        return web.json_response(
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": f"{self.web_address}/pair",
                "verification_uri_complete": f"{self.web_address}/pair?code={user_code}",
                "expires_in": self.code_life,
                "interval": DEFAULT_INTERVAL,
            }
        )

    async def _token(self, request: web.Request) -> web.Response:
        fields = await request.post()
        if self.web_failures:
            status, retry_after = self.web_failures.pop(0)
            return web.Response(status=status, headers={"Retry-After": retry_after} if retry_after else {})
        if fields.get("grant_type") == DEVICE_CODE_GRANT:
            return self._poll(str(fields.get("device_code")))
        if fields.get("grant_type") == "refresh_token":
            return self._refresh(str(fields.get("refresh_token")), request)
        return _oauth_error("unsupported_grant_type")

    def _poll(self, device_code: str) -> web.Response:
        self.polls += 1
        user_code = self._codes.get(device_code)
        if self.poll_errors:
            return _oauth_error(self.poll_errors.pop(0))
        if user_code is None:
            return _oauth_error("invalid_grant")
        if user_code in self.denied:
            return _oauth_error("access_denied")
        if user_code in self.expired:
            return _oauth_error("expired_token")
        if user_code not in self.approved:
            return _oauth_error("authorization_pending")
        del self._codes[device_code]
        pairing = _Pairing(f"pairing-{next(self._numbers)}")
        self.pairings[pairing.id] = pairing
        return self._issued(pairing)

    def _refresh(self, token: str, request: web.Request) -> web.Response:
        pairing = next((pairing for pairing in self.pairings.values() if token in pairing.refresh_tokens), None)
        if pairing is None or pairing.ended:
            return _oauth_error("invalid_grant")
        if token == pairing.refresh_token:
            pairing.repeated = False
        elif self._may_repeat(pairing, token):
            pairing.repeated = True
            pairing.refresh_tokens.pop()  # never reached the device
        else:
            pairing.ended = True
            return _oauth_error("invalid_grant")
        return self._answer(pairing, request)

    def _may_repeat(self, pairing: _Pairing, token: str) -> bool:
        lately = self.now() - pairing.rotated <= GRACE
        return token in pairing.refresh_tokens[-2:] and lately and not pairing.repeated

    def _answer(self, pairing: _Pairing, request: web.Request) -> web.Response:
        response = self._issued(pairing)
        if self.lost_token_answers:
            self.lost_token_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return response

    def _issued(self, pairing: _Pairing) -> web.Response:
        number = next(self._numbers)
        pairing.access_token = f"access-{number}"
        pairing.refresh_tokens.append(f"refresh-{number}")
        pairing.expires = self.now() + TOKEN_LIFE
        pairing.rotated = self.now()
        answer = {
            "access_token": pairing.access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE.total_seconds(),
            "refresh_token": pairing.refresh_token,
            "policy_key": base64.b64encode(self.policy_key.public_key().public_bytes_raw()).decode(),
            "grpc_target": self.grpc_target,
            "pairing": pairing.id,
            **self.token_changes,
        }
        return web.json_response({name: value for name, value in answer.items() if value is not None})

    async def _revoke(self, request: web.Request) -> web.Response:
        token = str((await request.post()).get("token"))
        self.revoked.append(token)
        for pairing in self.pairings.values():
            if token in (pairing.refresh_token, pairing.access_token):
                pairing.ended = True
        return web.Response()


class Glasses:
    """Everything of the agent that comes after the guard, against a `FakeServer`, by a clock that tests move.

    Closing and making another over the same directory is a restart.
    """

    def __init__(
        self, directory: Path, server: FakeServer, clock: ManualClock, transport: Transport = PLAINTEXT
    ) -> None:
        self.server = server
        self.clock = clock
        self.database = StateDatabase.open(directory, clock)
        self.ledger = Ledger(self.database, clock)
        self.outbox = Outbox(self.database, clock, maximum_bytes=1 << 20, maximum_days=90)
        self.credentials = CredentialStore(directory)
        self.policy = PolicyHolder(directory, self.credentials, clock)
        self.oauth = OAuthClient(server.web_address, transport, clock)
        self.sent: list[Sent] = []
        self.sync = SyncClient(
            outbox=self.outbox,
            policy=self.policy,
            credentials=self.credentials,
            tokens=Tokens(self.credentials, self.oauth, clock),
            transport=transport,
            clock=clock,
            on_sent=self.sent.append,
        )

    async def pair(self) -> None:
        """Logs in as a wearer who enters the code at once."""

        shown = asyncio.Event()

        async def show(code: DeviceCode) -> None:
            self.server.approved.add(code.user_code)
            shown.set()

        pairing = asyncio.create_task(pair(self.oauth, self.credentials, self.clock, show))
        await shown.wait()
        self.clock.advance(DEFAULT_INTERVAL)
        await pairing

    async def close(self) -> None:
        """Ends connection and database."""
        await self.sync.close()
        self.database.close()


class _SyncService(sync_service_pb2_grpc.SyncServiceServicer):
    """The gRPC half of a `FakeServer`."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server

    async def Push(self, request: sync_pb2.PushRequest, context: _Context) -> sync_pb2.PushResponse:  # noqa: N802
        return await self._push(request, context)

    async def PushStream(  # noqa: N802
        self, request_iterator: AsyncIterator[sync_pb2.PushRequest], context: _Context
    ) -> AsyncIterator[sync_pb2.PushResponse]:
        if not self._server.streaming:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED)
        async for request in request_iterator:
            self._server.streamed += 1
            yield await self._push(request, context)

    async def GetPolicy(  # noqa: N802
        self, request: sync_pb2.GetPolicyRequest, context: _Context
    ) -> sync_pb2.GetPolicyResponse:
        pairing = await self._caller(context)
        server = self._server
        server.policy_calls += 1
        answer = sync_pb2.GetPolicyResponse(
            signed_policy=server.signed_policy,
            standing=server.standing,
            home_region=server.home_region,
            birth_year=server.birth_year,
            last_sequence=len(pairing.batches),
        )
        answer.server_time.FromDatetime(server.now())
        return answer

    async def _push(self, request: sync_pb2.PushRequest, context: _Context) -> sync_pb2.PushResponse:
        server = self._server
        pairing = await self._caller(context)
        server.requests.append(request.SerializeToString(deterministic=True))
        if server.failures:
            await _refuse(context, server.failures.pop(0))
        response = await self._merged(request, pairing, context)
        if request.sequence in server.lost_answers:
            server.lost_answers.discard(request.sequence)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return response

    async def _merged(
        self, request: sync_pb2.PushRequest, pairing: _Pairing, context: _Context
    ) -> sync_pb2.PushResponse:
        policy = policy_pb2.Policy.FromString(self._server.signed_policy.policy)
        if _is_malformed(request, policy.maximum_batch_events) or self._server.malformed(request):
            await _refuse(context, Failure(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_BATCH"))
        last = len(pairing.batches)
        if request.sequence > last + 1:
            gap = {"last_sequence": str(last)}
            await _refuse(context, Failure(grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP", metadata=gap))
        response = sync_pb2.PushResponse(last_sequence=max(last, request.sequence))
        if self._server.pause:
            response.pause.FromMilliseconds(int(self._server.pause * 1000))
        if request.sequence <= last:
            return response
        taken: list[InterestEvent] = []
        for index, event in enumerate(_events(request)):
            reason = self._rejection(event)
            if reason:
                response.rejections.add(index=index, reason=reason)
            else:
                taken.append(event)
        pairing.batches.append(taken)
        response.accepted_count = len(taken)
        return response

    def _rejection(self, event: InterestEvent) -> sync_pb2.RejectionReason | None:
        if event.topic not in topics.sendable():
            return sync_pb2.REJECTION_REASON_TOPIC
        if event.day > self._server.now().date() + dt.timedelta(days=1):
            return sync_pb2.REJECTION_REASON_FUTURE
        if self._server.standing != policy_pb2.STANDING_ELIGIBLE:
            return sync_pb2.REJECTION_REASON_STANDING
        return None

    async def _caller(self, context: _Context) -> _Pairing:
        header = str(dict(context.invocation_metadata() or ()).get("authorization", ""))
        pairing = self._server.pairing_of(header.removeprefix("Bearer "))
        if pairing is None or pairing.expires <= self._server.now():
            await _refuse(context, Failure(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"))
        if pairing.ended:
            await _refuse(context, Failure(grpc.StatusCode.UNAUTHENTICATED, "PAIRING_ENDED"))
        return pairing


def _is_malformed(request: sync_pb2.PushRequest, maximum_events: int) -> bool:
    columns = request.events
    lengths = {len(columns.topics), len(columns.day_offsets), len(columns.sources), len(columns.percentages)}
    return request.sequence == 0 or len(lengths) != 1 or len(columns.topics) > maximum_events


def _events(request: sync_pb2.PushRequest) -> list[InterestEvent]:
    columns = request.events
    first = columns.first_day_time.ToDatetime().date()
    rows = zip(columns.topics, columns.sources, columns.day_offsets, columns.percentages, strict=True)
    return [
        InterestEvent(topic, Source(source), first + dt.timedelta(days=offset), percentage)
        for topic, source, offset, percentage in rows
    ]


async def _refuse(context: _Context, failure: Failure) -> NoReturn:
    status = status_pb2.Status(code=failure.code.value[0], message=failure.reason)
    if failure.reason:
        info = error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=failure.metadata)
        status.details.add().Pack(info)
    if failure.retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(failure.retry_seconds * 1000))
        status.details.add().Pack(retry)
    await context.abort(failure.code, failure.reason, rpc_status.to_status(status).trailing_metadata)
    raise AssertionError("abort has raised")


def _oauth_error(code: str) -> web.Response:
    return web.json_response({"error": code}, status=400)
