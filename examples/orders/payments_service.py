"""The payments service: tells what the bank says, as often as the bank says it."""

from __future__ import annotations

import sys

import service
from order_signals import PaymentReceived

if __name__ == "__main__":
    sys.exit(service.run("payments", [PaymentReceived]))
