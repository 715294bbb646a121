"""Keeps every mail as a file of a Maildir, and refuses those that a test wants refused.

An address that begins with `refused` is refused for good, one that begins with `later` twice for
now and then taken, and with one that begins with `locked` the server does not take our sign-in once.
"""

from collections import Counter

from aiosmtpd.handlers import Mailbox


class Catcher(Mailbox):
    """See the module."""

    def __init__(self, folder, message_class=None):
        super().__init__(folder, message_class)
        self.tries = Counter()

    async def handle_RCPT(self, server, session, envelope, address, options):
        """Answers RCPT TO."""
        if address.startswith("refused"):
            return "550 5.1.1 nobody of that name"
        self.tries[address] += 1
        if address.startswith("later") and self.tries[address] <= 2:
            return "451 4.7.1 not now"
        if address.startswith("locked") and self.tries[address] == 1:
            return "535 5.7.8 the password is another one"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"
