"""Stripe: whether it takes our key, what the key may do, and whether its mode is that of our payments."""

from datetime import UTC, datetime

from django.conf import settings

from payments import gateway, metrics
from payments.answers import Misconfigured, Unknown
from payments.finding import Finding, fail, judge_clock, ok, warn

# What charging can do without.
NOT_URGENT = frozenset({"read Balance transactions"})


def look_at_stripe() -> list[Finding]:
    """Asks Stripe, and no database."""
    began = datetime.now(UTC)
    found = gateway.look_at_key()
    match found.trouble:
        case Misconfigured(http_status=status):
            fix = "set STRIPE_SECRET_KEY to a key of this account that is not revoked"
            return [fail("stripe key", f"is refused ({status})", fix)]
        case Unknown(why=why, http_status=status):
            where = "Stripe" if settings.STRIPE_API_BASE is None else "Stripe's stand-in (STRIPE_API_BASE)"
            says = f"{where} gives no answer ({f'HTTP {status}' if status else why})"
            return [fail("stripe key", says, "look at status.stripe.com, and at the way out of this network")]
    whose = f" of {found.account}" if found.account else ""
    findings = [ok("stripe key", f"{_mode()} mode{whose}")]
    findings += [_judge_right(right) for right in found.missing]
    if not found.missing:
        findings.append(ok("stripe rights", "the key may do all that is needed"))
    if found.clock:
        # Whole seconds, of some moment while we asked.
        findings.append(judge_clock("stripe clock", found.clock - began.replace(microsecond=0)))
    return findings


def look_at_modes() -> list[Finding]:
    """The key's mode beside the payments'. Raises Django's database errors."""
    since = metrics.other_mode_since(is_live=_mode() == "live")
    if since is None:
        return [ok("stripe mode", f"{_mode()}, as the payments that are here")]
    fix = "use the database of the key's mode, or the key of the database's: what is charged would be mixed up"
    says = f"the key is of {_mode()} mode, and payments of the other mode are here since {since:%Y-%m-%d %H:%M} UTC"
    return [fail("stripe mode", says, fix)]


def _judge_right(right: str) -> Finding:
    fix = f"give the restricted key the right to {right} in Stripe's dashboard"
    says = f"the key may not {right}"
    return (
        warn("stripe rights", f"{says}: there is no statement", fix)
        if right in NOT_URGENT
        else fail("stripe rights", says, fix)
    )


def _mode() -> str:
    return "live" if "_live_" in settings.STRIPE_SECRET_KEY else "test"
