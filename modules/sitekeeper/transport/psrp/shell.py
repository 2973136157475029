"""One runspace pool on one host, over a connection that can be lost and reopened.

What may be sent again after a lost connection (pypsrp 0.9.1; MS-WSMV 3.1.4):

* An HTTP 400 without a body means that the server could not decrypt: nothing ran, everything may be sent again.
* A Receive may be sent again with the same MessageID; the server repeats its response.
* A Command has a pipeline id that we chose. A Receive for that id shows whether it arrived: a shell that does not know it
  (fault 2150858843) never started it. A known command is not sent again.
* Nothing else is repeated. The caller gets an error that the shell is gone.
"""

from __future__ import annotations

import base64
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree as ET

import requests
from pypsrp.complex_objects import RunspacePoolState
from pypsrp.exceptions import WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import RunspacePool
from pypsrp.shell import SignalCode
from pypsrp.wsman import NAMESPACES, OptionSet, WSMan, WSManAction

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import RemoteTimeoutError
from sitekeeper.engine.figures import show_duration
from sitekeeper.transport.psrp import fragments, request
from sitekeeper.transport.psrp.connection import LOGIN_FAILED, PsrpTarget, explain_error, is_quota, wsman_of
from sitekeeper.transport.psrp.request import Statement

logging.getLogger("pypsrp").setLevel(logging.CRITICAL)  # it logs whole messages at DEBUG and tracebacks at ERROR

_TIMED_OUT = 2150858793
_UNKNOWN_SELECTOR = 2150858843
_RSP = NAMESPACES["rsp"]
_LOST = (requests.exceptions.ConnectionError, requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError)
_NOT_OPENED: tuple[type[Exception], ...] = (WinRMError, OSError, ValueError, *LOGIN_FAILED)
_NO_SIGNAL: tuple[type[Exception], ...] = (WinRMTransportError, *LOGIN_FAILED)
_UNHEARD: tuple[type[Exception], ...] = (WinRMError, requests.exceptions.RequestException, OSError, *LOGIN_FAILED)
"""Errors to ignore in a clean-up request: a host that cannot be reached deletes the shell after its idle time-out."""
_COMMAND_ID = re.compile(rb"CommandId>([^<]+)<")
RECONNECT_SECONDS = 30.0
"""How long to try to reopen a lost connection."""
DELETE_SECONDS = 10
OPEN_SECONDS = 180.0
"""How long PowerShell may take to start on a host."""
OPEN_ATTEMPTS = 4
QUOTA_SECONDS = 200.0
"""How long to wait if the account has too many shells: an old host deletes idle ones after 180 s."""
QUOTA_PAUSE = 5.0
RESEND_ATTEMPTS = 4


class ShellGoneError(Exception):
    """The shell on the host does not exist any more, or its state is unknown: a new one is needed."""


class ShellExpiredError(ShellGoneError):
    """The host deleted the shell before anything was sent, for example after its idle time-out: nothing was started."""


class Shell:
    """An open pool. Not thread-safe: owned by one thread."""

    def __init__(self, target: PsrpTarget, clock: Clock) -> None:
        self.target = target
        self._clock = clock
        self._wsman: WSMan = wsman_of(target)
        self._pool = RunspacePool(self._wsman, configuration_name=target.configuration)
        self._keeps_ids = False
        self._probe: bytes | None = None
        self._open()

    def _open(self) -> None:
        """Open a pool. If the connection is lost meanwhile, the host deletes the half-open pool after its idle time-out.

        The same holds for the shells of a killed process. They may use up the account's quota: this is waited for.
        """
        until = self._clock.monotonic() + RECONNECT_SECONDS
        free_until = self._clock.monotonic() + QUOTA_SECONDS
        lost = 0
        while True:
            try:
                self._wait_until_opened()
                break
            except _LOST as error:
                lost += 1
                refused = isinstance(error, requests.exceptions.SSLError | requests.exceptions.ConnectTimeout)
                late = lost == OPEN_ATTEMPTS or self._clock.monotonic() > until
                if refused or late or _is_unsent(error):
                    self._wsman.close()
                    raise explain_error(error, self.target) from None
            except _NOT_OPENED as error:
                if not is_quota(error) or self._clock.monotonic() > free_until:
                    self._wsman.close()
                    raise explain_error(error, self.target) from None
                self._clock.sleep(QUOTA_PAUSE)
            self._wsman.close()
            self._wsman = wsman_of(self.target)
            self._pool = RunspacePool(self._wsman, configuration_name=self.target.configuration)
        session = self._wsman.transport.session
        if session is not None:
            session.trust_env = False  # otherwise every request looks up proxies and .netrc

    def _wait_until_opened(self) -> None:
        """Wait until PowerShell has started: a host that has not used it for a while may need more than one Receive.

        Raises:
            RemoteTimeoutError: it did not start in time.
            As pypsrp: everything else.

        """
        until = self._clock.monotonic() + OPEN_SECONDS
        step: Callable[[], object] = self._pool.open
        while self._pool.state != RunspacePoolState.OPENED:
            try:
                step()
            except WSManFaultError as error:
                if error.code != _TIMED_OUT:
                    raise
                # Only a host that still sends nothing is late: this process may have been suspended.
                if self._clock.monotonic() > until:
                    self.abandon()
                    text = f"PowerShell on {self.target.host} did not start within {show_duration(OPEN_SECONDS)}"
                    raise RemoteTimeoutError(text, host=self.target.host) from None
            step = self._pool._receive  # noqa: SLF001 - open() gives up after one, and cannot be called again

    @property
    def powershell(self) -> str:
        """Major version of the host's PowerShell: the last of PSCompatibleVersions (PSVersion is wrong on old hosts)."""
        private = self._pool.application_private_data
        table = (private.data or {}).get("PSVersionTable", {}) if private is not None else {}
        compatible = table.get("PSCompatibleVersions") or [table.get("PSVersion", "2.0")]
        return str(compatible[-1])

    def close(self) -> None:
        """Delete the shell; ignore a host that cannot be reached."""
        try:
            self._pool.close()
        except _UNHEARD:
            pass
        finally:
            self._wsman.close()

    def abandon(self) -> None:
        """Delete a shell whose state is unknown, over a new connection, and forget it.

        A command that the host received but has not run yet must not run after we checked its effect: it dies with its shell.
        A host that cannot be reached deletes the shell after its idle time-out.
        """
        self._wsman.close()
        other = wsman_of(self.target)
        shell = self._pool.shell
        try:
            other.delete(shell.resource_uri, selector_set=shell._selector_set, timeout=DELETE_SECONDS)  # noqa: SLF001 - it has no public name
        except _UNHEARD:
            pass
        finally:
            other.close()

    def stop_from_outside(self, pipeline: str) -> None:
        """Stop a running pipeline from another thread, over a separate connection."""
        other = wsman_of(self.target)
        shell = self._pool.shell
        try:
            resource = ET.Element(f"{{{_RSP}}}Signal", CommandId=pipeline)
            ET.SubElement(resource, f"{{{_RSP}}}Code").text = SignalCode.PS_CTRL_C
            other.signal(shell.resource_uri, resource, selector_set=shell._selector_set)  # noqa: SLF001 - it has no public name
        except _UNHEARD:
            pass  # the owner's own deadline ends it
        finally:
            other.close()

    def start(self, statements: Sequence[Statement]) -> str:
        """Start a pipeline; return its id.

        Raises:
            ShellExpiredError: nothing was started.
            ShellGoneError: the connection was lost, and it is not known whether it started.

        """
        pipeline = str(uuid.uuid4()).upper()
        parts = self._request(statements, pipeline)
        first = base64.b64encode(parts[0]).decode()
        for attempt in range(RESEND_ATTEMPTS):
            try:
                pipeline = self._command(pipeline, first)
                break
            except ShellGoneError:
                if attempt == 0:
                    raise ShellExpiredError from None
                raise
            except _LOST:
                self._reset()
                if self._knows(pipeline):
                    break
        else:
            raise ShellGoneError
        for part in parts[1:]:
            try:
                self._pool.shell.send("stdin", part, command_id=pipeline)
            except (*_LOST, WinRMTransportError, WSManFaultError):
                self._reset()
                raise ShellGoneError from None
            except LOGIN_FAILED as error:
                raise explain_error(error, self.target) from None
        return pipeline

    def messages(self, pipeline: str, deadline: Callable[[], float]) -> Iterator[fragments.Message]:
        """Everything that a pipeline sends, until its final state (which is the last message).

        ``deadline`` returns the moment (monotonic seconds) until which the next message must arrive; it is called again
        after each response of the host.

        Raises:
            TimeoutError: the deadline passed.
            ShellGoneError: the pipeline is lost.

        """
        joiner = fragments.Joiner()
        until = deadline()
        while True:
            wait = min(float(self.target.operation_timeout), until - self._clock.monotonic())
            if wait <= 0:
                raise TimeoutError
            data = self._receive(pipeline, max(1, int(wait + 0.999)))
            until = deadline() if data else until
            try:
                for message in joiner.feed(data):
                    yield message
                    if message.type == fragments.PIPELINE_STATE:
                        return
            except fragments.FragmentGapError:
                raise ShellGoneError from None

    def end(self, pipeline: str) -> None:
        """Let the host forget a finished pipeline; otherwise it keeps up to 1000 of them."""
        self._signal(pipeline, SignalCode.TERMINATE)

    def stop(self, pipeline: str) -> None:
        """Ask a running pipeline to stop."""
        self._signal(pipeline, SignalCode.PS_CTRL_C)

    def _signal(self, pipeline: str, code: str) -> None:
        try:
            self._pool.shell.signal(code, command_id=pipeline)
        except _LOST:
            self._reset()
        except _NO_SIGNAL:
            self._reset()  # the connection was replaced meanwhile, or cannot be reopened; an idle pipeline does no harm
        except WSManFaultError:
            pass  # unknown by now: it is over anyway

    def _request(self, statements: Sequence[Statement], pipeline: str) -> list[bytes]:
        xml = request.create_pipeline(statements, self._pool.protocol_version or "", self._pool.apartment_state)
        fragmenter = self._pool._fragmenter  # noqa: SLF001 - it counts the objects and knows the envelope's size
        fragmenter.outgoing_counter += 1
        return request.fragments(xml, self._pool.id, pipeline, fragmenter.outgoing_counter - 1, fragmenter.max_size)

    def _command(self, pipeline: str, first: str) -> str:
        """Send the Command; return the id by which the host knows it."""
        resource = ET.Element(f"{{{_RSP}}}CommandLine", CommandId=pipeline)
        ET.SubElement(resource, f"{{{_RSP}}}Command").text = ""
        ET.SubElement(resource, f"{{{_RSP}}}Arguments").text = first
        options = OptionSet()
        options.add_option("WINRS_SKIP_CMD_SHELL", "False")
        try:
            answer = self._exchange(self._envelope(WSManAction.COMMAND, resource, options, None), repeat=False)
        except WSManFaultError as fault:
            if fault.code == _UNKNOWN_SELECTOR:
                raise ShellGoneError from None
            raise explain_error(fault, self.target) from None
        found = _COMMAND_ID.search(answer)
        known_as = found[1].decode() if found else pipeline
        self._keeps_ids = known_as.upper() == pipeline
        return known_as

    def _knows(self, pipeline: str) -> bool:
        """Whether the host has started this pipeline. Its response is kept for the first Receive."""
        if not self._keeps_ids:
            raise ShellGoneError  # this host assigns its own pipeline ids: it cannot be asked
        resource, options = _receive_request(pipeline)
        try:
            self._probe = self._exchange(self._envelope(WSManAction.RECEIVE, resource, options, 1), repeat=True)
        except WSManFaultError as fault:
            if fault.code == _TIMED_OUT:
                return True
            if fault.code == _UNKNOWN_SELECTOR:
                return False
            raise ShellGoneError from None
        return True

    def _receive(self, pipeline: str, timeout: int) -> bytes:
        if self._probe is not None:
            answer, self._probe = self._probe, None
            return _stream_of(answer)
        resource, options = _receive_request(pipeline)
        envelope = self._envelope(WSManAction.RECEIVE, resource, options, timeout)
        try:
            return _stream_of(self._exchange(envelope, repeat=True))
        except WSManFaultError as fault:
            if fault.code == _TIMED_OUT:
                return b""
            raise ShellGoneError from None

    def _envelope(self, action: str, resource: ET.Element, options: OptionSet, timeout: int | None) -> bytes:
        envelope = ET.Element(f"{{{NAMESPACES['s']}}}Envelope")
        shell = self._pool.shell
        selectors = shell._selector_set  # noqa: SLF001 - it has no public name
        _, header = self._wsman._create_header(action, shell.resource_uri, options, selectors, timeout)  # noqa: SLF001 - invoke() cannot send one envelope twice
        envelope.append(header)
        ET.SubElement(envelope, f"{{{NAMESPACES['s']}}}Body").append(resource)
        return bytes(ET.tostring(envelope, encoding="utf-8", method="xml"))

    def _exchange(self, envelope: bytes, *, repeat: bool) -> bytes:
        """Send and return the response. ``repeat``: it may be sent again, unchanged, after a lost connection."""
        until = self._clock.monotonic() + RECONNECT_SECONDS
        wait = 0.1
        while True:
            try:
                return self._wsman.transport.send(envelope)
            except LOGIN_FAILED as error:
                raise explain_error(error, self.target) from None
            except WinRMTransportError as error:
                undecrypted = error.code == 400 and not error.response_text
                if not undecrypted or self._clock.monotonic() > until:
                    raise self._fault_of(error) from None
                self._reset()
            except _LOST as error:
                if isinstance(error, requests.exceptions.SSLError):
                    raise explain_error(error, self.target) from None
                if not repeat and not _is_unsent(error):
                    raise
                if self._clock.monotonic() > until:
                    raise explain_error(error, self.target) from None
                self._reset()
            self._clock.sleep(wait)
            wait = min(wait * 2, 5.0)

    def _fault_of(self, error: WinRMTransportError) -> Exception:
        try:
            return self._wsman._parse_wsman_fault(error.response_text)  # noqa: SLF001 - pypsrp has no public parser
        except ET.ParseError:
            return explain_error(error, self.target)

    def _reset(self) -> None:
        """Forget the connection: the next request opens a new one, logs in again and has new keys, for the same shell."""
        transport = self._wsman.transport
        transport.close()
        transport.session = None
        transport.encryption = None


def _is_unsent(error: Exception) -> bool:
    """Whether nothing was sent, because no connection was established."""
    text = str(error)
    return "NewConnectionError" in text or "Failed to establish a new connection" in text


def _receive_request(pipeline: str) -> tuple[ET.Element, OptionSet]:
    resource = ET.Element(f"{{{_RSP}}}Receive")
    ET.SubElement(resource, f"{{{_RSP}}}DesiredStream", CommandId=pipeline).text = "stdout"
    options = OptionSet()
    options.add_option("WSMAN_CMDSHELL_OPTION_KEEPALIVE", "True")
    return resource, options


def _stream_of(answer: bytes) -> bytes:
    """The stdout bytes of a ReceiveResponse, without building an XML tree: Stream elements hold only base64."""
    parts: list[bytes] = []
    at = 0
    while True:
        start = answer.find(b":Stream ", at)
        if start < 0:
            return b"".join(parts)
        opened = answer.find(b">", start)
        if answer[opened - 1 : opened] == b"/":
            at = opened
            continue
        closed = answer.find(b"</", opened)
        parts.append(base64.b64decode(answer[opened + 1 : closed]))
        at = answer.find(b">", closed)
