"""What schemathesis has to know of Rookery: how one signs in, anew whenever a request has ended the sign-in, and what a
CSV file looks like."""

import json
import os
from pathlib import Path
import re
import ssl
import time
import urllib.request

from hypothesis import strategies
import schemathesis

URL = os.environ["ROOKERY_URL"]
MAILS = Path(os.environ["ROOKERY_MAILS"])
TRUST = ssl.create_default_context(cafile=os.environ["ROOKERY_CA"])
OWNER = os.environ["ROOKERY_OWNER"]
PASSWORD = os.environ["ROOKERY_PASSWORD"]


def ask(path, body):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=TRUST, timeout=20) as answer:
        return json.load(answer)


def wait_for_code(known):
    """The code in the first mail that is not among the known ones and has one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for mail in set(MAILS.glob("*.eml")) - known:
            if code := re.search(r"^(\d{6})\r?$", mail.read_text(), re.MULTILINE):
                return code[1]
        time.sleep(0.02)
    raise TimeoutError("no mail with a code came")


@schemathesis.auth()
class Owner:
    """Asked for a token at first, and again when one is refused."""

    def get(self, case, context):
        known = set(MAILS.glob("*.eml"))
        challenge = ask("/v1/login", {"name": OWNER, "password": PASSWORD})["challenge"]
        return ask("/v1/login/verify", {"challenge": challenge, "code": wait_for_code(known)})["token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_case(context, case):
    """Takes away what would end everything: the owner who asks is not removed, and stays owner."""
    if case.path.startswith("/v1/admins/") and (case.path_parameters or {}).get("name") == OWNER:
        case.path_parameters["name"] = "nobody"
    return case


CELL = strategies.text(max_size=20)
TARGET = strategies.sampled_from(["mallory@spam.example", "*@spam.example", "192.0.2.7", "2001:db8::/32", "nobody"])
HEADERS = strategies.sampled_from(
    ["name,email,created_at", "target,reason,by,created_at,expires_at", "name,email", "target", ""]
)
ROW = strategies.builds(
    lambda target, cells: ",".join([target, *cells]), TARGET | CELL, strategies.lists(CELL, max_size=5)
)
schemathesis.openapi.media_type(
    "text/csv",
    strategies.builds(
        lambda header, rows: "\n".join([header, *rows]).encode("utf-8", "surrogatepass"),
        HEADERS,
        strategies.lists(ROW, max_size=5),
    )
    | strategies.binary(max_size=200),
)


@schemathesis.serializer("text/csv")
def csv(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
