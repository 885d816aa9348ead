"""Only pages of this very desk may open sockets to it."""

import pytest

from config.origins import is_ours


@pytest.mark.parametrize(
    ("desk", "origin", "asked", "is_trusted"),
    [
        ("https://desk.example", "https://desk.example", "internal:8000", True),
        ("https://desk.example", "https://other.example", "other.example", True),
        ("https://desk.example", "http://other.example", "other.example", False),
        ("https://desk.example", "https://evil.example", "evil.example", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000", "http://localhost:8000", "localhost:8000", True),
        ("http://127.0.0.1:8000", "http://[::1]:8000", "[::1]:8000", True),
        ("http://127.0.0.1:8000", "http://", "", False),
        ("http://127.0.0.1:8000", "", "127.0.0.1:8000", False),
    ],
)
def test_whose_pages_may_open_a_socket(settings, desk, origin, asked, is_trusted):
    settings.DESK_URL = desk
    settings.ALLOWED_HOSTS = ["desk.example", "other.example", "127.0.0.1", "localhost", "[::1]"]

    assert is_ours(origin, asked=asked) is is_trusted
