from tests.running_desk import desk, desk_process  # noqa: F401
