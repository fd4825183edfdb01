"""What skitaid does about its programs, as conversations: what happens, and what it does about it."""

from __future__ import annotations

from itertools import product

import pytest

from skitai.daemon.states import LIVE, TABLE, Event, State
from skitai.daemon.supervisor import MAIL, Action, Patience, Say, Send, Signal, Spawn, Supervisor

PATIENCE = Patience(restart_delay_max=2.0, restart_tries=4, stop_timeout=10.0)


class Talk:
    """Each call is an event; what it gives is what is done: ``spawn site``, ``SIGTERM site``.  What is said
    is kept in ``said``, with its kind."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self.core = Supervisor(patience)
        self.now = 100.0
        self.said: list[tuple[str, str]] = []

    def _done(self, actions: list[Action]) -> list[str]:
        done = []
        for action in actions:
            if isinstance(action, Say):
                self.said.append((action.kind, action.text))
            elif isinstance(action, Spawn):
                done.append(f"spawn {action.name}")
            else:
                assert isinstance(action, Signal)
                done.append(f"{action.send.value} {action.name}")
        return done

    def lists(self, *names: str, **stamps: int) -> list[str]:
        return self._done(self.core.listed({**dict.fromkeys(names, 1), **stamps}, self.now))

    def order(self, event: Event, *names: str) -> list[str]:
        return self._done(self.core.order(event, self.core.named(names)[0], self.now))

    def reload(self, *names: str) -> list[str]:
        return self._done(self.core.tell(Send.RELOAD, self.core.named(names)[0], self.now))

    def upgrade(self, *names: str) -> list[str]:
        return self._done(self.core.tell(Send.UPGRADE, self.core.named(names)[0], self.now))

    def ready(self, name: str) -> list[str]:
        return self._done(self.core.ready(name, self.now))

    def ended(self, name: str, code: int) -> list[str]:
        return self._done(self.core.ended(name, code, self.now))

    def passes(self, seconds: float) -> list[str]:
        self.now += seconds
        return self._done(self.core.passed(self.now))

    def end(self) -> list[str]:
        return self._done(self.core.end(self.now))

    def interrupt(self) -> list[str]:
        return self._done(self.core.interrupt(self.now))

    def runs(self, name: str = "site") -> None:
        """It has been running for a minute."""
        assert self.lists(name) == [f"spawn {name}"]
        assert self.ready(name) == []
        assert self.passes(60) == []

    def state(self, name: str = "site") -> State:
        return self.core.state(name)

    def errors(self) -> list[str]:
        return [text for kind, text in self.said if kind == "error"]


# --- files that come and go


def test_a_new_file_starts_a_server_and_one_that_goes_ends_it() -> None:
    talk = Talk()
    assert talk.lists("site") == ["spawn site"]
    assert talk.lists("site", "shop") == ["spawn shop"]
    talk.ready("site")
    assert talk.lists("shop") == ["SIGTERM site"]
    assert talk.state() is State.STOPPING
    assert talk.lists("shop") == []
    assert talk.ended("site", 0) == []
    assert [row["name"] for row in talk.core.status(talk.now)] == ["shop"]
    assert talk.errors() == []


def test_a_file_that_comes_back_while_its_server_still_ends() -> None:
    talk = Talk()
    talk.runs()
    assert talk.lists() == ["SIGTERM site"]
    assert talk.lists("site") == []
    assert talk.ended("site", 0) == ["spawn site"]
    assert talk.lists() == ["SIGTERM site"]
    assert talk.lists("site") == []
    assert talk.lists() == []
    assert talk.ended("site", 0) == []
    assert talk.core.status(talk.now) == []


def test_a_file_that_changes_is_left_to_a_reload_where_its_server_runs() -> None:
    talk = Talk()
    talk.runs()
    assert talk.lists(site=2) == []
    assert talk.reload("site") == ["SIGHUP site"]


# --- what ends by itself


def test_a_crash_of_one_that_has_served_is_mended_at_once() -> None:
    talk = Talk()
    talk.runs()
    assert talk.ended("site", -9) == []
    assert talk.passes(0) == ["spawn site"]
    assert talk.errors() == ["site was ended by SIGKILL; it is started again at once"]


def test_what_fails_again_and_again_rests_longer_and_longer_and_is_given_up() -> None:
    talk = Talk()
    talk.lists("site")
    for rest in (0.25, 0.5, 1.0):
        assert talk.ended("site", 1) == []
        assert talk.state() is State.RESTING
        assert talk.core.next_clock() == talk.now + rest
        assert talk.passes(rest - 0.01) == []
        assert talk.passes(0.02) == ["spawn site"]
    assert talk.ended("site", 1) == []
    assert talk.state() is State.GIVEN_UP
    assert talk.passes(1e6) == []
    assert "4 times in a row: giving up" in talk.errors()[-1]


def test_one_that_serves_now_and_then_is_never_given_up() -> None:
    talk = Talk()
    talk.lists("site")
    for _ in range(20):
        talk.ready("site")
        talk.passes(60)
        talk.ended("site", 1)
        assert talk.passes(0) == ["spawn site"]


def test_without_a_number_of_tries_nothing_is_given_up() -> None:
    talk = Talk(Patience(2.0, 0, 10.0))
    talk.lists("site")
    for _ in range(100):
        assert talk.ended("site", 1) == []
        assert talk.passes(2.0) == ["spawn site"]


@pytest.mark.parametrize("code", [0, 130])
def test_who_was_ended_on_purpose_stays_ended(code: int) -> None:
    talk = Talk()
    talk.runs()
    assert talk.ended("site", code) == []
    assert talk.passes(1e6) == []
    assert talk.lists(site=2) == []
    assert talk.order(Event.START, "site") == ["spawn site"]


@pytest.mark.parametrize("code", [78, 2])
def test_a_mistake_in_the_configuration_waits_for_another_text(code: int) -> None:
    talk = Talk()
    talk.lists("site")
    assert talk.ended("site", code) == []
    assert talk.state() is State.REFUSED
    assert talk.passes(1e6) == []
    assert talk.lists("site") == []
    assert talk.lists(site=2) == ["spawn site"]


@pytest.mark.parametrize("state", [State.GIVEN_UP, State.REFUSED])
def test_a_reload_tries_again_what_was_not_possible(state: State) -> None:
    talk = Talk()
    talk.lists("site")
    talk.ended("site", 78)
    while talk.state() is not state:
        talk.order(Event.START, "site")
        for _ in range(4):
            talk.ended("site", 1)
            talk.passes(2.0)
    assert talk.reload() == ["spawn site"]


def test_another_version_is_for_those_that_run() -> None:
    """One that starts would be ended by a signal that it does not know yet."""
    talk = Talk()
    talk.lists("site", "other")
    talk.ready("site")
    assert talk.upgrade("site", "other") == ["SIGUSR2 site"]


# --- what operators ask for


def test_what_was_stopped_stays_stopped() -> None:
    talk = Talk()
    talk.runs()
    assert talk.order(Event.STOP, "site") == ["SIGTERM site"]
    assert talk.ended("site", 0) == []
    assert talk.lists(site=2) == []
    assert talk.reload() == []
    assert talk.passes(1e6) == []
    assert talk.state() is State.STOPPED


def test_stopping_what_rests_ends_the_rest() -> None:
    talk = Talk()
    talk.lists("site")
    talk.ended("site", 1)
    assert talk.order(Event.STOP, "site") == []
    assert talk.passes(1e6) == []


def test_a_restart_ends_first_and_then_starts() -> None:
    talk = Talk()
    talk.runs()
    assert talk.order(Event.RESTART, "site") == ["SIGTERM site"]
    assert talk.order(Event.RESTART, "site") == []
    assert talk.ended("site", -9) == ["spawn site"]
    assert talk.errors() == []


def test_the_last_word_counts() -> None:
    talk = Talk()
    talk.runs()
    talk.order(Event.RESTART, "site")
    talk.order(Event.STOP, "site")
    assert talk.ended("site", 0) == []
    assert talk.state() is State.STOPPED


def test_who_does_not_end_is_killed_and_its_clock_began_with_the_first_word() -> None:
    talk = Talk()
    talk.runs()
    talk.order(Event.STOP, "site")
    assert talk.passes(6) == []
    talk.order(Event.RESTART, "site")
    assert talk.passes(4) == ["SIGKILL site"]
    assert talk.passes(100) == []
    assert talk.ended("site", -9) == ["spawn site"]


def test_who_gives_no_sign_of_life_is_killed_and_started_again() -> None:
    talk = Talk()
    talk.runs()
    assert talk._done(talk.core.hung("site")) == ["SIGKILL site"]
    assert talk.ended("site", -9) == []
    assert talk.passes(0) == ["spawn site"]


# --- the end of all


def test_the_service_ends_when_all_have_ended() -> None:
    talk = Talk()
    talk.lists("site", MAIL)
    talk.ready("site")
    assert sorted(talk.end()) == ["SIGTERM site", "SIGTERM smtpda"]
    assert talk.lists("site", "new", MAIL) == []
    assert talk.order(Event.START, "site") == []
    talk.ended("site", 0)
    assert not talk.core.has_ended
    talk.ended(MAIL, 1)
    assert talk.core.has_ended


def test_an_interrupt_is_quick_and_the_second_one_is_deadly() -> None:
    talk = Talk()
    talk.runs()
    assert talk.interrupt() == ["SIGINT site"]
    assert talk.interrupt() == ["SIGKILL site"]
    talk.ended("site", -9)
    assert talk.core.has_ended


# --- the table


def test_every_state_has_its_row_and_is_reached() -> None:
    assert set(TABLE) == set(State)
    assert {state for row in TABLE.values() for state in row.values()} == set(State)


@pytest.mark.parametrize("state", State)
def test_a_process_that_is_there_can_end_and_one_that_is_not_cannot(state: State) -> None:
    ends = {Event.LEFT, Event.CRASHED, Event.EXHAUSTED, Event.MISCONFIGURED}
    assert (ends <= TABLE[state].keys()) == (state in LIVE)
    assert (not ends & TABLE[state].keys()) == (state not in LIVE)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_only_what_is_not_there_is_started(state: State, event: Event) -> None:
    """Two processes for one server never are: STARTING comes where there is none, or when it has
    ended."""
    if TABLE[state].get(event) is State.STARTING:
        assert state not in LIVE or state is State.RESTARTING
