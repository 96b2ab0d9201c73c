"""Which amounts Stripe takes: currencies, minimums, the maximum, and whole units where it asks for them."""

from __future__ import annotations

from .errors import StripeError, invalid_parameter

# Eight digits, whatever the currency.
MAXIMUM = 99_999_999

# Stripe's table of minimum charges, in minor units. The real rule converts to the settlement currency, so a
# currency that is not listed has no fixed minimum: KZT is one, and 100 tenge must pass.
MINIMUMS = {
    "aed": 200,
    "aud": 50,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}

# Amounts that must be a multiple of this: three-decimal currencies end in 0; ISK and UGX are sent ×100 but
# have no fractions any more.
MULTIPLES = {"bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10, "isk": 100, "ugx": 100}

SUPPORTED = frozenset(
    (
        "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd "
        "cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd "
        "hkd hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl "
        "mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr "
        "pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd "
        "tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw"
    ).split()
)


def check_amount(*, amount: int, currency: str) -> StripeError | None:
    """Return why Stripe refuses `amount` minor units of the lower-case `currency`, or None."""
    if currency not in SUPPORTED:
        return invalid_parameter(f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        return invalid_parameter(
            "This value must be greater than or equal to 1.", param="amount", code="parameter_invalid_integer"
        )
    if amount > MAXIMUM:
        return invalid_parameter(
            f"Amount must be no more than {MAXIMUM} {currency}", param="amount", code="amount_too_large"
        )
    if amount < (minimum := MINIMUMS.get(currency, 1)):
        return invalid_parameter(
            f"Amount must be at least {minimum} {currency}", param="amount", code="amount_too_small"
        )
    if amount % (multiple := MULTIPLES.get(currency, 1)):
        return invalid_parameter(f"Invalid amount for {currency}: it must be divisible by {multiple}.", param="amount")
    return None
