"""A real SMTP server for tests: takes mail and writes each one as a line of JSON.

    python server.py HOST PORT FILE [REFUSALS [MODE CERT KEY USER PASSWORD]]

The first REFUSALS mails are refused for now (451); mail to an address that begins with `never` is refused for good (550).
With a MODE it speaks TLS, `tls` from the first byte or `starttls` before anything else, and takes mail from that user alone.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Taker:
    def __init__(self, path, refusals):
        self.path = path
        self.refusals = refusals

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 nobody has this address"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.refusals > 0:
            self.refusals -= 1
            return "451 4.3.0 try again later"
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        mail = {
            "to": envelope.rcpt_tos,
            "from": message["From"],
            "subject": message["Subject"],
            "message_id": message["Message-ID"],
            "text": message.get_content(),
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(mail) + "\n")
        return "250 OK"


def guarded(mode, cert, key, user, password):
    """What SMTP takes as arguments, and the context that the listener speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def authenticator(server, session, envelope, mechanism, data):
        known = data.login == user.encode() and data.password == password.encode()
        return AuthResult(success=known, handled=known)

    options = {"authenticator": authenticator, "auth_required": True}
    if mode == "starttls":
        return options | {"tls_context": context, "require_starttls": True}, None
    # aiosmtpd does not see TLS that began with the first byte.
    return options | {"auth_require_tls": False}, context


async def main():
    host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    taker = Taker(path, int(sys.argv[4]) if len(sys.argv) > 4 else 0)
    options, context = guarded(*sys.argv[5:]) if len(sys.argv) > 5 else ({}, None)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(taker, hostname=host, **options), host, port, ssl=context)
    await server.serve_forever()


asyncio.run(main())
