"""The feature sets that Presage comes with."""

from __future__ import annotations

from presage_featurizer.feature_set import FeatureSet

__all__ = ["BEHAVIOR", "CONVERSION", "CORE", "FEATURE_SETS", "RFM"]

CONVERSION = FeatureSet(
    name="conversion",
    features=(
        "recency_days",
        "frequency",
        "monetary_value",
        "days_since_first_purchase",
        "page_views",
        "product_views",
        "add_to_cart_events",
        "unique_products_viewed",
        "avg_product_price_viewed",
        "bounce_rate",
        "cart_items_count",
        "avg_cart_item_price",
        "max_cart_value",
        "hour_of_day",
        "user_segment_encoded",
        "device_encoded",
        "session_searches",
        "session_wishlist_adds",
        "last_event_type",
        "deepest_step",
    ),
)
"""The default set: the 20 features of purchase propensity."""

CORE = FeatureSet(
    name="core",
    features=(
        *CONVERSION.features,
        "avg_order_value",
        "cart_categories_count",
        "session_duration_minutes",
        "day_of_week",
        "event_count",
        "cart_brands_count",
        "is_weekend",
        "is_business_hours",
        "month",
        "quarter",
        "country_encoded",
        "session_list_views",
        "session_item_selections",
        "session_cart_removals",
        "session_cart_views",
        "session_checkouts",
        "session_payment_infos",
        "session_purchases",
        "session_repeat_views",
        "product_view_share",
        "last_event_step",
        "steps_reached",
        "seconds_since_last_event",
        "last_gap_seconds",
        "longest_gap_seconds",
        "mean_gap_seconds",
    ),
    countries=tuple(
        "AE AT AU BE BG BH BR CA CH CN CY CZ DE DK EE ES FI FR GB GR HK HR HU IE IL IN IS IT JP KR "  # noqa: SIM905 - reads better
        "LB LT LU LV MT MX NL NO NZ PL PT RO RU SA SE SG SI SK TR UA US ZA".split()
    ),
)
"""All features that need no habits: 46."""

RFM = FeatureSet(
    name="rfm",
    features=(
        "recency_days",
        "frequency",
        "monetary_value",
        "avg_order_value",
        "days_since_first_purchase",
        "user_segment_encoded",
    ),
)
"""Recency, frequency, monetary value: only the visitor's orders."""

BEHAVIOR = FeatureSet(
    name="behavior",
    features=(
        *CONVERSION.features,
        "avg_order_value",
        "cart_categories_count",
        "session_duration_minutes",
        "day_of_week",
        "event_count",
        "cart_brands_count",
        "is_business_hours",
        "month",
        "country_encoded",
        "session_list_views",
        "session_cart_views",
        "session_checkouts",
        "longest_gap_seconds",
        "total_events",
        "unique_products",
        "events_per_day",
        "cart_adds",
        "searches",
        "wishlist_adds",
        "group_views",
        "group_joins",
        "view_to_cart_rate",
        "cart_to_checkout_rate",
        "checkout_to_purchase_rate",
        "overall_conversion_rate",
        "peak_activity_hour",
        "peak_activity_day",
        "is_weekend_shopper",
        "category_diversity",
        "categories_explored",
        "top_category_share",
        "days_since_last_event",
        "recency_score",
        "engagement_score",
        "item_affinity",
        "category_affinity",
        "repeat_view_rate",
        "price_vs_user_average",
    ),
    countries=CORE.countries,
)
"""The features that predict best together where there is much history: 58."""

FEATURE_SETS = {feature_set.name: feature_set for feature_set in (CONVERSION, CORE, RFM, BEHAVIOR)}
"""The feature sets that Presage comes with, by name."""
