"""The engine's settings, as the tests run them: the same, but for passwords that are cheap to hash."""

from __future__ import annotations

import os

from workflow_engine.settings import *
from workflow_engine.settings import DATABASES

STATIC_ROOT = None  # nothing is collected; WhiteNoise finds the files where they are
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Django would test in memory, where no second process and no second connection sees anything.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(os.path.dirname(DATABASES["default"]["NAME"]), "test.sqlite3")}
