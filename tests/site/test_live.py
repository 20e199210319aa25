"""`genai-patterns serve`: what is edited is shown, a mistake leaves the site as it was, open pages hear of both."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from catalog import scaffold
from catalog.site import live


@pytest.fixture
def site(tmp_path: Path) -> live.Live:
    """The site of the catalog that `init` writes, built once."""
    scaffold.write(tmp_path / "knots", scaffold.starter("Knots", str(tmp_path / "knots")))
    (tmp_path / "out").mkdir()
    made = live.Live(tmp_path / "out", tmp_path / "knots")
    made.update()
    assert not made.problem
    return made


def entry(site: live.Live, id: str = "bowline") -> Path:
    assert site.path is not None
    (file,) = site.path.rglob(f"{id}.yaml")
    return file


def page(site: live.Live, name: str = "patterns/bowline.html") -> str:
    return (site.site / name).read_text(encoding="utf-8")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edited_entry_is_shown_wherever_it_is_spoken_of(site: live.Live):
    before = time.time_ns()
    edit(entry(site), "name: Bowline", "name: Rescue knot")
    site.update()
    assert '<h1 id="bowline">Rescue knot' in page(site)
    assert page(site, "patterns/bowline.md").startswith("# Rescue knot\n")
    for other in ("patterns/index.html", "graph.html", "patterns/sheet_bend.html"):
        assert "Rescue knot" in page(site, other), other
    assert site.since("patterns/bowline.html", before)


def test_pages_that_do_not_speak_of_it_are_left_alone(site: live.Live):
    other = site.site / "graph.html"
    before, written = time.time_ns(), other.stat().st_mtime_ns
    file = entry(site)
    file.write_text(f"{file.read_text(encoding='utf-8')}use_when: [A loop that does not slip]\n", encoding="utf-8")
    site.update()
    assert not site.problem
    assert "A loop that does not slip" in page(site)
    assert site.since("patterns/bowline.html", before)
    assert not site.since("graph.html", before)
    assert other.stat().st_mtime_ns == written


def test_a_mistake_is_said_and_leaves_the_site_as_it_was(site: live.Live, capsys: pytest.CaptureFixture[str]):
    before = page(site)
    edit(entry(site), "id: bowline", "id: browline")
    site.update()
    assert "bowline.yaml:2:1: id" in site.problem
    assert site.problem in capsys.readouterr().err
    site.update()
    assert "error" not in capsys.readouterr().err, "said once"
    assert page(site) == before
    edit(entry(site), "id: browline", "id: bowline")
    site.update()
    assert site.problem == ""


def test_pages_come_and_go(site: live.Live):
    assert site.path is not None
    own = site.path / "pages" / "rope.md"
    own.parent.mkdir(exist_ok=True)
    own.write_text("---\ntitle: Rope\n---\n\n# Rope\n\nHemp.\n", encoding="utf-8")
    site.update()
    assert "Hemp." in page(site, "rope.html")
    assert "rope.html" in page(site, "graph.html"), "the navigation of every page leads to it"
    own.write_text(own.read_text(encoding="utf-8").replace("Hemp", "Nylon"), encoding="utf-8")
    site.update()
    assert "Nylon." in page(site, "rope.html")
    own.unlink()
    site.update()
    assert not (site.site / "rope.html").exists()
    assert "rope.html" not in page(site, "graph.html")


def test_an_entry_comes_and_goes(site: live.Live):
    file = entry(site)
    copy = file.with_name("clove_hitch.yaml")
    text = file.read_text(encoding="utf-8")
    head = text.partition("relations:")[0].replace("aliases: [king of knots]\n", "")
    copy.write_text(head.replace("bowline", "clove_hitch").replace("Bowline", "Clove hitch"), encoding="utf-8")
    site.update()
    assert not site.problem
    assert "Clove hitch" in page(site, "patterns/index.html")
    assert (site.site / "patterns/clove_hitch.html").is_file()
    copy.unlink()
    site.update()
    assert not list((site.site / "patterns").glob("clove_hitch.*"))
    assert "Clove hitch" not in page(site, "patterns/index.html")


def test_files_are_followed(site: live.Live):
    seen = live.stamps(site.sources())
    assert entry(site) in seen
    entry(site).with_name(".bowline.yaml.swp").write_text("an editor's own", encoding="utf-8")
    assert live.stamps(site.sources()) == seen
    follower = threading.Thread(target=live.follow, args=(site, seen), daemon=True)
    follower.start()
    edit(entry(site), "name: Bowline", "name: Rescue knot")
    deadline = time.monotonic() + 60
    while "Rescue knot" not in page(site) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "Rescue knot" in page(site)


@pytest.fixture
def port(site: live.Live) -> Iterator[int]:
    handler = partial(type("Served", (live.Handler,), {"live": site}), directory=str(site.site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse()


def test_the_server_alone_adds_the_script(site: live.Live, port: int):
    for path, code in (("/", 200), ("/patterns/bowline.html", 200), ("/nothing.html", 404)):
        answer = get(port, path)
        assert answer.status == code
        assert live.NEWS in answer.read().decode()
    for asked in ("", "?page=/graph.html", "?page=/graph.html&since=noon"):
        assert get(port, live.NEWS + asked).status == 400
    assert get(port, "/assets/site.css").read() == (site.site / "assets/site.css").read_bytes()
    assert not [p for p in site.site.rglob("*.html") if live.NEWS in p.read_text(encoding="utf-8")]


def test_an_open_page_hears_of_mistakes_and_of_changes(site: live.Live, port: int):
    answer = get(port, f"{live.NEWS}?since={time.time_ns()}&page=/patterns/bowline.html")
    edit(entry(site), "id: bowline", "id: browline")
    site.update()
    assert next_event(answer) == ("problem", site.problem)
    edit(entry(site), "id: browline", "id: bowline")
    edit(entry(site), "name: Bowline", "name: Rescue knot")
    site.update()
    events = [next_event(answer)]
    if events[0][0] == "problem":
        assert events[0][1] == ""
        events.append(next_event(answer))
    assert events[-1][0] == "changed"
    assert answer.read().strip() == b"", "then the page loads again"


def next_event(answer: http.client.HTTPResponse) -> tuple[str, str]:
    """Kind and text of the next event of a stream."""
    while not (line := answer.readline().decode()).startswith("event: "):
        assert line, "the stream has ended"
    said = answer.readline().decode().removeprefix("data:").strip()
    return line.removeprefix("event: ").strip(), json.loads(said) if said else ""


def test_a_catalog_with_a_mistake_is_not_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "rope").mkdir()
    (tmp_path / "rope" / "knot.yaml").write_text("id: not\n", encoding="utf-8")
    assert live.serve(0, tmp_path) == 1
    assert "knot.yaml:1:" in capsys.readouterr().err


def test_a_port_in_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert live.serve(port, tmp_path) == 1
    assert f"port {port}" in capsys.readouterr().err
