"""What the database says of a row that it refuses, in words that quote nothing of the row."""

from django.db import DataError, IntegrityError


def reason_of(error: DataError | IntegrityError) -> str:
    """PostgreSQL's name for it, its SQLSTATE, and the constraint or column. Its own sentences may quote a value, which
    may be a card's number."""
    refusal = error.__cause__
    diagnosis = getattr(refusal, "diag", None)
    found = {
        "SQLSTATE": getattr(refusal, "pgcode", None),
        "constraint": getattr(diagnosis, "constraint_name", None),
        "column": getattr(diagnosis, "column_name", None),
    }
    said = [type(refusal or error).__name__, *(f"{what} {name}" for what, name in found.items() if name)]
    return f"refused by the database ({', '.join(said)})"
