"""Product images: colour by department, shape by category, pattern by brand."""

import colorsys
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from models.data.datasets.simulator.settings import SimulatorSettings
from models.data.datasets.simulator.shop import Shop, image_name

Colour = tuple[int, int, int]
_SIDES = (3, 4, 5, 6, 8, 0)  # corners of the shape of a category; 0 is a disc


def draw_images(shop: Shop, settings: SimulatorSettings, folder: Path) -> None:
    """Write one PNG of ``image_size`` pixels a side for every item of the shop."""
    folder.mkdir(parents=True, exist_ok=True)
    for position in range(shop.size):
        image = _draw(shop, settings, position)
        image.save(folder / image_name(int(shop.item_id[position])), compress_level=1)


def _draw(shop: Shop, settings: SimulatorSettings, position: int) -> Image.Image:
    size = settings.image_size
    hue = float(shop.department[position]) / settings.departments
    brand = int(shop.brand[position] % settings.brands)
    kind = int(shop.category[position] % settings.categories)
    shade = 0.75 + 0.015 * int(shop.quality[position])
    image = Image.new("RGB", (size, size), _colour(hue, 0.12, 0.98))
    draw = ImageDraw.Draw(image)
    _shape(draw, size, _SIDES[kind], _colour(hue, 0.75, shade), 20 * (position % 5 - 2))
    _pattern(draw, size, brand, settings.brands)
    return image


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def _shape(draw: ImageDraw.ImageDraw, size: int, sides: int, colour: Colour, turn: int) -> None:
    radius = 0.4 * size
    if sides:
        draw.regular_polygon((size / 2, size / 2, radius), sides, rotation=turn, fill=colour)
    else:
        box = (size / 2 - radius, size / 2 - radius, size / 2 + radius, size / 2 + radius)
        draw.ellipse(box, fill=colour)


def _pattern(draw: ImageDraw.ImageDraw, size: int, brand: int, brands: int) -> None:
    """Draw the brand's stripes across the shape: their direction and colour tell the brand."""
    angle = math.pi * brand / brands
    across = np.array([math.cos(angle), math.sin(angle)])
    along = np.array([-across[1], across[0]])
    for offset in (-0.15, 0.0, 0.15):
        centre = size * (0.5 + offset * across)
        ends = np.concatenate([centre - 0.22 * size * along, centre + 0.22 * size * along])
        colour = _colour(brand / brands + 0.5, 0.9, 0.35)
        draw.line([float(x) for x in ends], fill=colour, width=max(1, size // 20))
