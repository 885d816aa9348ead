"""The settings, for tools that read them where no desk runs: mypy, an editor."""

import os

from embedded import checks

os.environ |= checks.PRODUCTION

from config.settings import *  # noqa: F403 - only now is there something to read
