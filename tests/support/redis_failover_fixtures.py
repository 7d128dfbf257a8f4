"""A real cluster and a real Sentinel trio, started once per run and whole for each test.

A folder's conftest, or a test module, takes them by name:

    from tests.support.redis_failover_fixtures import cluster, cluster_of_the_run
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_cluster import Cluster, running_cluster
from tests.support.redis_sentinels import SentinelGroup, running_sentinels


@pytest.fixture(scope="session")
def cluster_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Six processes. Take `cluster` instead: it is whole."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_of_the_run: Cluster) -> Cluster:
    """3 masters, 3 replicas, nothing stored; do to it whatever you like."""
    cluster_of_the_run.heal()
    cluster_of_the_run.empty()
    return cluster_of_the_run


@pytest.fixture(scope="session")
def sentinels_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelGroup]:
    """Six processes. Take `sentinels` instead: the group is whole."""
    with running_sentinels(tmp_path_factory.mktemp("sentinels"), replicas=2) as group:
        yield group


@pytest.fixture
def sentinels(sentinels_of_the_run: SentinelGroup) -> SentinelGroup:
    """A primary, two replicas, three sentinels, nothing stored; do to it whatever you like."""
    sentinels_of_the_run.heal()
    sentinels_of_the_run.empty()
    return sentinels_of_the_run
