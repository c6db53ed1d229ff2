"""Which fleets `bench idle` measures."""

from __future__ import annotations

from unishare.evaluation.bench.idle import configurations


def test_only_machines_can_be_given_back_and_only_the_pools_fleets_are_measured_so() -> None:
    process = [configuration.name for configuration in configurations(("dce", "aslr"), "process")]
    kvm = [configuration.name for configuration in configurations(("dce", "aslr"), "kvm")]
    assert process == ["dce copy", "aslr pool", "aslr pool snapshot"]
    assert kvm == [*process, "aslr pool parked", "aslr pool snapshot parked"]
