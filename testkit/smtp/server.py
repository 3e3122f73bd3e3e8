"""A real SMTP server for tests: takes mail and writes each one as a line of JSON.

    python server.py HOST PORT FILE [REFUSALS]

The first REFUSALS mails are refused for now (451); mail to an address that begins with `never` is refused for good (550).
"""

import asyncio
import email
import email.policy
import json
import sys

from aiosmtpd.controller import Controller


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


def main():
    host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    refusals = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    controller = Controller(Taker(path, refusals), hostname=host, port=port)
    controller.start()
    asyncio.new_event_loop().run_forever()


main()
