"""What is installed is what the lock files name, from wherever this machine gets its packages."""

import re
from pathlib import Path

import pytest

from embedded.fetching import UV, fetch_uv
from embedded.installing import uv_environment
from embedded.places import Unusable

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted(CHECKOUT.glob("requirements*.lock"))


class TestLocks:
    def test_there_are_three(self):
        assert [path.name for path in LOCKS] == [
            "requirements-dev.lock",
            "requirements-embedded.lock",
            "requirements.lock",
        ]

    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
    def test_name_no_host_and_no_path(self, path):
        text = path.read_text()

        assert "://" not in text
        assert "@ " not in text
        assert "--index" not in text
        assert "--find-links" not in text

    @pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
    def test_pin_and_hash_every_package(self, path):
        packages = re.split(r"\n(?=\w)", path.read_text().strip())

        for package in packages:
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", package), package
            assert "--hash=sha256:" in package, package


class TestIndex:
    @pytest.fixture(autouse=True)
    def _nothing_is_configured(self, monkeypatch, tmp_path):
        for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))

    def test_is_the_one_in_pip_conf(self, tmp_path):
        (tmp_path / ".pip").mkdir()
        (tmp_path / ".pip" / "pip.conf").write_text("[global]\nindex-url = https://pip.example/\n")

        assert uv_environment()["UV_DEFAULT_INDEX"] == "https://pip.example/"

    def test_is_the_one_in_the_environment_first(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/")
        assert uv_environment()["UV_DEFAULT_INDEX"] == "https://pip.example/"

        monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example/")
        assert uv_environment()["UV_DEFAULT_INDEX"] == "https://uv.example/"

    def test_a_uv_with_another_digest_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr("embedded.fetching._platform_tag", lambda: "musllinux_1_1_x86_64")
        folder = tmp_path / "simple" / "uv"
        folder.mkdir(parents=True)
        wheel = f"uv-{UV}-py3-none-musllinux_1_1_x86_64.whl"
        (folder / wheel).write_bytes(b"not uv")
        (folder / "index.html").write_text(f'<a data-x="1" href="{wheel}#sha256=0">uv</a>')
        environment = {"UV_DEFAULT_INDEX": (tmp_path / "simple").as_uri()}

        with pytest.raises(Unusable, match="digest differs"):
            fetch_uv(tmp_path / "tools", environment)

        assert not (tmp_path / "tools").exists()
