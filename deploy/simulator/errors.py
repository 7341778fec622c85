"""The errors of the API, each with the body that the real one answers."""

from collections.abc import Mapping


class ApiError(Exception):
    """An answer other than 200: status, and the four fields of the error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The JSON body, in the shape that every client of the API knows."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def key_missing() -> ApiError:
    """No Authorization header."""
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header "
        "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank "
        "username) if you're accessing the API from your browser and are prompted for a username and "
        "password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
    )


def key_wrong(key: str) -> ApiError:
    """A key that is not one; the answer shows its two ends only."""
    shown = f"{key[:4]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)  # noqa: PLR2004
    return ApiError(
        401,
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def missing(param: str) -> ApiError:
    """A required parameter is absent."""
    return ApiError(
        400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def wrong_type(param: str, expected: str) -> ApiError:
    """A parameter of another JSON type."""
    return ApiError(
        400, f"Invalid type for '{param}': expected {expected}.", param=param, code="invalid_type"
    )


def wrong_value(param: str, because: str) -> ApiError:
    """A parameter outside what is allowed."""
    return ApiError(400, f"Invalid value for '{param}': {because}.", param=param, code="invalid_value")


def no_file(file_id: str) -> ApiError:
    """No such file in this account."""
    return ApiError(404, f"No such File object: {file_id}", param="id")


def no_upload(upload_id: str) -> ApiError:
    """No such upload in this account."""
    return ApiError(404, f"No such Upload object: {upload_id}", param="id")


def no_job(job_id: str) -> ApiError:
    """No such fine-tuning job in this account."""
    return ApiError(
        404, f"Could not find fine tune: {job_id}", param="fine_tune_id", code="fine_tune_not_found"
    )


def no_model(model: str) -> ApiError:
    """No such model in this account."""
    return ApiError(
        404,
        f"The model `{model}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def no_route(method: str, path: str) -> ApiError:
    """A path that the API does not have."""
    return ApiError(404, f"Invalid URL ({method} {path})")
