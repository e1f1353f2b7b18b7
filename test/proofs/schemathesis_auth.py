"""Has Schemathesis send whatever token schemathesis.ts keeps alive: the calls that it makes end tokens too."""

import os
import pathlib

import schemathesis

TOKEN = pathlib.Path(os.environ["TOKEN_FILE"])


@schemathesis.auth(refresh_interval=None)
class KeptToken:
    def get(self, case, context):
        return TOKEN.read_text()

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"
