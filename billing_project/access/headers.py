"""Security headers of every answer: pages, files, probes, webhooks and errors.

The policy is strict everywhere (`CONTENT_SECURITY_POLICY` in the settings) and relaxed in the admin only, as far as
the admin's look needs it.
"""

from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest, HttpResponseBase

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Ids of payments are in our addresses; Stripe's dashboard, which we link to, needn't know them.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Nothing here asks for any of them; payments are made elsewhere.
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "payment=(), usb=()",
}
ADMIN = "/admin/"
FOR_UNFOLD = {
    # Alpine.js, by which unfold opens menus, makes functions of the texts in its attributes.
    "script-src": ["'unsafe-eval'"],
    # Tables in pages, and what Alpine.js shows and hides, carry style attributes; no style element is allowed.
    "style-src-attr": ["'unsafe-inline'"],
}


class Headers(CSPMiddleware):
    """The first of all, so that what other middlewares answer by themselves has them, too."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """What a view has set already stays."""
        answer = super().process_response(request, response)
        for name, value in FIXED.items():
            answer.headers.setdefault(name, value)
        return answer

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The settings' policy, and what the admin needs beside it."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(ADMIN) and not report_only:
            parts.update = {**FOR_UNFOLD, **(parts.update or {})}
        return parts
