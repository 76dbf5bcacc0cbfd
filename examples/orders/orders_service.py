"""The orders service: takes orders, has them picked, reviewed and shipped."""

from __future__ import annotations

import sys

import service
from order_signals import OrderPlaced, Picked, Reviewed, Shipped

if __name__ == "__main__":
    sys.exit(service.run("orders", [OrderPlaced, Picked, Reviewed, Shipped]))
