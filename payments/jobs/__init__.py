"""Long work with progress: one action on one thing or on thousands, previewed, asked for, approved, done, told.

Must never happen: that something is done twice because a worker died, or that a second person's yes is missing.
What is left to do stands in rows; a message is a doorbell here, too.

`ask` (a preview becomes a job; approval, stop, go on), `work` (item by item), `classes` (what it is about, by class),
`tasks` (Celery's view).
"""

from payments.jobs.ask import NotAllowed, Preview, approve, confirm, draft, go_on, preview, reject, stop
from payments.jobs.classes import Class, Refusal, find_classes, find_outcomes, find_refusals
from payments.jobs.tasks import ring
from payments.jobs.work import Metronome, Progress, progress, work

__all__ = [
    "Class",
    "Metronome",
    "NotAllowed",
    "Preview",
    "Progress",
    "Refusal",
    "approve",
    "confirm",
    "draft",
    "find_classes",
    "find_outcomes",
    "find_refusals",
    "go_on",
    "preview",
    "progress",
    "reject",
    "ring",
    "stop",
    "work",
]
