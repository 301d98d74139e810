from ._folder import ROOT_VARIABLE as ROOT_VARIABLE
from .histology import Tiles as Tiles, area_average as area_average, load_tiles as load_tiles
from .images import CHECKSUMS as CHECKSUMS, MaskedImage as MaskedImage, load_image as load_image
from .masks import hole_mask as hole_mask, random_mask as random_mask
from .volume_masks import (
    ball_mask as ball_mask,
    dropped_mask as dropped_mask,
    moving_hole_mask as moving_hole_mask,
    slabs_mask as slabs_mask,
)
from .volumes import (
    NamedVolume as NamedVolume,
    load_volume as load_volume,
    panning_video as panning_video,
    synthetic_video as synthetic_video,
)
from .tables import (
    Table as Table,
    load_table as load_table,
    read_table as read_table,
    write_table as write_table,
)
