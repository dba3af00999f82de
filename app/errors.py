"""What can go wrong with a request. One family, one level deep; it knows no HTTP (see `api/errors.py` for that)."""

from typing import ClassVar


class ServiceError(Exception):
    """A request that gets no answer. The message is one sentence for the caller and names the thing and the limit."""

    code: ClassVar[str] = "internal"  # stable, for programs
    retry_after_s: float | None = None  # when trying again may help


class BadRequest(ServiceError):
    """The request or its body can't be read as what it says it is, or the body is empty."""

    code = "bad_request"


class BadParameter(ServiceError):
    """A parameter is out of its range, is unknown, or names something that is unknown."""

    code = "bad_parameter"


class NotAJpeg(ServiceError):
    """The body is no JPEG file."""

    code = "not_a_jpeg"


class InvalidImage(ServiceError):
    """The picture begins like a JPEG file but can't be decoded."""

    code = "invalid_image"


class ImageTooLarge(ServiceError):
    """The picture has more pixels than `DETECTOR_MAX_PIXELS`."""

    code = "image_too_large"


class BodyTooLarge(ServiceError):
    """The body has more bytes than `DETECTOR_MAX_BODY_BYTES`."""

    code = "body_too_large"


class HeadersTooLarge(ServiceError):
    """The headers have more than 64 KiB or 128 lines."""

    code = "headers_too_large"


class RequestTooSlow(ServiceError):
    """The headers did not arrive in time, or the body came too slowly. The connection is closed."""

    code = "request_too_slow"


class Unauthorized(ServiceError):
    """A token is needed, and none was sent."""

    code = "unauthorized"


class Forbidden(ServiceError):
    """The token is wrong, or the route is switched off."""

    code = "forbidden"


class CrossSite(ServiceError):
    """A browser sends the request for a page of another site."""

    code = "cross_site"


class WrongHost(ServiceError):
    """The server does not answer to this host name, see `DETECTOR_ALLOWED_HOSTS`."""

    code = "wrong_host"


class NotFound(ServiceError):
    """There is nothing of this name."""

    code = "not_found"


class ConversionRunning(ServiceError):
    """Another conversion, with other options, runs. There is one at a time."""

    code = "conversion_running"


class NotLoaded(ServiceError):
    """A copy or a version can't be loaded. What served before goes on serving."""

    code = "not_loaded"


class CrashedTheModel(ServiceError):
    """Two workers crashed over this picture; it is not tried a third time."""

    code = "crashed_the_model"


class NotReproducible(ServiceError):
    """The copy asked for by name can't decode this picture as native does; `auto` lets native answer."""

    code = "not_alike"


class Overloaded(ServiceError):
    """The queue is full, or too many bytes of bodies are in memory. `Retry-After` says when to try again."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendUnavailable(ServiceError):
    """The backend asked for can't answer now. The sentence has its state and the reason."""

    code = "backend_unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(ServiceError):
    """The request waited longer than it may."""

    code = "deadline_exceeded"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelFailed(ServiceError):
    """The model failed on a good picture."""

    code = "model_failed"
