"""Django's settings, for every environment: what differs between them comes in through `billing_project.env`."""

import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from billing_project import env, env_kafka, env_sources, logs, sentry, tracing

try:
    ENV = env.load()
    KAFKA_PROPERTIES = env_kafka.kafka_properties()
except env_sources.EnvInvalid as invalid:
    # One line per problem, no traceback: this is read by someone whose deployment doesn't start.
    for problem in invalid.problems:
        print(f"configuration: {problem}", file=sys.stderr)
    sys.exit(1)

logs.configure(log_format=ENV.log_format, level=ENV.log_level)
LOGGING_CONFIG = None  # structlog, above, has the last word

HERE = Path(__file__).resolve().parent

SECRET_KEY = ENV.secret_key.get_secret_value()
DEBUG = ENV.debug
ALLOWED_HOSTS = ENV.allowed_hosts

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "billing_project.access.apps.AccessConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "billing_project",
    "bridge",
    "payments",
]
MIDDLEWARE = [
    "billing_project.access.headers.Headers",
    "billing_project.health.Probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "payments.admin.times.use_zone",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "billing_project.urls"
WSGI_APPLICATION = "billing_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of the packages: some of them extend the package's template of the same name.
        "DIRS": [HERE / "templates", HERE.parent / "payments" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_database = urlsplit(ENV.database_url)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(_database.path.strip("/")),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "HOST": _database.hostname or "",
        "PORT": str(_database.port or ""),
        # Kept open: a new connection costs more than the statements of a payment.
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # A database that is away must be noticed in seconds, not after the kernel's minutes.
        "OPTIONS": {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            **dict(parse_qsl(_database.query)),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ru", _("Russian")), ("kk", _("Kazakh"))]
# Ours come first: also what Django and unfold leave untranslated.
LOCALE_PATHS = [HERE / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["billing_project.formats"]
STATIC_URL = "static/"
# The admin's few files are served straight from the packages: nobody has to run collectstatic.
WHITENOISE_USE_FINDERS = True

AUTHENTICATION_BACKENDS = ["billing_project.access.lock_out.Backend", "django.contrib.auth.backends.ModelBackend"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
REQUIRE_TWO_FACTOR = ENV.require_two_factor
OTP_TOTP_ISSUER = "Payments"
TRUSTED_PROXIES = ENV.trusted_proxies
AXES_FAILURE_LIMIT = ENV.login_failures
AXES_COOLOFF_TIME = ENV.login_locked_for
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Whoever keeps trying while locked out doesn't keep the owner of the name out for longer.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "billing_project.access.lock_out.address_of"
AXES_USERNAME_CALLABLE = "billing_project.access.lock_out.counted_as"
AXES_LOCKOUT_CALLABLE = "billing_project.access.lock_out.answer"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "csrfmiddlewaretoken"]
# Logins are in the staff log.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

# Over TLS only, which somebody in front of us ends; a developer's machine has none.
_HTTPS = ENV.https_only and not DEBUG
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = _HTTPS
# Stripe takes a redirect for a failure; what it sends is signed.
SECURE_REDIRECT_EXEMPT = [r"^webhooks/"]
SECURE_HSTS_SECONDS = int(ENV.hsts_for.total_seconds()) if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
# Being built into browsers, for years, is for the owner of the whole domain to ask for.
SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
# Of everything; what the admin needs beside it is in billing_project/access/headers.py.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# Not before the settings are complete.
static_lazy = lazy(static, str)
UNFOLD = {
    "SITE_TITLE": _("Payments"),
    "SITE_HEADER": _("Payments"),
    "SITE_SYMBOL": "payments",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": static_lazy("payments/favicon.svg")}],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "STYLES": [static_lazy(f"payments/{name}.css") for name in ("look", "desk", "jobs", "dashboard")],
    "SCRIPTS": [static_lazy("payments/desk.js"), static_lazy("payments/zone.js"), static_lazy("access/htmx.js")],
    # Unfold's own is too dark to be read on its dark background (WCAG asks for 4.5:1).
    "COLORS": {"primary": {"500": "oklch(68% .22 305)"}},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
            {"title": _("Two-factor login"), "link": reverse_lazy("admin:two_factor")},
        ]
    },
    "GLOBAL_CALLBACK": "payments.admin.banners.context",
    "DASHBOARD_CALLBACK": "payments.admin.dashboard.fill",
    "TABS": "payments.admin.saved_views.tabs",
    "SIDEBAR": {"navigation": "payments.admin.saved_views.navigation"},
}

STRIPE_SECRET_KEY = ENV.stripe_secret_key.get_secret_value()
STRIPE_API_BASE = ENV.stripe_api_base
STRIPE_WEBHOOK_SECRETS = ENV.webhook_secrets
STRIPE_RATE_LIMIT = ENV.stripe_rate_limit
PRICE_UNIT = ENV.price_unit
# How a parked record that is replayed is understood: named here, as payments knows nothing of events.
EVENT_DECODER = "bridge.schema.decode"
RETRY_SOFT_AFTER = ENV.retry_soft_after
REDIS_URL = ENV.redis_url

KAFKA_BROKER = ENV.kafka_broker
KAFKA_GROUP_ID = ENV.kafka_group_id
KAFKA_GROUP_PROTOCOL = ENV.kafka_group_protocol
KAFKA_GROUP_INSTANCE_ID = ENV.kafka_group_instance_id
KAFKA_TOPIC_PAYMENTS = ENV.kafka_topic_payments
KAFKA_TOPIC_NOTIFICATIONS = ENV.kafka_topic_notifications
KAFKA_TOPIC_DEAD_LETTERS = ENV.kafka_topic_dead_letters
KAFKA_TOPIC_REFUNDS = ENV.kafka_topic_refunds
OUTAGE_BUDGET = ENV.outage_budget
BRIDGE_BATCH_BYTES = ENV.bridge_batch_bytes
STOP_WITHIN = ENV.stop_within
BRIDGE_STALLED_AFTER = ENV.bridge_stalled_after
METRICS_PORT = ENV.metrics_port
METRICS_TOKEN = ENV.metrics_token.get_secret_value()
HEALTH_FILE = ENV.health_file
NOTIFY_PENDING = ENV.notify_pending
KEEP_INBOX = ENV.keep_inbox
KEEP_OUTBOX = ENV.keep_outbox
KEEP_WEBHOOKS = ENV.keep_webhooks
KEEP_JOBS = ENV.keep_jobs
KEEP_PERSONAL = ENV.keep_personal
APPROVAL_ABOVE_COUNT = ENV.approval_above_count
APPROVAL_ABOVE_SUM = ENV.approval_above_sum

sentry.set_up(dsn=ENV.sentry_dsn.get_secret_value())
tracing.set_up(endpoint=ENV.otel_exporter_otlp_endpoint or "")
