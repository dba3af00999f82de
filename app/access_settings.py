"""Settings of who may ask: tokens, each as a variable or in a file, as Kubernetes, systemd and Docker give them."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from app.batch_settings import BatchSettings
from app.setting_types import PREFIX, Token, TokenInFile


class AccessSettings(BatchSettings, frozen=True, extra="forbid"):
    """The tokens; a part of the server's settings."""

    token: Token = Field(
        default=None,
        description="Token for detections. If it is set, `/detect` and every other path that is neither public nor an "
        "admin route needs it as `Authorization: Bearer …`.",
    )
    token_file: TokenInFile = Field(
        default=None,
        description="File that holds the token for detections, in place of the variable. It is read at start.",
    )
    admin_token: Token = Field(
        default=None, description="Token for the admin routes, `/convert` and `/admin`. Without it they are off."
    )
    admin_token_file: TokenInFile = Field(
        default=None, description="File that holds the admin's token, in place of the variable. It is read at start."
    )

    @field_validator("token_file", "admin_token_file")
    @classmethod
    def _is_the_only_one(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        other = str(info.field_name).removesuffix("_file")
        if value is not None and info.data.get(other) is not None:
            raise ValueError(f"{PREFIX}{other.upper()} is set too; set one of the two")
        return value

    @property
    def detection_key(self) -> SecretStr | None:
        """The token that detections need, wherever it was given."""
        return self.token or self.token_file

    @property
    def admin_key(self) -> SecretStr | None:
        """The admin's token, wherever it was given."""
        return self.admin_token or self.admin_token_file
