"""Where rows are kept between the one reading of a raw file and the passes over them."""

import os
import shutil
import tempfile
import weakref
from itertools import count
from pathlib import Path

import polars as pl

from models.files import own_prefix, remove_leftovers


class Scratch:
    """Keeps what was read: in memory, or in parquet files that live as long as this object.

    The files lie in the system's folder for temporary ones; the environment's ``TMPDIR`` names
    another. What a killed process left there, the next one removes.

    Args:
        in_memory: Keep it in memory rather than in files.
    """

    def __init__(self, *, in_memory: bool) -> None:
        self.in_memory = in_memory
        self._folder, self._numbers = None, count()
        if not in_memory:
            home = Path(tempfile.gettempdir()) / f"intentflow-{os.getuid()}"
            home.mkdir(parents=True, exist_ok=True)
            remove_leftovers(home)
            self._folder = Path(tempfile.mkdtemp(prefix=own_prefix(), dir=home))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def keep(self, query: pl.LazyFrame) -> pl.LazyFrame:
        """Return a query over the rows of ``query``, which runs now and never again."""
        if self._folder is None:
            return query.collect(engine="streaming").lazy()
        path = self._folder / f"{next(self._numbers)}.parquet"
        query.sink_parquet(path, compression="lz4", row_group_size=250_000)
        return pl.scan_parquet(path)
