#!/usr/bin/env python
"""Django's command line, and the demo, which has to start the services before settings can name them."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        from billing_project.dev.demo import main as demo

        sys.exit(demo(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_project.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
