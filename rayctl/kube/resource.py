"""What is asked of the API: resources, verbs in the words of RBAC, and one call as a value.

Paths follow https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

from rayctl.api import names
from rayctl.api.document import Json


class Verb(StrEnum):
    """What RBAC calls it: a missing right is named so that it can be pasted into a Role."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS[self]


_METHODS: Mapping[Verb, str] = {
    Verb.GET: "GET",
    Verb.LIST: "GET",
    Verb.WATCH: "GET",
    Verb.CREATE: "POST",
    Verb.UPDATE: "PUT",
    Verb.PATCH: "PATCH",
    Verb.DELETE: "DELETE",
}


class ContentType(StrEnum):
    """How a body is to be understood."""

    JSON = "application/json"
    MERGE = "application/merge-patch+json"
    JSON_PATCH = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"
    """Server-side apply. JSON is YAML."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects, as its place in the API. All that we use live in namespaces."""

    group: str
    """'' for the core group."""
    version: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the path of an object, of a namespace's collection, or of all namespaces' (both '')."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, "namespaces", namespace] if namespace else [root]
        return "/".join([*parts, self.plural, *filter(None, (name, subresource))])

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
SECRETS = Resource("", "v1", "secrets")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
RAYCLUSTERS = Resource(names.GROUP, names.VERSION, names.PLURAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the API."""

    verb: Verb
    resource: Resource
    namespace: str
    """'' means all namespaces."""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    content_type: ContentType = ContentType.JSON
    metadata_only: bool = False
    """Of a LIST: have the objects come without spec and status."""

    @property
    def path(self) -> str:
        """The request's target: path and query."""
        path = self.resource.path(self.namespace, self.name, self.subresource)
        return f"{path}?{urlencode(self.query)}" if self.query else path

    @property
    def kind(self) -> str:
        """The resource as RBAC and metrics name it: ``rayclusters.cluster.ray.io/status``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)

    def __str__(self) -> str:
        place = f"in namespace {self.namespace}" if self.namespace else "in all namespaces"
        return " ".join(filter(None, (self.verb, self.kind, self.name, place)))
