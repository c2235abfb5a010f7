"""The two-way table between items and semantic IDs, and the cohorts of items that share a code."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Int
from safetensors.numpy import load_file, save_file

from models.errors import CorruptArtifactError, IncompatibleArtifactError, TokenizerError
from models.files import write_text

TABLE_FILE = "semantic_ids.parquet"
COHORTS_FILE = "cohorts.parquet"
CODEBOOKS_FILE = "codebooks.safetensors"
FACTS_FILE = "semantic_ids.json"


class SemanticIds:
    """Semantic IDs of a catalogue: K codes and, last, the collision code.

    Attributes:
        table: item_id, code_0 … code_{K-1}, collision; one row per item.
        codebooks: The tokenizer's, level by level.
        tokenizer_hash: Names the tokenizer that made the codes.
    """

    def __init__(
        self, table: pl.DataFrame, codebooks: Float[np.ndarray, "K V d"], tokenizer_hash: str
    ) -> None:
        self.table, self.codebooks, self.tokenizer_hash = table, codebooks, tokenizer_hash

    @classmethod
    def create(
        cls,
        item_ids: pl.Series,
        codes: Int[np.ndarray, "N K"],
        collision: Int[np.ndarray, " N"],
        codebooks: Float[np.ndarray, "K V d"],
        tokenizer_hash: str,
    ) -> "SemanticIds":
        """Return the table of the given codes."""
        columns = {f"code_{level}": column.astype(np.int32) for level, column in enumerate(codes.T)}
        table = pl.DataFrame(
            {"item_id": item_ids, **columns, "collision": collision.astype(np.int32)}
        )
        return cls(table, codebooks, tokenizer_hash)

    @property
    def levels(self) -> int:
        """Number K of codebooks, the collision code not counted."""
        return self.codebooks.shape[0]

    @property
    def num_codes(self) -> int:
        """Codewords of a level, V."""
        return self.codebooks.shape[1]

    @property
    def collision_codes(self) -> int:
        """Number of different collision codes: 1 + the greatest."""
        return int(self.table["collision"].to_numpy().max(initial=-1)) + 1

    @cached_property
    def _code_columns(self) -> list[str]:
        return [*(f"code_{level}" for level in range(self.levels)), "collision"]

    @cached_property
    def codes(self) -> Int[np.ndarray, "N K1"]:
        """The K + 1 codes of every item, in the table's order."""
        return self.table.select(self._code_columns).to_numpy().astype(np.int64)

    @cached_property
    def _codes(self) -> dict[int | str, tuple[int, ...]]:
        rows = self.table.select(self._code_columns).rows()
        return dict(zip(self.table["item_id"].to_list(), rows, strict=True))

    @cached_property
    def _items(self) -> dict[tuple[int, ...], int | str]:
        return {codes: item for item, codes in self._codes.items()}

    def codes_of(self, item_id: int | str) -> tuple[int, ...]:
        """Return the codes of an item, the collision code last.

        Raises:
            TokenizerError: the item has no semantic ID.
        """
        codes = self._codes.get(item_id)
        if codes is None:
            kind = self.table["item_id"].dtype
            raise TokenizerError(
                f"The item {item_id!r} has no semantic ID.",
                where="semantic IDs",
                allowed=f"one of {len(self.table)} items, ids of type {kind}",
                do="Embed the item and run assign_semantic_ids; items without content have none.",
            )
        return codes

    def item_of(self, codes: tuple[int, ...]) -> int | str:
        """Return the item that has these K + 1 codes.

        Raises:
            TokenizerError: no item has them.
        """
        item = self._items.get(tuple(codes))
        if item is None:
            raise TokenizerError(
                f"No item has the codes {tuple(codes)}.",
                where="semantic IDs",
                allowed=f"{self.levels} codes below {self.num_codes}, then the collision code",
            )
        return item

    def cohort(self, level: int, code: int) -> pl.Series:
        """Return the ids of the items whose code at ``level`` is ``code`` (GenCI 2.2.1).

        Raises:
            TokenizerError: there is no such level or code.
        """
        if not (0 <= level < self.levels and 0 <= code < self.num_codes):
            raise TokenizerError(
                f"There is no code {code} at level {level}.",
                where="semantic IDs",
                allowed=f"levels below {self.levels}, codes below {self.num_codes}",
            )
        return self.table.filter(pl.col(f"code_{level}") == code)["item_id"]

    def cohorts(self) -> pl.DataFrame:
        """Return level, code and item_ids (a list) of every cohort that has items."""
        frames = [
            self.table.group_by(pl.col(f"code_{level}").alias("code"))
            .agg(pl.col("item_id").sort().alias("item_ids"))
            .select(pl.lit(level, pl.Int32).alias("level"), "code", "item_ids")
            .sort("code")
            for level in range(self.levels)
        ]
        return pl.concat(frames)

    def aligned(self, item_ids: pl.Series) -> Int[np.ndarray, "M K1"]:
        """Return one row of K + 1 codes per given id; -1 where it is null or has no semantic ID."""
        known = self.table["item_id"].dtype
        wanted = pl.DataFrame({"item_id": item_ids.cast(known)})
        found = wanted.join(self.table, on="item_id", how="left", maintain_order="left")
        return found.select(pl.col(self._code_columns).fill_null(-1)).to_numpy().astype(np.int64)

    def require_tokenizer(self, tokenizer_hash: str, wanted_by: str) -> None:
        """Raise `IncompatibleArtifactError` unless the tokenizer of that hash made these IDs."""
        if tokenizer_hash != self.tokenizer_hash:
            raise IncompatibleArtifactError(
                f"The semantic IDs are of tokenizer {self.tokenizer_hash[:12]}, but {wanted_by} "
                f"was trained with tokenizer {tokenizer_hash[:12]}.",
                where="semantic IDs",
                allowed=tokenizer_hash,
                do="Assign the IDs with that tokenizer, or train the model again with this one.",
            )

    def save(self, folder: Path) -> None:
        """Write table, cohorts and codebooks into ``folder``."""
        self.table.write_parquet(folder / TABLE_FILE)
        self.cohorts().write_parquet(folder / COHORTS_FILE)
        save_file({"codebooks": np.ascontiguousarray(self.codebooks)}, str(folder / CODEBOOKS_FILE))
        facts = {"tokenizer_hash": self.tokenizer_hash}
        write_text(folder / FACTS_FILE, json.dumps(facts, indent=2) + "\n")

    @classmethod
    def open(cls, folder: Path) -> "SemanticIds":
        """Return the table in ``folder``, or raise `CorruptArtifactError`."""
        try:
            table = pl.read_parquet(folder / TABLE_FILE)
            codebooks = load_file(str(folder / CODEBOOKS_FILE))["codebooks"]
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
            return cls(table, codebooks, facts["tokenizer_hash"])
        except Exception as error:
            raise CorruptArtifactError(
                f"The semantic IDs cannot be read: {str(error).splitlines()[0]}",
                where=str(folder),
                do="Run assign_semantic_ids again.",
            ) from None
