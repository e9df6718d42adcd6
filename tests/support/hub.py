"""A Hugging Face hub of this process, on the loopback: what huggingface_hub asks it for models."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_made_up"
LFS = ".safetensors"  # files that go another way, as on the hub
Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: its commits, oldest first, and whether it is private."""

    private: bool
    commits: list[tuple[str, Files]] = field(default_factory=list)

    def commit(self, files: Files) -> str:
        """Add a commit; its name is the sha of what it holds."""
        before = self.commits[-1][0] if self.commits else ""
        digest = hashlib.sha1(before.encode())
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0".encode() + content)
        self.commits.append((digest.hexdigest(), dict(files)))
        return digest.hexdigest()

    def at(self, revision: str) -> tuple[str, Files] | None:
        """The commit of a branch or of a name."""
        if revision == "main":
            return self.commits[-1]
        return next((made for made in self.commits if made[0] == revision), None)


class Hub:
    """The repositories, the requests that came, and the server."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("_", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("size", str(len(content))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, document: Any) -> None:
        self.answer(200, json.dumps(document).encode(), Content_Type="application/json")

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, X_Error_Code=code, X_Error_Message=f"{code} of {self.path}")

    @property
    def signed_in(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def repo(self, name: str) -> Repo | None:
        found = self.hub.repos.get(name)
        return None if found is None or (found.private and not self.signed_in) else found

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.describe(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/(.+)", path):
            self.tree(*found.groups())
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.give(*found.groups())
        else:
            self.refuse(404, "EntryNotFound")

    def describe(self, name: str, revision: str) -> None:
        repo = self.repo(name)
        made = None if repo is None else repo.at(revision)
        if repo is None:
            self.refuse(401, "RepoNotFound")
        elif made is None:
            self.refuse(404, "RevisionNotFound")
        else:
            files = [{"rfilename": name, "size": len(data)} for name, data in made[1].items()]
            self.json({"id": name, "sha": made[0], "private": repo.private, "siblings": files})

    def tree(self, name: str, revision: str) -> None:
        repo = self.repo(name)
        made = None if repo is None else repo.at(revision)
        files = made[1] if made else {}
        self.json(
            [
                {
                    "type": "file",
                    "path": path,
                    "size": len(data),
                    "oid": hashlib.sha1(data).hexdigest(),
                }
                for path, data in files.items()
            ]
        )

    def give(self, name: str, revision: str, file: str) -> None:
        repo = self.repo(name)
        made = None if repo is None else repo.at(revision)
        if made is None or file not in made[1]:
            self.refuse(404, "EntryNotFound" if made else "RepoNotFound")
            return
        content = made[1][file]
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        self.answer(200, content, ETag=etag, X_Repo_Commit=made[0])

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.hub.blobs[hashlib.sha256(body).hexdigest()] = body
        self.answer(200)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"POST {path}")
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if path == "/api/validate-yaml":
            self.json({"errors": [], "warnings": []})
        elif not self.signed_in:
            self.refuse(401, "Unauthorized")
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            self.json({"files": [_way(file) for file in json.loads(body)["files"]]})
        elif found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            upload = {"upload": {"href": f"{self.hub.url}/lfs"}}
            objects = [{**each, "actions": upload} for each in json.loads(body)["objects"]]
            self.json({"transfer": "basic", "objects": objects})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self.commit(found[1], [json.loads(line) for line in body.splitlines()])
        else:
            self.refuse(404, "EntryNotFound")

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        if name in self.hub.repos:
            self.answer(409, json.dumps({"url": f"{self.hub.url}/{name}"}).encode())
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repos[name] = Repo(private=private)
        self.hub.repos[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        self.json({"url": f"{self.hub.url}/{name}", "name": name})

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repo = self.hub.repos[name]
        files = dict(repo.commits[-1][1])
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    if value.get("parentCommit") not in (None, repo.commits[-1][0]):
                        self.refuse(412, "Conflict")
                        return
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.blobs[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = repo.commit(files)
        self.json({"commitUrl": f"{self.hub.url}/{name}/commit/{commit}", "commitOid": commit})


def _way(file: dict[str, Any]) -> dict[str, Any]:
    is_lfs = file["path"].endswith(LFS)
    return {
        "path": file["path"],
        "uploadMode": "lfs" if is_lfs else "regular",
        "shouldIgnore": False,
    }
