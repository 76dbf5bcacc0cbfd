"""Django's settings, all from the environment; `docs/reference/settings.md` lists the variables."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.crypto import salted_hmac
from kombu import Exchange, Queue

from workflow_engine import embedded, env
from workflow_engine.logs import configure as configure_logs

BASE_DIR = Path(__file__).resolve().parent.parent
WORKFLOW = env.table()
VAR_DIR = BASE_DIR / WORKFLOW.var_dir

# ---------------------------------------------------------------- secrets
# The embedded default makes its secrets; whoever names a database runs a service and must bring them.
EMBEDDED = "DATABASE_URL" not in env.environ
SECRET_KEY = embedded.secret("SECRET_KEY", VAR_DIR, made=EMBEDDED)
#: Keys of encryption at rest, newest first: the first encrypts, all decrypt.
ENCRYPTION_KEYS = embedded.encryption_keys(VAR_DIR, made=EMBEDDED)

# ---------------------------------------------------------------- web
DEBUG = WORKFLOW.debug
HTTPS = WORKFLOW.https == "on" or (WORKFLOW.https == "auto" and not EMBEDDED)
ALLOWED_HOSTS = list(WORKFLOW.hosts)
CSRF_TRUSTED_ORIGINS = list(WORKFLOW.origins)
ROOT_URLCONF = "workflow_engine.urls"
WSGI_APPLICATION = "workflow_engine.wsgi.application"
ASGI_APPLICATION = "workflow_engine.asgi.application"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = False  # what ends TLS redirects; health checks come without it
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if WORKFLOW.behind_proxy else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# The gateway holds bodies to WORKFLOW_BODY_LIMIT itself and answers 413, where Django would answer 400.
DATA_UPLOAD_MAX_MEMORY_SIZE = WORKFLOW.body_limit

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.headless",
    "django_celery_beat",
    "apps.accounts",
    "apps.catalog",
    "apps.definitions",
    "apps.instances",
    "apps.waits",
    "apps.signals",
    "apps.execution",
    "apps.retention",
    "apps.gateway",
    "apps.console",
]
MIDDLEWARE = [
    "apps.gateway.middleware.Problems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns about a folder that is not there
WHITENOISE_USE_FINDERS = True
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- AUTH: begin
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Nobody signs up: an account is made by somebody who has one.
ACCOUNT_ADAPTER = "apps.accounts.adapter.ClosedSignup"
MFA_ADAPTER = "apps.accounts.adapter.SealedFactors"
MFA_TOTP_ISSUER = "Resumable Functions"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
HEADLESS_ONLY = True
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"  # noqa: S105
HEADLESS_JWT_ALGORITHM = "HS256"
# A key of its own: what signs tokens must not be what signs cookies.
HEADLESS_JWT_PRIVATE_KEY = salted_hmac("workflow.jwt", "", secret=SECRET_KEY, algorithm="sha256").hexdigest()
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = int(timedelta(minutes=5).total_seconds())
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = int(timedelta(days=1).total_seconds())
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = True
# A sign-out and a disabled account count at once, not when the token ends.
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.gateway.people.PersonAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.gateway.people.Viewer"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["apps.gateway.bodies.HardenedJSON"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.gateway.problems.handle",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Resumable Functions",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "POSTPROCESSING_HOOKS": ["apps.gateway.openapi.problems"],
}
# ---------------------------------------------------------------- AUTH: end

# ---------------------------------------------------------------- database
DATABASES = {
    "default": embedded.database(env.parsed("DATABASE_URL", env.database, embedded.default_database(VAR_DIR)), WORKFLOW)
}

# ---------------------------------------------------------------- redis
BROKER_URL = env.parsed("BROKER_URL", env.broker, embedded.broker_url(VAR_DIR))
REDIS_URL = env.parsed("REDIS_URL", env.redis, env.redis(BROKER_URL))

# ---------------------------------------------------------------- celery
# A message is a hint and its loss is mended by the sweep, so these settings are for speed of recovery, not for safety.
VISIBILITY_SECONDS = embedded.visibility_seconds(WORKFLOW)
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "visibility_timeout": VISIBILITY_SECONDS,
    "unacked_restore_interval": 5,  # with the throttle: a dead worker's messages come back in 10 s, not in 90
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,  # without it a hanging Redis hangs the publisher for ever
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "global_keyprefix": "rf:",
    "queue_order_strategy": "round_robin",
}
CELERY_VISIBILITY_TIMEOUT = VISIBILITY_SECONDS
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": VISIBILITY_SECONDS}
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True  # acks_late alone still acknowledges when a pool process dies
CELERY_TASK_ACKS_ON_FAILURE = CELERY_TASK_ACKS_ON_TIMEOUT = True  # retries are the engine's, from its rows
CELERY_TASK_SOFT_TIME_LIMIT = WORKFLOW.task_soft_seconds
CELERY_TASK_TIME_LIMIT = WORKFLOW.task_hard_seconds
# Queues without a routing key of their own would all be bound to the default one, and get every message four times.
CELERY_TASK_QUEUES = [
    Queue(name, Exchange(name), routing_key=name) for name in ("signals", "instances", "timers", "maintenance")
]
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "signals.*": {"queue": "signals"},
    "instances.*": {"queue": "instances"},
    "timers.*": {"queue": "timers"},
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # the default gives up after 100
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_BROKER_POOL_LIMIT = 10
CELERY_WORKER_CONCURRENCY = WORKFLOW.worker_processes
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # the row lock fences; cancelling only repeats work
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_MAX_TASKS_PER_CHILD = 10_000
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000  # KiB
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 30  # the default of 4 s is short on two busy cores
CELERY_WORKER_ETA_TASK_LIMIT = 1000
CELERY_WORKER_STATE_DB = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Flower needs both; access to the broker is then access to the workers' controls.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = CELERY_WORKER_SEND_TASK_EVENTS = WORKFLOW.flower
CELERY_TIMEZONE = "UTC"
# Without it Celery opens a database connection for every task, which halves the rate.
CELERY_DB_REUSE_MAX = 1000
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
# A tick that waits longer than its interval is worthless: the next one looks at the same rows.
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    name: {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 1.0)}}
    for name, seconds in {
        "timers.fire": WORKFLOW.timer_seconds,
        "maintenance.sweep": WORKFLOW.sweep_seconds,
        "definitions.scan": WORKFLOW.scan_seconds,
        "maintenance.prune": timedelta(minutes=5).total_seconds(),
    }.items()
}

# ---------------------------------------------------------------- logs
# request.user read early makes every sign-in endpoint answer 401, so the request log does without it.
DJANGO_STRUCTLOG_USER_ID_FIELD = None
DJANGO_STRUCTLOG_CELERY_ENABLED = True
LOGGING_CONFIG = None
configure_logs(level=WORKFLOW.log_level, form=WORKFLOW.log_format)
