import tests.alpaca_py  # noqa: F401
from tests.browser.conftest import chromium  # noqa: F401
from tests.paths.bots import bot, bots  # noqa: F401
from tests.running_desk import desk, desk_process  # noqa: F401
