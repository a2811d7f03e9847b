"""A mail server for tests (aiosmtpd). It requires STARTTLS and authentication, and writes each mail
to a file.

usage: smtp_server.py PORT CERTIFICATE KEY FOLDER USERNAME PASSWORD

Port 0 chooses a free one. Prints "listening on PORT" once it listens. Each file starts with two
extra headers, which say whether the mail arrived over TLS and who authenticated.
"""

import asyncio
import itertools
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Folder:
    """Writes each mail to a file, completely or not at all."""

    def __init__(self, path):
        self.path = path
        self.numbers = itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        name = os.path.join(self.path, f"{os.getpid()}-{next(self.numbers)}")
        with open(name + ".part", "wb") as file:
            file.write(f"X-Test-Tls: {session.ssl is not None}\r\n".encode())
            file.write(f"X-Test-Login: {session.auth_data.decode()}\r\n".encode())
            file.write(envelope.content)
        os.rename(name + ".part", name + ".eml")
        return "250 OK"


async def main(port, certificate, key, folder, username, password):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        expected = LoginPassword(username.encode(), password.encode())
        success = isinstance(data, LoginPassword) and data == expected
        return AuthResult(success=success, handled=False, auth_data=data.login if success else None)

    mails = Folder(folder)

    def serve():
        return SMTP(
            mails,
            hostname="mail.example.org",
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
        )

    server = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", int(port))
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
