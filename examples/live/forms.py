"""A form: its fields are arguments of the function, converted as their annotations say."""

from typing import Literal

from skitai.saddle import Package

from .page import page, table

package = Package()

LEAD = """The fields of the form are arguments of the function. What does not fit its annotation never
reaches it: 400, with the name of the argument. Try <a
href="?guests=many"><code>?guests=many</code></a>."""

FORM = """<form method="post">
<label>Name <input name="name" required autocomplete="name" value="Hans"></label>
<label>Guests <input name="guests" type="number" min="1" max="20" value="2"></label>
<label>Drink <select name="drink"><option>tea</option><option>coffee</option></select></label>
<label class="check"><input name="outside" type="checkbox"> Outside, if the sun shines</label>
<label class="whole">Note <textarea name="note" rows="2"></textarea></label>
<button>Reserve</button>
</form>"""


@package.route("/forms", methods=["GET", "POST"])
def forms(
    was,
    name: str = "",
    guests: int = 1,
    drink: Literal["tea", "coffee"] = "tea",
    outside: bool = False,
    note: str = "",
):
    parts = [FORM]
    if was.request.command == "post":
        given = {"name": name, "guests": guests, "drink": drink, "outside": outside, "note": note}
        rows = [(key, repr(value), type(value).__name__) for key, value in given.items()]
        parts += ["<h2>What the function was given</h2>", table(["argument", "value", "type"], rows)]
    return page(was, __file__, "Forms", LEAD, *parts)
