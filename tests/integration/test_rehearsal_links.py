"""A link to a report: it opens without a token, for a while, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from server.api import Services
from server.api.services import with_services
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.rehearsal_rows import opened_run

pytest_plugins = [
    "tests.support.databases",
    "tests.support.api_fixtures",
    "tests.support.rehearsal_fixtures",
]

RUN = "rh-00000001"
HERE = f"/api/v1/rehearsals/{RUN}"
PAGE = b"<!doctype html><title>GO</title>"


@pytest.fixture
async def generator(key: AsgiClient, services: Services) -> AsgiClient:
    await opened_run(services.database, RUN, NOW_MS)
    return AsgiClient(key.app, {"x-api-key": services.rehearsals.key_of(RUN)})


async def put_page(client: AsgiClient) -> None:
    headers = {"content-type": "text/html; charset=utf-8"}
    answer = await client.call("PUT", f"{HERE}/report.html", raw=PAGE, headers=headers)
    assert answer.status == 200


async def test_whoever_has_the_link_reads_the_report_until_it_is_over(
    key: AsgiClient, nobody: AsgiClient, generator: AsgiClient, services: Services
) -> None:
    await put_page(generator)
    link = (await key.call("POST", f"{HERE}/report-link", {})).json
    assert link["until_ms"] == NOW_MS + 3_600_000
    page = await nobody.call("GET", link["url"])
    assert (page.status, page.body) == (200, PAGE)
    assert "sandbox" in page.headers["content-security-policy"]
    late = replace(services, now_ms=lambda: link["until_ms"] + 1)
    check_error(
        await AsgiClient(with_services(key.app, late)).call("GET", link["url"]), 403, "until_ms"
    )


async def test_a_link_is_good_for_what_it_was_made_for(
    key: AsgiClient, nobody: AsgiClient, generator: AsgiClient
) -> None:
    await put_page(generator)
    url = (await key.call("POST", f"{HERE}/report-link", {})).json["url"]
    later = url.replace("until_ms=", "until_ms=9")
    other = url.replace(RUN, "rh-00000002")
    torn = url[:-1] + ("0" if url[-1] != "0" else "1")
    for wrong in (later, other, torn):
        check_error(await nobody.call("GET", wrong), 403, "sign")
    check_error(await nobody.call("GET", f"{HERE}/page"), 400, "until_ms")
    assert (await nobody.call("GET", f"{HERE}/report.html")).status == 401


async def test_only_the_whole_shop_makes_links_and_only_to_a_report_that_is_there(
    key: AsgiClient, nobody: AsgiClient, bearer: Callable[..., AsgiClient], generator: AsgiClient
) -> None:
    check_error(await key.call("POST", f"{HERE}/report-link", {}), 404, "id")
    await put_page(generator)
    assert (await nobody.call("POST", f"{HERE}/report-link", {})).status == 401
    assert (await generator.call("POST", f"{HERE}/report-link", {})).status == 401
    assert (await bearer("demo").call("POST", f"{HERE}/report-link", {})).status == 403
    assert (await bearer("*").call("POST", f"{HERE}/report-link", {})).status == 201
