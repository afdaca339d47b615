"""The page at `/`, which asks the server that it comes from, and the report of the run."""

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from coterie.serve.api.api_error import ApiError
from coterie.train.run import Run

FOLDER = Path(__file__).parents[1] / "page"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
REPORT_HEADERS = {
    **HEADERS,
    # The report has a policy of its own, and an origin of its own, so that it reads no key.
    "Content-Security-Policy": "sandbox allow-scripts allow-popups; frame-ancestors 'none'",
}


class RunReport:
    """The report of a run, made when it is first asked for, and kept.

    It is always made here: a report.html in the run's folder may be anyone's, and would run on the
    server's own origin.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.page = run, ""
        self.making = asyncio.Lock()
        self.path = f"/report/{secrets.token_urlsafe(16)}"
        """Nobody can guess it, so that a link works without the key, which no link can send."""

    async def read(self) -> str:
        """Return the page. Raises ApiError, which says what to install or to do, if it fails."""
        async with self.making:
            if not self.page:
                self.page = await asyncio.to_thread(self._make)
        return self.page

    def _make(self) -> str:
        # It needs the extra `report`, which a server does not.
        from coterie.report.build import render_runs

        try:
            return render_runs(self.run)
        except (ValueError, ImportError) as error:
            raise ApiError(f"the report could not be made: {error}", status=503) from None


def read_files() -> dict[str, tuple[bytes, str]]:
    """Read the page's files: name -> content and media type. No path of a request is opened."""
    return {
        file.name: (file.read_bytes(), MEDIA_TYPES[file.suffix])
        for file in sorted(FOLDER.iterdir())
        if file.suffix in MEDIA_TYPES
    }


def add_page(app: FastAPI, run: Run, description: Mapping[str, Any]) -> None:
    """Add the page, the description of the run that it reads, and the report.

    Args:
        app: the application.
        run: what is served.
        description: the body of `/v1/run`, without the report's address.
    """
    files, report = read_files(), RunReport(run)

    def reply(name: str) -> Response:
        if name not in files:
            raise ApiError("there is no such file of the page", status=404)
        content, kind = files[name]
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=HEADERS)

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return reply("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def show_file(name: str) -> Response:
        return reply(name)

    @app.get("/v1/run")
    async def describe_run() -> dict[str, Any]:
        return {**description, "report": report.path}

    @app.get(report.path, include_in_schema=False)
    async def show_report() -> HTMLResponse:
        return HTMLResponse(await report.read(), headers=REPORT_HEADERS)
