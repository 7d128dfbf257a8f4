"""The API shown to people: `/docs`, made from the OpenAPI document, and the document itself.

No script, nothing from elsewhere: the page works without internet and under the strictest policy.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import orjson
from fastapi import FastAPI, Request
from jinja2 import Environment, StrictUndefined, Template
from starlette.responses import Response

from flash_sale.catalog import ID_PATTERN
from server.api.docs_page.texts_zh import TEXTS_ZH
from server.api.docs_page.words import LANGUAGES, STATUSES_ZH, WORDS
from server.api.document import document_of
from server.settings import Settings

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    ),
    "Cache-Control": "no-cache",
    "Vary": "Accept-Language",
}
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="4" fill="{color}"/>'
    '<path d="M5 4l7 4-7 4z" fill="#fff"/></svg>'
)
_FILES = resources.files("server.api.docs_page")


@dataclass(frozen=True, slots=True)
class _Told:
    """What there is to say of an API: the document's bytes, the page, its words by language."""

    encoded: bytes
    page: Template
    groups: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, api: FastAPI) -> _Told:
        document = document_of(api)
        environment = Environment(autoescape=True, undefined=StrictUndefined)
        return cls(
            encoded=orjson.dumps(document),
            page=environment.from_string((_FILES / "page.html").read_text("utf-8")),
            groups={language: list(_groups(document, language)) for language in LANGUAGES},
        )


class _Guide:
    """Tells of an API, whose routes must all be there when it is first asked.

    What it tells takes most of a second to make: that is nothing for the start of a worker, of
    which nobody may ever ask it, and nothing for the loop, on which everybody would wait.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._one_at_a_time = threading.Lock()
        self._told: _Told | None = None

    async def told(self) -> _Told:
        if self._told is None:
            return await asyncio.to_thread(self._tell)
        return self._told

    def _tell(self) -> _Told:
        with self._one_at_a_time:
            if self._told is None:
                self._told = _Told.of(self._api)
            return self._told


def add_docs(api: FastAPI, settings: Settings) -> None:
    """Serve `/openapi.json`, `/docs`, and the style sheet and icon of the page."""
    guide = _Guide(api)
    accent = f":root {{ --brand: {settings.brand_color}; }}\n"
    style = (accent + (_FILES / "style.css").read_text("utf-8")).encode()
    drawing = _ICON.format(color=settings.brand_color).encode()
    logo = settings.brand_logo_url if settings.brand_logo_url.startswith("/") else ""

    async def openapi(_request: Request) -> Response:
        return Response((await guide.told()).encoded, media_type="application/json")

    async def stylesheet(_request: Request) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(style, media_type="text/css; charset=utf-8", headers=headers)

    async def icon(_request: Request) -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(drawing, media_type="image/svg+xml", headers=headers)

    async def docs(request: Request) -> Response:
        language, told = _language(request), await guide.told()
        text = told.page.render(
            language=language,
            languages=LANGUAGES,
            words=WORDS[language],
            brand=settings.brand_name,
            logo=logo,
            host=f"{request.url.scheme}://{request.url.netloc}",
            groups=told.groups[language],
        )
        return Response(text, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)

    api.add_route("/openapi.json", openapi, include_in_schema=False)
    api.add_route("/docs", docs, include_in_schema=False)
    api.add_route("/docs/icon.svg", icon, include_in_schema=False)
    api.add_route("/docs/style.css", stylesheet, include_in_schema=False)


def _language(request: Request) -> str:
    """`?lang=` if it is one of ours, else the first of ours that the browser asks for."""
    asked = request.query_params.get("lang", "")
    if asked in LANGUAGES:
        return asked
    for part in request.headers.get("accept-language", "").split(","):
        word = part.partition(";")[0].strip().lower()
        if word.startswith("zh"):
            return "zh-CN"
        if word.startswith("en"):
            return "en"
    return "en"


def _groups(document: dict[str, Any], language: str) -> Iterator[dict[str, Any]]:
    chinese = language == "zh-CN"
    for tag in document["tags"]:
        names = [tag["name"].capitalize(), tag["x-name-zh"]]
        operations = [
            _operation(document, path, method, operation, language)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield {
            "title": names[chinese],
            "other_title": names[not chinese],
            "operations": operations,
        }


def _operation(
    document: dict[str, Any], path: str, method: str, operation: dict[str, Any], language: str
) -> dict[str, Any]:
    words, chinese = WORDS[language], language == "zh-CN"
    summaries = [operation["summary"], operation["x-summary-zh"]]
    body = _json_schema(document, operation.get("requestBody", {}))
    done = next(answer for status, answer in operation["responses"].items() if status[0] == "2")
    result = _json_schema(document, done)
    example = _example(document, result)
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": summaries[chinese],
        "other_summary": summaries[not chinese],
        "description": (
            TEXTS_ZH[operation["operationId"]]
            if chinese
            else " ".join(operation["description"].split())
        ),
        "who": words[_who(operation)],
        "path_fields": _parameters(document, operation, "path", words),
        "query_fields": _parameters(document, operation, "query", words),
        "body_fields": list(_fields(document, body, words)),
        "curl": _curl(path, method.upper(), operation, _example(document, body)),
        "answer_example": "" if example is None else _pretty(example),
        "answer_fields": list(_fields(document, result, words)),
        "answers": [
            {
                "status": status,
                "text": STATUSES_ZH[int(status)] if chinese else answer["description"],
            }
            for status, answer in operation["responses"].items()
        ],
    }


def _who(operation: dict[str, Any]) -> str:
    schemes = [name for entry in operation["security"] for name in entry]
    if not schemes:
        return "who_open"
    if "signature" in schemes:
        return "who_provider"
    if {"bearer": ["host"]} in operation["security"]:
        return "who_key_staff"
    return "who_key_merchant" if "bearer" in schemes else "who_key"


def _json_schema(document: dict[str, Any], holder: dict[str, Any]) -> dict[str, Any]:
    schema = holder.get("content", {}).get("application/json", {}).get("schema", {})
    return _resolved(document, schema)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _parameters(
    document: dict[str, Any], operation: dict[str, Any], place: str, words: dict[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter["name"],
            "required": parameter["required"],
            "kind": _kind(document, parameter["schema"], words),
            "description": _said(parameter, words),
        }
        for parameter in operation.get("parameters", [])
        if parameter["in"] == place
    ]


def _fields(
    document: dict[str, Any], schema: dict[str, Any], words: dict[str, str], prefix: str = ""
) -> Iterator[dict[str, Any]]:
    """The fields of an object, those of objects inside it too, with dots and []."""
    for name, field in schema.get("properties", {}).items():
        plain, _nullable = _without_null(field)
        inner, path = _resolved(document, plain), prefix + name
        if inner.get("type") == "array":
            path += "[]"
            inner = _resolved(document, inner["items"])
        yield {
            "name": prefix + name,
            "required": name in schema.get("required", []) and "additionalProperties" in schema,
            "kind": _kind(document, field, words),
            "description": _said(field, words),
        }
        yield from _fields(document, inner, words, path + ".")


def _said(holder: dict[str, Any], words: dict[str, str]) -> str:
    text: str = holder.get("description", "")
    return TEXTS_ZH.get(text, text) if words is WORDS["zh-CN"] else text


def _without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    choices = schema.get("anyOf", [])
    others = [choice for choice in choices if choice.get("type") != "null"]
    return (others[0], True) if len(others) == 1 and len(choices) == 2 else (schema, False)


def _kind(document: dict[str, Any], schema: dict[str, Any], words: dict[str, str]) -> str:
    """The type of a value in a few words."""
    plain, nullable = _without_null(schema)
    plain = _resolved(document, plain)
    if "enum" in plain:
        kind = f"{words['one_of']} {', '.join(plain['enum'])}"
    elif plain.get("type") == "array":
        inner = _resolved(document, plain["items"])
        kind = f"{words['list']} · {_kind(document, inner, words)}"
    else:
        names = {"string": "text", "integer": "whole", "boolean": "yes_no", "object": "object"}
        names["number"] = "number"
        kind = words[names.get(plain.get("type", ""), "any")] + _bounds(plain, words)
    if nullable and "default" not in schema:
        kind += f" {words['nullable']}"
    if schema.get("default") not in (None, "", []):
        kind += f" · {words['default']} {json.dumps(schema['default'])}"
    return kind


def _bounds(schema: dict[str, Any], words: dict[str, str]) -> str:
    """How long or large a value may be, after a separator; empty if it is not bounded."""
    pattern, least, most = "", None, None
    if schema.get("type") == "string":
        least, most = schema.get("minLength"), schema.get("maxLength")
        pattern = schema.get("pattern", "")
        form = "up_to" if not least else "exactly"
        if pattern == ID_PATTERN:
            return f" · {words['id']}"
    else:
        least, most = schema.get("minimum"), schema.get("maximum")
        form = "at_least" if most is None else "between"
    if least is None and most is None:
        return f" · {pattern}" if pattern else ""
    return " · " + words[form].format(least=f"{least or 0:,}", most=f"{most or 0:,}")


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """An example of a schema in the order of its fields, from what the parts give."""
    schema = _resolved(document, _without_null(schema)[0])
    given = schema.get("examples", [None])[0]
    if given is not None:
        return _in_order(document, schema, given)
    if "properties" in schema:
        return {name: _example(document, field) for name, field in schema["properties"].items()}
    if schema.get("type") == "array":
        inner = _example(document, schema["items"])
        return [] if inner is None else [inner]
    return {"integer": 1, "string": "..."}.get(schema.get("type", ""))


def _in_order(document: dict[str, Any], schema: dict[str, Any], value: Any) -> Any:
    """An example with the fields of every object in the order of its schema."""
    schema = _resolved(document, _without_null(schema)[0])
    if isinstance(value, dict) and "properties" in schema:
        return {
            name: _in_order(document, field, value[name])
            for name, field in schema["properties"].items()
            if name in value
        }
    if isinstance(value, list) and "items" in schema:
        return [_in_order(document, schema["items"], each) for each in value]
    return value


def _pretty(example: Any) -> str:
    return json.dumps(example, ensure_ascii=False, indent=2)


def _curl(path: str, method: str, operation: dict[str, Any], body: Any) -> str:
    """The call as one types it into a shell, with $HOST and $KEY."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            example = parameter.get("example") or parameter["schema"]["examples"][0]
            path = path.replace(f"{{{parameter['name']}}}", example)
    parts = [f'curl "$HOST{path}"']
    if method not in {"GET", "POST"}:
        parts[0] = f'curl -X {method} "$HOST{path}"'
    if {"signature": []} in operation["security"]:
        parts.append('-H "X-Payment-Signature: t=$NOW,v1=$DIGEST"')
    elif operation["security"]:
        parts.append('-H "X-API-Key: $KEY"')
    if body is not None:
        parts.append('-H "Content-Type: application/json"')
        parts.append("-d '" + _pretty(body).replace("\n", "\n  ") + "'")
    elif "text/html" in operation.get("requestBody", {}).get("content", {}):
        parts.append('-H "Content-Type: text/html" --data-binary @report.html')
    return " \\\n  ".join(parts)
