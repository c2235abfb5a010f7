"""Small raw data sets, invented, in the exact form in which their publishers pack them.

``RAW[name](root)`` writes what the configuration ``configs/datasets/<name>.yaml`` reads, under the
project root ``root``. Ten thousand bytes each: enough users, items and days for every protocol.
"""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

USERS, ITEMS, EACH = 12, 40, 20
START = 1_400_000_000
GENRES = ("Action", "Comedy", "Drama", "Sci-Fi")
MAY_6_BEIJING = 1_494_000_000
OCTOBER_1 = 1_506_816_000


def ratings(each: int = EACH) -> Iterator[tuple[int, int, int, int]]:
    """Yield user, item, rating and time: every user rates every two hours, in bursts."""
    for user in range(1, USERS + 1):
        for place in range(each):
            item = (user + place) * 3 % ITEMS + 1  # the first and last places are of too few users
            stars = (5, 4, 2, 1, 3, 4, 1)[(user + place * 2) % 7]
            yield user, item, stars, START + user * 1_000 + place * 7_200


def put(folder: Path, name: str, lines: list[str], encoding: str = "utf-8") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = ("\n".join(lines) + "\n").encode(encoding)
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)


def movielens_csv(folder: Path) -> None:
    put(
        folder,
        "ratings.csv",
        ["userId,movieId,rating,timestamp"]
        + [f"{user},{item},{stars}.0,{time}" for user, item, stars, time in ratings()],
    )
    put(folder, "movies.csv", ["movieId,title,genres"]
        + [f'{item},"Film {item}, The ({1990 + item})",{GENRES[item % 4]}|Drama'
           for item in range(1, ITEMS + 1)])  # fmt: skip


def movielens_1m(folder: Path) -> None:
    put(
        folder,
        "ratings.dat",
        [f"{user}::{item}::{stars}::{time}" for user, item, stars, time in ratings()],
    )
    put(
        folder,
        "movies.dat",
        [
            f"{item}::Café: {item} ({1990 + item})::{GENRES[item % 4]}|Drama"
            for item in range(1, ITEMS + 1)
        ],
        "latin-1",
    )
    put(folder, "users.dat", [f"{user}::{'MF'[user % 2]}::{(1, 18, 25, 35, 45, 50, 56)[user % 7]}"
                              f"::{user}::0{user:04}" for user in range(1, USERS + 1)])  # fmt: skip


def movielens_100k(folder: Path) -> None:
    put(
        folder,
        "u.data",
        [f"{user}\t{item}\t{stars}\t{time}" for user, item, stars, time in ratings()],
    )
    flags = [
        "|".join("1" if g in (1 + item % 4, 8) else "0" for g in range(19))
        for item in range(ITEMS + 1)
    ]
    put(
        folder,
        "u.item",
        [
            f"{item}|Café {item} ({1990 + item})|01-Jan-{1990 + item}||http://x/{item}"
            f"|{flags[item]}"
            for item in range(1, ITEMS + 1)
        ],
        "latin-1",
    )
    put(folder, "u.user", [f"{user}|{17 + user * 4}|{'MF'[user % 2]}|writer|{user:05}"
                           for user in range(1, USERS + 1)])  # fmt: skip


def amazon_2014(folder: Path, category: str = "Electronics") -> None:
    put(
        folder,
        f"reviews_{category}_5.json.gz",
        [
            json.dumps(
                {
                    "reviewerID": f"A{user:03}",
                    "asin": f"B{item:04}",
                    "reviewerName": "n",
                    "helpful": [0, 0],
                    "reviewText": "text",
                    "overall": float(stars),
                    "summary": "s",
                    "unixReviewTime": time // 86400 * 86400,
                    "reviewTime": "06 2, 2013",
                }
            )
            for user, item, stars, time in (*ratings(), (99, 1, 5, START))
        ],
    )
    put(folder, f"meta_{category}.json.gz", [
        repr({"asin": f"B{item:04}", "title": f"It's a \"cable\" {item}", "price": 9.5 + item,
              "imUrl": "http://x/y.jpg", "brand": f"Brand{item % 3}", "salesRank": {"A": item},
              "related": {"also_bought": ["B0001"]},
              "categories": [["Electronics", "Cables"], ["Electronics", f"Kind {item % 4}"]]})
        for item in range(1, ITEMS)])  # fmt: skip  # the last product has no metadata


def amazon_2018(folder: Path, category: str = "Video_Games") -> None:
    put(
        folder,
        f"{category}_5.json.gz",
        [
            json.dumps(
                {
                    "overall": float(stars),
                    "verified": True,
                    "reviewTime": "10 17, 2015",
                    "reviewerID": f"A{user:03}",
                    "asin": f"B{item:04}",
                    "reviewText": "text",
                    "summary": "s",
                    "unixReviewTime": time // 86400 * 86400,
                }
                | ({"style": {"Format:": " Game"}, "vote": "2"} if item % 3 else {})
            )
            for user, item, stars, time in ratings()
        ],
    )
    rows = [
        {
            "category": ["Video Games", f"Kind {item % 4}", "</span></span>"],
            "tech1": "",
            "description": ["d"],
            "title": f"Game {item}",
            "brand": f"Studio {item % 3}",
            "main_cat": "Video Games",
            "asin": f"B{item:04}",
            "price": "$1,037.98" if item % 2 else ".a-box-inner{background-color:#fff}",
        }
        for item in range(1, ITEMS + 1)
    ]
    put(folder, f"meta_{category}.json.gz",
        [json.dumps(row) for row in [*rows, rows[0]]])  # fmt: skip  # some are there twice


def products_2023(folder: Path, category: str) -> None:
    put(folder, f"meta_{category}.jsonl", [
        json.dumps({"main_category": "Musical Instruments", "title": f"Guitar {item}",
                    "average_rating": 4.5, "rating_number": 7, "features": ["f"],
                    "description": [], "price": (None, 19.99, "from 5.00")[item % 3],
                    "images": [{"thumb": "http://x"}], "videos": [], "store": f"Shop {item % 3}",
                    "categories": ["Musical Instruments", f"Kind {item % 4}"],
                    "details": {"Brand": "b"}, "parent_asin": f"B{item:04}",
                    "bought_together": None})
        for item in range(1, ITEMS + 1)])  # fmt: skip


def amazon_2023(folder: Path, category: str = "Musical_Instruments") -> None:
    put(folder, f"{category}.jsonl", [
        json.dumps({"rating": float(stars), "title": "t", "text": "x", "images": [],
                    "asin": f"C{item:04}", "parent_asin": f"B{item:04}", "user_id": f"A{user:03}",
                    "timestamp": time * 1000 + 795, "helpful_vote": 0, "verified_purchase": True})
        for user, item, stars, time in ratings()])  # fmt: skip
    products_2023(folder, category)


def amazon_2023_csv(folder: Path, category: str = "Amazon_Fashion") -> None:
    """Write the ready 5-core files divided by leave-last-out, with the histories."""
    splits: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user, item, stars, time in ratings():
        place = (time - START - user * 1_000) // 7_200
        split = {EACH - 1: "test", EACH - 2: "valid"}.get(place, "train")
        splits[split].append(f"A{user:03},B{item:04},{stars}.0,{time}795,B0001 B0002")
    for split, lines in splits.items():
        put(
            folder,
            f"{category}.{split}.csv",
            ["user_id,parent_asin,rating,timestamp,history", *lines],
        )
    products_2023(folder, category)


def alimama(folder: Path) -> None:
    """Write eight days of Beijing: every user sees an ad and views a page every two hours."""
    shown, log = [], []
    for slot in range(8 * 12):
        for user in range(1, 7):
            time = MAY_6_BEIJING + slot * 7200 + user * 60
            ad = (slot * 5 + user) % 9 + 1
            click = int((slot + user) % 3 == 0)
            shown.append(f"{user},{time},{ad},430548_1007,{1 - click},{click}")
            cate, brand = (6000 + ad % 3, 9000 + ad % 4) if slot % 5 else (7777, 1)
            log.append(
                f"{user},{time - 600},{('pv', 'cart', 'fav', 'buy')[slot % 4]},{cate},{brand}"
            )
    put(folder, "raw_sample.csv", ["user,time_stamp,adgroup_id,pid,nonclk,clk", *shown])
    put(
        folder,
        "ad_feature.csv",
        ["adgroup_id,cate_id,campaign_id,customer,brand,price"]
        + [
            f"{ad},{6000 + ad % 3},{ad},{ad % 2 + 1},"
            f"{'NULL' if ad == 9 else 9000 + ad % 4},{170.0 + ad}"
            for ad in range(1, 10)
        ],
    )
    put(
        folder,
        "user_profile.csv",
        [
            "userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,shopping_level,"
            "occupation,new_user_class_level ",  # the published header ends in a blank
            *(f"{user},0,5,{1 + user % 2},5,{'' if user % 2 else 2},3,0,3" for user in range(1, 6)),
        ],
    )
    put(folder, "behavior_log.csv", ["user,time_stamp,btag,cate,brand", *log])  # fmt: skip


def globo(folder: Path) -> None:
    header = ("user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
              "click_environment,click_deviceGroup,click_os,click_country,click_region,"
              "click_referrer_type")  # fmt: skip
    for hour in [day * 24 + hour for day in range(3) for hour in range(0, 24, 3)]:
        start = OCTOBER_1 + hour * 3600
        rows = [f"{user},{start * 1000 + user},{start * 1000},2,"
                f"{(hour * 3 + user * click) % ITEMS},{(start + click * 60 + user) * 1000 + 26},"
                f"4,1,17,1,{user},1"
                for user in range(USERS) for click in (1, 2) if (hour // 3 + user) % 2]  # fmt: skip
        put(folder, f"clicks/clicks_hour_{hour:03}.csv", [header, *rows])
    put(
        folder,
        "articles_metadata.csv",
        ["article_id,category_id,created_at_ts,publisher_id,words_count"]
        + [f"{item},{item % 4},1513144419000,0,{100 + item}" for item in range(ITEMS * 2)],
    )
    (folder / "articles_embeddings.pickle").write_bytes(b"never opened")


def ordered(folder: Path, user: str, item: str, events: str, items: pl.DataFrame) -> None:
    rows = [(u, i, place % EACH) for place, (u, i, _, _) in enumerate(ratings())]
    folder.mkdir(parents=True)
    pl.DataFrame(rows, schema=[user, item, "pos"], orient="row").write_parquet(folder / events)
    items.write_parquet(folder / ("ml_movies_text.parquet" if item == "movie_id"
                                  else "Games2018_items.parquet"))  # fmt: skip


def films() -> pl.DataFrame:
    ids = range(1, ITEMS + 1)
    return pl.DataFrame({
        "movie_id": ids, "title": [f"Film {i}" for i in ids], "year": [str(1990 + i) for i in ids],
        "genres": "Drama, Comedy", "director": [f"Director {i % 3}" for i in ids],
        "plot": [None if i == 3 else f"Plot {i}" for i in ids], "has_poster": True,
    })  # fmt: skip


def games() -> pl.DataFrame:
    ids = range(1, ITEMS + 1)
    return pl.DataFrame({"asin": [f"B{i:04}" for i in ids], "item": ids,
                         "title": [f"Game {i}" for i in ids]})  # fmt: skip


def my_shop(folder: Path) -> None:
    put(
        folder,
        "catalogue.csv",
        ["sku,product_name,description,category,brand,price"]
        + [f"S-{i},Cup {i},d,kitchen,Brand{i % 3},{i}.5" for i in range(ITEMS)],
    )
    put(folder, "customers.csv", ["customer,segment"] + [f"c{u},new" for u in range(USERS)])
    put(folder, "clicks-2024-05.csv",
        ["customer,sku,shown_at,action,page_view,came_from,device"]
        + [f"c{v % USERS},S-{(v * 5 + shown) % ITEMS},2024-05-{1 + v // 12:02}T{v % 12:02}:00:00Z,"
           f"{'click' if shown == v % 2 else 'view'},{v},S-{v % ITEMS},phone"
           for v in range(120) for shown in (0, 1)])  # fmt: skip


def nothing(_: Path) -> None:
    """Write nothing: the simulator makes its own raw files."""


RAW: dict[str, Callable[[Path], None]] = {
    "movielens_latest_small": lambda root: movielens_csv(root / "data/movielens-latest-small"),
    "movielens_20m": lambda root: movielens_csv(root / "data/ml-20m"),
    "movielens_1m": lambda root: movielens_1m(root / "data/ml-1m"),
    "movielens_100k": lambda root: movielens_100k(root / "data/ml-100k"),
    "amazon_electronics_2014": lambda root: amazon_2014(root / "data/amazon-2014"),
    "amazon_games_2018": lambda root: amazon_2018(root / "data/amazon-2018"),
    "amazon_instruments_2023": lambda root: amazon_2023(root / "data/amazon-2023"),
    "amazon_fashion_2023": lambda root: amazon_2023_csv(root / "data/amazon-2023"),
    "alimama_daian": lambda root: alimama(root / "data/alimama"),
    "alimama_tin": lambda root: alimama(root / "data/alimama"),
    "globo": lambda root: globo(root / "data/globo"),
    "movielens_1m_ordered": lambda root: ordered(
        root / "data/movielens-1m-ordered", "user_id", "movie_id", "interactions_ordered.parquet",
        films(),
    ),
    "amazon_games_2018_ordered": lambda root: ordered(
        root / "data/amazon-games-2018", "user", "item", "Games2018_user_pos_item.parquet", games()
    ),
    "generic_example": lambda root: my_shop(root / "data/my-shop"),
    "simulator_tiny": nothing,
}  # fmt: skip
