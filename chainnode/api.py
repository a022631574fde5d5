"""The public API as a table of routes, and the way from a method and a path to a route. No HTTP in here."""

from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from chainnode import (
    asset_answers,
    campaign_answers,
    chain_answers,
    errata_answers,
    event_feed,
    evidence_answers,
    governance_answers,
    info_answers,
    metrics,
    points_answers,
    proof_answers,
    risk_answers,
    sandbox_answers,
    snapshot_answers,
    submissions,
)
from chainnode.backend import NodeBackend
from chainnode.calls import BINARY, HTML, Answer, Call, Route
from chainnode.openapi import openapi_document
from chainnode.web import assets, pages


async def get_openapi(backend: NodeBackend, call: Call) -> Answer:
    return Answer(200, openapi_text(backend.status().version))


@cache
def openapi_text(version: str) -> bytes:
    """The description of ROUTES as JSON."""
    return msgspec.json.encode(openapi_document(ROUTES, version))


async def get_docs(backend: NodeBackend, call: Call) -> Answer:
    return pages.render_docs(backend, call, openapi_document(ROUTES, backend.status().version))


ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "/v1/transactions", submissions.post_transactions,
          "Submit a transaction (canonical bytes, signed JSON, or a bulk of raw ones) and wait for its receipt",
          submissions.SubmitQuery),
    Route("GET", "/v1/transactions/{id}", submissions.get_transaction,
          "What became of a transaction: committed, rejected, expired, pending or unknown", submissions.OutcomeQuery),
    Route("GET", "/v1/transactions/{id}/body", submissions.get_transaction_body,
          "An executed transaction as it was signed"),
    Route("GET", "/v1/transactions/{id}/proof", submissions.get_proof,
          "The receipt with everything that proves it; verify it with the genesis alone", submissions.ProofQuery,
          answers=BINARY),
    *points_answers.ROUTES,
    *campaign_answers.ROUTES,
    *errata_answers.ROUTES,
    *asset_answers.ROUTES,
    *proof_answers.ROUTES,
    *evidence_answers.ROUTES,
    *governance_answers.ROUTES,
    *risk_answers.ROUTES,
    *info_answers.ROUTES,
    *sandbox_answers.ROUTES,
    Route("GET", "/v1/blocks/{height}", chain_answers.get_block, "A block by height, or `latest`",
          chain_answers.BlockQuery, answers=chain_answers.BlockAnswer),
    Route("GET", "/v1/blocks/{height}/certificate", chain_answers.get_certificate,
          "The commit certificate that proves the block", answers=chain_answers.CertificateAnswer),
    Route("GET", "/v1/headers", chain_answers.get_headers, "Headers in order of height", chain_answers.HeadersQuery,
          answers=chain_answers.HeadersAnswer),
    Route("GET", "/v1/snapshot", snapshot_answers.get_snapshot,
          "The newest snapshot of the state, and what proves it", snapshot_answers.SnapshotQuery,
          answers=snapshot_answers.SnapshotAnswer),
    Route("GET", "/v1/snapshot/chunks/{index}", snapshot_answers.get_chunk, "A part of a snapshot as octets",
          snapshot_answers.ChunkQuery, answers=BINARY),
    Route("GET", "/v1/events", event_feed.streamed, "Receipts and blocks as server-sent events, from a cursor",
          event_feed.EventsQuery, answers="text/event-stream"),
    Route("GET", "/v1/status", chain_answers.get_status, "The node and its chain at this moment",
          answers=chain_answers.StatusAnswer),
    Route("GET", "/v1/validators", chain_answers.get_validators, "The validators of the epoch",
          answers=chain_answers.ValidatorsAnswer),
    Route("GET", "/v1/params", chain_answers.get_params, "Parameters of the rules and of consensus",
          answers=chain_answers.ParamsAnswer),
    Route("GET", "/health", chain_answers.get_health, "200 if the node takes transactions, else 503",
          answers=chain_answers.HealthAnswer),
    Route("GET", "/metrics", metrics.scraped, "What the node counts, for Prometheus", answers="text/plain"),
    Route("GET", "/openapi.json", get_openapi, "This description"),
    Route("GET", "/docs", get_docs, "This description, to read", pages.PageQuery, answers=HTML),
    Route("GET", "/", pages.get_overview, "The network at a glance", pages.PageQuery, answers=HTML),
    Route("GET", "/blocks/{height}", pages.get_block_page, "A block, as a page", pages.PageQuery, answers=HTML),
    Route("GET", "/transactions/{id}", pages.get_transaction_page, "A receipt, as a page", pages.PageQuery,
          answers=HTML),
    Route("GET", "/accounts/{address}", pages.get_account_page, "An account, as a page", pages.PageQuery,
          answers=HTML),
    Route("GET", "/merchants/{id}", pages.get_merchant_page, "A merchant's exposure and obligations, as a page",
          pages.PageQuery, answers=HTML),
    Route("GET", "/alerts", pages.get_alerts_page, "Risk alerts, as a page", pages.PageQuery, answers=HTML),
    Route("GET", "/find", pages.get_find, "Go to what a text names: height, id, address", pages.FindQuery,
          answers=HTML),
    Route("GET", "/web/{name}", assets.get_asset, "Style and script of the pages", answers="text/css"),
)  # fmt: skip


class Match(NamedTuple):
    """`route` is None where the path exists for other methods only (405) or not at all (404, no methods)."""

    route: Route | None
    path: Mapping[str, str]
    methods: tuple[str, ...]


class Router:
    """Finds the route of a request; a placeholder takes one segment, percent-decoded after the split."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._plain: dict[str, dict[str, Route]] = {}
        self._patterns: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            segments = tuple(route.path.split("/"))
            if "{" not in route.path:
                self._plain.setdefault(route.path, {})[route.method] = route
                continue
            patterns = self._patterns.setdefault(len(segments), [])
            found = next((methods for known, methods in patterns if known == segments), None)
            if found is None:
                found = {}
                patterns.append((segments, found))
            found[route.method] = route

    def match(self, method: str, raw_path: str) -> Match:
        """The route of an undecoded path; HEAD is answered as GET."""
        method = "GET" if method == "HEAD" else method
        methods = self._plain.get(raw_path)
        if methods is not None:
            return Match(methods.get(method), {}, tuple(methods))
        segments = raw_path.split("/")
        for pattern, methods in self._patterns.get(len(segments), ()):
            found: dict[str, str] = {}
            for expected, segment in zip(pattern, segments, strict=True):
                if expected[:1] == "{" and segment:
                    found[expected[1:-1]] = unquote(segment)
                elif expected != segment:
                    break
            else:
                return Match(methods.get(method), found, tuple(methods))
        return Match(None, {}, ())
