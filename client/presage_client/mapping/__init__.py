"""Events of other systems as Presage's own: Google Analytics 4 and Segment, live and from their exports.

Pure functions from decoded JSON to ``Event``: no I/O, no clock. What they map stands in docs/how-to/map-ga4-events.md and
docs/how-to/map-segment-events.md, whose tables are compared with the code.
"""

from presage_client.mapping.ga4 import GA4_EVENT_TYPES, map_ga4_export_row, map_ga4_payload
from presage_client.mapping.log_lines import to_log_line
from presage_client.mapping.segment import SEGMENT_EVENT_TYPES, map_segment_message

__all__ = [
    "GA4_EVENT_TYPES",
    "SEGMENT_EVENT_TYPES",
    "map_ga4_export_row",
    "map_ga4_payload",
    "map_segment_message",
    "to_log_line",
]
