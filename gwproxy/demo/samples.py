"""What the sample services know: people, products and orders that refer to each other.

Everything is derived from the tables below by arithmetic, never by chance or the clock, so that two runs, two
workers and a test on another machine see the same bytes.
Money is in cents of EUR, times are UTC.
"""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Record = dict[str, Any]

CURRENCY: Final = "EUR"
FIRST_ORDER: Final = 1001
ORDER_COUNT: Final = 72
_OPENING: Final = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

# name, street, city, postal code, country
_PEOPLE: Final = (
    ("Ada Lindqvist", "Storgatan 14", "Lund", "222 21", "SE"),
    ("Bruno Carvalho", "Rua da Rosa 88", "Lisboa", "1200-382", "PT"),
    ("Chiara Romano", "Via Garibaldi 7", "Torino", "10122", "IT"),
    ("Daan Visser", "Oudegracht 231", "Utrecht", "3511 NH", "NL"),
    ("Elif Kaya", "Bağdat Caddesi 120", "İstanbul", "34710", "TR"),
    ("Femi Adeyemi", "12 Bode Thomas Street", "Lagos", "101241", "NG"),
    ("Greta Hofmann", "Lindenstraße 3", "Leipzig", "04275", "DE"),
    ("Hugo Martin", "18 rue des Carmes", "Nantes", "44000", "FR"),
    ("Inés Navarro", "Calle Mayor 41", "Zaragoza", "50001", "ES"),
    ("Jakub Nowak", "ulica Długa 9", "Gdańsk", "80-827", "PL"),
    ("Kaja Olsen", "Nygårdsgaten 55", "Bergen", "5008", "NO"),
    ("Liam Byrne", "27 Shop Street", "Galway", "H91 X2K4", "IE"),
    ("Mei Tanaka", "3-11 Teramachi", "Kyoto", "604-8081", "JP"),
    ("Nora Virtanen", "Hämeenkatu 16", "Tampere", "33200", "FI"),
    ("Omar Haddad", "8 Avenue Habib Bourguiba", "Tunis", "1001", "TN"),
    ("Petra Horvat", "Ilica 73", "Zagreb", "10000", "HR"),
    ("Quinn Walker", "410 Alder Street", "Portland", "97205", "US"),
    ("Ravi Menon", "22 MG Road", "Kochi", "682016", "IN"),
    ("Sofia Petrova", "Ulitsa Shipka 5", "Sofia", "1504", "BG"),
    ("Tomás Silva", "Rua Augusta 300", "São Paulo", "01305-000", "BR"),
    ("Ulla Jensen", "Nørregade 19", "Odense", "5000", "DK"),
    ("Viktor Szabó", "Petőfi utca 11", "Szeged", "6720", "HU"),
    ("Wanjiru Kamau", "Moi Avenue 64", "Nairobi", "00100", "KE"),
    ("Yara Costa", "Avenida da Praia 2", "Praia", "7600", "CV"),
)

# name, category, price in cents, what the shop says of it
_PRODUCTS: Final = (
    ("Walnut desk lamp", "lighting", 5900, "Warm light on a turned walnut stem, dimmable."),
    ("Paper floor lamp", "lighting", 8900, "Tall, soft and light enough to move with one hand."),
    ("Clip reading lamp", "lighting", 2450, "Clamps to a shelf or a headboard; runs from USB."),
    ("Linen cushion", "textiles", 3200, "Stone-washed linen with a feather filling."),
    ("Wool throw", "textiles", 7400, "Woven from undyed wool, large enough for two."),
    ("Cotton bath towel", "textiles", 1890, "Heavy terry that dries quickly."),
    ("Oak side table", "furniture", 14900, "Solid oak, oiled, with a shelf below."),
    ("Stacking stool", "furniture", 6900, "Birch plywood; six make a tower."),
    ("Folding desk", "furniture", 21900, "Closes against the wall when the day is done."),
    ("Bookshelf, five boards", "furniture", 17900, "Holds two metres of books."),
    ("Stoneware mug", "kitchen", 1650, "Glazed inside, raw outside; holds 300 ml."),
    ("Cast iron pan", "kitchen", 4990, "Seasoned; for gas, induction and open fire."),
    ("Bread knife", "kitchen", 3890, "A long serrated blade with an ash handle."),
    ("Pour-over coffee set", "kitchen", 4490, "Glass carafe, steel filter, two mugs."),
    ("Chopping board", "kitchen", 2990, "End grain beech that is kind to knives."),
    ("Herb planter", "garden", 2290, "Three pots on a tray for the window sill."),
    ("Watering can", "garden", 2790, "Five litres with a brass rose."),
    ("Pruning shears", "garden", 3490, "Forged steel with replaceable springs."),
    ("Brass hook, set of three", "storage", 1990, "For coats, bags and towels."),
    ("Seagrass basket", "storage", 2590, "Woven by hand, with handles."),
    ("Steel toolbox", "storage", 4290, "Two trays and room for a drill."),
    ("Wall clock", "decoration", 5490, "Silent movement in a frame of ash."),
    ("Round mirror", "decoration", 9900, "Sixty centimetres across, on a hidden hook."),
    ("Ceramic vase", "decoration", 3690, "Thrown by hand; no two are alike."),
)

_TIERS: Final = ("basic", "basic", "pro", "basic", "enterprise")
_STATUSES: Final = ("delivered", "delivered", "shipped", "delivered", "processing", "cancelled")


def stamp(minutes: int) -> str:
    """The time so many minutes after the sample shop opened, as RFC 3339."""
    return (_OPENING + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def priced(product: int, quantity: int) -> Record:
    """One line of an order: a product by its id, how many, and what they cost."""
    name, _, price, _ = _PRODUCTS[product - 1]
    return {
        "product_id": product,
        "name": name,
        "quantity": quantity,
        "unit_price_cents": price,
        "total_cents": price * quantity,
    }


def total_of(items: list[Record]) -> int:
    """What the lines of an order cost together, in cents."""
    return sum(item["total_cents"] for item in items)


def _user(index: int) -> Record:
    name, _, city, _, country = _PEOPLE[index]
    # NFKD parts a letter from its accent, and the accent is what ASCII then leaves out.
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return {
        "id": index + 1,
        "name": name,
        "email": f"{plain.replace(' ', '.')}@example.com",
        "city": city,
        "country": country,
        "tier": _TIERS[index % len(_TIERS)],
        "created_at": stamp(-1440 * (index * 17 + 30)),
    }


def _address(index: int) -> Record:
    name, street, city, postal_code, country = _PEOPLE[index]
    return {
        "name": name,
        "street": street,
        "city": city,
        "postal_code": postal_code,
        "country": country,
    }


def _product(index: int) -> Record:
    name, category, price, text = _PRODUCTS[index]
    return {
        "id": index + 1,
        "name": name,
        "category": category,
        "description": text,
        "price_cents": price,
        "currency": CURRENCY,
        "in_stock": (index * 7 + 3) % 20,
    }


def _order(index: int) -> Record:
    # 7, 5 and 11 share no factor with 24, so that users and products come round evenly.
    lines = [priced((index * 7 + line * 11) % len(_PRODUCTS) + 1, line + 1) for line in range(index % 3 + 1)]
    return {
        "id": FIRST_ORDER + index,
        "user_id": (index * 5) % len(_PEOPLE) + 1,
        "status": _STATUSES[index % len(_STATUSES)],
        "placed_at": stamp(index * 607),
        "items": lines,
        "total_cents": total_of(lines),
        "currency": CURRENCY,
    }


USERS: Final[tuple[Record, ...]] = tuple(map(_user, range(len(_PEOPLE))))
ADDRESSES: Final[tuple[Record, ...]] = tuple(map(_address, range(len(_PEOPLE))))
PRODUCTS: Final[tuple[Record, ...]] = tuple(map(_product, range(len(_PRODUCTS))))
ORDERS: Final[tuple[Record, ...]] = tuple(map(_order, range(ORDER_COUNT)))
