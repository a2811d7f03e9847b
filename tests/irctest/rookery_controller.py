"""Lets progval/irctest test rookeryd. Starts the server without limits and behind a relay, as the
suite uses plaintext and the server accepts only TLS."""

import asyncio
import contextlib
import os
from pathlib import Path
import shutil
import ssl as tls
import threading
import time

from irctest import patma
from irctest.basecontrollers import BaseServerController, DirectoryBasedController
from irctest.runner import NotImplementedByController
from irctest.specifications import Capabilities, OptionalBehaviors

CONFIG = """
[chat]
listen = "127.0.0.1:{port}"
server_name = "My.Little.Server"
lobby = []
[admin]
listen = "127.0.0.1:{admin_port}"
[accounts]
required = false
free_nicks = true
verify_email = {verify_email}
always_on = {always_on}
register_before_connect = {before_connect}
[history]
enabled = {history}
[limits]
connections = 0
connections_per_address = 0
connect_rate = 0
sessions_per_account = 0
stored_bytes_per_day = 0
message_burst = 0
failed_sign_ins = 0
mails_per_hour = 0
password_length = 0
ping_seconds = 0
[log]
level = "debug"
"""


class Relay(threading.Thread):
    """Accepts plaintext connections and forwards each over TLS."""

    def __init__(self, hostname, port, server_port):
        super().__init__(daemon=True)
        self.hostname, self.port, self.server_port = hostname, port, server_port
        self.loop = asyncio.new_event_loop()
        self.stopped = asyncio.Event()
        self.context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = tls.CERT_NONE

    def run(self):
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            # The runner cancels all tasks that are still running.
            runner.run(self.serve())

    async def serve(self):
        stopped = asyncio.create_task(self.stopped.wait())
        # The suite regards an open port as a running server, so the relay must not listen before
        # the server does.
        while not stopped.done():
            with contextlib.suppress(OSError):
                _, writer = await self.connect()
                writer.close()
                break
            await asyncio.sleep(0.02)
        async with await asyncio.start_server(self.relay, self.hostname, self.port):
            await stopped

    def connect(self):
        return asyncio.open_connection("127.0.0.1", self.server_port, ssl=self.context)

    async def relay(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.CancelledError):
            server_reader, server_writer = await self.connect()
            # If one side closes, the other is closed too, once all data has been forwarded.
            directions = [forward(reader, server_writer), forward(server_reader, writer)]
            await asyncio.gather(*directions)
        writer.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.join(5)


def toml(value):
    return "true" if value else "false"


async def forward(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.close()


def is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wants_always_on(test_config):
    """Whether a test enables always-on in Ergo's config. Other keys of that config are ignored."""
    config = {section: {"multiclient": {}, "listeners": {}} for section in ("accounts", "server")}
    if test_config.ergo_config:
        test_config.ergo_config(config)
    return config["accounts"]["multiclient"].get("always-on") in ("opt-out", "mandatory")


class RookeryController(BaseServerController, DirectoryBasedController):
    software_name = "Rookery"
    supported_sasl_mechanisms = {"PLAIN", "SCRAM-SHA-256"}
    # A message passes through two relays, which takes longer than the suite expects.
    sync_sleep_time = 0.02
    supports_sts = False
    extban_mute_char = "m"
    capabilities = frozenset(
        {
            Capabilities.ACCOUNT_NOTIFY,
            Capabilities.ACCOUNT_TAG,
            Capabilities.AWAY_NOTIFY,
            Capabilities.BATCH,
            Capabilities.ECHO_MESSAGE,
            Capabilities.EXTENDED_JOIN,
            Capabilities.EXTENDED_MONITOR,
            Capabilities.LABELED_RESPONSE,
            Capabilities.MESSAGE_TAGS,
            Capabilities.MULTI_PREFIX,
            Capabilities.SERVER_TIME,
            Capabilities.SETNAME,
        }
    )
    optional_behaviors = frozenset(
        {
            OptionalBehaviors.BAN_EXCEPTION_MODE,
            OptionalBehaviors.CAP_REQ_MINUS,
            OptionalBehaviors.ELIST_C,
            OptionalBehaviors.ELIST_M,
            OptionalBehaviors.ELIST_N,
            OptionalBehaviors.ELIST_T,
            OptionalBehaviors.ELIST_U,
            OptionalBehaviors.INVITE_EXCEPTION_MODE,
            OptionalBehaviors.INVITE_LIST,
            OptionalBehaviors.INVITE_OVERRIDES_LIMIT,
            OptionalBehaviors.MULTI_JOIN,
            OptionalBehaviors.MULTI_KICK,
            OptionalBehaviors.MULTI_NAMES_COMMAND,
            OptionalBehaviors.MULTI_PRIVMSG,
            OptionalBehaviors.NO_CTCP,
            OptionalBehaviors.SASL_AFTER_REGISTRATION,
            OptionalBehaviors.SASL_REAUTHENTICATION,
        }
    )
    isupport = {
        "BOT": "B",
        "CASEMAPPING": "ascii",
        "ELIST": "CMNTU",
        "EXCEPTS": "e",
        "INVEX": "I",
        "MONITOR": patma.ANYSTR,
        "PREFIX": "(qov)~@+",
        "STATUSMSG": "@+",
        "TARGMAX": patma.ANYSTR,
        "UTF8ONLY": None,
        "WHOX": None,
    }
    relays = ()

    def run(
        self,
        hostname,
        port,
        *,
        password,
        ssl,
        run_services,
        faketime,
        websocket_hostname,
        websocket_port,
    ):
        if password:
            raise NotImplementedByController("a password for the whole server")
        self.create_config()
        self.hostname, self.port = hostname, port
        _, inner_port = self.get_hostname_and_port()
        _, admin_port = self.get_hostname_and_port()
        server_port = port if ssl else inner_port
        wanted = self.test_config
        config = CONFIG.format(
            port=server_port,
            admin_port=admin_port,
            verify_email=toml(wanted.account_registration_requires_email),
            always_on=toml(wants_always_on(wanted)),
            before_connect=toml(wanted.account_registration_before_connect),
            history=toml(wanted.chathistory),
        )
        if websocket_port is not None:
            _, web_port = self.get_hostname_and_port()
            config += f'[websocket]\nlisten = "127.0.0.1:{web_port}"\n'
        (self.directory / "config.toml").write_text(config)
        program = Path(os.environ["ROOKERY_BIN_DIR"]) / "rookeryd"
        clock = []
        if faketime and shutil.which("faketime"):
            clock = ["faketime", "-f", faketime]
            self.faketime_enabled = True
        self.proc = self.execute([*clock, str(program)], cwd=self.directory)
        self.relays = []
        if websocket_port is not None:
            self.relays.append(Relay(websocket_hostname, websocket_port, web_port))
        if not ssl:
            self.relays.append(Relay(hostname, port, server_port))
        for relay in self.relays:
            relay.start()

    def kill_proc(self):
        group = self.proc.pid
        super().kill_proc()
        if not self.faketime_enabled:
            return
        # `faketime` exits before the server that it started, and the server's folder is removed
        # next.
        deadline = time.monotonic() + 5
        while is_alive(group) and time.monotonic() < deadline:
            time.sleep(0.01)
        # A terminated `faketime` leaves these files, and another one that is later given the same
        # process id fails at its start because of them.
        for name in (f"faketime_shm_{group}", f"sem.faketime_sem_{group}"):
            Path("/dev/shm", name).unlink(missing_ok=True)

    def kill(self):
        for relay in self.relays:
            relay.stop()
        self.relays = []
        super().kill()

    def wait_for_services(self):
        pass

    def registerUser(self, case, username, password=None):
        if len(f"REGISTER * * {password}\r\n".encode()) > 512:
            raise NotImplementedByController("a password longer than a line")
        client = case.addClient(show_io=False)
        case.sendLine(client, "NICK " + username)
        case.sendLine(client, "USER r e g :user")
        while case.getRegistrationMessage(client).command != "001":
            pass
        case.getMessages(client)
        case.sendLine(client, f"REGISTER * * {password}")
        while True:
            message = case.getMessage(client)
            if message.command == "REGISTER":
                assert message.params[0] == "SUCCESS", message
                break
            assert message.command != "FAIL", message
        case.sendLine(client, "QUIT")
        case.assertDisconnected(client)


def get_irctest_controller_class():
    return RookeryController
