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
    """A parameter is out of its range or names something unknown."""

    code = "bad_parameter"


class NotAJpeg(ServiceError):
    """The body is no JPEG file."""

    code = "not_a_jpeg"


class InvalidImage(ServiceError):
    """The body begins like a JPEG file but can't be decoded."""

    code = "invalid_image"


class ImageTooLarge(ServiceError):
    """The picture has too many pixels."""

    code = "image_too_large"


class BodyTooLarge(ServiceError):
    """The body has too many bytes."""

    code = "body_too_large"


class HeadersTooLarge(ServiceError):
    """The headers have too many bytes or lines."""

    code = "headers_too_large"


class RequestTooSlow(ServiceError):
    """The request's headers did not arrive in time, or its body came too slowly."""

    code = "request_too_slow"


class Unauthorized(ServiceError):
    """A token is needed and none was sent."""

    code = "unauthorized"


class Forbidden(ServiceError):
    """The token is wrong, or what it would open is switched off."""

    code = "forbidden"


class CrossSite(ServiceError):
    """A browser sends it on behalf of another site's page."""

    code = "cross_site"


class WrongHost(ServiceError):
    """It asks for a host that is not this server."""

    code = "wrong_host"


class NotFound(ServiceError):
    """There is nothing of this name."""

    code = "not_found"


class ConversionRunning(ServiceError):
    """Another conversion runs; there is one at a time."""

    code = "conversion_running"


class NotLoaded(ServiceError):
    """A copy can't be loaded; what served before serves on."""

    code = "not_loaded"


class CrashedTheModel(ServiceError):
    """The picture was in a batch each time that two workers crashed; it is not tried a third time."""

    code = "crashed_the_model"


class NotReproducible(ServiceError):
    """The backend can't decode the picture bit for bit as native does; native can."""

    code = "not_alike"


class Overloaded(ServiceError):
    """The queue is full, or too many bytes of bodies are in memory."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendUnavailable(ServiceError):
    """The backend asked for can't answer now; the message has its state and the reason."""

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
    """The model raised on a picture that is not to blame."""

    code = "model_failed"
