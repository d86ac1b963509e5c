"""`deploy/kubernetes` fits Kubernetes' own schemas."""

from typing import Any

import kubernetes_validate
import pytest

from .test_kubernetes import ALL


@pytest.mark.parametrize("document", ALL, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_manifest_fits_the_schema_of_its_kind(document: Any) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
