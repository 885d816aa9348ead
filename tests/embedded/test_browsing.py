"""A browser for the tests that need one."""

import pytest

from embedded import browsing


def test_chromium_shows_a_page(chromium):
    page = chromium.new_page()

    page.set_content("<title>Blotter</title>")

    assert page.title() == "Blotter"
    page.close()


class TestWithout:
    def test_a_test_is_skipped_and_says_why(self, monkeypatch):
        monkeypatch.delenv("DESK_REQUIRE_BROWSER", raising=False)

        with pytest.raises(pytest.skip.Exception, match="no reason"):
            browsing.give_up("no reason")

    def test_it_fails_where_a_browser_is_required(self, monkeypatch):
        monkeypatch.setenv("DESK_REQUIRE_BROWSER", "1")

        with pytest.raises(pytest.fail.Exception, match="no reason"):
            browsing.give_up("no reason")
