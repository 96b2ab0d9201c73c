"""`manage.py demo` (`make run`): the whole system on this machine, with events to watch.

Embedded services stand in for whatever isn't configured. Runs before Django is set up, because the settings
name services that this has to start first.

In the order of a run: `environment` (what is used), `processes` (start, watch, stop), `events` (what is fed),
`story` (what is shown), `audit` (does every payment have the state that Stripe's ledger says).
"""

from billing_project.dev.demo.run import main

__all__ = ["main"]
