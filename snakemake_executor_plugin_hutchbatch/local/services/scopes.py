"""What a signature must be made for: the service, its region and the day.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from datetime import datetime
from xml.sax.saxutils import escape

from nanio.errors import AuthorizationHeaderMalformed, S3Error


class WrongRegion(AuthorizationHeaderMalformed):
    """S3's answer names the right region, so that clients can sign again for it."""

    def __init__(self, given: str, right: str) -> None:
        super().__init__(
            f"The authorization header is malformed; the region '{given}' is wrong; expecting "
            f"'{right}'"
        )
        self.region = right

    def to_xml(self) -> bytes:
        body: bytes = super().to_xml()
        end = b"</Error>"
        return body.replace(end, f"<Region>{escape(self.region)}</Region>".encode() + end)


class WrongScope(S3Error):
    """Of services other than S3; their own code for it is theirs to say."""

    code = "WrongScope"
    http_status = 403


def check_scope(
    service: str, region: str, given_service: str, given_region: str, day: str, date: datetime
) -> None:
    """Raises what the service answers to a signature for another service, region or day."""
    s3 = service == "s3"
    if given_service != service:
        words = f"Credential should be scoped to correct service: '{service}'. "
        if s3:
            words = (
                f'The authorization header is malformed; incorrect service "{given_service}". '
                'This endpoint belongs to "s3".'
            )
        raise AuthorizationHeaderMalformed(words) if s3 else WrongScope(words)
    # STS's global endpoint is signed for us-east-1.
    if given_region != region and not (service == "sts" and given_region == "us-east-1"):
        if s3:
            raise WrongRegion(given_region, region)
        raise WrongScope("Credential should be scoped to a valid region. ")
    if day != date.strftime("%Y%m%d"):
        words = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of {date}"
        raise AuthorizationHeaderMalformed(words) if s3 else WrongScope(words)
