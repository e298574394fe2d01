"""The partitions of the graph."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_START_TAG, PARTITION_NAME_TAG

ALBUM_ID = "album_id"
album_id = dg.DynamicPartitionsDefinition(name=ALBUM_ID)
"""One partition per album. New keys are appended, so that "all that is new" is one contiguous range."""

# add_dynamic_partitions writes one INSERT with all keys it is given.
_KEYS_PER_INSERT = 5000


def register_albums(instance: dg.DagsterInstance, album_ids: Sequence[str]) -> list[str]:
    """Add the albums that are not yet partitions, in the given order; returns those that were added."""
    known = set(instance.get_dynamic_partitions(ALBUM_ID))
    unseen = [key for key in dict.fromkeys(album_ids) if key not in known]
    for start in range(0, len(unseen), _KEYS_PER_INSERT):
        instance.add_dynamic_partitions(ALBUM_ID, unseen[start : start + _KEYS_PER_INSERT])
    return unseen


def album_ids_of_run(context: dg.AssetExecutionContext) -> list[str]:
    """The partition keys of this run, in insertion order.

    Raises:
        dagster.Failure: there are none. A range whose start was added after its end resolves to nothing, and
            without this the step would succeed and record a materialization of no partition.
    """
    keys = list(context.partition_keys)
    if not keys:
        raise dg.Failure(
            "The partition range of this run holds no album: its start was added after its end, or its albums were"
            " removed. Ranges follow the order in which albums were added; ask again with the ends exchanged.",
            allow_retries=False,
        )
    return keys


def is_of_albums(tags: Mapping[str, str]) -> bool:
    """True for the tags of a run over albums; a run of what is built from all albums has none of them."""
    return PARTITION_NAME_TAG in tags or ASSET_PARTITION_RANGE_START_TAG in tags
