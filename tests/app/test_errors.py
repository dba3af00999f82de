import json
from collections import Counter

import pytest

from app import errors
from app.api.errors import STATUS, error_response
from app.errors import BackendUnavailable, Overloaded, ServiceError

FAMILY: list[type[ServiceError]] = ServiceError.__subclasses__()


def test_every_error_has_a_status() -> None:
    assert set(FAMILY) == set(STATUS)


def test_the_family_is_one_level_deep() -> None:
    assert not [deeper for error in FAMILY for deeper in error.__subclasses__()]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = Counter([ServiceError.code, *(error.code for error in FAMILY)])
    assert codes.most_common(1)[0][1] == 1
    assert all(code.replace("_", "").isalpha() and code.islower() for code in codes)


@pytest.mark.parametrize("error", FAMILY, ids=[error.code for error in FAMILY])
def test_every_error_becomes_the_one_body(error: type[ServiceError]) -> None:
    response = error_response("r-1", error("the thing is 3; the limit is 2 für €"))
    assert response.status_code == STATUS[error]
    assert response.media_type == "application/json"
    body = {"error": "the thing is 3; the limit is 2 für €", "code": error.code, "request_id": "r-1"}
    assert json.loads(bytes(response.body)) == body


@pytest.mark.parametrize(
    ("seconds", "header"), [(0, "1"), (0.2, "1"), (1, "1"), (1.001, "2"), (59.5, "60"), (60, "60"), (1e9, "60")]
)
@pytest.mark.parametrize("error", [Overloaded, BackendUnavailable])
def test_retry_after_is_in_whole_seconds_from_1_to_60(
    error: type[Overloaded] | type[BackendUnavailable], seconds: float, header: str
) -> None:
    assert error_response("r", error("not now", retry_after_s=seconds)).headers["Retry-After"] == header


def test_without_hope_there_is_no_retry_after() -> None:
    assert "Retry-After" not in error_response("r", BackendUnavailable("there is no GPU")).headers
    assert "Retry-After" in error_response("r", Overloaded("full")).headers


def test_headers_that_go_with_an_error() -> None:
    assert error_response("r", errors.Unauthorized("a token")).headers["WWW-Authenticate"] == "Bearer"
    assert error_response("r", errors.BodyTooLarge("large")).headers["Connection"] == "close"
    assert "Connection" not in error_response("r", errors.ImageTooLarge("large")).headers
