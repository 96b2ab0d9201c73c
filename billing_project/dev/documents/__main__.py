"""Writes what has changed."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
django.setup()

from billing_project.dev.documents import ROOT, texts  # noqa: E402  (Django has to be set up first)

for path, text in texts().items():
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        print(f"written: {path.relative_to(ROOT)}")
