"""The embedded server's life: races, kills, stale files, accounts, and who stops it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from spotify_assets.warehouse import embedded
from spotify_assets.warehouse.database import normalise_url, release_embedded, warehouse_url
from spotify_assets.warehouse.embedded import EmbeddedPostgres, EmbeddedPostgresError, ServerAddress
from spotify_assets.warehouse.postgres_binaries import BinariesNotFoundError, find_binaries
from spotify_assets.warehouse.server_process import command_line, postmaster_pid

PROJECT = Path(embedded.__file__).parents[2]
AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root can run the server as another user")

# Starts the server, says so, and holds it until its input ends.
HOLDER = """
import sys
from pathlib import Path
from spotify_assets.warehouse.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start().port, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(open_folder: Path) -> Path:
    """Not made yet; blanks, quotes, dollars and letters beyond ASCII must do no harm."""
    return open_folder / 'höme "of" $HOME data' / "postgres"


@contextmanager
def holder(
    home: Path, before: str = "", environ: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + HOLDER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=environ,
    )
    with process:
        yield process
        if process.poll() is None:
            process.communicate()


def port_of(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return int(line)


def answer(address: ServerAddress) -> object:
    with psycopg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        dbname=address.database,
    ) as connection:
        row = connection.execute("select current_database()").fetchone()
    assert row is not None
    return row[0]


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def is_stopped(home: Path) -> bool:
    return postmaster_pid(home / "data") is None


def test_one_start_makes_a_server_that_only_its_owner_can_look_into(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        address = server.start()
        assert answer(address) == "spotify_assets"
        assert address.password not in repr(address)
        assert home.stat().st_mode & 0o777 == 0o700
        assert (home / "password").stat().st_mode & 0o777 == 0o600
        with pytest.raises(psycopg.OperationalError, match="password"):
            answer(ServerAddress(address.port, "wrong"))
    assert is_stopped(home)


def test_the_last_user_stops_the_server_and_the_next_finds_its_rows(home: Path) -> None:
    first, second = EmbeddedPostgres(home), EmbeddedPostgres(home)
    address = first.start()
    assert second.start() == address
    first.close()
    assert answer(address) == "spotify_assets"
    second.close()
    assert is_stopped(home)
    assert second.start() == address
    second.close()
    second.close()
    assert is_stopped(home)


def test_a_process_that_ends_without_closing_stops_the_server_it_was_the_last_to_use(home: Path) -> None:
    with holder(home) as process:
        port_of(process)
    assert process.returncode == 0
    assert is_stopped(home)


def test_six_processes_race_on_an_empty_folder_and_share_one_server(home: Path) -> None:
    holders = [holder(home) for _ in range(6)]
    processes = [each.__enter__() for each in holders]
    ports = {port_of(process) for process in processes}
    for each in holders:
        each.__exit__(None, None, None)
    assert len(ports) == 1
    assert [process.returncode for process in processes] == [0] * 6
    assert is_stopped(home)


def test_a_holder_killed_with_kill_9_keeps_nobody_from_stopping_the_server(home: Path) -> None:
    """A list of pids in a file would name the dead one for ever."""
    with EmbeddedPostgres(home) as server, holder(home) as process:
        port_of(process)
        process.kill()
        process.wait()
        assert answer(server.start()) == "spotify_assets"
    assert is_stopped(home)


def test_the_watcher_stops_a_server_whose_users_were_all_killed(home: Path) -> None:
    with holder(home) as first, holder(home) as second:
        port_of(first)
        port_of(second)
        first.kill()
        second.kill()
    wait_until(lambda: is_stopped(home))
    with EmbeddedPostgres(home) as server:
        assert answer(server.start()) == "spotify_assets"


def test_the_watcher_ends_with_the_server_and_keeps_off_a_folder_that_is_deleted(home: Path) -> None:
    def watchers() -> list[int]:
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 -- names only
        return [pid for pid in pids if str(home) in (command_line(pid) or ())]

    if not Path("/proc/self").exists():
        pytest.skip("processes are listed through /proc, which this system does not have")
    server = EmbeddedPostgres(home)
    server.start()
    wait_until(lambda: len(watchers()) == 1)
    server.close()
    shutil.rmtree(home)
    wait_until(lambda: not watchers())
    assert not home.exists()


@pytest.mark.parametrize(
    ("state", "expected"),
    [("R", ("",)), ("D", ("",)), ("Z", None), ("X", None)],
    ids=lambda value: str(value),
)
def test_a_process_that_is_becoming_another_program_is_alive(
    tmp_path: Path, state: str, expected: tuple[str, ...] | None
) -> None:
    """Its arguments are empty for a moment, like a zombie's: a server just started was given up, and stopped."""
    for pid in ("self", "41"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(b"")
    (tmp_path / "41" / "stat").write_text(f"41 (sh (a) Z) {state} 1 41 41 0")
    assert command_line(41, tmp_path) == expected


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc, which macOS has not")
def test_a_zombie_is_not_running() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert command_line(ended.pid) is None


def test_a_server_killed_with_kill_9_is_started_again(home: Path) -> None:
    """A zombie's pid counts as alive, and the address of a dead server would be handed out."""
    with EmbeddedPostgres(home) as server:
        server.start()
        pid = postmaster_pid(home / "data")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert answer(server.start()) == "spotify_assets"


def test_a_backend_killed_with_kill_9_is_waited_for_while_the_server_recovers(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        address = server.start()
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            dbname=address.database,
        ) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        assert answer(server.start()) == "spotify_assets"


@pytest.mark.parametrize(
    "content",
    ["", "\n", "1\n", "not a pid\n", f"{os.getpid()}\n/somewhere\n"],
    ids=["empty", "cut short", "init", "text", "another program"],
)
def test_a_stale_pid_file_does_not_keep_the_server_from_starting(home: Path, content: str) -> None:
    """After a reboot the pid is another program's; after a full disk the file is cut short."""
    with EmbeddedPostgres(home) as server:
        server.start()
    pid_file = home / "data" / "postmaster.pid"
    pid_file.write_text(content)
    with EmbeddedPostgres(home) as server:
        assert answer(server.start()) == "spotify_assets"


def test_a_port_taken_by_another_program_is_given_up_for_another(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        port = server.start().port
    with socket.create_server(("127.0.0.1", port)), EmbeddedPostgres(home) as server:
        address = server.start()
        assert address.port != port
        assert answer(address) == "spotify_assets"


@pytest.mark.parametrize("content", ["", "0\n", "port\n"])
def test_a_port_file_cut_short_does_not_keep_the_server_from_starting(home: Path, content: str) -> None:
    with EmbeddedPostgres(home) as server:
        server.start()
    (home / "port").write_text(content)
    with EmbeddedPostgres(home) as server:
        assert answer(server.start()) == "spotify_assets"


def test_a_cluster_that_was_cut_short_while_it_was_made_is_made_anew(home: Path) -> None:
    (home / "data.new").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(home) as server:
        assert answer(server.start()) == "spotify_assets"


def test_a_cluster_of_another_major_version_is_refused_with_a_way_on(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        server.start()
    (home / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 9, .*PG_BIN.*SPOTIFY_ASSETS_HOME"):
        EmbeddedPostgres(home).start()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        server.start()
    with (home / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = on\n")
    with pytest.raises(EmbeddedPostgresError, match=r'(?s)did not start.*parameter "no_such_setting"'):
        EmbeddedPostgres(home).start()


def test_a_full_disk_while_the_cluster_is_made_is_told_and_leaves_no_half_of_it(home: Path) -> None:
    """Stands in for a full disk: no file of the process may grow beyond a megabyte."""
    code = (
        "import resource, sys; from pathlib import Path;"
        "from spotify_assets.warehouse.embedded import EmbeddedPostgres;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000));"
        "EmbeddedPostgres(Path(sys.argv[1])).start()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home)], capture_output=True, text=True, cwd=PROJECT
    )
    assert "EmbeddedPostgresError: An empty database could not be made in" in done.stderr
    assert not (home / "data").exists()
    assert not (home / "data.new").exists()
    with EmbeddedPostgres(home) as server:
        assert answer(server.start()) == "spotify_assets"


def test_the_server_knows_no_secret_of_the_process_that_started_it(home: Path) -> None:
    if not Path("/proc/self/environ").exists():
        pytest.skip("the environment of a process is read through /proc, which this system does not have")
    environ = {**os.environ, "SPOTIPY_CLIENT_SECRET": "hunter2"}
    with holder(home, environ=environ) as process:
        port_of(process)
        pid = postmaster_pid(home / "data")
        assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


FORKING = """
import os, sys
from pathlib import Path
from spotify_assets.warehouse.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
address = server.start()
if (child := os.fork()) == 0:
    server.close()
    os._exit(0)
os.waitpid(child, 0)
assert (Path(sys.argv[1]) / "data" / "postmaster.pid").exists()
assert server.start() == address
"""


def test_a_forked_child_that_closes_leaves_the_server_to_its_parent(home: Path) -> None:
    subprocess.run([sys.executable, "-c", FORKING, str(home)], check=True, cwd=PROJECT)
    assert is_stopped(home)


def test_warehouse_url_starts_the_server_once_and_brings_it_back(open_folder: Path) -> None:
    home = open_folder / "home"
    url = warehouse_url(None, home)
    assert url.drivername == "postgresql+psycopg"
    pid = postmaster_pid(home / "postgres" / "data")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert warehouse_url(None, home).database == "spotify_assets"
    release_embedded(home)
    release_embedded(home)
    assert is_stopped(home / "postgres")
    assert warehouse_url("postgres://db/music", home) == normalise_url("postgresql://db/music")


def test_pg_bin_goes_before_every_other_server_and_must_have_one(open_folder: Path) -> None:
    with pytest.raises(BinariesNotFoundError, match="PG_BIN"):
        find_binaries({"PG_BIN": str(open_folder)})
    for name in ("postgres", "initdb"):
        (open_folder / name).touch()
    assert find_binaries({"PG_BIN": str(open_folder)}).folder == open_folder.resolve()
    assert find_binaries({}).major_version() == "18"


@only_root
def test_as_root_no_folder_of_root_is_opened_and_the_cluster_lies_where_its_account_reaches_it(
    open_folder: Path,
) -> None:
    """`make run` in a clone below /root, which is closed to everyone else."""
    closed = open_folder / "root"
    closed.mkdir(mode=0o700)
    system = open_folder / "system"
    with EmbeddedPostgres(closed / "postgres", system_folder=system) as server:
        assert answer(server.start()) == "spotify_assets"
        location = Path((closed / "postgres" / "location").read_text().strip())
        assert location.parent == system
        pid = postmaster_pid(location / "data")
        assert pid is not None
        assert Path(f"/proc/{pid}").stat().st_uid != 0
    assert postmaster_pid(location / "data") is None
    assert closed.stat().st_mode & 0o777 == 0o700
    with EmbeddedPostgres(closed / "postgres", system_folder=system) as server:
        server.start()
        assert [path.name for path in system.iterdir()] == [location.name]


@only_root
def test_as_root_programs_in_a_closed_venv_are_copied_once(open_folder: Path) -> None:
    closed = open_folder / "venv"
    closed.mkdir(mode=0o700)
    (closed / "bin").symlink_to(find_binaries({}).folder)
    installation = find_binaries({}).installation()
    for folder in installation:
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    environ = {**os.environ, "PG_BIN": str(closed / installation[0].name / "pginstall" / "bin")}
    for _ in range(2):
        system = open_folder / "system"
        with EmbeddedPostgres(open_folder / "home", environ=environ, system_folder=system) as server:
            assert answer(server.start()) == "spotify_assets"
        assert len(list(system.iterdir())) == 1
    assert closed.stat().st_mode & 0o777 == 0o700


@only_root
def test_as_root_a_folder_of_another_user_is_served_as_that_user(home: Path) -> None:
    """So that the user finds the database in working order after a single `sudo`."""
    home.mkdir(parents=True)
    os.chown(home, 12345, 12345)
    with pytest.raises(EmbeddedPostgresError, match="12345"):
        EmbeddedPostgres(home).start()


# What a plain user's process is once its modules are loaded: this interpreter itself may lie below /root.
BECOME_PLAIN = """
import os
import psycopg
from spotify_assets.warehouse.embedded import EmbeddedPostgres
"127.0.0.1".encode("idna")
os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""


@pytest.fixture
def plain_environ(open_folder: Path) -> dict[str, str]:
    """An environment whose PG_BIN every user reaches, wherever the project lies."""
    binaries = find_binaries({})
    for folder in binaries.installation():
        shutil.copytree(folder, open_folder / folder.name, symlinks=True)
    package = binaries.installation()[0]
    reachable = open_folder / package.name / binaries.folder.relative_to(package)
    return {"PATH": os.environ["PATH"], "PG_BIN": str(reachable)}


@only_root
def test_a_plain_user_runs_the_server_as_itself(open_folder: Path, plain_environ: dict[str, str]) -> None:
    """When the suite runs as root; otherwise every test here is this one."""
    home = Path(tempfile.mkdtemp(dir=open_folder))
    os.chown(home, 65534, 65534)
    with holder(home / "postgres", BECOME_PLAIN, plain_environ) as process:
        port_of(process)
        assert (home / "postgres" / "data").stat().st_uid == 65534
        # Root may use what a plain user made, and leaves no file behind that the user cannot open.
        with EmbeddedPostgres(home / "postgres") as server:
            assert answer(server.start()) == "spotify_assets"
    assert {path.stat().st_uid for path in (home / "postgres").iterdir()} == {65534}
    with holder(home / "postgres", BECOME_PLAIN, plain_environ) as process:
        port_of(process)
    assert is_stopped(home / "postgres")


@only_root
def test_a_folder_of_another_user_is_refused_to_a_plain_user_with_a_way_on(open_folder: Path) -> None:
    home = open_folder / "postgres"
    home.mkdir(mode=0o700)
    with holder(home, BECOME_PLAIN) as process:
        _, complaint = process.communicate()
    assert "run as the user who made it, or set SPOTIFY_ASSETS_HOME" in complaint


def test_ctrl_c_in_one_users_terminal_leaves_the_server_to_the_others(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        with holder(home, "import os; os.setpgid(0, 0)\n") as process:
            port_of(process)
            pid = postmaster_pid(home / "data")
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
        assert postmaster_pid(home / "data") == pid
        assert answer(server.start()) == "spotify_assets"


def test_the_user_that_started_the_server_may_be_interrupted_too(home: Path) -> None:
    with holder(home, "import os; os.setpgid(0, 0)\n") as starter:
        port_of(starter)
        with EmbeddedPostgres(home) as server:
            address = server.start()
            os.killpg(starter.pid, signal.SIGINT)
            starter.wait()
            assert answer(address) == "spotify_assets"
    wait_until(lambda: is_stopped(home))


# Kills every child of a fork, as gRPC's handlers now and then do in Dagster's code server. glibc only.
DEADLY_FORKS = """
import ctypes
libc = ctypes.CDLL(None)
libc.__register_atfork(None, None, ctypes.cast(libc.abort, ctypes.c_void_p), None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="registers a fork handler in glibc")
def test_a_process_whose_forks_die_starts_the_server_where_any_other_finds_it(home: Path) -> None:
    """A probe killed by SIGSEGV was taken for "not reachable", and a second, empty database was made elsewhere."""
    with holder(home, before=DEADLY_FORKS) as process:
        port = port_of(process)
        assert not (home / "location").exists()
        with EmbeddedPostgres(home) as server:
            assert server.start().port == port
