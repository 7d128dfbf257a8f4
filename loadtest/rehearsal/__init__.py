"""The rehearsal: a plan, the load that it promises, the books afterwards, and a verdict.

Processes of one rehearsal share a directory and nothing else; `loadtest.rehearsal.records` says
which files lie there. Talks to the server over the wire only.
"""
