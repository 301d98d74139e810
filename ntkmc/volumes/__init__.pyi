from .files import (
    is_volume as is_volume,
    read_volume as read_volume,
    read_volume_mask as read_volume_mask,
    require_writable as require_writable,
    write_volume as write_volume,
)
from .volume import Stored as Stored, Volume as Volume
