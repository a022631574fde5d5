"""A ledger fetched from sources that lie, vanish and drip: what is proven comes in, the rest is named (pitfalls 44, 57,
59)."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chainnode.failures import BadConfiguration
from chainnode.resync import FETCHING, NEW, OLD, Blamed, NoSource, Progress, Resync
from chainnode.snapshot_sources import FolderSource, HttpSource, Source, SourceFailed
from ledger.data_directory import initialise, open_data_directory
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import chunk_hash, decode_manifest
from ledger.snapshot_moments import Moments, newest_named
from ledger.snapshot_writer import SnapshotWriter, handovers_of
from primitives.codec import encode
from primitives.handover import Handover, decode_handover
from primitives.validators import Seats, Validator
from tests.ledger.builders import CHAIN_ID, GENESIS, GENESIS_STATE, Builder, new_chain, toy_verify

OTHERS: Seats = (*GENESIS.validators[:3], Validator("v4", b"\x09" * 32, b"der"))


def grow(builder: Builder, blocks: int) -> None:
    for i in range(blocks):
        builder.add(*(b"%d.%d=%s" % (builder.chain.head.height, j, b"v" * 700) for j in range(30)), b"last=%d" % i)


def publish(builder: Builder, folder: Path) -> int:
    """A snapshot of the chain; the height."""
    moments = Moments(builder.chain, newest_named(builder.chain))
    while (proven := moments.advance()) is None:
        builder.idle(1)
    handovers = handovers_of(builder.chain.store, proven.headers[-1].epoch)
    writer = SnapshotWriter(CHAIN_ID, handovers, proven, SnapshotFolder(folder))
    while writer.piece():
        pass
    return writer.height


class Told(FolderSource):
    """A folder that counts what is asked of it, and knows the handovers of its chain as a node does."""

    def __init__(self, path: Path, builder: Builder | None = None) -> None:
        super().__init__(path)
        self.asked: list[int] = []
        self.known = [] if builder is None else [decode_handover(raw) for raw in builder.chain.handovers()]

    def chunk(self, height: int, index: int) -> bytes:
        self.asked.append(index)
        return super().chunk(height, index)

    def handovers(self, start: int) -> list[Handover]:
        return self.known[start:]


class Liar(Told):
    """Says in its manifest and in its chunks what it likes."""

    def __init__(self, path: Path, twist: Callable[[int, bytes], bytes], says_so: bool) -> None:
        super().__init__(path)
        self.twist, self.says_so = twist, says_so

    def manifest(self, height: int | None) -> bytes | None:
        raw = super().manifest(height)
        if raw is None or not self.says_so:
            return raw
        manifest = decode_manifest(raw)
        chunks = tuple(chunk_hash(self.chunk(manifest.height, n)) for n in range(len(manifest.chunks)))
        return encode(msgspec.structs.replace(manifest, chunks=chunks))

    def chunk(self, height: int, index: int) -> bytes:
        return self.twist(index, super().chunk(height, index))


class Silent(Told):
    """Gives its manifest, then nothing."""

    def chunk(self, height: int, index: int) -> bytes:
        raise SourceFailed("timed out")


@pytest.fixture
def builder() -> Builder:
    made = new_chain()
    grow(made, 40)
    return made


@pytest.fixture
def source(builder: Builder, tmp_path: Path) -> Path:
    publish(builder, tmp_path / "source")
    return tmp_path / "source"


def resync(data: Path, *sources: Source, news: list[Blamed | Progress] | None = None) -> Resync:
    return Resync(data, GENESIS, GENESIS_STATE, sources, (news if news is not None else []).append, toy_verify)


def root_of(data: Path) -> tuple[int, bytes, int | None]:
    opened = open_data_directory(data, GENESIS)
    found = opened.chain.head.height, opened.chain.head.state_root, opened.abstains_in
    opened.close()
    return found


def flipped(at: int) -> Callable[[int, bytes], bytes]:
    return lambda index, raw: bytes([raw[0] ^ 1]) + raw[1:] if index == at else raw


@pytest.mark.pitfall(44)
def test_a_lost_directory_comes_back_and_promises_to_abstain(builder: Builder, source: Path, tmp_path: Path) -> None:
    done = resync(tmp_path / "data", FolderSource(source)).run()
    assert (done.old, done.abstains_in, done.blamed) == (None, 0, ())
    assert root_of(tmp_path / "data") == (done.height, builder.roots[done.height], 0)
    assert not any(tmp_path.glob(f"data{FETCHING}")), "no chunk is left behind"


def test_the_old_directory_is_kept_and_a_used_one_is_refused(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number in (1, 2):
        if number == 1:
            initialise(data, GENESIS, GENESIS_STATE)
        done = resync(data, FolderSource(source)).run()
        assert done.old == tmp_path / f"data{OLD}{number}"
        assert (done.old / "chain").exists()
    opened = open_data_directory(data, GENESIS)
    with pytest.raises(BadConfiguration, match="is in use by pid"):
        resync(data, FolderSource(source)).run()
    opened.close()


@pytest.mark.pitfall(59)
@pytest.mark.parametrize("at", [0, 2])
def test_a_wrong_chunk_is_fetched_elsewhere_and_its_source_named(source: Path, tmp_path: Path, at: int) -> None:
    liar, honest = Liar(source, flipped(at), says_so=False), Told(source)
    news: list[Blamed | Progress] = []
    done = resync(tmp_path / "data", liar, honest, news=news).run()
    assert [(b.source, b.lied) for b in done.blamed] == [(liar.name, True)]
    assert f"chunk {at}" in done.blamed[0].why
    assert done.blamed[0] in news
    assert root_of(tmp_path / "data")[0] == done.height


@pytest.mark.pitfall(59)
def test_chunks_that_fit_a_lying_manifest_are_found_out_and_nothing_stays(source: Path, tmp_path: Path) -> None:
    liar = Liar(source, flipped(2), says_so=True)
    with pytest.raises(NoSource, match="no snapshot from 1 sources") as refused:
        resync(tmp_path / "data", liar).run()
    assert refused.value.lied
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / f"data{NEW}").exists()
    done = resync(tmp_path / "data", liar, FolderSource(source)).run()
    assert [(b.source, b.lied) for b in done.blamed] == [(liar.name, True)]


@pytest.mark.pitfall(57)
def test_who_falls_silent_is_left_and_what_came_is_not_fetched_again(source: Path, tmp_path: Path) -> None:
    class Stops(Told):
        def chunk(self, height: int, index: int) -> bytes:
            if index == 3:
                raise SourceFailed("timed out")
            return super().chunk(height, index)

    first = Stops(source)
    with pytest.raises(NoSource, match="timed out"):
        resync(tmp_path / "data", Silent(source), first).run()
    assert sorted(first.asked) == [0, 1, 2]
    assert not (tmp_path / "data").exists()
    second = Told(source)
    done = resync(tmp_path / "data", second).run()
    assert 0 not in second.asked
    assert min(second.asked) == 3
    assert root_of(tmp_path / "data")[0] == done.height


def test_a_chunk_that_was_damaged_on_the_own_disk_is_fetched_again(source: Path, tmp_path: Path) -> None:
    class Stops(Told):
        def chunk(self, height: int, index: int) -> bytes:
            if index == 2:
                raise SourceFailed("timed out")
            return super().chunk(height, index)

    with pytest.raises(NoSource):
        resync(tmp_path / "data", Stops(source)).run()
    kept = sorted((tmp_path / f"data{FETCHING}").rglob("0*0"))[-1]
    kept.write_bytes(b"\0" + kept.read_bytes()[1:])
    again = Told(source)
    resync(tmp_path / "data", again).run()
    assert 0 in again.asked
    assert 1 not in again.asked


def test_the_newest_of_several_is_taken_and_a_wanted_height_is_kept_to(
    builder: Builder, source: Path, tmp_path: Path
) -> None:
    old = decode_manifest(FolderSource(source).manifest(None) or b"").height
    grow(builder, 5)
    new = publish(builder, tmp_path / "newer")
    sources = FolderSource(source), FolderSource(tmp_path / "newer")
    assert resync(tmp_path / "one", *sources).run().height == new > old
    assert resync(tmp_path / "two", *sources).run(height=old).height == old
    with pytest.raises(NoSource):
        resync(tmp_path / "three", *sources).run(height=old + 1)


def test_the_newest_epoch_that_anybody_proves_is_abstained_in(builder: Builder, source: Path, tmp_path: Path) -> None:
    builder.close(OTHERS)
    grow(builder, 3)
    done = resync(tmp_path / "data", FolderSource(source), Told(source, builder)).run()
    assert done.abstains_in == 1, "the snapshot is of epoch 0, but epoch 1 has begun"
    assert root_of(tmp_path / "data")[2] == 1


def test_a_made_up_epoch_is_not_believed(builder: Builder, source: Path, tmp_path: Path) -> None:
    builder.close(OTHERS)
    boaster = Told(source, builder)
    boaster.known = [msgspec.structs.replace(boaster.known[0], seats=GENESIS.validators)]
    done = resync(tmp_path / "data", boaster, FolderSource(source)).run()
    assert done.abstains_in == 0
    assert [(b.source, b.lied) for b in done.blamed] == [(boaster.name, True)]


@pytest.mark.pitfall(44)
def test_where_nobody_has_a_snapshot_it_begins_at_genesis_and_abstains(tmp_path: Path) -> None:
    empty = FolderSource(tmp_path / "nothing")
    with pytest.raises(NoSource, match="has no snapshot") as refused:
        resync(tmp_path / "data", empty).run()
    assert not refused.value.lied
    assert resync(tmp_path / "data", empty).run(from_genesis=True).height == 0
    assert (root_of(tmp_path / "data")[0], root_of(tmp_path / "data")[2]) == (0, 0)


def test_a_run_that_ended_between_the_renames_is_finished(source: Path, tmp_path: Path) -> None:
    resync(tmp_path / "data", FolderSource(source)).run()
    (tmp_path / "data").rename(tmp_path / f"data{NEW}")
    done = resync(tmp_path / "data", FolderSource(source)).run()
    assert done.old == tmp_path / f"data{OLD}1"


def served(folder: SnapshotFolder, octets: int | None) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/v1/handovers"):
                body: bytes | None = b'{"epoch":0,"handovers":[]}'
            elif self.path == "/v1/snapshot?form=raw":
                body = folder.manifest(folder.heights()[0])
            else:
                number, _, height = self.path.rpartition("/")[2].partition("?height=")
                body = b"x" * octets if octets else folder.chunk(int(height), int(number))
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def serve() -> Iterator[Callable[[Path, int | None], str]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(path: Path, octets: int | None = None) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), served(SnapshotFolder(path), octets))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_over_http_from_several_nodes(source: Path, tmp_path: Path, serve: Callable[..., str]) -> None:
    floods, good, dead = serve(source, 1 << 20), serve(source), "http://127.0.0.1:9"
    done = resync(tmp_path / "data", HttpSource(dead), HttpSource(floods), HttpSource(good)).run()
    assert [b.source for b in done.blamed] == [dead, floods]
    assert "more than 262144 bytes" in done.blamed[1].why
    assert root_of(tmp_path / "data")[0] == done.height


@pytest.mark.parametrize("url", ["https://x", "ftp://x", "x:1", "http://"])
def test_a_source_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not a node's address"):
        HttpSource(url)


def test_the_command_imports_no_node_and_no_server(tmp_path: Path) -> None:
    """A fresh node waits for it; the program of a node takes longer to import than a small ledger to load."""
    (tmp_path / "node.toml").write_text("no configuration")
    script = (
        "import sys; from cli.main import run\n"
        f"code = run(['node', 'resync', '--config', {str(tmp_path / 'node.toml')!r}, '--from', 'http://127.0.0.1:1'])\n"
        "assert 'chainnode.resync' in sys.modules and 'chainnode.config' in sys.modules\n"
        "assert not {'chainnode.node', 'chainnode.process', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
