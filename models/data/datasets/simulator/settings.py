"""The knobs of the simulated shop."""

from typing import Literal, get_args

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from models.data.datasets.simulator.lexicon import DEPARTMENTS, QUALITIES
from models.settings import Settings

MAX_DEPARTMENTS = len(DEPARTMENTS)
MAX_CATEGORIES = min(len(department.categories) for department in DEPARTMENTS)
MAX_BRANDS = min(len(department.brands) for department in DEPARTMENTS)
MAX_QUALITIES = len(QUALITIES)
ItemField = Literal["department", "category", "brand", "quality"]
ITEM_FIELDS: tuple[ItemField, ...] = get_args(ItemField)
LISTED: tuple[ItemField, ...] = ("department", "category", "brand")


class DriftSettings(Settings):
    """What changes while the log runs; a start day of ``None`` means never.

    Days count from 0, the first day with impressions.
    """

    price_day: NonNegativeInt | None = None
    price_factor: float = Field(default=1.5, gt=0)  # prices shown in impressions are multiplied
    categories_day: NonNegativeInt | None = None
    new_categories: PositiveInt = 2  # this many categories are sold only from categories_day on
    popularity_day: NonNegativeInt | None = None  # best sellers become slow sellers and vice versa
    intent_day: NonNegativeInt | None = None
    intent_share: float = Field(default=0.7, ge=0, le=1)  # of specific-intent users turn broad
    click_rate_day: NonNegativeInt | None = None
    click_rate_factor: float = Field(default=0.5, gt=0)
    fashion: NonNegativeFloat = 0  # standard deviation of the log click odds, by category and day
    fashion_half_life_days: PositiveFloat = 3  # after it, half of a day's fashion is forgotten
    new_items_share: float = Field(default=0, ge=0, le=0.9)  # launched on one of the later days


class SeasonalitySettings(Settings):
    """Strength of the weekly and daily waves of traffic: 0 none, 1 full."""

    weekly: float = Field(default=0.5, ge=0, le=1)
    daily: float = Field(default=0.7, ge=0, le=1)


class SimulatorSettings(Settings):
    """Size, seed and behaviour of the simulated shop; see docs/explanation/simulator.md."""

    users: PositiveInt = 3000
    items: PositiveInt = 2000
    requests: PositiveInt = 10_000
    targets_per_request: PositiveInt = 8
    seed: NonNegativeInt = 0
    days: PositiveInt = 14
    warm_up_days: NonNegativeInt = 14  # past clicks before the first impression
    past_clicks: NonNegativeFloat = 15  # mean number of warm-up clicks a user
    departments: int = Field(default=10, ge=4, le=MAX_DEPARTMENTS, multiple_of=2)
    categories: int = Field(default=6, ge=2, le=MAX_CATEGORIES)  # a department
    brands: int = Field(default=4, ge=2, le=MAX_BRANDS)  # a department
    qualities: int = Field(default=MAX_QUALITIES, ge=2, le=MAX_QUALITIES)  # such as lightweight
    listed: tuple[ItemField, ...] = LISTED  # the others only words and pictures tell
    images: bool = True
    image_size: int = Field(default=64, ge=16, le=512)  # pixels a side
    click_rate: float = Field(default=0.2, gt=0, lt=0.5)
    broad_share: float = Field(default=0.5, ge=0, le=1)  # of users
    intent_concentration: float = Field(default=40, gt=0)  # Dirichlet; larger: users more alike
    home_categories: NonNegativeInt = 0  # a user's own; outside of them every intent is broad
    home_share: float = Field(default=0.6, ge=0, le=1)  # of what a user starts from is in them
    profile_signal: float = Field(default=0.9, ge=0, le=1)  # how far age and city tell population
    taste: NonNegativeFloat = 0.7  # standard deviation of the log click odds, from taste
    quality_taste: NonNegativeFloat = 0  # the same, from qualities liked in home categories
    noise: NonNegativeFloat = 0.1  # the same, from nothing observable
    drift: DriftSettings = DriftSettings()
    seasonality: SeasonalitySettings = SeasonalitySettings()
    folder: str | None = None  # where the raw files go; None: .intentflow/simulated/<digest>

    @model_validator(mode="after")
    def _shop_is_large_enough(self) -> "SimulatorSettings":
        cells = self.departments * self.categories * self.brands
        if self.items < 2 * cells:
            raise ValueError(
                f"{self.items} items are too few for {self.departments} departments of "
                f"{self.categories} categories and {self.brands} brands: at least {2 * cells}"
            )
        if self.home_categories > self.departments * self.categories:
            raise ValueError(
                f"home_categories = {self.home_categories}, but the shop has only "
                f"{self.departments * self.categories} categories"
            )
        if self.quality_taste and not self.home_categories:
            raise ValueError(
                f"quality_taste = {self.quality_taste:g} is a taste in home categories: set "
                "home_categories to 1 or more, or quality_taste to 0"
            )
        if self.drift.new_categories >= self.departments * self.categories // 2:
            raise ValueError("drift.new_categories must leave half of the categories on sale")
        return self
