"""Whom the fan-out asks: six shops that take their time, and each its own."""

import skitai
from skitai.saddle import Package

package = Package()

#: Seconds until a shop has found its price, and the price.
SHOPS = {
    "Aachen": (0.08, 12.50),
    "Bonn": (0.24, 11.90),
    "Celle": (0.15, 13.20),
    "Dachau": (0.31, 10.80),
    "Emden": (0.05, 14.10),
    "Fulda": (0.19, 12.20),
}


@package.route("/shop/<name>")
def shop(was, name):
    seconds, price = SHOPS.get(name, (0, None))
    skitai.sleep(seconds)  # parked: no thread is kept, where Skitai is compiled
    return {"shop": name, "price": price}
