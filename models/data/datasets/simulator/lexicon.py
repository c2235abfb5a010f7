"""The words of the simulated shop: departments in related pairs, their categories and brands.

Departments 2k and 2k + 1 are related (cookware and kitchen appliances). The wording is chosen for
a sentence encoder: two products of one category share its noun and use, two categories of one
department share its phrase, and related departments share a theme.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """A leaf category: what its products are called, and what they are for."""

    name: str
    noun: str
    use: str
    price: float  # typical price of the category


@dataclass(frozen=True, slots=True)
class Department:
    """A department: a phrase every one of its products carries, six categories, six brands."""

    name: str
    phrase: str
    categories: tuple[Category, ...]
    brands: tuple[str, ...]


def _department(
    name: str, phrase: str, brands: str, *categories: tuple[str, str, str, float]
) -> Department:
    return Department(name, phrase, tuple(Category(*c) for c in categories), tuple(brands.split()))


DEPARTMENTS: tuple[Department, ...] = (
    _department(
        "Running",
        "sportswear and running gear for athletes",
        "Veltra Strydo Kinetiq Pacerra Zephrun Mirago",
        ("Running Shoes", "running shoes", "long road runs and marathons", 95),
        ("Sports Socks", "sports socks", "dry feet during a workout", 14),
        ("Running Jackets", "running jacket", "jogging in wind and rain", 70),
        ("Fitness Watches", "fitness watch", "heart rate and pace while training", 160),
        ("Sports Shorts", "sports shorts", "sprints and gym sessions", 30),
        ("Hydration Belts", "hydration belt", "drinking on the run", 35),
    ),
    _department(
        "Camping",
        "outdoor equipment for hikers and campers",
        "Fjellhut Granitor Ridgemoor Boreala Tarnfell Wildkeep",
        ("Tents", "camping tent", "nights in the wild", 180),
        ("Sleeping Bags", "sleeping bag", "sleeping warm under the stars", 90),
        ("Camp Stoves", "gas camp stove", "boiling water on a summit", 55),
        ("Hiking Backpacks", "hiking backpack", "carrying a load over mountain trails", 110),
        ("Head Torches", "head torch", "finding the path after dark", 38),
        ("Trekking Poles", "trekking poles", "steep descents with heavy packs", 48),
    ),
    _department(
        "Cookware",
        "pots, knives and tableware for the home cook",
        "Casserina Potteria Umbrale Feromax Stovello Brunetti",
        ("Frying Pans", "frying pan", "searing steaks and eggs", 45),
        ("Chef Knives", "chef knife", "slicing vegetables and herbs", 60),
        ("Dinner Plates", "dinner plates", "setting a festive table", 40),
        ("Wine Glasses", "wine glasses", "serving red and white wine", 28),
        ("Baking Tins", "cake baking tin", "sponge cakes and tarts", 18),
        ("Cutting Boards", "wooden cutting board", "chopping without marks on the worktop", 25),
    ),
    _department(
        "Kitchen Appliances",
        "electric kitchen appliances for quick meals at home",
        "Voltcook Heatwell Mixonic Kuchera Presswerk Domolux",
        ("Coffee Machines", "espresso coffee machine", "fresh espresso and cappuccino", 240),
        ("Blenders", "stand blender", "smoothies and soups", 80),
        ("Toasters", "two-slice toaster", "crisp toast at breakfast", 35),
        ("Kettles", "electric kettle", "boiling water for tea", 32),
        ("Air Fryers", "air fryer", "crunchy fries without oil", 120),
        ("Microwaves", "microwave oven", "reheating leftovers", 130),
    ),
    _department(
        "Computers",
        "computer hardware and accessories for the desk",
        "Nexbyte Corelis Quantech Bitforge Datavion Silicor",
        ("Laptops", "laptop computer", "office work and study", 850),
        ("Keyboards", "mechanical keyboard", "fast typing and coding", 75),
        ("Monitors", "computer monitor", "sharp text and wide spreadsheets", 260),
        ("Computer Mice", "wireless computer mouse", "precise pointing and scrolling", 32),
        ("SSD Drives", "SSD storage drive", "quick booting and large files", 90),
        ("Webcams", "USB webcam", "video calls in clear detail", 60),
    ),
    _department(
        "Audio",
        "audio and video electronics for the living room",
        "Sonorex Wavelet Auralis Tonwerk Resonare Echohaus",
        ("Headphones", "noise cancelling headphones", "listening to music in peace", 150),
        ("Bluetooth Speakers", "bluetooth speaker", "parties and music outdoors", 70),
        ("Turntables", "vinyl turntable", "playing records with a warm sound", 190),
        ("Soundbars", "TV soundbar", "cinema sound from the television", 210),
        ("Televisions", "4K television", "films and series on a large screen", 600),
        ("Microphones", "studio microphone", "recording songs and podcasts", 95),
    ),
    _department(
        "Skin Care",
        "natural skin care for a gentle beauty routine",
        "Dermelle Purabelle Aloeva Florisse Calmina Hydrasol",
        ("Face Creams", "moisturising face cream", "smooth and hydrated skin", 26),
        ("Sunscreens", "sunscreen lotion", "protecting skin from the sun", 17),
        ("Face Serums", "vitamin C face serum", "reducing wrinkles and dark spots", 34),
        ("Body Lotions", "body lotion", "softening dry arms and legs", 13),
        ("Cleansing Gels", "facial cleansing gel", "washing off dirt and oil", 12),
        ("Lip Balms", "lip balm", "healing chapped lips", 5),
    ),
    _department(
        "Make-up",
        "cosmetics and hair styling for a glamorous look",
        "Glamora Rougette Stilara Bellamore Vivienne Lustra",
        ("Lipsticks", "matte lipstick", "bold red lips all evening", 19),
        ("Mascaras", "volume mascara", "long black lashes", 15),
        ("Nail Polishes", "nail polish", "glossy manicures", 8),
        ("Hair Dryers", "ionic hair dryer", "drying and styling hair", 65),
        ("Hair Colours", "permanent hair colour", "covering grey roots", 11),
        ("Perfumes", "eau de parfum", "a floral scent for the evening", 58),
    ),
    _department(
        "Baby Care",
        "gentle things for babies and newborn infants",
        "Babbino Cradely Nidolino Mamolu Tinysteps Lullano",
        ("Prams", "baby pram", "walks with a newborn", 320),
        ("Nappies", "disposable baby nappies", "dry and quiet nights", 22),
        ("Baby Bottles", "baby feeding bottle", "feeding milk to an infant", 12),
        ("Cots", "wooden baby cot", "safe sleep in the nursery", 190),
        ("Baby Monitors", "video baby monitor", "watching over a sleeping baby", 85),
        ("Baby Wipes", "baby wipes", "cleaning tender baby skin", 6),
    ),
    _department(
        "Toys",
        "toys and games for playful children",
        "Funkolino Playwood Jollybox Giggleton Spieltraum Rookidoo",
        ("Building Blocks", "building blocks set", "constructing castles and cars", 45),
        ("Dolls", "doll with dresses", "pretend play and dressing up", 30),
        ("Board Games", "family board game", "rainy game nights with dice", 32),
        ("Jigsaw Puzzles", "1000-piece jigsaw puzzle", "quiet hours of puzzling", 18),
        ("Toy Trains", "wooden toy train set", "building railways on the carpet", 50),
        ("Plush Animals", "plush teddy bear", "cuddling at bedtime", 20),
    ),
)

QUALITIES: tuple[str, ...] = (
    "lightweight", "sturdy", "compact", "elegant", "everyday", "premium", "classic", "modern",
    "colourful", "simple", "durable", "limited edition", "award-winning", "handy", "large", "slim",
)  # fmt: skip
CITIES: tuple[str, ...] = ("Arlen", "Brookhaven", "Carrow", "Dunmere", "Eastvale", "Fairholt")
AGE_BANDS: tuple[str, ...] = ("18-24", "25-34", "35-44", "45-54", "55+")
GENDERS: tuple[str, ...] = ("female", "male", "undisclosed")
