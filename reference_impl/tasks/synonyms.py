"""Searches in other words than the page's: the two share their meaning and no word."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..core.reference import Reference
from ..core.task import Score, Task

TOPICS = (
    "car automobile, street road, trip journey, fuel gasoline, fast rapid, crash collision, garage workshop, "
    "truck lorry, repair fix, driver motorist",
    "doctor physician, illness disease, drug medicine, hurt injured, cure heal, nurse caregiver, stomach belly, "
    "fever temperature, infant baby, operation surgery",
    "buy purchase, cheap inexpensive, shop store, money cash, customer client, price cost, refund reimbursement, "
    "merchandise goods, bargain deal, clerk salesperson",
    "attorney lawyer, crime offense, prison jail, judge magistrate, guilty culpable, theft robbery, "
    "contract agreement, police constabulary, proof evidence, innocent blameless",
    "meal dinner, tasty delicious, chef cook, soup broth, oven stove, sugar sweetener, pan skillet, bake roast, "
    "herb spice, hungry famished",
    "house home, large big, flat apartment, sofa couch, wall partition, build construct, lamp light, carpet rug, "
    "tenant renter, old ancient",
    "teacher instructor, pupil student, exam test, error mistake, lecture lesson, difficult hard, essay composition, "
    "grade mark, clever smart, learn study",
    "ocean sea, ship vessel, sailor mariner, storm tempest, coast shore, harbor port, island isle, drown sink, "
    "captain skipper, wave swell",
    "woods forest, rabbit hare, path trail, rock stone, hill mound, river stream, quiet silent, wet damp, "
    "hunter trapper, wander roam",
    "film movie, song tune, famous renowned, actor performer, dance ballet, audience spectators, picture image, "
    "funny comical, play drama, author writer",
    "war conflict, soldier warrior, weapon gun, enemy foe, victory triumph, brave courageous, flee escape, "
    "attack assault, king monarch, peace truce",
    "boss manager, job employment, salary wage, firm company, meeting conference, quit resign, letter mail, "
    "plan scheme, colleague coworker, finish complete",
)
"""Pairs of words with one meaning, ten for each topic."""
TOLD = 4
"""Meanings on a page."""


class Synonyms(Task):
    """Searches (y) for pages (x), both strings: a page names four of the ten meanings of a topic, one word for each.

    Its search names the same four in the other words and another order, so no search shares a word with its page, and
    other pages of the topic share up to three of its meanings. 1,764 pages to learn from, 756 others held out,
    which make `passages`.
    """

    kind = "strings"

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        topics = [[pair.split() for pair in topic.split(", ")] for topic in TOPICS]
        sets = [np.array(told) for topic in topics for told in combinations(topic, TOLD)]
        pages, searches = [], []
        for i in rng.permutation(len(sets)):
            side = rng.integers(2, size=TOLD)
            page, search = sets[i][range(TOLD), side], sets[i][range(TOLD), 1 - side]
            pages.append(" ".join(page[rng.permutation(TOLD)]))
            searches.append(" ".join(search[rng.permutation(TOLD)]))
        kept = round(0.7 * len(sets))
        self.passages = [(f"page {i}", "text", page) for i, page in enumerate(pages[kept:], 1)]
        super().__init__(pages[:kept], pages[kept:], y=searches[:kept], test_y=searches[kept:], conditional=True)

    def evaluate(self, model: Reference) -> list[Score]:
        """How often the page itself comes first among those held out."""
        model.index(self.passages)  # type: ignore[operator]
        first = [model.retrieve(search, 1) for search in self.splits["test"][1]]  # type: ignore[operator]
        right = sum(rows == [i] for i, rows in enumerate(first)) / len(first)
        return [Score("searches that find their page first", right, "share", "higher", 1 / len(first), "chance")]
