"""How a buyer buys: presses at its instants, asks again what was not answered, pays or does not.

A refusal by the rules is an answer. Whatever is not answered for sure is asked again under the same
request id until it is, or until the crowd goes home; every time is a line of the history.
"""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import Any, Final

import gevent
import gevent.pool
import orjson

from loadtest.rehearsal.outcomes import RESERVED, is_unsure
from loadtest.rehearsal.records import OK, UNKNOWN, Attempt
from loadtest.rehearsal.schedule import Buying
from loadtest.rehearsal.users.client import Answer, NoAnswer
from loadtest.rehearsal.users.clock import now_us, wait_until
from loadtest.rehearsal.users.person import AT_ONCE_MAX, Player
from loadtest.rehearsal.users.provider import Unreachable
from loadtest.rehearsal.users.recorder import outcome_of

REPEATS: Final = 3  # of an impatient buyer, before there is an answer
PAUSE_S: Final = 0.3  # before what was not answered is asked again: up to so long, then twice, ...
PAUSE_S_MAX: Final = 3.0
ENOUGH: Final = frozenset(("limit_reached", "sold_out", "ended"))  # a bot gives up

Order = dict[str, Any]


class Buyer(Player):
    """One buyer, who only signs in: the room is watched by the audience."""

    __slots__ = ("_kind", "_presses", "_sku", "buying", "orders", "tired")

    buying: Buying

    def play(self) -> None:
        """Everything from arriving to the last payment."""
        assert self.person.buying is not None
        self.buying = self.person.buying
        self._kind = self.buying.kind
        self._sku = self.part.brief.skus[self.buying.item]
        self._presses = 0
        self.orders = 0
        self.tired = False
        self.arrive()
        presses = [self.part.clock.at(at_ms) for at_ms in self.buying.presses_ms]
        self._acting = gevent.pool.Pool(AT_ONCE_MAX)
        for intended_us in presses:
            wait_until(intended_us)
            if self.tired:
                break
            self._acting.spawn(self._press, intended_us).link_exception(self.part.recorder.failed)
        self._acting.join()
        if self.buying.back_ms and not self.orders:
            intended_us = self.part.clock.at(self.buying.back_ms)
            wait_until(intended_us)
            self._press(intended_us)

    def _press(self, intended_us: int) -> None:
        """One purchase, from the button to the payment."""
        self._presses += 1
        request_id = f"{self.part.brief.run}-{self.person.number}-{self._presses}"
        outcome, order = self._placed(request_id, intended_us)
        if outcome in ENOUGH:
            self.tired = True
        if order is None:
            return
        self.orders += 1
        if self.buying.asks_again:
            self._place(request_id, now_us())
        if self.buying.pays == "soon":
            self._paid(order, now_us() + self.buying.pays_after_ms * 1_000)
        elif self.buying.pays == "late":
            skew_us = self.part.brief.clock_skew_ms * 1_000
            ends_us = round(int(order["expires_at_ms"]) * 1_000 - skew_us)
            self._paid(order, ends_us - self.buying.pays_after_ms * 1_000)

    # placing

    def _placed(self, request_id: str, intended_us: int) -> tuple[str, Order | None]:
        """Ask until it is known what became of it."""
        outcome, order = self._first(request_id, intended_us)
        pause_s = PAUSE_S
        while is_unsure(outcome) and now_us() < self.part.ends_us:
            gevent.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(PAUSE_S_MAX, pause_s * 2)
            outcome, order = self._place(request_id, intended_us, again=True)
        return outcome, order

    def _first(self, request_id: str, intended_us: int) -> tuple[str, Order | None]:
        """The first time; who is impatient does not wait for its answer to press again."""
        patience_s = self.buying.patience_ms / 1_000
        if not patience_s:
            return self._place(request_id, intended_us)
        told = [gevent.spawn(self._place, request_id, intended_us)]
        for _ in range(REPEATS):
            if gevent.wait(told, timeout=patience_s, count=1):
                break
            told.append(gevent.spawn(self._place, request_id, now_us()))
        gevent.joinall(told)
        for each in told:
            each.link_exception(self.part.recorder.failed)
        answers: list[tuple[str, Order | None]] = [each.value or (UNKNOWN, None) for each in told]
        return next((each for each in answers if not is_unsure(each[0])), answers[0])

    def _place(
        self, request_id: str, intended_us: int, *, again: bool = False
    ) -> tuple[str, Order | None]:
        """Ask once. What is asked again is timed from when it was first meant to be."""
        data = {"sale": self.part.brief.sale, "sku": self._sku, "qty": 1, "request_id": request_id}
        sent_us = now_us()
        outcome, order, answer = UNKNOWN, None, None
        try:
            answer = self.line.ask("order.place", orjson.dumps(data))
        except NoAnswer:
            done_us = now_us()
        else:
            done_us = answer.heard_us
            code, result = answer.read()
            outcome = str(result.get("outcome", "")) if code == 0 else outcome_of(code)
            order = result.get("order")
        begun_us = intended_us if again else sent_us  # asking again is no late start
        record = self.part.recorder.sample
        record("rpc", "order.place", intended_us, begun_us, done_us, outcome, self.user)
        self._note("place", request_id, (intended_us, sent_us, done_us), outcome, order, answer)
        return outcome, order if outcome == RESERVED else None

    # paying

    def _paid(self, order: Order, intended_us: int) -> None:
        """Pay, and ask again until it is known."""
        wait_until(intended_us)
        pay = self._pay_by_provider if self.part.brief.webhook_secret else self._pay
        pause_s, outcome = PAUSE_S, pay(order, intended_us, again=False)
        while is_unsure(outcome) and now_us() < self.part.ends_us:
            gevent.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(PAUSE_S_MAX, pause_s * 2)
            outcome = pay(order, intended_us, again=True)

    def _pay(self, order: Order, intended_us: int, *, again: bool) -> str:
        asked, sent_us = {"order": order["id"]}, now_us()
        outcome, result, answer = self.ask("order.pay", asked, intended_us, again=again)
        done_us = now_us() if answer is None else answer.heard_us
        paid = result.get("order", order)
        self._note(
            "pay", order["request_id"], (intended_us, sent_us, done_us), outcome, paid, answer
        )
        return outcome

    def _pay_by_provider(self, order: Order, intended_us: int, *, again: bool) -> str:
        """A signed message of the payment provider; the same one however often it is sent."""
        event = {
            "id": f"evt-{order['id']}",
            "type": "payment.succeeded",
            "order": order["id"],
            "payment": f"pay-{order['id']}",
            "amount_minor": order["amount_minor"],
            "currency": order["currency"],
        }
        body, sent_us = orjson.dumps(event), now_us()
        try:
            status, told = self.part.provider.tell(body, sent_us // 1_000_000)
        except Unreachable:
            outcome = UNKNOWN
        else:
            outcome = OK if status == HTTPStatus.OK else f"error {status}"
            if outcome == OK and orjson.loads(told).get("outcome") != "accepted":
                outcome = "error 409"  # the hold was over: the money goes back
        done_us = now_us()
        record = self.part.recorder.sample
        begun_us = intended_us if again else sent_us
        record("http", "payments.webhook", intended_us, begun_us, done_us, outcome, self.user)
        self._note(
            "pay", order["request_id"], (intended_us, sent_us, done_us), outcome, order, None
        )
        return outcome

    # the history

    def _note(
        self,
        op: str,
        request_id: str,
        instants_us: tuple[int, int, int],
        outcome: str,
        order: Order | None,
        answer: Answer | None,
    ) -> None:
        intended_us, sent_us, done_us = instants_us
        known = order or {}
        self.part.recorder.attempt(
            Attempt(
                op=op,
                user=self.user,
                sku=self._sku,
                request_id=request_id,
                intended_us=intended_us,
                sent_us=sent_us,
                done_us=0 if outcome == UNKNOWN else done_us,
                outcome=outcome,
                order=str(known.get("id", "")),
                amount_minor=int(known.get("amount_minor", 0)),
                kind=self._kind,
                answer_digest="" if answer is None else answer.digest,
            )
        )
