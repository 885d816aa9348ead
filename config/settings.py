"""The desk's settings, read from the environment. `config.environment` says what is refused."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import environment, logging

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Which desk this is -------------------------------------------------------------------------

DESK_ENVIRONMENT = os.environ.get("DESK_ENVIRONMENT", "production")
if DESK_ENVIRONMENT not in {"embedded", "production", "test"}:
    raise ImproperlyConfigured("DESK_ENVIRONMENT must be embedded, production or test.")
PRODUCTION = DESK_ENVIRONMENT == "production"
TESTING = DESK_ENVIRONMENT == "test"

DESK_URL = environment.required("DESK_URL").rstrip("/")  # where people and brokers reach the desk
DESK_DATA = Path(os.environ.get("DESK_DATA", BASE_DIR / ".desk"))
# Hosts that subscribers may be told at though they are of a private network, or speak plain http.
DESK_TRUSTED_RECEIVERS = environment.listed("DESK_TRUSTED_RECEIVERS")
# Hosts beside a broker's own that an account on paper may be at, and be shown its key.
DESK_TRUSTED_BROKERS = environment.listed("DESK_TRUSTED_BROKERS")
DESK_PREFIX = os.environ.get("DESK_PREFIX", "desk")  # keeps desks that share a Redis apart
DESK_PAPER_URL = os.environ.get("DESK_PAPER_URL", "")  # the paper exchange, if there is one
DESK_PAPER_TOKEN = os.environ.get("DESK_PAPER_TOKEN", "")  # may turn its fault dials

address = urlsplit(DESK_URL)
HTTPS = address.scheme == "https"
if PRODUCTION and not HTTPS:
    raise ImproperlyConfigured("DESK_URL must begin with https:// in production.")

# --- Secrets ------------------------------------------------------------------------------------

SECRET_KEY = environment.required("DESK_SECRET_KEY")
environment.required("DESK_CREDENTIAL_KEYS")
DESK_CREDENTIAL_KEYS = environment.listed("DESK_CREDENTIAL_KEYS")  # the first one encrypts
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher"  # tests sign in hundreds of times
    if TESTING
    else "django.contrib.auth.hashers.Argon2PasswordHasher"
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- What it is made of -------------------------------------------------------------------------

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
    "django_htmx",
    "channels",
    "pgtrigger",
    "orders",
    "webhooks",
]
MIDDLEWARE = [
    "config.middleware.request_id",
    "config.middleware.content_policy",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.StaticFiles",  # innermost: see that module
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEBUG = False
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "desk"
APPEND_SLASH = False  # a redirect loses a POST, and every address here is exact

# --- PostgreSQL ---------------------------------------------------------------------------------

DATABASES = {"default": environment.database(environment.required("DATABASE_URL"))}
if not TESTING:
    # Under ASGI a kept connection is never given back (CONN_MAX_AGE), a pooled one is. The size
    # covers a worker's threads and leaves PostgreSQL room for other processes. Checked on the way
    # out, so that a restart of PostgreSQL costs nobody an error.
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 20, "timeout": 5}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: the doorbell and the nudge, never the truth -----------------------------------------

REDIS = environment.redis(environment.required("REDIS_URL"))

# --- Celery -------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS.celery
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{DESK_PREFIX}:",
    "socket_connect_timeout": 0.5,
    "socket_timeout": 1,  # a Redis that is there and says nothing holds up nobody for longer
    "max_retries": 0,  # a publisher says at once that Redis is away: the sweep finds the work
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = DESK_PREFIX
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False

# --- Time and language --------------------------------------------------------------------------

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"

# --- Static files -------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION  # an embedded desk needs no collectstatic
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- The browser --------------------------------------------------------------------------------

ALLOWED_HOSTS = environment.listed("DESK_ALLOWED_HOSTS") or [address.hostname or ""]
if not PRODUCTION:
    ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = [DESK_URL]
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # asked from inside, without TLS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
# Cookies ignore the port, so desks side by side on one machine would sign each other out.
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else f"session-{address.port or 80}"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else f"csrf-{address.port or 80}"

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": False,  # whatever text a client sent, it can be repeated
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Blotter API",
    "DESCRIPTION": (
        "Places, watches, replaces and cancels orders of one account. An order is on record before"
        " the desk answers, and is never sent twice: repeat any request whose answer got lost.\n\n"
        "Amounts are exact decimals, written as strings. Times are RFC 3339 in UTC."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_PATCH": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "POSTPROCESSING_HOOKS": ["orders.api.describing.refuse_unknown_fields"],
}

# --- Logs ---------------------------------------------------------------------------------------

LOGGING = logging.configuration(as_json=PRODUCTION, level=os.environ.get("DESK_LOG_LEVEL", "INFO"))
