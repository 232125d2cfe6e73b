"""NWB files of continuous responses: regions of interest with their table."""

from __future__ import annotations

import numpy as np
from hdmf.common import DynamicTableRegion, VectorData
from pynwb import NWBFile
from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel, PlaneSegmentation, RoiResponseSeries

SIZES = [1.0, 2.0, 3.0, 4.0]
KINDS = ["pyr", "int", "pyr", "pyr"]


def add_imaging(file: NWBFile, values: np.ndarray, *, rows: list[int], rate: float = 10.0) -> None:
    """Add dF/F `dff` (time, ROI) at a rate, whose columns are rows of a table of four ROIs with the ids 11 to 14."""
    channel = OpticalChannel(name="green", description="green", emission_lambda=510.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="a plane",
        device=file.create_device("microscope"),
        excitation_lambda=920.0,
        indicator="GCaMP",
        location="V1",
    )
    masks = VectorData(name="image_mask", description="where", data=np.ones((4, 2, 2)))
    kinds = VectorData(name="kind", description="of cell", data=KINDS)
    sizes = VectorData(name="size", description="um", data=SIZES)
    table = PlaneSegmentation("cells", plane, "PlaneSegmentation", id=[11, 12, 13, 14], columns=[masks, kinds, sizes])
    segmentation = ImageSegmentation(name="ImageSegmentation", plane_segmentations=[table])
    module = file.create_processing_module("ophys", "imaging")
    module.add(segmentation)
    region = DynamicTableRegion(name="rois", data=rows, description="which", table=table)
    series = RoiResponseSeries(name="dff", data=values, unit="n.a.", rois=region, rate=rate, starting_time=0.0)
    module.add(DfOverF(name="DfOverF", roi_response_series=[series]))
