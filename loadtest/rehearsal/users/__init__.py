"""The people that Locust plays: their connections, what they buy and say, what they remember.

Everything here runs on gevent; nothing imports Locust, which `loadtest.rehearsal.locustfile` does.
"""
