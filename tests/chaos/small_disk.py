"""A disk that can be filled: a file system in memory, on which PostgreSQL keeps the table of records.

Only root may mount one, on Linux. Where that isn't so, this fault is left out, and the report says so.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SIZE = 192 * 2**20
BLOCK = b"\0" * 2**20
# The table of which every record needs a row, so that intake finds the disk full first.
ON_SMALL_DISK = """
    CREATE TABLESPACE small_disk LOCATION '{}';
    ALTER TABLE payments_inboxmessage SET TABLESPACE small_disk;
"""


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `folder`."""

    folder: Path

    @property
    def statements(self) -> list[str]:
        """What puts the table there, each in a transaction of its own."""
        return [one.strip() for one in ON_SMALL_DISK.format(self.folder / "tables").split(";") if one.strip()]

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing more can be written, until the end of the block."""
        filler = self.folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(BLOCK)
            yield
        finally:
            filler.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path) -> Iterator[SmallDisk | None]:
    """The disk, or None where it can't be had."""
    folder.mkdir(parents=True)
    mount, umount = shutil.which("mount"), shutil.which("umount")
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "chaos", str(folder)]
    if os.geteuid() != 0 or not mount or not umount or subprocess.run([mount, *options], check=False).returncode:
        yield None
        return
    try:
        tables = folder / "tables"
        tables.mkdir(mode=0o700)
        # As root, PostgreSQL runs as nobody.
        nobody = pwd.getpwnam("nobody")
        os.chown(tables, nobody.pw_uid, nobody.pw_gid)
        yield SmallDisk(folder)
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=False)
