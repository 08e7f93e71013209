import conda_channel
import pytest


@pytest.fixture(scope="session")
def channel(tmp_path_factory):
    """The channel of stand-ins. Tests do not change it."""
    return conda_channel.stand_ins(tmp_path_factory.mktemp("channels") / "stand-ins")


@pytest.fixture(scope="session")
def _server(channel):
    with conda_channel.ChannelServer(channel.folder.parent) as running:
        yield running


@pytest.fixture
def server(_server):
    """Serves it, at ``{server.url}/stand-ins``; with the requests of this test only."""
    _server.forget()
    return _server
