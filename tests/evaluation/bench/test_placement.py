"""The counterpart that `bench placement` compares with is what it says."""

from __future__ import annotations

from pathlib import Path

from unishare.evaluation.bench.map_scale import synthetic_libraries
from unishare.evaluation.bench.placement import ScatteredZones
from unishare.formats.addresses import ZONE
from unishare.host.mappings import mapping_bytes
from unishare.toolchain.map.global_map import GlobalMap


def test_scattered_libraries_have_zones_of_their_own(tmp_path: Path) -> None:
    global_map = GlobalMap(tmp_path / "global.map", ScatteredZones)
    global_map.windows(synthetic_libraries(40, seed=3))
    owners: dict[int, str] = {}
    for entry in GlobalMap(tmp_path / "global.map", ScatteredZones).state().entries:
        for window in entry.windows.values():
            for zone in range(window.address // ZONE, (window.end - 1) // ZONE + 1):
                assert owners.setdefault(zone, entry.digest) == entry.digest
    assert len(owners) >= 80


def test_the_size_of_a_mapping_is_the_kernels(tmp_path: Path) -> None:
    slabs = tmp_path / "slabinfo"
    slabs.write_text("slabinfo - version: 2.1\nvm_area_struct_x 1 2 999 3\nvm_area_struct       912   1848    192   21    1\n")
    assert mapping_bytes(slabs) == 192
    assert mapping_bytes(tmp_path / "none") is None
