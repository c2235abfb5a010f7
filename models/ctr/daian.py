"""DAIAN, Deep Adaptive Intent-Aware Network (Lv et al., Xianyu of Alibaba).

Section 4 of the paper, equation by equation; what it leaves open: docs/models/daian.md.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from models.ctr.base import CTRModel, ModelConfig, Output, Stage, require_multiple
from models.data.batch import Batch
from models.data.catalogue import Catalogue
from models.errors import TrainingError
from models.intents.likeness import Likeness, newest_chosen
from models.layers.attention import Normalisation, TargetAttention
from models.layers.embedding import ItemEmbedding, UserEmbedding
from models.layers.intent import DiverseIntent, IntentEstimator, Sequences
from models.layers.lookup import mean_rows, take_rows
from models.layers.mlp import MLP, Difference, join
from models.layers.requests import Requests
from models.layers.similarity import AdaptiveShift, HybridEnhancer


class DAIANConfig(ModelConfig):
    """Settings of `DAIAN`; the first four switch its modules (Table 2).

    Attributes:
        uim: User intent modelling (4.1). Without it, the trigger alone asks the history.
        die: Diverse intent extraction (4.2).
        sein: Similarity-enhanced intent network (4.3).
        three_stage: Pre-training of UIM and DIE (4.4).
        products: Whether the head also reads E_trigger - E_target, as DEI2N's does, and the
            products of E_target with E_trigger, the base's interest and the mean of the explicit
            subsequence: not in the paper, and what tells alike ids and fields where rows are many.
        head: Hidden layers of the head.
        attention_hidden: Hidden units of the base DIN's activation unit.
        normalisation: As in DIN: what turns the base's attention scores into weights.
        dropout: Share of hidden units of the head and of UIM dropped in training.
        heads: Heads of every multi-head attention.
        intent_width: Width of E_imp and E_exp, over all heads.
        uim_hidden: Hidden layers of UIM.
        similarity_width: Width of U_sim, U_co_id and U_enh_sim.
        shift_hidden: Hidden units of the shifting units.
        explicit_from_level: Lowest level of likeness to the trigger in the explicit subsequence;
            ``None`` takes the upper half of the levels.
        explicit_length: Behaviours of that subsequence at most, the newest ones.
        explicit_count: Whether the head also reads how many they are: E_exp, a mean, does not say.
        uim_steps: Whether UIM reads how alike consecutive behaviours are.
        uim_alike: Whether UIM reads how alike the behaviours are to the trigger.
        uim_ids: Whether UIM reads ids of users and items: it learns the clicks of its own train
            requests by them, and the head then trusts E_int too far.
        uim_epochs: Epochs of stage 1 at most.
        uim_batch_size: Requests a step of stage 1: there are far fewer requests than impressions.
        die_epochs: Epochs of stage 2; 0 leaves it out.
        die_lr_scale: Factor on the learning rate of stage 2.
        uim_lr_scale: Factor on UIM's learning rate in stage 3 ("a smaller learning rate").
        die_joint_lr_scale: The same of DIE and the shifting units, where stage 2 trained DIE.
    """

    uim: bool = True
    die: bool = True
    sein: bool = True
    three_stage: bool = True
    products: bool = True
    head: tuple[PositiveInt, ...] = (512, 256, 128)
    attention_hidden: PositiveInt = 128
    normalisation: Normalisation = "softmax"
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    heads: PositiveInt = 4
    intent_width: PositiveInt = 128
    uim_hidden: tuple[PositiveInt, ...] = (128, 64)
    similarity_width: PositiveInt = 32
    shift_hidden: PositiveInt = 64
    explicit_from_level: NonNegativeInt | None = None
    explicit_length: PositiveInt = 20
    explicit_count: bool = True
    uim_steps: bool = True
    uim_alike: bool = True
    uim_ids: bool = False
    uim_epochs: PositiveInt = 20
    uim_batch_size: PositiveInt = 256
    die_epochs: NonNegativeInt = 1
    die_lr_scale: PositiveFloat = 0.1
    uim_lr_scale: PositiveFloat = 0.01
    die_joint_lr_scale: PositiveFloat = 0.1

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "DAIANConfig":
        require_multiple("intent_width", self.intent_width, self.heads)
        return self


class DAIAN(CTRModel):
    """The base DIN, joined by the user's diverse intents and an intent-aware similarity."""

    config_type = DAIANConfig

    def __init__(self, config: DAIANConfig, catalogue: Catalogue) -> None:
        super().__init__(config, catalogue)
        self.settings = config
        self.likeness = Likeness.of(catalogue, "daian")
        dim, hidden = config.embedding_dim, config.attention_hidden
        levels = self.likeness.edges.numel() + 1
        wide, narrow = config.intent_width, config.similarity_width
        start = config.explicit_from_level
        self.explicit_from_level = levels // 2 if start is None else start
        self.items = ItemEmbedding(catalogue, dim)
        self.user = UserEmbedding(catalogue, dim)
        width = self.items.width
        self.attention = TargetAttention(width, hidden, config.normalisation)
        inputs = self.user.width + (6 if config.products else 3) * width
        if config.uim:
            self.uim = IntentEstimator(
                catalogue, dim, config.uim_hidden, levels,
                shares=config.uim_steps + config.uim_alike, ids=config.uim_ids,
                dropout=config.dropout,
            )  # fmt: skip
            inputs += levels
        if config.die:
            self.die = DiverseIntent(width, levels if config.uim else 0, wide, config.heads)
            inputs += 2 * wide + config.explicit_count + config.products * width
        if config.sein:
            self.enhancer = HybridEnhancer(width, levels, narrow, hidden)
            inputs += narrow
        if config.sein and config.die:
            self.shift = AdaptiveShift(narrow, wide, config.shift_hidden)
        if self._pretrains_die:
            self.die_head = MLP(2 * (wide + width), (hidden,), output=1)
        self.head = MLP(inputs, config.head, output=1, dropout=config.dropout)

    def stages(self) -> tuple[Stage, ...]:
        """Return UIM's pre-training (Eq. 19), DIE's (Eq. 20) and the joint training (Eq. 21)."""
        config = self.settings
        if not (config.uim and config.three_stage):
            return (Stage("joint"),)
        uim = Stage(
            "uim",
            loss="intent_kl",
            train=("uim.",),
            epochs=config.uim_epochs,
            batch_size=config.uim_batch_size,
            monitor="valid/intent_kl",
        )
        # Not the item table: y_int holds the label, and the table would keep what it learnt of it.
        learnt = ("die.", "die_head.")
        rate = {"die": config.die_lr_scale}
        die = Stage("die", "click", True, learnt, rate, config.die_epochs)
        rates = {"uim.": config.uim_lr_scale}
        if not self._pretrains_die:
            return (uim, Stage("joint", lr_scale=rates))
        rates |= dict.fromkeys(("die.", "shift."), config.die_joint_lr_scale)
        return (uim, die, Stage("joint", lr_scale=rates))

    def predict(self, batch: Batch, *, true_intent: bool = False) -> Output:
        """Return click logits and E_int; with ``true_intent``, what stage 2 fits: f(x, y_int)."""
        return self._score(batch, batch.target_item, true_intent)

    def intent(self, batch: Batch) -> Float[Tensor, "B n"] | None:
        """Return E_int alone (Eq. 4–5): all that stage 1 needs of the model."""
        if not self.settings.uim:
            return None
        found, (trigger_row, rows) = self.items.distinct(batch.trigger_item, batch.jagged.items)
        return self._estimate(batch, found, trigger_row, rows, self.trigger_level(batch))

    def score_candidates(self, request: Batch, candidates: Int[Tensor, " C"]) -> Output:
        """Return the logit of each candidate, the user side computed once."""
        return self._score(request, candidates, False)

    def _estimate(
        self,
        batch: Batch,
        found: Int[Tensor, " N"],
        trigger: Int[Tensor, " B"],
        places: Int[Tensor, " E"],
        level: Int[Tensor, " E"],
    ) -> Float[Tensor, "B n"]:
        """Return E_int of each row; ``trigger`` and ``places`` point into ``found``."""
        histories, shares = batch.jagged, list[Tensor]()
        if self.settings.uim_steps:
            shares.append(self.likeness.steps(histories.items, histories.offsets))
        if self.settings.uim_alike:
            shares.append(level)
        read = [self.likeness.shares(one, histories.offsets) for one in shares]
        return self.uim(batch, found, trigger, places, read).exp()

    @property
    def _pretrains_die(self) -> bool:
        config = self.settings
        return config.uim and config.die and config.three_stage and config.die_epochs > 0

    def _score(self, batch: Batch, targets: Int[Tensor, " T"], true_intent: bool) -> Output:
        histories = batch.jagged
        found, (target_row, trigger_row, rows) = self.items.distinct(
            targets, batch.trigger_item, histories.items
        )
        table = self.items(found)
        # Once a request, outside training: there batches are shuffled, and dropout is a row's own.
        asked = Requests(batch) if self.training or true_intent else Requests.of(batch)
        places, starts = asked.events(rows), asked.starts
        trigger_level = self.trigger_level(asked.batch)
        triggers = asked.rows(trigger_row)
        target, trigger = take_rows(table, target_row), take_rows(table, triggers)
        if self.settings.uim and not true_intent:
            intent = self._estimate(asked.batch, found, triggers, places, trigger_level)
        else:
            intent = self._given_intent(asked.batch)
        intents, alike = list[Tensor](), list[Tensor]()
        if self.settings.die:
            history = Sequences(table, asked.batch.jagged.offsets, places)
            *intents, alike = self._diverse(asked, intent, trigger, target, history, trigger_level)
        if true_intent:
            return Output(self.die_head(join(*intents, target, trigger)).squeeze(-1), intent)
        interest = self.attention.jagged(target, table, histories.offsets, rows)
        profile = self.user.parts(asked.batch, batch)
        parts: list[Tensor | Difference] = [*profile, target, trigger, interest, intent]
        if self.settings.products:
            products = asked.each(trigger) * target, interest * target
            parts += [Difference(trigger, target), *products]
        if self.settings.sein:
            level = self.pair_level(targets, asked.batch.trigger_item, starts)
            similarity = self.enhancer(target, trigger, level, starts)
            parts.append(similarity)
            intents = self.shift(similarity, *intents, starts) if intents else []
        logit = self.head.of_parts(*parts, *alike, *intents, starts=starts).squeeze(-1)
        return Output(logit, asked.each(intent) if self.settings.uim else None)

    def _diverse(
        self,
        asked: Requests,
        intent: Float[Tensor, "B n"],
        trigger: Float[Tensor, "R D"],
        target: Float[Tensor, "T D"],
        history: Sequences,
        level: Int[Tensor, " E"],
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return E_imp and E_exp, and what else the head reads of the alike behaviours."""
        kept, offsets = self.explicit_subsequence(asked.batch, level)
        alike = Sequences(history.table, offsets, history.rows[kept])
        implicit, explicit = self.die(intent, trigger, target, history, alike, asked.starts)
        told = list[Tensor]()
        if self.settings.explicit_count:
            told.append(offsets.diff().unsqueeze(-1).to(target.dtype).log1p())
        if self.settings.products:
            told.append(asked.each(mean_rows(alike.table, alike.rows, alike.offsets)) * target)
        return implicit, explicit, told

    def _given_intent(self, batch: Batch) -> Float[Tensor, "B n"]:
        """Return y_int, or nothing to concatenate where there is no UIM."""
        if not self.settings.uim:
            return torch.zeros(batch.size, 0, device=batch.user.device)
        if batch.intent is None or not self._pretrains_die:
            raise TrainingError(
                "Stage 2 needs y_int in the batch, and a model with UIM, DIE and three_stage.",
                do="Attach the intent labels first: IntentLabels.attach(batch, requests).",
            )
        return batch.intent

    def pair_level(
        self,
        targets: Int[Tensor, " T"],
        trigger: Int[Tensor, " B"],
        starts: Int[Tensor, " B1"] | None = None,
    ) -> Int[Tensor, " T"]:
        """Return the level of M_sim (Eq. 12); -1 where either item has no content.

        Args:
            targets: The targets.
            trigger: The trigger of each, or of all.
            starts: Where the targets of each trigger start and the last ones end, if neither.
        """
        if starts is None:
            one = len(trigger) == 1
            starts = torch.tensor([0, len(targets)]) if one else torch.arange(len(trigger) + 1)
        return self.likeness(trigger, targets, starts.to(trigger.device))

    def trigger_level(self, batch: Batch) -> Int[Tensor, " E"]:
        """Return each behaviour's level with the trigger; -1 for the trigger itself.

        It is -1 where either has no content too.
        """
        histories = batch.jagged
        return self.likeness.others(batch.trigger_item, histories.items, histories.offsets)

    def explicit_subsequence(
        self, batch: Batch, level: Int[Tensor, " E"]
    ) -> tuple[Int[Tensor, " S"], Int[Tensor, " B1"]]:
        """Return the places of the newest alike behaviours in the histories, and their offsets.

        Args:
            batch: The requests.
            level: Their `trigger_level`.
        """
        alike = level >= self.explicit_from_level
        return newest_chosen(alike, batch.jagged.offsets, self.settings.explicit_length)
