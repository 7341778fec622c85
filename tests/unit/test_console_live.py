"""What open pages are told: their own tenant's news, never more than fit, and an end."""

from __future__ import annotations

from console_svc.domain.live import BEHIND, CLOSING, ENDED, MOST_PAGES, MOST_WAITING, Hub, Listener, News


def heard(listener: Listener) -> list[News]:
    return [listener.waiting.get_nowait() for _ in range(listener.waiting.qsize())]


def test_news_reach_the_pages_of_their_tenant_only() -> None:
    hub = Hub()
    acme, other, globex = (hub.listen(*who) for who in (("acme", b"1"), ("acme", b"2"), ("globex", b"3")))
    hub.tell("acme", News("dialog", "d1", 4))
    hub.tell("nobody", News("dialog", "d1", 5))
    assert heard(acme) == heard(other) == [News("dialog", "d1", 4)]
    assert heard(globex) == []
    hub.leave(acme)
    hub.leave(acme)
    hub.tell("acme", News("dialog", "d1", 6))
    assert heard(acme) == []
    assert heard(other) == [News("dialog", "d1", 6)]


def test_a_page_that_is_too_far_behind_reads_all_again() -> None:
    hub = Hub()
    page = hub.listen("acme", b"1")
    for number in range(MOST_WAITING):
        hub.tell("acme", News("dialog", "d1", number))
    assert page.waiting.full()
    hub.tell("acme", News("dialog", "d1", MOST_WAITING))
    hub.tell("acme", News("run", "r1", 1))
    assert heard(page) == [BEHIND, News("run", "r1", 1)]


def test_the_end_of_a_session_comes_at_once_and_to_its_pages_only() -> None:
    hub = Hub()
    first, second, other = hub.listen("acme", b"1"), hub.listen("acme", b"1"), hub.listen("acme", b"2")
    hub.tell("acme", News("run", "r1", 1))
    hub.end_session("acme", b"1")
    assert heard(first) == heard(second) == [ENDED]
    assert heard(other) == [News("run", "r1", 1)]


def test_one_session_holds_no_more_than_so_many_pages() -> None:
    hub = Hub()
    pages = [hub.listen("acme", b"1") for _ in range(MOST_PAGES + 1)]
    assert heard(pages[0]) == [CLOSING]
    hub.tell("acme", News("run", "r1", 1))
    assert heard(pages[0]) == []
    assert heard(pages[-1]) == heard(pages[1]) == [News("run", "r1", 1)]


def test_a_process_that_ends_lets_go_of_all_and_takes_none() -> None:
    hub = Hub()
    before = hub.listen("acme", b"1")
    hub.close()
    after = hub.listen("acme", b"1")
    assert heard(before) == heard(after) == [CLOSING]
