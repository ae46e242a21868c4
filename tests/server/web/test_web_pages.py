"""The wearer's pages: what they tell, what they change, and that everybody can use them."""

# ruff: noqa: RUF001  (the arrow of paths, and digits of another script)

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import Any

import pytest

from inkling.topics import taxonomy
from inkling_server.errors import AccountErased, RevisionConflict
from inkling_server.interests import interests
from inkling_server.profile import Profile, block_source, block_topic, pause
from inkling_server.stores import Revision
from inkling_server.web.charts import WEEKS, chart
from inkling_server.web.words import strength_level, wait_text
from tests.server.web.conftest import PASSWORD, Browser, Element, Page, Site

WALKING, JAZZ, COFFEE = 672, 499, 977
VOICE, TEXT, PHOTO, VIDEO = 1, 2, 3, 4
HOSTILE = "\"><script>alert('x')</script>{{7*7}}&amp;"


async def read_topics(site: Site, account: str) -> list[int]:
    """What a ranking system would read."""
    held, _ = await site.store.load(account)
    return [interest.topic for interest in interests(held, site.policy.policy, site.clock().date())]


def interest_of(page: Page, label: str) -> Element:
    """The list entry of an interest."""
    (heading,) = [heading for heading in page.main.all("h3") if heading.text == label]
    entry = heading.parent
    while entry is not None and entry.tag != "li":
        entry = entry.parent
    assert entry is not None
    return entry


def labels(page: Page) -> list[str]:
    """The interests on the profile page, in order."""
    return [heading.text for heading in page.main.all("h3")]


async def sign_up(site: Site, browser: Browser, **fields: str) -> Page:
    """Fills in the sign-up form."""
    filled = {
        "email": "robin@example.org",
        "password": PASSWORD,
        "home_region": "US",
        "birth_year": "1988",
        **fields,
    }
    return await browser.submit(await browser.get("/sign-up"), "/sign-up", **filled)


async def test_signing_up_logs_in(site: Site) -> None:
    """A newcomer has an account, is logged in, and is told what comes next."""
    browser = site.browser()
    page = await browser.follow(await sign_up(site, browser))
    assert page.heading == "Your interest profile"
    assert "Pair your glasses" in page.main.text
    (account,) = await site.accounts.list()
    assert (account.email, account.home_region, account.birth_year) == ("robin@example.org", "US", 1988)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "robin"),
        ("email", HOSTILE),
        ("password", "short"),
        ("password", "password123"),
        ("home_region", ""),
        ("home_region", "XX"),
        ("birth_year", ""),
        ("birth_year", "88"),
        ("birth_year", "-1988"),
        ("birth_year", "１９８８"),
        ("birth_year", "9" * 100),
    ],
)
async def test_a_slip_in_the_sign_up_is_told_at_its_field(site: Site, field: str, value: str) -> None:
    """The field is marked, names its error, and keeps what was typed; the password alone is typed again."""
    page = await sign_up(site, site.browser(), **{field: value})
    assert page.status == 422
    assert page.problems == []
    wrong = page.main.one(id=field)
    assert wrong.attributes["aria-invalid"] == "true"
    error = page.main.one(id=wrong.attributes["aria-describedby"].split()[-1])
    assert error.text
    alert = page.main.one(role="alert")
    assert [link.attributes["href"] for link in alert.all("a")] == [f"#{field}"]
    assert page.main.one(id="password").attributes["value"] == ""
    if field != "email":
        assert page.main.one(id="email").attributes["value"] == "robin@example.org"
    elif value == HOSTILE:
        assert page.main.one(id="email").attributes["value"] == HOSTILE
        assert page.root.all("script") == []
    assert await site.accounts.list() == []


async def test_an_address_that_is_taken_is_told(site: Site) -> None:
    """The wearer may have forgotten: the way to log in is shown."""
    await site.account()
    page = await sign_up(site, site.browser(), email="ROBIN@example.org")
    assert page.status == 422
    assert "log in instead" in page.main.text


@pytest.mark.parametrize(
    ("email", "password"), [("robin@example.org", "wrong password"), ("nobody@example.org", PASSWORD), ("", "")]
)
async def test_a_log_in_that_fails_does_not_tell_why(site: Site, email: str, password: str) -> None:
    """The page is the same for a wrong password and for an address without an account."""
    await site.account()
    browser = site.browser()
    page = await browser.log_in(email, password)
    assert page.status == 422
    assert "do not belong together" in page.main.one(role="alert").text
    assert page.main.one(id="email").attributes["value"] == email
    assert (await browser.get("/profile")).status == 303


async def test_the_start_page_leads_a_wearer_to_the_profile(site: Site) -> None:
    """And strangers to what this is."""
    assert (await site.browser().get("/")).status == 200
    browser = await site.logged_in(await site.account())
    for path in ("/", "/log-in", "/sign-up"):
        assert (await browser.get(path)).headers["Location"] == "/profile"


async def test_the_profile_says_what_it_holds_and_why(site: Site) -> None:
    """Each interest with its path, its strength in words, its sentence, and a chart that says what it shows."""
    robin = await site.account()
    tokens = await site.pair(robin)
    await site.bring(robin, tokens.pairing, (WALKING, VOICE, 3), days_ago=8)
    await site.bring(robin, tokens.pairing, (WALKING, PHOTO, 2), (JAZZ, TEXT, 1))
    page = await (await site.logged_in(robin)).get("/profile")
    assert labels(page) == ["Walking", "Jazz"]
    walking = interest_of(page, "Walking")
    assert walking.one("p", class_="above").text == "Interest › Sports"
    assert walking.one("p", class_="strength").text == "Strong"
    assert walking.one("p", class_="reason").text == (
        "You asked the assistant about this 3 times by voice and took 2 photos of it "
        "between 25 February and 5 March 2026, most lately on 5 March."
    )
    svg = walking.one("svg")
    assert svg.attributes["role"] == "img"
    assert svg.one("title", id=svg.attributes["aria-labelledby"]).text == (
        "Noticed 5 times in 2 of the last 26 weeks, most in the week of 19 February (3 times)."
    )
    assert len(svg.all("rect")) == WEEKS
    assert len(svg.all("rect", class_="bar")) == 2
    assert "Week of 19 February 2026 3 times" in walking.one("details").text
    assert interest_of(page, "Jazz").one("p", class_="strength").text == "Slight"
    assert "2 interests from 6 hints" in page.main.text


async def test_a_purchase_intent_is_told_from_an_interest(site: Site) -> None:
    """What a wearer looks to buy is called so."""
    robin = await site.account()
    await site.bring(robin, (await site.pair(robin)).pairing, (COFFEE, VOICE, 1))
    page = await (await site.logged_in(robin)).get("/profile")
    assert interest_of(page, "Coffee").one("p", class_="above").text.startswith("Looking to buy › ")


async def test_pausing_and_going_on(site: Site) -> None:
    """While paused nobody reads the profile, and its wearer still sees what is held."""
    robin = await site.account()
    await site.bring(robin, (await site.pair(robin)).pairing, (WALKING, VOICE, 1))
    browser = await site.logged_in(robin)
    page = await browser.follow(await browser.submit(await browser.get("/profile"), "/profile/pause"))
    assert page.main.one(role="status").text == "Your profile is paused."
    assert "Nothing is recorded, and nobody can read this profile" in page.main.text
    assert labels(page) == ["Walking"]
    assert await read_topics(site, robin.id) == []
    page = await browser.follow(await browser.submit(page, "/profile/resume"))
    assert "goes on" in page.main.one(role="status").text
    assert await read_topics(site, robin.id) == [WALKING]


async def test_a_blocked_topic_is_gone_at_the_next_read_and_can_come_back(site: Site) -> None:
    """Blocking names the topic, moves it to its own list, and allowing it again restores it."""
    robin = await site.account()
    await site.bring(robin, (await site.pair(robin)).pairing, (WALKING, VOICE, 1), (JAZZ, VOICE, 1))
    browser = await site.logged_in(robin)
    profile = await browser.get("/profile")
    assert interest_of(profile, "Walking").one("button").text == "Block Walking"
    page = await browser.follow(await browser.submit(profile, f"/profile/topics/{WALKING}/block"))
    assert await read_topics(site, robin.id) == [JAZZ]
    assert labels(page) == ["Jazz"]
    assert "“Walking” is blocked" in page.main.one(role="status").text
    assert "Allow Walking" in [button.text for button in page.main.all("button")]
    page = await browser.follow(await browser.submit(page, f"/profile/topics/{WALKING}/allow"))
    assert sorted(await read_topics(site, robin.id)) == [JAZZ, WALKING]
    assert "“Walking” is allowed" in page.main.one(role="status").text


async def test_a_blocked_source_no_longer_counts(site: Site) -> None:
    """What came by that way alone is gone at the next read, until it counts again."""
    robin = await site.account()
    await site.bring(robin, (await site.pair(robin)).pairing, (WALKING, VOICE, 1), (JAZZ, PHOTO, 1))
    browser = await site.logged_in(robin)
    page = await browser.follow(await browser.submit(await browser.get("/profile"), f"/profile/sources/{PHOTO}/block"))
    assert await read_topics(site, robin.id) == [WALKING]
    assert "does not count" in page.main.text
    await browser.submit(page, f"/profile/sources/{PHOTO}/allow")
    assert sorted(await read_topics(site, robin.id)) == [JAZZ, WALKING]


@pytest.mark.parametrize(
    "path", ["/profile/topics/999999999/block", "/profile/topics/0/block", "/profile/sources/9/block",
             "/profile/topics/-1/block", "/profile/topics/672/erase", "/profile/topics/12345678901234567890/block"]
)  # fmt: skip
async def test_what_does_not_exist_cannot_be_blocked(site: Site, path: str) -> None:
    """It is not found, and the profile stays as it is."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    form = (await browser.get("/profile")).form("/profile/pause")
    assert (await browser.post(path, form)).status == 404
    assert await site.profile(robin) == Profile()


async def test_a_change_is_made_again_where_glasses_were_faster(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is merged between reading and saving is not lost, and neither is the change."""
    robin = await site.account()
    tokens = await site.pair(robin)
    browser = await site.logged_in(robin)
    form = (await browser.get("/profile")).form("/profile/pause")
    save, conflicts = site.store.save, [True, True]

    async def contended(account: str, profile: Profile, *, expected: Revision) -> Revision:
        if conflicts:
            conflicts.pop()
            monkeypatch.setattr(site.store, "save", save)
            await site.bring(robin, tokens.pairing, (WALKING, VOICE, 1))
            monkeypatch.setattr(site.store, "save", contended)
            raise RevisionConflict
        return await save(account, profile, expected=expected)

    monkeypatch.setattr(site.store, "save", contended)
    assert (await browser.post("/profile/pause", form)).status == 303
    held = await site.profile(robin)
    assert held.paused
    assert held.last_sequence(tokens.pairing) == 2


@pytest.mark.parametrize(
    ("home_region", "birth_year", "heading"),
    [
        ("FR", 1988, "Nothing is recorded where you live"),
        ("GB", 1988, "Nothing is recorded where you live"),
        ("KR", 1988, "Nothing is recorded where you live"),
        ("US", 2010, "Nothing is recorded at your age"),
    ],
)
async def test_who_is_left_out_is_told_so_plainly(site: Site, home_region: str, birth_year: int, heading: str) -> None:
    """Why, that nothing is recorded, and that nobody can read anything; no claim that systems read the list."""
    robin = await site.account(home_region=home_region, birth_year=birth_year)
    page = await (await site.logged_in(robin)).get("/profile")
    assert heading in [found.text for found in page.main.all("h2")]
    assert "nothing is added to this profile, and nobody can read it" in page.main.text
    for words in ("systems read this list", "Pair glasses", "yet"):
        assert words not in page.main.text


async def test_before_the_start_the_page_says_when_it_is(site: Site) -> None:
    """Nothing is recorded until then."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    site.clock.now = site.clock.now.replace(year=2025, month=11)
    browser.cookies["inkling"] = await site.accounts.sessions.start(robin.id)
    page = await browser.get("/profile")
    assert "Recording starts on 16 December 2025" in page.main.text


async def test_moving_home_changes_the_standing(site: Site) -> None:
    """A wearer who moves to an excluded region is told at once; a region that is none is refused."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    account = await browser.get("/account")
    page = await browser.follow(await browser.submit(account, "/account/region", home_region="DE"))
    assert "home region is changed" in page.main.one(role="status").text
    assert page.main.one("option", selected="").attributes["value"] == "DE"
    assert "Germany, where Inkling does not record" in (await browser.get("/profile")).main.text
    assert (await browser.submit(account, "/account/region", home_region="XX")).status == 422


async def test_changing_the_password_logs_every_other_browser_out(site: Site) -> None:
    """The present one is asked for, a weak one refused; this browser stays."""
    robin = await site.account()
    browser, other = await site.logged_in(robin), await site.logged_in(robin)
    account = await browser.get("/account")
    wrong = await browser.submit(account, "/account/password", current="wrong password", password="nine loud geese")
    assert (wrong.status, "not your password" in wrong.main.text) == (422, True)
    weak = await browser.submit(account, "/account/password", current=PASSWORD, password="password123")
    assert weak.status == 422
    done = await browser.submit(account, "/account/password", current=PASSWORD, password="nine loud geese")
    assert done.headers["Location"] == "/account?done=password"
    assert (await browser.get("/profile")).status == 200
    assert (await other.get("/profile")).status == 303
    assert await site.accounts.verify(robin.email, "nine loud geese") == robin


async def downloaded(browser: Browser) -> Any:
    """The file, parsed."""
    page = await browser.get("/account/download")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("application/json")
    assert page.headers["Content-Disposition"] == 'attachment; filename="inkling-profile-2026-03-05.json"'
    return json.loads(page.body)


async def test_the_download_holds_everything(site: Site) -> None:
    """Account, switches, interests with reasons, blocked ones among them, and every record of every pairing."""
    robin = await site.account()
    first, second = await site.pair(robin), await site.pair(robin, "Running pair")
    await site.bring(robin, first.pairing, (WALKING, VOICE, 3), (JAZZ, TEXT, 1), days_ago=8)
    await site.bring(robin, second.pairing, (WALKING, PHOTO, 2))
    await site.accounts.pairings.end(robin.id, second.pairing)
    held, revision = await site.store.load(robin.id)
    switched = block_source(block_topic(held, JAZZ), VIDEO)
    await site.store.save(robin.id, switched, expected=revision)
    content = await downloaded(await site.logged_in(robin))
    assert content["account"]["email"] == robin.email
    assert content["account"]["home_region_name"] == "United States"
    assert content["recording"] == "eligible"
    assert content["switches"]["blocked_sources"] == ["video"]
    assert [topic["topic"] for topic in content["switches"]["blocked_topics"]] == [JAZZ]
    assert {interest["topic"]: interest["used"] for interest in content["interests"]} == {WALKING: True, JAZZ: False}
    walking = content["interests"][0]
    assert walking["hints"] == {"voice": 3, "photo": 2}
    assert walking["name"] == "Interest › Sports › Walking"
    assert walking["reason"].startswith("You asked the assistant about this 3 times by voice")
    records = {glasses["name"]: glasses["records"] for glasses in content["glasses"]}
    assert [(record["topic"], record["source"], record["hints"]) for record in records["Everyday glasses"]] == [
        (JAZZ, "text", 1),
        (WALKING, "voice", 3),
    ]
    assert records["Running pair"] == [
        {
            "topic": WALKING,
            "name": "Interest › Sports › Walking",
            "week_of": "2026-03-05",
            "source": "photo",
            "hints": 2,
            "sum_of_percentages": 180,
            "first_day": "2026-03-05",
            "last_day": "2026-03-05",
        }
    ]
    assert {glasses["name"]: glasses["ended_by"] for glasses in content["glasses"]}["Running pair"] == "wearer"
    assert "halved" in content["about"]["interests"]


async def test_the_download_holds_nothing_past_the_maximum_age(site: Site) -> None:
    """Not even where glasses have been silent since, and the store still has it."""
    robin = await site.account()
    glasses = await site.pair(robin)
    await site.bring(robin, glasses.pairing, (WALKING, VOICE, 3))
    site.clock.wait(86_400 * (site.policy.policy.maximum_age_days + 1))
    page = await (await site.logged_in(robin)).get("/account/download")
    (listed,) = json.loads(page.body)["glasses"]
    assert (listed["batches"], listed["records"]) == (1, [])


async def test_the_download_of_a_paused_profile_says_that_nothing_is_used(site: Site) -> None:
    """What is held is in the file all the same; what belongs to no pairing as well."""
    robin = await site.account()
    await site.bring(robin, "0" * 16, (WALKING, VOICE, 1))
    held, revision = await site.store.load(robin.id)
    await site.store.save(robin.id, pause(held, True), expected=revision)
    content = await downloaded(await site.logged_in(robin))
    assert content["recording"] == "paused"
    assert [interest["used"] for interest in content["interests"]] == [False]
    assert [(glasses["id"], glasses["name"]) for glasses in content["glasses"]] == [("0" * 16, None)]


async def test_erasing_everything(site: Site) -> None:
    """With the password: profile, pairings, sessions and account are gone, and the browser is logged out."""
    robin = await site.account()
    tokens = await site.pair(robin)
    await site.bring(robin, tokens.pairing, (WALKING, VOICE, 1))
    browser, other = await site.logged_in(robin), await site.logged_in(robin)
    question = await browser.get("/account/erase")
    refused = await browser.submit(question, "/account/erase", password="wrong password")
    assert (refused.status, await site.accounts.get(robin.id)) == (422, robin)
    page = await browser.follow(await browser.submit(question, "/account/erase", password=PASSWORD))
    assert "Everything is erased" in page.main.one(role="status").text
    assert browser.cookies == {}
    assert (await other.get("/profile")).status == 303
    assert await site.accounts.list() == []
    assert site.accounts.pairings.list(robin.id) == []
    with pytest.raises(AccountErased):
        await site.store.load(robin.id)
    assert (await site.browser().log_in(robin.email)).status == 422


async def test_an_erasure_that_was_cut_short_can_be_completed(site: Site) -> None:
    """Where the profile is gone and the account is not, every page says so and leads to the last step."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    await site.store.delete(robin.id)
    for path in ("/profile", "/glasses", "/account/download"):
        page = await browser.get(path)
        assert (page.status, page.heading) == (409, "This profile is erased")
        assert page.main.one("a").attributes["href"] == "/account/erase"
    await browser.submit(await browser.get("/account/erase"), "/account/erase", password=PASSWORD)
    assert await site.accounts.list() == []


async def test_asking_for_the_password_again_is_limited_too(site: Site) -> None:
    """Whoever finds a browser open cannot try passwords there."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    form = (await browser.get("/account/erase")).form("/account/erase")
    statuses = [
        (await browser.post("/account/erase", {**form, "password": f"wrong password {number}"})).status
        for number in range(10)
    ]
    assert statuses == [422] * 9 + [429]


async def test_hostile_words_are_shown_as_words(site: Site) -> None:
    """Names of glasses and addresses cannot break out of the page, whatever they are made of."""
    robin = await site.account(email="<b>&\"'@example.org")
    tokens = await site.pair(robin, HOSTILE[:40])
    browser = await site.logged_in(robin)
    glasses = await browser.get("/glasses")
    assert glasses.main.one("h2").text == HOSTILE[:40]
    for path in ("/glasses", f"/glasses/{tokens.pairing}/forget", "/account"):
        page = await browser.get(path)
        assert page.problems == []
        assert page.root.all("script") == page.root.all("b") == []
        assert "49" not in page.main.text
    assert robin.email in (await browser.get("/account")).main.text


@pytest.mark.parametrize("query", ["done=<script>", "done=blocked&topic=<script>", "done=blocked&topic=99999999999999",
                                   "done=blocked&topic=%00", "topic=672", "done=paused&done=<script>"])  # fmt: skip
async def test_an_address_cannot_put_words_into_our_mouth(site: Site, query: str) -> None:
    """What was done is told in our own words, or not at all."""
    page = await (await site.logged_in(await site.account())).get(f"/profile?{query}")
    assert page.status == 200
    assert page.problems == []
    assert "script" not in page.body
    assert all("{}" not in note.text for note in page.main.all(role="status"))


async def every_page(site: Site) -> list[Page]:
    """Every page there is, full and empty, and the kinds of errors."""
    robin = await site.account()
    tokens = await site.pair(robin)
    await site.pair(robin, "Old pair")
    for pairing in site.accounts.pairings.list(robin.id):
        if pairing.name == "Old pair":
            await site.accounts.pairings.end(robin.id, pairing.id)
    await site.bring(robin, tokens.pairing, (WALKING, VOICE, 3), (JAZZ, PHOTO, 1), (COFFEE, TEXT, 1), days_ago=20)
    held, revision = await site.store.load(robin.id)
    await site.store.save(robin.id, block_topic(held, COFFEE), expected=revision)
    grant = await site.accounts.pairings.begin()
    full, empty = await site.logged_in(robin), await site.logged_in(await site.account("kim@example.org", "FR"))
    stranger = site.browser()
    pages = [await stranger.get(path) for path in ("/", "/log-in", "/sign-up?code=WDJBMJHT", "/privacy", "/nowhere")]
    pages.append(await sign_up(site, stranger, email="", password="", home_region="", birth_year=""))
    for path in (
        "/profile?done=paused",
        "/glasses",
        f"/glasses/{tokens.pairing}/forget",
        "/pair",
        "/pair?code=WDJB-MJHT",
        f"/pair?code={grant.user_code}",
        "/account",
        "/account/erase",
        "/privacy",
    ):
        pages.append(await full.get(path))
        if tokens.pairing not in path:
            pages.append(await empty.get(path))
    return pages


async def test_every_page_is_well_formed_and_has_its_landmarks(site: Site) -> None:
    """One main, one first heading, headings without a gap, a title, a language, a skip link that leads there."""
    for page in await every_page(site):
        where = page.path
        assert page.problems == [], where
        assert page.body.lstrip().lower().startswith("<!doctype html>"), where
        assert page.root.one("html").attributes["lang"] == "en", where
        assert page.root.one("head").one("title").text.endswith("Inkling"), where
        for tag in ("main", "header", "footer", "h1"):
            assert len(page.root.all(tag)) == 1, (where, tag)
        assert page.root.one("nav").attributes["aria-label"], where
        levels = [int(element.tag[1]) for element in page.root.all() if element.tag in {"h1", "h2", "h3", "h4"}]
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), (where, levels)
        first = page.root.all("a")[0]
        assert first.attributes["href"] == f"#{page.main.attributes['id']}", where


async def test_everything_that_can_be_used_has_a_name(site: Site) -> None:
    """Fields have labels, buttons and links have words, names are not given twice, charts say what they show."""
    for page in await every_page(site):
        where = page.path
        ids = [element.attributes["id"] for element in page.root.all() if "id" in element.attributes]
        assert len(ids) == len(set(ids)), where
        labelled = {label.attributes["for"] for label in page.root.all("label")}
        for element in page.root.all():
            references = (
                element.attributes.get("aria-labelledby", "") + " " + element.attributes.get("aria-describedby", "")
            )
            assert set(references.split()) <= set(ids), (where, element)
            if element.tag in {"input", "select"} and element.attributes.get("type") != "hidden":
                assert element.attributes.get("id") in labelled or "hidden" in element.attributes, (where, element)
            if element.tag in {"button", "a", "summary", "legend", "h1", "h2", "h3", "label"}:
                assert element.text, (where, element)
            if element.tag == "svg" and "aria-hidden" not in element.attributes:
                assert element.one("title").text, where
        names = [button.text for button in page.main.all("button")]
        assert len(names) == len(set(names)), (where, names)


async def test_every_password_goes_with_a_name(site: Site) -> None:
    """So that password managers know whose it is: each form that asks for one has a field for the user name."""
    forms = [form for page in await every_page(site) for form in page.root.all("form")]
    asking = [form for form in forms if form.all("input", type="password")]
    assert len(asking) >= 4
    for form in asking:
        assert form.all("input", autocomplete="username"), form.attributes["action"]


async def test_health_is_told_without_a_session(site: Site) -> None:
    """For a load balancer."""
    page = await site.browser().get("/healthz")
    assert (page.status, page.body) == (200, "ok\n")


async def test_the_privacy_page_states_the_policy_in_force(site: Site) -> None:
    """Regions by name, age, half-life and maximum age."""
    text = (await site.browser().get("/privacy")).main.text
    for words in ("Germany", "South Korea", "United Kingdom", "16 December 2025", "younger than 18", "90 days", "540"):
        assert words in text


def test_a_chart_ends_with_the_present_week() -> None:
    """What is older than the chart is told in words; counts beyond the given scale grow it."""
    today = dt.date(2026, 3, 5)
    made = chart([(dt.date(2025, 1, 2), 7), (dt.date(2026, 2, 19), 2), (today, 4)], today, step=10, height=40)
    assert [bar.empty for bar in made.bars].count(False) == 2
    assert (made.bars[-1].height, made.bars[-3].height) == (40, 20)
    assert made.text.endswith("most in the week of 5 March (4 times). Before that: 7 times.")
    nothing = chart([], today, step=10, height=40)
    assert nothing.text == "Not noticed in the last 26 weeks."
    assert all(bar.empty for bar in nothing.bars)
    scaled = chart([(today, 1)], today, step=10, height=40, highest=4)
    assert scaled.bars[-1].height == 10


@pytest.mark.parametrize(
    ("score", "level"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.49, 1), (1.5, 2), (4.0, 3), (9.99, 3), (10.0, 4), (1e6, 4)]
)
def test_strength_goes_by_steps(score: float, level: int) -> None:
    """Each step begins at its score."""
    assert strength_level(score) == level


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "1 second"), (59.2, "60 seconds"), (90, "90 seconds"), (91, "2 minutes"), (3600, "60 minutes")],
)
def test_waiting_is_told_in_words_rounded_up(seconds: float, words: str) -> None:
    """Never too short."""
    assert wait_text(seconds) == words


def test_the_topics_used_here_exist() -> None:
    """So that a change of the vocabulary is noticed here and not in riddles above."""
    assert [taxonomy()[topic].label for topic in (WALKING, JAZZ, COFFEE)] == ["Walking", "Jazz", "Coffee"]
