"""The vocabulary of the simulated store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Department:
    """`peak_day` is the day of the year its season peaks on; prices are in pence."""

    name: str
    ranges: tuple[tuple[str, tuple[str, ...]], ...]
    price_pence: int
    weight_grams: int
    peak_day: int
    sizes: tuple[str | None, ...] = (None,)


DEPARTMENTS = (
    Department(
        "Clothing",
        (
            ("Women", ("Dresses", "Knitwear", "Trousers")),
            ("Men", ("Shirts", "Jackets", "Jeans")),
            ("Children", ("Tops", "Sleepwear", "Coats")),
        ),
        3_500,
        450,
        300,
        ("S", "M", "L", "XL"),
    ),
    Department(
        "Shoes",
        (("Women", ("Boots", "Sandals", "Trainers")), ("Men", ("Brogues", "Boots", "Trainers"))),
        6_000,
        1_100,
        270,
        ("38", "40", "42", "44"),
    ),
    Department(
        "Home",
        (
            ("Kitchen", ("Mugs", "Pans", "Knives")),
            ("Bedroom", ("Duvets", "Pillows", "Throws")),
            ("Decor", ("Candles", "Frames", "Vases")),
        ),
        2_200,
        900,
        340,
    ),
    Department(
        "Garden",
        (("Tools", ("Spades", "Shears", "Hoses")), ("Plants", ("Bulbs", "Seeds", "Pots"))),
        1_800,
        1_500,
        135,
    ),
)

BRANDS = (
    "Alder & Finch",
    "Brackwater",
    "Corvid",
    "Dunmore",
    "Elsie Rook",
    "Fairlie",
    "Greyfold",
    "Harrow Lane",
)
COLORS = ("black", "navy", "moss", "cream", "rust", "sky", "plum", "sand")
MATERIALS = ("cotton", "linen", "wool", "oak", "steel", "clay")
FIRST_NAMES = (
    "amara",
    "ben",
    "chloe",
    "dev",
    "erin",
    "farid",
    "grace",
    "hugo",
    "iris",
    "jonas",
    "kate",
    "liam",
)
LAST_NAMES = (
    "ashworth",
    "bell",
    "chowdhury",
    "doyle",
    "evans",
    "fox",
    "garcia",
    "hughes",
    "ito",
    "jones",
    "okafor",
)
MAIL_DOMAINS = ("example.com", "example.org", "example.net")
REGIONS = ("North", "Midlands", "South", "West", "East")
SEARCHES = ("gift", "linen", "boots", "blue", "sale", "vase", "size+m", "winter+coat")
