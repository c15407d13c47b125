"""Which files become pages, by which paths, and what each may do in a browser."""

from __future__ import annotations

from pathlib import Path

from surtitle.pipeline.pages import CONTENT_SECURITY_POLICY, HEADERS, load_pages


def test_every_page_script_and_style_of_a_folder_has_its_path_and_nothing_else(tmp_path: Path) -> None:
    for name in ("index.html", "setup.html", "setup.js", "common.css", "watch.py", "overlay.png", "py.typed"):
        (tmp_path / name).write_text(name)
    pages = load_pages(tmp_path)
    assert {path: (page.content_type, page.body.decode()) for path, page in pages.items()} == {
        "/": ("text/html; charset=utf-8", "index.html"),
        "/setup": ("text/html; charset=utf-8", "setup.html"),
        "/setup.js": ("text/javascript; charset=utf-8", "setup.js"),
        "/common.css": ("text/css; charset=utf-8", "common.css"),
    }


def test_the_installed_pages_are_there() -> None:
    assert {"/", "/overlay", "/overlay.js", "/overlay.css"} <= set(load_pages())


def test_sites_that_are_allowed_may_frame_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    for name in ("overlay.html", "read.html", "speak.html", "index.html", "read.js"):
        (tmp_path / name).write_text(name)
    pages = load_pages(tmp_path, ["https://church.example", "null", "http://127.0.0.1:3000"])
    framed = "frame-ancestors 'self' https://church.example http://127.0.0.1:3000"
    policies = {path: dict(HEADERS + page.headers)["content-security-policy"] for path, page in pages.items()}
    assert {path for path, policy in policies.items() if policy.endswith(framed)} == {"/overlay", "/read"}
    assert {path for path, policy in policies.items() if "church" in policy} == {"/overlay", "/read"}


def test_only_the_page_that_speaks_has_a_microphone_and_only_the_set_up_shows_a_frame(tmp_path: Path) -> None:
    for name in ("overlay.html", "setup.html", "speak.html"):
        (tmp_path / name).write_text(name)
    pages = {path: dict(HEADERS) | dict(page.headers) for path, page in load_pages(tmp_path).items()}
    microphone = {path for path, headers in pages.items() if "microphone=(self)" in headers["permissions-policy"]}
    frames = {path for path, headers in pages.items() if "frame-src 'self'" in headers["content-security-policy"]}
    assert (microphone, frames) == ({"/speak"}, {"/setup"})
    for headers in pages.values():
        policy = headers["content-security-policy"]
        assert policy.startswith(CONTENT_SECURITY_POLICY)
        assert "frame-ancestors 'self'" in policy
        assert "script-src 'self';" in policy
