"""Fetches uv, the installer, where there is neither pip nor venv: a bare Debian has neither.

It comes as the wheel that it is, from the user's own index, and is used only if its digest is the
one that stands here.
"""

import base64
import hashlib
import html
import os
import platform
import re
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from embedded.places import Unusable, private_folder

DEFAULT_INDEX = "https://pypi.org/simple"
UV = "0.13.8"
UV_WHEELS = {  # how a wheel's name ends -> its sha256
    "manylinux2014_x86_64": "e18a57b8b352eb7c8feb317b9f6f533c8f0ad9673fd6cf34bbe3cf1a9f6a8984",
    "musllinux_1_1_x86_64": "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a",
    "musllinux_1_1_aarch64": "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    "macosx_11_0_arm64": "62b6943c7fd64fac6854f780bea6e0359e5a5bc3241f83ee357bb38276afac49",
    "macosx_10_12_x86_64": "b7124ca1956ec2e476a1003ea5715a15f0266afaec37f4dc9c6972ba8183e6d1",
}


def fetch_uv(folder: Path, environment: Mapping[str, str]) -> str:
    """Return the path of the pinned uv, fetched into the folder on first use.

    DESK_UV names one to use instead. Raises Unusable where it cannot be had.
    """
    if named := environment.get("DESK_UV"):
        return named
    tool = folder / f"uv-{UV}"
    if not tool.exists():
        platform_tag = _platform_tag()
        if platform_tag not in UV_WHEELS:
            raise Unusable(f"No uv is pinned for {platform_tag}. Name yours by DESK_UV.")
        if certificates := environment.get("SSL_CERT_FILE"):
            os.environ["SSL_CERT_FILE"] = certificates  # urllib reads it from there
        index = environment.get("UV_DEFAULT_INDEX", DEFAULT_INDEX).rstrip("/") + "/uv/"
        try:
            wheel = _read(_link(index, ending=f"{platform_tag}.whl"))
        except OSError as error:
            raise Unusable(f"The package index could not be read: {error}") from error
        if hashlib.sha256(wheel).hexdigest() != UV_WHEELS[platform_tag]:
            raise Unusable(f"The index's uv {UV} is not the one we know: its digest differs.")
        private_folder(folder)
        draft = folder / "uv.draft"
        with zipfile.ZipFile(BytesIO(wheel)) as files:
            draft.write_bytes(files.read(f"uv-{UV}.data/scripts/uv"))
        draft.chmod(0o755)
        draft.replace(tool)
    return str(tool)


def _link(index: str, *, ending: str) -> str:
    page = _read(index).decode()
    for target in re.findall(r'<a\s[^>]*href="([^"]+)"', page):
        link = urljoin(index, html.unescape(target)).partition("#")[0]
        name = unquote(link.rsplit("/", 1)[-1])
        if name.startswith(f"uv-{UV}-") and name.endswith(ending):
            return link
    raise Unusable(f"The package index has no uv {UV} for this platform ({ending}).")


def _read(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        return (path / "index.html" if path.is_dir() else path).read_bytes()
    headers = {"Accept": "text/html"}
    if parts.username:  # urllib does not read a password out of an address
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = Request(bare, headers=headers)  # noqa: S310 - the user's own index
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def _platform_tag() -> str:
    machine = platform.machine()
    if sys.platform == "darwin":
        return "macosx_11_0_arm64" if machine == "arm64" else "macosx_10_12_x86_64"
    if machine == "aarch64":
        return "musllinux_1_1_aarch64"  # one wheel for both C libraries
    return ("manylinux2014_" if platform.libc_ver()[0] == "glibc" else "musllinux_1_1_") + machine
