"""The style sheet and the script of the pages."""

from pathlib import Path
from typing import Final

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, not_found

_FOLDER: Final = Path(__file__).parent / "static"
_ASSETS: Final = {
    "style.css": ("text/css; charset=utf-8", (_FOLDER / "style.css").read_bytes()),
    "live.js": ("text/javascript; charset=utf-8", (_FOLDER / "live.js").read_bytes()),
    "icon.svg": ("image/svg+xml", (_FOLDER / "icon.svg").read_bytes()),
}


async def get_asset(backend: NodeBackend, call: Call) -> Answer:
    found = _ASSETS.get(call.path["name"])
    if found is None:
        raise not_found("no such file")
    return Answer(200, found[1], found[0], {"Cache-Control": "max-age=600"})
