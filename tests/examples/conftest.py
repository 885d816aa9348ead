from tests.paper_exchange import paper, paper_process  # noqa: F401
