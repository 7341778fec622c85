"""The wrong answers that may be asked for, in the provider's own words."""

from deploy.simulator.errors import ApiError, no_model

REFUSALS = {
    "unauthorized": (
        401,
        "Incorrect API key provided: sk-****. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        "invalid_api_key",
    ),
    "missing_scope": (
        401,
        "You have insufficient permissions for this operation. Missing scopes: api.files.write.",
        "invalid_request_error",
        None,
    ),
    "training_not_available": (
        403,
        "OpenAI is winding down the fine-tuning platform and your organization is no longer able to create "
        "new fine-tuning training jobs.",
        "invalid_request_error",
        "training_not_available",
    ),
    "unsupported_country": (
        403,
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    ),
    "rate_limit": (429, "Rate limit reached. Please try again later.", "requests", "rate_limit_exceeded"),
    "insufficient_quota": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
    "request_refused": (400, "Your request was refused.", "invalid_request_error", None),
    "server_error": (
        500,
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        None,
    ),
    "unavailable": (503, "Slow down", "service_unavailable_error", "slow_down"),
}


def refusal(name: str, *, retry_after: float | None = None, model: str = "model") -> ApiError:
    """The error that a fault answers with."""
    if name == "model_not_ready":
        return no_model(model)
    status, message, kind, code = REFUSALS[name]
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return ApiError(status, message, kind=kind, code=code, headers=headers)
