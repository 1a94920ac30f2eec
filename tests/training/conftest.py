from tests.training_fixture import trained_bundle

__all__ = ["trained_bundle"]
