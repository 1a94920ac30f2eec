"""The keys of cameras and other programs."""

from fastapi import APIRouter

from serving.account_schema import AddKey, Key, NewKey
from serving.caller import Calling
from serving.routes.parameters import Id, Serving, problems

routes = APIRouter(tags=["keys"])


@routes.get("/keys", operation_id="list_keys")
def list_keys(service: Serving) -> list[Key]:
    """Every key, revoked ones too, newest first."""
    return service.keys.list()


@routes.post("/keys", operation_id="add_key", status_code=201, responses=problems(_409="A key of this name is in use."))
def add_key(service: Serving, caller: Calling, new: AddKey) -> NewKey:
    """Create a key; the answer shows its secret this once."""
    key, secret = service.keys.add(new.name, new.role, caller.signature, new.rate_limit)
    return NewKey(key=key, secret=secret)


@routes.delete("/keys/{id}", operation_id="revoke_key", responses=problems(_404="No such key."))
def revoke_key(service: Serving, caller: Calling, id: Id) -> Key:
    """Let nothing in with this key from now on."""
    key = service.keys.revoke(id, caller.signature)
    service.credentials.forget()
    return key
