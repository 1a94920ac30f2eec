"""Who may sign in."""

from fastapi import APIRouter

from serving.account_schema import AddPerson, ChangePerson, OneTimePassword, Person
from serving.caller import Calling
from serving.routes.parameters import Id, Serving, problems

routes = APIRouter(tags=["people"])


@routes.get("/people", operation_id="list_people")
def list_people(service: Serving) -> list[Person]:
    """Everybody who may sign in, or might once, by name."""
    return service.people.list()


@routes.post("/people", operation_id="add_person", status_code=201, responses=problems(_409="The name is taken."))
def add_person(service: Serving, caller: Calling, new: AddPerson) -> OneTimePassword:
    """Add a person; the answer shows the one-time password this once."""
    person, password = service.people.add(new.name, new.role, caller.signature)
    return OneTimePassword(person=person, password=password)


@routes.patch(
    "/people/{id}",
    operation_id="change_person",
    responses=problems(_404="No such person.", _409="No admin would be left."),
)
def change_person(service: Serving, caller: Calling, id: Id, change: ChangePerson) -> Person:
    """Disable, enable, or give another role; the person is signed out everywhere."""
    person = service.people.change(id, caller.signature, change.role, change.disabled)
    service.credentials.forget()
    return person


@routes.post(
    "/people/{id}/password",
    operation_id="reset_password",
    responses=problems(_404="No such person.", _409="The person signs in with the identity provider."),
)
def reset_password(service: Serving, caller: Calling, id: Id) -> OneTimePassword:
    """A new one-time password, shown this once; the person is signed out everywhere."""
    password = service.people.reset_password(id, caller.signature)
    service.credentials.forget()
    return OneTimePassword(person=service.people.get(id), password=password)
